//! The two queues where a role's dead messages are: looked at without being taken, and put back.
//!
//! A message is never lost here: it is deleted only after the role's own queue has it, and whatever
//! was received and not put back becomes visible again, at the latest when its time is over.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_sqs::{
    error::ProvideErrorMetadata,
    types::{MessageSystemAttributeName, QueueAttributeName},
};

use super::{
    AwsError, Clients, Names, account,
    clients::failure,
    delivery,
    requests::{change_visibility, text},
    seconds, stale,
};
use crate::{
    aws::Right,
    bus::{BusError, Delivery, ENTRIES_MAX, RECEIVE_MAX, wire::Intake},
    domain::RoleName,
};

/// How long a receive waits. Without waiting SQS asks only some of its servers, and would miss
/// messages; with it the answer is complete.
const WAIT: Duration = Duration::from_secs(1);
/// How long a message is hidden while it is looked at. Whoever dies meanwhile leaves it to come back
/// by itself after this.
const HIDDEN: Duration = Duration::from_secs(60);

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

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// The messages, the oldest first.
    pub messages: Vec<Dead>,
    /// Whether the limit was reached, so that there may be more.
    pub more: bool,
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

    /// Looks at no more than `limit` messages of each queue, and leaves them where they are: visible
    /// again at once. Looking counts as a receive.
    ///
    /// # Errors
    /// When a queue cannot be received from.
    pub async fn look(&self, limit: usize) -> Result<Found, BusError> {
        let found = self.take(limit).await?;
        self.give_back(&found.messages).await;
        Ok(found)
    }

    /// The same, and hides them for a minute, so that no other redrive puts them back as well. What
    /// is not put back is to be given back.
    ///
    /// # Errors
    /// When a queue cannot be received from.
    pub async fn take(&self, limit: usize) -> Result<Found, BusError> {
        let (set_aside, undelivered) =
            tokio::join!(self.receive(Place::Dlq, limit), self.receive(Place::Undelivered, limit));
        let more = [&set_aside, &undelivered]
            .into_iter()
            .any(|it| it.as_ref().is_ok_and(|it| it.len() >= limit));
        let mut messages = Vec::new();
        let mut failed = None;
        for received in [set_aside, undelivered] {
            match received {
                Ok(it) => messages.extend(it),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            self.give_back(&messages).await;
            return Err(error);
        }
        messages.sort_by(|one, other| {
            let age = |it: &Dead| (it.delivery.sent_at, it.place);
            age(one)
                .cmp(&age(other))
                .then_with(|| one.delivery.message_id.cmp(&other.delivery.message_id))
        });
        Ok(Found { messages, more })
    }

    /// One receive after another until one brings nothing new. SQS may bring a message twice.
    async fn receive(&self, place: Place, limit: usize) -> Result<Vec<Dead>, BusError> {
        let queue = self.queue(place);
        let mut found = BTreeMap::<String, Dead>::new();
        while found.len() < limit {
            let max = RECEIVE_MAX.min(limit - found.len());
            let received = self
                .clients
                .polls
                .receive_message()
                .queue_url(&queue.url)
                .max_number_of_messages(i32::try_from(max).unwrap_or(1))
                .wait_time_seconds(seconds(WAIT))
                .visibility_timeout(seconds(HIDDEN))
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .message_attribute_names("All")
                .send()
                .await
                .map_err(|it| {
                    let right = self.right("sqs:ReceiveMessage", queue);
                    failure("receive from", &queue.name, right, it)
                });
            let received = match received {
                Ok(it) => it.messages.unwrap_or_default(),
                Err(error) => {
                    let found: Vec<Dead> = found.into_values().collect();
                    self.give_back(&found).await;
                    return Err(error);
                }
            };
            let before = found.len();
            for dead in received.into_iter().filter_map(|it| dead(place, it)) {
                // The newer receipt handle is the one that counts.
                found.insert(dead.delivery.message_id.clone(), dead);
            }
            if found.len() == before {
                break;
            }
        }
        Ok(found.into_values().collect())
    }

    /// Makes messages visible again at once. One that cannot be comes back by itself.
    pub async fn give_back(&self, messages: &[Dead]) {
        for place in [Place::Dlq, Place::Undelivered] {
            let here: Vec<&Dead> = messages.iter().filter(|it| it.place == place).collect();
            for lot in here.chunks(ENTRIES_MAX) {
                let at_once = lot.iter().map(|it| (&it.delivery.receipt_handle, Duration::ZERO));
                // Whatever fails here, whole or in part, is visible again when its time is over.
                let url = &self.queue(place).url;
                let _ = change_visibility(&self.clients.sqs, url, at_once).await;
            }
        }
    }

    /// Puts a message back on the role's queue, body untouched, without what was written on it when
    /// it died. Dying between the send and the delete leaves it on both: twice, never lost.
    ///
    /// # Errors
    /// When it could not be sent, or was sent and could not be deleted.
    pub async fn redrive(&self, dead: &Dead, to: &Queue) -> Result<(), BusError> {
        let send = self.clients.sqs.send_message().queue_url(&to.url);
        let mut send = send.message_body(&dead.delivery.body);
        // Only a raw delivery has it, and there it says what the body may not.
        if let Some(kind) = &dead.delivery.kind_attribute {
            send = send.message_attributes("type", text(kind));
        }
        send.send().await.map_err(|it| {
            failure("put back on", &to.name, self.right("sqs:SendMessage", to), it)
        })?;
        let queue = self.queue(dead.place);
        let delete = self.clients.sqs.delete_message().queue_url(&queue.url);
        let handle = &dead.delivery.receipt_handle.0;
        match delete.receipt_handle(handle).send().await {
            Err(it) if !stale(it.code(), it.message()) => {
                Err(failure("delete from", &queue.name, self.right("sqs:DeleteMessage", queue), it))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn right(&self, action: &'static str, queue: &Queue) -> Right {
        self.clients.right_to(action, &queue.name, Some(&queue.url))
    }

    fn queue(&self, place: Place) -> &Queue {
        match place {
            Place::Dlq => &self.dlq,
            Place::Undelivered => &self.undelivered,
        }
    }
}

/// None when SQS left out what every message has.
fn dead(place: Place, message: aws_sdk_sqs::types::Message) -> Option<Dead> {
    let texts = message.message_attributes.iter().flatten();
    let attributes = texts.filter_map(|(name, it)| Some((name.clone(), it.string_value.clone()?)));
    let attributes = attributes.collect();
    let source = MessageSystemAttributeName::DeadLetterQueueSourceArn;
    let moved = message.attributes.as_ref().is_some_and(|it| it.contains_key(&source));
    Some(Dead { place, delivery: delivery(message)?, moved, attributes })
}
