//! Events as text: CloudEvents 1.0 in structured JSON mode, inside an SNS envelope or raw.
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

/// The major version of every schema in `topics/`.
pub const SCHEMA_VERSION: u32 = 1;
