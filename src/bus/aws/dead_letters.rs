//! The two queues where a role's dead messages are. `scan` looks through them, `lots` puts back and
//! deletes.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use super::{AwsError, Clients, Names, account, delivery};
use crate::{aws::Right, bus::Delivery, domain::RoleName, wire::Intake};

/// Which of the two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// What the role set aside, and what SQS moved there after too many receives.
    Dlq,
    /// What SNS could not deliver to the role's queue.
    Undelivered,
}

impl Place {
    /// How the queue's name ends.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Place::Dlq => "dlq",
            Place::Undelivered => "undelivered",
        }
    }
}

/// A message that died.
#[derive(Clone, Debug)]
pub struct Dead {
    /// Where it is.
    pub place: Place,
    /// The message, as its role would receive it.
    pub delivery: Delivery,
    /// Whether SQS says that it moved it here from the role's queue.
    pub moved: bool,
    /// Its message attributes: ours when the role set it aside, those of SNS when that could not
    /// deliver it.
    pub attributes: BTreeMap<String, String>,
}

/// A role's two dead-letter queues.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    clients: Clients,
    role_queue: String,
    dlq: Queue,
    undelivered: Queue,
}

/// A queue that is there.
#[derive(Clone, Debug)]
pub struct Queue {
    name: String,
    url: String,
}

impl Queue {
    async fn find(clients: &Clients, name: String) -> Result<Queue, AwsError> {
        let url = clients.queue_url(&name).await?;
        Ok(Queue { name, url })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl DeadLetters {
    /// What the role takes for an event; with `raw` also without an envelope.
    ///
    /// # Errors
    /// When the queue may not be looked at, or AWS cannot be reached.
    pub async fn intake(&self, names: &Names, raw: bool) -> Result<Intake, AwsError> {
        let Queue { name, url } = &self.dlq;
        Ok(self.clients.home_of_queue(name, url).await?.intake(names, raw))
    }

    /// Finds the two queues by name. The role's own may be gone: that is why messages are here.
    ///
    /// # Errors
    /// When one is not there, may not be used, or AWS cannot be reached.
    pub async fn connect(
        clients: &Clients,
        names: &Names,
        role: RoleName,
    ) -> Result<DeadLetters, AwsError> {
        Ok(DeadLetters {
            clients: clients.clone(),
            role_queue: names.queue(role),
            dlq: Queue::find(clients, names.dead_letter_queue(role)).await?,
            undelivered: Queue::find(clients, names.undelivered_queue(role)).await?,
        })
    }

    /// The queue to put messages back on.
    ///
    /// # Errors
    /// When it is not there, may not be used, or AWS cannot be reached.
    pub async fn role_queue(&self) -> Result<Queue, AwsError> {
        Queue::find(&self.clients, self.role_queue.clone()).await
    }

    /// The name of one of the two.
    #[must_use]
    pub fn name(&self, place: Place) -> &str {
        &self.queue(place).name
    }

    /// After how many receives SQS moves a message; none when SQS does not say.
    pub async fn receives_max(&self) -> Option<u64> {
        let policy = QueueAttributeName::RedrivePolicy;
        let url = self.clients.queue_url(&self.role_queue).await.ok()?;
        let ask = self.clients.sqs.get_queue_attributes().queue_url(url);
        let answer = ask.attribute_names(policy.clone()).send().await.ok()?;
        account::redrive(answer.attributes?.get(&policy)?).map(|it| it.receives_max)
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The right to do `action` on one of the queues.
    pub(super) fn right(&self, action: &'static str, queue: &Queue) -> Right {
        self.clients.right_to(action, &queue.name, Some(&queue.url))
    }

    pub(super) fn queue(&self, place: Place) -> &Queue {
        match place {
            Place::Dlq => &self.dlq,
            Place::Undelivered => &self.undelivered,
        }
    }
}

/// None when SQS left out what every message has.
pub(super) fn dead(place: Place, message: aws_sdk_sqs::types::Message) -> Option<Dead> {
    let texts = message.message_attributes.iter().flatten();
    let attributes = texts.filter_map(|(name, it)| Some((name.clone(), it.string_value.clone()?)));
    let attributes = attributes.collect();
    let source = MessageSystemAttributeName::DeadLetterQueueSourceArn;
    let moved = message.attributes.as_ref().is_some_and(|it| it.contains_key(&source));
    Some(Dead { place, delivery: delivery(message)?, moved, attributes })
}
