//! The bus: an [`Outbox`] to announce in, and one [`Queue`] to work from. [`memory`] and [`aws`]
//! have both and pass one contract suite. Only the runtime holds them; a role can neither send nor
//! delete.

pub mod aws;
mod batch;
mod batched;
mod hands;
pub mod memory;

use std::{future::Future, time::Duration};

pub use self::{
    batch::{Driver, ENTRIES_MAX},
    batched::{Answer, Batched, Requests},
    hands::{Hands, InHand, Waiting},
};
use crate::wire::{Incoming, Message};

/// The most messages one receive can bring.
pub const RECEIVE_MAX: usize = 10;

/// A message as it was received, to be given a verdict before its visibility timeout is over.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What it says, and how it came.
    pub incoming: Incoming,
    /// SQS's id. A redrive changes it: for logs only.
    pub message_id: String,
    /// What this receive may delete or give back.
    pub receipt_handle: ReceiptHandle,
}

/// What one receive may delete or give back. A later receive of the same message makes it stale.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptHandle(pub String);

/// Why a message goes to the dead-letter queue, as its message attributes will say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Attributes by name, each at most 1 KiB: `class`, `reason`, `booking`, ….
    pub attributes: Vec<(&'static str, String)>,
}

/// Where a role's announcements go: to SNS topics, or as an answer to the sender of the cause.
pub trait Outbox: Send + Sync + 'static {
    /// Sends one message that `cause` announces. When it returns, every listener will get the
    /// message, at least once. Sending the same message again does no harm.
    ///
    /// # Errors
    /// When the message may not have been sent: `cause` must come again.
    fn send(
        &self,
        cause: &Incoming,
        message: &Message,
    ) -> impl Future<Output = Result<(), BusError>> + Send;
}

/// The verbs of SQS that a service uses, on its own queue.
///
/// Standard queues: a message is delivered at least once, in any order, and again whenever its
/// visibility timeout is over before it was deleted.
pub trait Queue: Send + Sync + 'static {
    /// Says that a delivery is being worked on, until what it returns is dropped. A queue that sends
    /// several calls as one request then knows whose call may still come.
    fn in_hand(&self) -> InHand {
        InHand::default()
    }

    /// At most `max` (1 to [`RECEIVE_MAX`]) messages; waits up to `wait` for the first. Each is
    /// hidden from others for `visibility` from now on.
    fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<Delivery>, BusError>> + Send;

    /// Deletes what was received. A handle that is no longer good is no error: the message was
    /// deleted, or will be delivered again, and both are dealt with.
    fn delete(&self, handle: &ReceiptHandle) -> impl Future<Output = Result<(), BusError>> + Send;

    /// Makes what was received visible again after `after`. A handle that is no longer good is no
    /// error.
    fn give_back(
        &self,
        handle: &ReceiptHandle,
        after: Duration,
    ) -> impl Future<Output = Result<(), BusError>> + Send;

    /// Hides what was received for `visibility` from now on, all in as few requests as there can
    /// be. Says for each handle, in order, whether it is still good; what nobody knows counts as
    /// good.
    fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<bool>, BusError>> + Send;

    /// Puts a copy of the body, untouched, on the role's dead-letter queue. The message itself is
    /// still to be deleted: dying in between leaves it twice, never lost.
    fn set_aside(
        &self,
        delivery: &Delivery,
        why: &DeadLetter,
    ) -> impl Future<Output = Result<(), BusError>> + Send;
}

/// Why it could not be sent, or the queue could not do it.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// A topic or a queue is not there, or not ours to use: a person has to mend it.
    #[error("could not {operation} `{name}`: it does not exist or may not be used")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// The topic or queue.
        name: String,
        /// What the service said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It did not work this time.
    #[error("could not {operation} `{name}`")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// The topic or queue.
        name: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
