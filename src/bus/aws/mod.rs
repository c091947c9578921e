//! The bus on AWS: SNS topics or an event bus, and one SQS queue with its dead-letter queue. It
//! must never create or change any of them; that is the work of Terraform.

mod event_bus;
mod failure;
mod fit;
mod mapped;
mod message;
mod publisher;
mod requests;
mod tasks;

pub(crate) use failure::failure;
pub use mapped::MappedQueue;
pub(crate) use message::{delivery, seconds};
pub use publisher::AwsPublisher;
pub(crate) use requests::{Returned, SqsQueue, change_visibility};
pub use tasks::{AwsDesk, AwsMachine, BesideMachine};

use std::{sync::Arc, time::Duration};

use aws_sdk_sqs::types::MessageSystemAttributeName;
use tokio::task::JoinSet;

use self::requests::{all, is_stale, stale_is_done, text};
use super::{
    Answer, Batched, BusError, DeadLetter, Delivery, ENTRIES_MAX, Extension, RECEIVE_MAX,
    ReceiptHandle, Requests, flow::Flow,
};
use crate::{
    aws::{AwsError, Clients, Home, Names, Right},
    clock::Clock,
    domain::{ServiceName, event::Kind},
    wire::{Message, TRACEPARENT, TRACESTATE},
};

/// One service's queue, and where it publishes. Calls at the same time share their requests.
pub type AwsBus = Batched<AwsRequests>;

/// The requests to SQS, and to SNS or EventBridge.
#[derive(Clone, Debug)]
pub struct AwsRequests {
    queue: SqsQueue,
    /// A separate client for receives, so that their failures do not use up the retries of the
    /// other requests.
    polls: aws_sdk_sqs::Client,
    publisher: AwsPublisher,
    dead_letter_url: String,
    dead_letter_arn: String,
    deletes: Arc<Flow>,
    /// Whether receives ask for the contexts of traces.
    traced: bool,
    /// Whether the queues are FIFO.
    fifo: bool,
}

impl AwsBus {
    /// Finds the service's queue by its name, and from its ARN the account and region of queue and
    /// topics. A delete waits for at most `deletes_linger` for others to share its request.
    ///
    /// The last part of the result is the set of the tasks that send the batches. They end with the
    /// last clone of the bus. A task that ends before has panicked, and the bus is of no use any
    /// more. A set that is dropped aborts its tasks.
    ///
    /// # Errors
    /// When the queue does not exist or may not be used, or AWS cannot be reached.
    pub async fn connect(
        clients: &Clients,
        names: &Names,
        service: impl Into<ServiceName>,
        deletes_linger: Duration,
    ) -> Result<(AwsBus, Home, JoinSet<()>), AwsError> {
        AwsBus::connect_by(clients, names, service, deletes_linger, false, None).await
    }

    /// As [`AwsBus::connect`]. If `traced`, each delivery brings the context of its trace, as far
    /// as SQS has it. Publishes on an event bus, if there is a client for it, and on topics
    /// otherwise.
    ///
    /// # Errors
    /// As [`AwsBus::connect`].
    pub async fn connect_by(
        clients: &Clients,
        names: &Names,
        service: impl Into<ServiceName>,
        deletes_linger: Duration,
        traced: bool,
        event_bus: Option<aws_sdk_eventbridge::Client>,
    ) -> Result<(AwsBus, Home, JoinSet<()>), AwsError> {
        let service = service.into();
        let queue = names.queue(service);
        let queue_url = clients.queue_url(&queue).await?;
        let dead_letter_queue = names.dead_letter_queue(service);
        let dead_letter_url = clients.queue_url(&dead_letter_queue).await?;
        let home = clients.home_of_queue(&queue, &queue_url).await?;
        let (arn, sqs) = (home.queue_arn(&queue), clients.sqs.clone());
        let publisher = match event_bus {
            Some(it) => AwsPublisher::event_bus(it, names.clone(), home.clone()),
            None => AwsPublisher::topics(clients, names.clone(), home.clone()),
        };
        let (bus, drivers) = Batched::new(AwsRequests {
            queue: SqsQueue { sqs, name: queue, url: queue_url, arn },
            polls: clients.polls.clone(),
            dead_letter_url,
            dead_letter_arn: home.queue_arn(&dead_letter_queue),
            publisher,
            deletes: Arc::new(Flow::new(deletes_linger)),
            traced,
            fifo: names.are_fifo(),
        });
        Ok((bus, home, drivers.into_iter().collect()))
    }
}

impl AwsRequests {
    /// The ARN of the service's queue.
    #[must_use]
    pub fn queue_arn(&self) -> &str {
        &self.queue.arn
    }

    /// Where it publishes.
    #[must_use]
    pub fn publisher(&self) -> &AwsPublisher {
        &self.publisher
    }
}

impl Requests for AwsRequests {
    async fn publish(&self, kind: Kind, messages: Vec<Message>) -> Vec<Answer> {
        let (publisher, count) = (self.publisher.clone(), messages.len());
        let name = publisher.name(kind);
        let published = async move { publisher.publish_all(kind, messages).await };
        apart(count, "publish to", &name, published).await
    }

    async fn delete(&self, handles: Vec<ReceiptHandle>) -> Vec<Answer> {
        let (queue, count) = (self.queue.clone(), handles.len());
        let deleted = async move { stale_is_done(queue.delete(handles).await) };
        apart(count, "delete from", &self.queue.name, deleted).await
    }

    async fn give_back(&self, handles: Vec<(ReceiptHandle, Duration)>) -> Vec<Answer> {
        let (queue, count) = (self.queue.clone(), handles.len());
        let given_back = async move { stale_is_done(queue.give_back(handles).await) };
        apart(count, "give messages back to", &self.queue.name, given_back).await
    }

    fn deletes_wait(&self, entries: usize) -> Duration {
        self.deletes.next(Clock::Machine.steady(), entries)
    }

    async fn linger_to_delete(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        let mut receive = self
            .polls
            .receive_message()
            .queue_url(&self.queue.url)
            .max_number_of_messages(
                i32::try_from(max.clamp(1, RECEIVE_MAX)).expect("it is at most 10"),
            )
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(visibility))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("type");
        if self.fifo {
            let group = MessageSystemAttributeName::MessageGroupId;
            receive = receive.message_system_attribute_names(group);
        }
        if self.traced {
            receive = receive
                .message_attribute_names(TRACEPARENT)
                .message_attribute_names(TRACESTATE)
                .message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader);
        }
        let received = receive.send().await.map_err(|it| {
            let right = self.queue.right("sqs:ReceiveMessage");
            failure("receive from", &self.queue.name, right, it)
        })?;
        Ok(received.messages.unwrap_or_default().into_iter().filter_map(delivery).collect())
    }

    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<Extension>, BusError> {
        let mut extensions = Vec::with_capacity(handles.len());
        let mut error = None;
        for handles in handles.chunks(ENTRIES_MAX) {
            for answer in self.queue.extend(handles, visibility).await {
                extensions.push(match answer {
                    Ok(()) => Extension::Done,
                    Err(it) if is_stale(&it) => Extension::Stale,
                    Err(it) => {
                        error = Some(it);
                        Extension::Unknown
                    }
                });
            }
        }
        // If a part of them is extended, the caller has to know which.
        let all_failed = extensions.iter().all(|it| *it == Extension::Unknown);
        error.filter(|_| all_failed).map_or(Ok(extensions), Err)
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Answer {
        let SqsQueue { sqs, name, .. } = &self.queue;
        let mut send = sqs
            .send_message()
            .queue_url(&self.dead_letter_url)
            .message_body(&delivery.incoming.body);
        for (name, value) in fit::beside(&delivery.incoming.body, &why.attributes) {
            send = send.message_attributes(name, text(value));
        }
        if self.fifo {
            // A group of its own: otherwise a command that looks at the dead letters of a booking
            // would see only the first ones.
            send = send
                .message_group_id(&delivery.message_id)
                .message_deduplication_id(&delivery.message_id);
        }
        send.send().await.map(drop).map_err(|it| {
            let resource = self.dead_letter_arn.clone();
            failure(
                "set aside a message of",
                name,
                Right { action: "sqs:SendMessage", resource },
                it,
            )
        })
    }
}

/// Runs a request in its own task, so that a panic fails only this request and not the driver.
async fn apart(
    count: usize,
    operation: &'static str,
    name: &str,
    request: impl Future<Output = Vec<Answer>> + Send + 'static,
) -> Vec<Answer> {
    // The words of the panic are dropped, since they may quote a message.
    tokio::spawn(request).await.unwrap_or_else(|_| {
        let (name, source) = (name.to_owned(), RequestDied.into());
        all(count, BusError::Failed { operation, name, source })
    })
}

/// The task of a request panicked.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this program has a bug: see the panic in the log before this line")]
struct RequestDied;

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
