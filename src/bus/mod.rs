//! The bus: an [`Outbox`] to send announcements to, and a [`Queue`] to work from. [`memory`] and
//! [`aws`] implement both, and pass the same contract suite. In a service, only the runtime
//! holds them: a role must never be able to send or delete.

pub mod aws;
mod batch;
mod batched;
mod flow;
mod joiners;
pub mod memory;

use std::{fmt::Debug, future::Future, time::Duration};

use futures_util::future::BoxFuture;

pub use self::{
    batch::{Driver, ENTRIES_MAX},
    batched::{Answer, Batched, Requests},
    joiners::{Joiner, Joiners, Waiting},
};
use crate::wire::{Incoming, Message, TaskAnswer, TaskToken};

/// The attribute of a dead letter that says to which group of a FIFO queue the message belongs.
pub const GROUP: &str = "group";

/// The most messages one receive can bring.
pub const RECEIVE_MAX: usize = 10;

/// A message as it was received. It should get a verdict before its visibility timeout is over.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub incoming: Incoming,
    /// The SQS message id. A redrive changes it, so it is for logs only.
    pub message_id: String,
    pub receipt_handle: ReceiptHandle,
    /// The group of a message on a FIFO queue: none of its messages overtakes another one.
    pub group: Option<String>,
}

/// The right of one receive to delete, extend or give back its message. A later receive of the same
/// message makes it invalid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptHandle(pub String);

/// Why a message goes to the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message attributes of the copy, each at most 1 KiB: `class`, `reason`, `booking` and so
    /// on.
    pub attributes: Vec<(&'static str, String)>,
}

/// Where a role's announcements go: to SNS topics, or back to the caller that brought the message.
pub trait Outbox: Send + Sync + 'static {
    /// Sends one message that `cause` announces. After this has returned, every subscriber gets the
    /// message at least once. Sending the same message again does no harm.
    ///
    /// # Errors
    /// When the message may not have been sent. Then `cause` must be delivered again.
    fn send(
        &self,
        cause: &Incoming,
        message: &Message,
    ) -> impl Future<Output = Result<(), BusError>> + Send;
}

/// Where the tasks of a state machine are answered.
pub trait Desk: Debug + Send + Sync + 'static {
    /// Answers a task, and says whether the machine has heard it. Answering again does no harm.
    ///
    /// # Errors
    /// When the task may still wait for its answer.
    fn answer<'a>(
        &'a self,
        token: &'a TaskToken,
        answer: &'a TaskAnswer,
    ) -> BoxFuture<'a, Result<Answered, BusError>>;

    /// Says that a task is still worked on, so that its heartbeat does not time out.
    ///
    /// # Errors
    /// When the machine may not have heard it.
    fn beat<'a>(&'a self, token: &'a TaskToken) -> BoxFuture<'a, Result<(), BusError>>;
}

/// What became of the answer to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The machine goes on with it.
    Heard,
    /// The task has timed out, is over or is unknown: nobody waits for it.
    NobodyWaits,
}

/// The operations of SQS that a service uses on its own queue.
///
/// Nothing more is promised than by a standard queue of SQS: a message is delivered at least once,
/// in any order, and again whenever its visibility timeout ends before it is deleted.
pub trait Queue: Send + Sync + 'static {
    /// Tells the queue that one more delivery is in flight, until the returned guard is dropped. A
    /// queue that sends several calls in one request then knows how many could still join it.
    fn joiner(&self) -> Joiner {
        Joiner::default()
    }

    /// Tells the queue that no further delivery will come, so that nothing has to wait for one.
    fn no_more(&self) {}

    /// Receives at most `max` messages (1 to [`RECEIVE_MAX`]), and waits up to `wait` for the first
    /// one. Each message is hidden from other receivers for `visibility`.
    fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<Delivery>, BusError>> + Send;

    /// Deletes a received message. An invalid handle is no error: the message was deleted before,
    /// or it will be delivered again, and both are harmless.
    fn delete(&self, handle: &ReceiptHandle) -> impl Future<Output = Result<(), BusError>> + Send;

    /// Makes a received message visible again after `after`. An invalid handle is no error.
    fn give_back(
        &self,
        handle: &ReceiptHandle,
        after: Duration,
    ) -> impl Future<Output = Result<(), BusError>> + Send;

    /// Hides received messages for `visibility` from now on, in as few requests as possible.
    /// Returns what became of each, in the same order as the handles.
    ///
    /// # Errors
    /// If none of the requests was answered.
    fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<Extension>, BusError>> + Send;

    /// Puts a copy of the message on the role's dead-letter queue, with its body unchanged. The
    /// caller deletes the message itself afterwards. If the process dies in between, the message
    /// exists twice, but is never lost.
    fn set_aside(
        &self,
        delivery: &Delivery,
        why: &DeadLetter,
    ) -> impl Future<Output = Result<(), BusError>> + Send;
}

/// What became of one message in [`Queue::extend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// It stays hidden for the new time.
    Done,
    /// Its receipt handle is no longer valid: the message is visible again, or was deleted.
    Stale,
    /// The request failed for this message, or was not answered. It is hidden at least for as long
    /// as it was before, and another try may work.
    Unknown,
}

/// Why an outbox or a queue could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// A topic or queue does not exist or may not be used. Waiting does not help: a person has to
    /// fix it.
    #[error("could not {operation} `{name}`: it does not exist or may not be used")]
    Refused {
        /// Such as `publish to`.
        operation: &'static str,
        /// The name of the topic or queue.
        name: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The operation failed this time, or its result is unknown.
    #[error("could not {operation} `{name}`")]
    Failed {
        /// Such as `publish to`.
        operation: &'static str,
        /// The name of the topic or queue.
        name: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
