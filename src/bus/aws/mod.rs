//! The real bus: SNS topics and one SQS queue with its dead-letter queues.

pub mod account;
mod clients;
mod dead_letters;
mod fit;
mod lots;
mod names;
mod requests;
mod scan;
mod topics;

pub use clients::{AwsError, Clients};
pub use dead_letters::{Dead, DeadLetters, Place, Queue};
pub use lots::{Filed, Lot};
pub use names::{Home, Names};
pub use scan::Scan;
pub use topics::AwsTopics;

use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName;
use jiff::Timestamp;

use self::{
    clients::failure,
    requests::{Queue as OwnQueue, all, change_visibility, stale_is_done, text},
};
use super::{
    Answer, Batched, BusError, DeadLetter, Delivery, ENTRIES_MAX, RECEIVE_MAX, ReceiptHandle,
    Requests,
};
use crate::{
    aws::Right,
    domain::{RoleName, event::Kind},
    wire::Incoming,
};

/// One role's queue, and every topic. What is published, deleted and given back at the same time
/// leaves in one request.
pub type AwsBus = Batched<AwsRequests>;

/// What SNS and SQS are asked.
#[derive(Clone, Debug)]
pub struct AwsRequests {
    queue: OwnQueue,
    /// A client of its own for the open receives, whose failures must not eat the others' retries.
    polls: aws_sdk_sqs::Client,
    topics: AwsTopics,
    dead_letter_url: String,
    dead_letter_arn: String,
    deletes_linger: Duration,
}

impl AwsBus {
    /// Finds the role's queue by name, and from its ARN the home of queue and topics. A delete
    /// waits for others for `deletes_linger`.
    ///
    /// # Errors
    /// When the queue is not there, may not be used, or AWS cannot be reached.
    pub async fn connect(
        clients: &Clients,
        names: &Names,
        role: RoleName,
        deletes_linger: Duration,
    ) -> Result<(AwsBus, Home), AwsError> {
        let queue = names.queue(role);
        let queue_url = clients.queue_url(&queue).await?;
        let dead_letter_queue = names.dead_letter_queue(role);
        let dead_letter_url = clients.queue_url(&dead_letter_queue).await?;
        let home = clients.home_of_queue(&queue, &queue_url).await?;
        let (arn, sqs) = (home.queue_arn(&queue), clients.sqs.clone());
        let (bus, drivers) = Batched::new(AwsRequests {
            queue: OwnQueue { sqs, name: queue, url: queue_url, arn },
            polls: clients.polls.clone(),
            dead_letter_url,
            dead_letter_arn: home.queue_arn(&dead_letter_queue),
            topics: AwsTopics::new(clients, names.clone(), home.clone()),
            deletes_linger,
        });
        // They end with the last copy of the bus.
        for driver in drivers {
            tokio::spawn(driver);
        }
        Ok((bus, home))
    }
}

impl Requests for AwsRequests {
    async fn publish(&self, kind: Kind, bodies: Vec<String>) -> Vec<Answer> {
        let (topic, count) = (self.topics.topic(kind), bodies.len());
        let name = topic.name.clone();
        apart(count, "publish to", &name, async move { topic.publish(bodies).await }).await
    }

    async fn delete(&self, handles: Vec<ReceiptHandle>) -> Vec<Answer> {
        let (queue, count) = (self.queue.clone(), handles.len());
        let deleted = async move { stale_is_done(queue.delete(handles).await) };
        apart(count, "delete from", &self.queue.name, deleted).await
    }

    async fn give_back(&self, handles: Vec<(ReceiptHandle, Duration)>) -> Vec<Answer> {
        let (queue, count) = (self.queue.clone(), handles.len());
        let given_back = async move { stale_is_done(queue.give_back(handles).await) };
        apart(count, "give back to", &self.queue.name, given_back).await
    }

    async fn linger_to_delete(&self) {
        tokio::time::sleep(self.deletes_linger).await;
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        let received = self
            .polls
            .receive_message()
            .queue_url(&self.queue.url)
            .max_number_of_messages(i32::try_from(max.clamp(1, RECEIVE_MAX)).unwrap_or(10))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(visibility))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("type")
            .send()
            .await
            .map_err(|it| {
                let right = self.queue.right("sqs:ReceiveMessage");
                failure("receive from", &self.queue.name, right, it)
            })?;
        Ok(received.messages.unwrap_or_default().into_iter().filter_map(delivery).collect())
    }

    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<bool>, BusError> {
        let OwnQueue { sqs, name, url, .. } = &self.queue;
        let mut ours = vec![true; handles.len()];
        for (chunk, handles) in handles.chunks(ENTRIES_MAX).enumerate() {
            let changes = handles.iter().map(|it| (it, visibility));
            let changed = change_visibility(sqs, url, changes).await;
            let changed = changed.map_err(|it| {
                let right = self.queue.right("sqs:ChangeMessageVisibility");
                failure("extend messages of", name, right, it)
            })?;
            for failed in changed.failed {
                // What SQS could not do for its own reasons may be done by the next heartbeat.
                if stale(Some(&failed.code), failed.message.as_deref())
                    && let Ok(at) = failed.id.parse::<usize>()
                    && let Some(ours) = ours.get_mut(chunk * ENTRIES_MAX + at)
                {
                    *ours = false;
                }
            }
        }
        Ok(ours)
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Answer {
        let OwnQueue { sqs, name, .. } = &self.queue;
        let mut send = sqs
            .send_message()
            .queue_url(&self.dead_letter_url)
            .message_body(&delivery.incoming.body);
        for (name, value) in fit::beside(&delivery.incoming.body, &why.attributes) {
            send = send.message_attributes(name, text(value));
        }
        send.send().await.map(drop).map_err(|it| {
            let resource = self.dead_letter_arn.clone();
            failure("set aside from", name, Right { action: "sqs:SendMessage", resource }, it)
        })
    }
}

/// A request in a task of its own: one that panics fails alone.
async fn apart(
    count: usize,
    operation: &'static str,
    name: &str,
    request: impl Future<Output = Vec<Answer>> + Send + 'static,
) -> Vec<Answer> {
    // What it said when it died may quote a message, and is not told.
    tokio::spawn(request).await.unwrap_or_else(|_| {
        let (name, source) = (name.to_owned(), RequestDied.into());
        all(count, BusError::Failed { operation, name, source })
    })
}

/// A request met a bug.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this program has a bug: see the panic in the log before this line")]
struct RequestDied;

/// Whether SQS says that the receipt handle is no longer good, in any of its ways.
fn stale(code: Option<&str>, message: Option<&str>) -> bool {
    let (code, message) = (code.unwrap_or_default(), message.unwrap_or_default());
    let gone = message.contains("not available for visibility timeout change")
        || message.contains("receipt handle has expired");
    code.contains("ReceiptHandleIsInvalid")
        || code.contains("MessageNotInflight")
        || (code.contains("InvalidParameterValue") && gone)
}

/// Whole seconds, rounded up: SQS knows no smaller unit.
fn seconds(duration: Duration) -> i32 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

/// None when SQS left out what every message has.
fn delivery(message: aws_sdk_sqs::types::Message) -> Option<Delivery> {
    let attributes = message.attributes.unwrap_or_default();
    let number = |name| attributes.get(&name).and_then(|it: &String| it.parse::<i64>().ok());
    let attempt = number(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(1);
    let sent_ms = number(MessageSystemAttributeName::SentTimestamp).unwrap_or(0);
    let kind_attribute = message.message_attributes.and_then(|mut it| it.remove("type"));
    Some(Delivery {
        incoming: Incoming {
            body: message.body?,
            kind_attribute: kind_attribute.and_then(|it| it.string_value),
            sent_at: Timestamp::from_millisecond(sent_ms).unwrap_or(Timestamp::UNIX_EPOCH),
            attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
        },
        message_id: message.message_id.unwrap_or_default(),
        receipt_handle: ReceiptHandle(message.receipt_handle?),
    })
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[tokio::test]
    async fn of_a_request_that_panics_nothing_is_told_but_that_it_did() {
        let request = async { panic!("{}", "Ada ada@example.com tok_visa") };
        for answer in apart(2, "publish to", "t", request).await {
            let error = answer.unwrap_err();
            let source = error.source().unwrap();
            let told = format!("{error} {error:?} {source} {source:?}");
            assert!(told.contains("bug") && !told.contains("Ada"), "{told}");
        }
    }
}
