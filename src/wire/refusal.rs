//! Why a message is not a valid event. A refusal says where the problem is and what was expected
//! there. It must never quote the message.

use jiff::Timestamp;

use super::json::Flaw;
use crate::domain::{event::Kind, ids::BookingId};

/// What kind of problem a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The message is not JSON, does not have the fields of the event, or has an impossible value.
    Malformed,
    /// The message has a type that no topic of ours has.
    UnknownType,
    /// The schema has another major version, or CloudEvents another version.
    UnsupportedVersion,
    /// The message holds what could be a card number.
    CardNumber,
    /// The message comes, or claims to come, from a publisher that may not publish such an event.
    Untrusted,
}

impl Why {
    /// Its name in logs, metrics and dead letters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Why::Malformed => "malformed",
            Why::UnknownType => "unknown-type",
            Why::UnsupportedVersion => "unsupported-version",
            Why::CardNumber => "card-number",
            Why::Untrusted => "untrusted",
        }
    }
}

/// A message that is not a valid event: what is wrong with it, and what could be read nevertheless.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flaw}")]
pub struct Refusal {
    pub why: Why,
    pub flaw: Flaw,
    /// The booking that the message is about: its own booking id if that can be read, else the SNS
    /// MessageId.
    pub booking: Option<BookingId>,
    /// The topic that the message came from, or else the type that it names.
    pub kind: Option<Kind>,
    pub sent_at: Timestamp,
}

impl Refusal {
    /// The booking that the message asked for, if it was meant as a request.
    #[must_use]
    pub fn requested(&self) -> Option<&BookingId> {
        self.booking.as_ref().filter(|_| self.kind == Some(Kind::BookingRequested))
    }
}

/// What was read, or the class and the place of the problem.
pub(super) type Read<T> = Result<T, (Why, Flaw)>;

impl From<Flaw> for (Why, Flaw) {
    fn from(flaw: Flaw) -> Self {
        (Why::Malformed, flaw)
    }
}
