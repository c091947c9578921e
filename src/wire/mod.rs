//! The wire format: events as CloudEvents 1.0 in structured JSON mode, inside an envelope of SNS or
//! EventBridge, or raw. This module must never know a bus; the bus is built on it.
//!
//! [`decode()`] returns an event whose every part was checked, or a [`Refusal`] that says where the
//! problem is and what was expected there. A refusal must never quote the message.

mod attributes;
mod canary;
mod canary_key;
mod data;
mod decode;
mod digest;
mod encode;
mod envelope;
mod fast_digest;
mod fifo;
mod intake;
mod json;
mod refusal;
mod schema;
mod seal;
mod task;
mod trace;

pub use canary::{Caught, canary, canary_heard, read_canary};
pub use canary_key::CanaryKey;
pub use data::read_request;
pub use decode::decode;
pub use digest::digest;
pub use encode::{EVENT_BYTES_MAX, TooLarge, encode, request_data};
pub(crate) use envelope::without_mark;
pub use envelope::{Origin, origin};
pub use fifo::{FifoIds, FifoKey};
pub use intake::{Intake, bus_source};
pub use json::Flaw;
pub use refusal::{Refusal, Why};
pub use seal::SealKey;
pub(crate) use task::read_task;
pub use task::{Task, TaskAnswer, TaskToken};
pub use trace::{Hop, TRACEPARENT, TRACESTATE, TraceContext};

use jiff::Timestamp;

use crate::domain::{
    canary::Canary,
    event::{Event, Kind},
};

/// A message as it was received, from SQS or any other source.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The text of the message, with or without an envelope.
    pub body: String,
    /// The message attribute `type`, which only a raw delivery has.
    pub kind_attribute: Option<String>,
    /// When the message was put on the queue.
    pub sent_at: Timestamp,
    /// How often the message was received, this time included.
    pub attempt: u32,
    /// What the delivery tells about its trace. Only with traces on.
    pub hop: Option<Box<Hop>>,
}

/// An event as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The type of the event. It names the topic, and is the SNS message attribute `type`.
    pub kind: Kind,
    /// The CloudEvent in structured JSON mode.
    pub body: String,
    /// The span that publishes it: SNS message attributes carry it. Only with traces on.
    pub trace: Option<TraceContext>,
}

/// What a message turned out to be.
#[derive(Debug)]
pub enum Content {
    Event(Box<Event>),
    /// What a state machine asks for. Only from a queue of tasks.
    Task(Box<Task>),
    /// A canary that an operator sent. No rule and no booking's row ever sees one.
    Canary(Canary),
    /// A canary that was not made with the key of this service.
    StrangeCanary,
    /// Not a valid event, and why.
    Refused(Box<Refusal>),
}

/// Opens a message: its envelope, its CloudEvent and its data. `intake` says what is accepted. The
/// cost is at most linear in the size of the message.
#[must_use]
pub fn open(incoming: &Incoming, intake: &Intake) -> Content {
    if let Some(key) = intake.seal_key() {
        return match read_task(incoming, key) {
            Ok(task) => Content::Task(task.into()),
            Err(refusal) => Content::Refused(refusal.into()),
        };
    }
    match read_canary(incoming, intake) {
        Some(Caught::Ours(canary)) => Content::Canary(canary),
        Some(Caught::Strange) => Content::StrangeCanary,
        None => match decode(incoming, intake) {
            Ok(event) => Content::Event(event.into()),
            Err(refusal) => Content::Refused(refusal.into()),
        },
    }
}

pub use crate::topics::SCHEMA_VERSION;
