//! The two dead-letter queues of a role. Finding them must never change a queue.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use crate::{
    aws::{AwsError, Clients, DeadQueue, Home, Names, Redrive, Right},
    bus::{Delivery, GROUP, aws::delivery},
    domain::RoleName,
};

/// A message on a dead-letter queue.
#[derive(Clone, Debug)]
pub struct Dead {
    /// The queue that it is on.
    pub place: DeadQueue,
    /// The message, as its role would receive it.
    pub delivery: Delivery,
    /// Whether SQS moved the message here from the role's queue, according to SQS.
    pub moved: bool,
    /// The message attributes. The role wrote them if it set the message aside, and SNS wrote them
    /// if it could not deliver the message.
    pub attributes: BTreeMap<String, String>,
}

impl Dead {
    /// The group that the message belongs to on a FIFO queue. What was set aside has a group of its
    /// own here, and says in an attribute to which it belongs.
    #[must_use]
    pub fn group(&self) -> &str {
        let own = self.delivery.group.as_deref();
        let is_set_aside = self.place == DeadQueue::Dlq && !self.moved;
        let said = self.attributes.get(GROUP).filter(|_| is_set_aside).map(String::as_str);
        said.or(own).unwrap_or(&self.delivery.message_id)
    }
}

/// A role's two dead-letter queues.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    clients: Clients,
    role_queue: String,
    dlq: NamedQueue,
    undelivered: NamedQueue,
}

/// A queue that exists.
#[derive(Clone, Debug)]
pub struct NamedQueue {
    name: String,
    url: String,
}

impl NamedQueue {
    async fn find(clients: &Clients, name: String) -> Result<NamedQueue, AwsError> {
        let url = clients.queue_url(&name).await?;
        Ok(NamedQueue { name, url })
    }

    /// The name of the queue.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl DeadLetters {
    /// Partition, region and account of the queues.
    ///
    /// # Errors
    /// When the queue may not be read, or AWS cannot be reached.
    pub async fn home(&self) -> Result<Home, AwsError> {
        let NamedQueue { name, url } = &self.dlq;
        self.clients.home_of_queue(name, url).await
    }

    /// Finds the two queues by name. The role's own queue is not needed: messages may be here just
    /// because it does not exist.
    ///
    /// # Errors
    /// When one of the two does not exist or may not be used, or AWS cannot be reached.
    pub async fn connect(
        clients: &Clients,
        names: &Names,
        role: RoleName,
    ) -> Result<DeadLetters, AwsError> {
        Ok(DeadLetters {
            clients: clients.clone(),
            role_queue: names.queue(role),
            dlq: NamedQueue::find(clients, names.dead_letter_queue(role)).await?,
            undelivered: NamedQueue::find(clients, names.undelivered_queue(role)).await?,
        })
    }

    /// The role's own queue, on which messages are put back.
    ///
    /// # Errors
    /// When it does not exist or may not be used, or AWS cannot be reached.
    pub async fn role_queue(&self) -> Result<NamedQueue, AwsError> {
        NamedQueue::find(&self.clients, self.role_queue.clone()).await
    }

    /// The name of one of the two queues.
    #[must_use]
    pub fn name(&self, place: DeadQueue) -> &str {
        &self.queue(place).name
    }

    /// After how many receives SQS moves a message here; `None` when SQS does not say.
    pub async fn receives_max(&self) -> Option<u64> {
        let policy = QueueAttributeName::RedrivePolicy;
        let url = self.clients.queue_url(&self.role_queue).await.ok()?;
        let ask = self.clients.sqs.get_queue_attributes().queue_url(url);
        let answer = ask.attribute_names(policy.clone()).send().await.ok()?;
        Redrive::of_policy(answer.attributes?.get(&policy)?).map(|it| it.receives_max)
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The right to do `action` on one of the queues.
    pub(super) fn right(&self, action: &'static str, queue: &NamedQueue) -> Right {
        self.clients.right_to(action, &queue.name, Some(&queue.url))
    }

    pub(super) fn queue(&self, place: DeadQueue) -> &NamedQueue {
        match place {
            DeadQueue::Dlq => &self.dlq,
            DeadQueue::Undelivered => &self.undelivered,
        }
    }
}

/// A message of SQS as a dead letter. `None` if it has no body or no receipt handle.
pub(super) fn dead(place: DeadQueue, message: aws_sdk_sqs::types::Message) -> Option<Dead> {
    let texts = message.message_attributes.iter().flatten();
    let attributes = texts.filter_map(|(name, it)| Some((name.clone(), it.string_value.clone()?)));
    let attributes = attributes.collect();
    let source = MessageSystemAttributeName::DeadLetterQueueSourceArn;
    let moved = message.attributes.as_ref().is_some_and(|it| it.contains_key(&source));
    Some(Dead { place, delivery: delivery(message)?, moved, attributes })
}
