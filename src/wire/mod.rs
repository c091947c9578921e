//! Events as text: CloudEvents 1.0 in structured JSON mode, inside an SNS envelope or raw. Knows no
//! bus: what brings a message and takes one away is built on this.
//!
//! What a service may rely on: [`decode()`] gives an event whose every part was checked, or a
//! [`Refusal`] that says where and what was expected and never quotes the message.

mod asked;
mod canary;
mod canary_key;
mod decode;
mod encode;
mod intake;
mod node;
mod plain;
mod schema;

pub use asked::read_request;
pub use canary::{Caught, canary, canary_heard, read_canary};
pub use canary_key::CanaryKey;
pub use decode::{Origin, Refusal, Why, decode, digest, origin};
pub use encode::{EVENT_BYTES_MAX, TooLarge, encode, request_data};
pub use intake::Intake;
pub use node::Flaw;

use jiff::Timestamp;

use crate::domain::event::Kind;

/// A message as it came in, whatever brought it.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The text, enveloped or raw.
    pub body: String,
    /// The message attribute `type`, which only a raw delivery has.
    pub kind_attribute: Option<String>,
    /// When it was put on the queue.
    pub sent_at: Timestamp,
    /// How often it was received, this time included.
    pub attempt: u32,
}

/// An event's text on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which topic, and the SNS message attribute `type`.
    pub kind: Kind,
    /// A CloudEvent in structured JSON mode.
    pub body: String,
}

/// The major version of every schema in `topics/`.
pub const SCHEMA_VERSION: u32 = 1;
