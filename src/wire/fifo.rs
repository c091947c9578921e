//! The two ids that a FIFO topic or queue wants of each message. The group is the booking, so that
//! its messages come one after the other. The deduplication id follows from the id of the event.
//!
//! A client must never know the deduplication id of an outcome before it is published: a queue
//! drops whatever comes within five minutes after a message with the same deduplication id, and any
//! client may put any deduplication id on a request. The ids of outcomes can be computed, so on a
//! FIFO topic their deduplication ids are made with a key.

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Message;

/// The most characters of either id that SNS and SQS accept.
const ID_MAX: usize = 128;

/// The subjects of canaries begin so.
const CANARY: &str = "canary-";

/// The ids of one message on a FIFO topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FifoIds {
    /// The booking. Its messages are delivered one after the other.
    pub group: String,
    /// SNS and SQS take two messages with the same one within five minutes for one.
    pub deduplication: String,
}

/// The secret that the deduplication ids of outcomes are made with. Each process has its own: an
/// outcome that another process publishes again is delivered again, as on a standard topic.
#[derive(Clone)]
pub struct FifoKey([u8; 32]);

/// What a message of ours says of itself.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Ids {
    id: String,
    source: String,
    subject: String,
}

impl FifoKey {
    /// A new secret.
    #[must_use]
    pub fn random() -> FifoKey {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).expect("the system has random bytes");
        FifoKey(key)
    }

    /// The ids of a message. The same message always gets the same ids.
    #[must_use]
    pub fn ids(&self, message: &Message) -> FifoIds {
        let Ids { id, source, subject } = serde_json::from_str(&message.body).unwrap_or_default();
        let of_client = message.kind.publisher().is_none();
        let fits = |it: &str| {
            (1..=ID_MAX).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_graphic())
        };
        let deduplication = if of_client && fits(&id) {
            id
        } else if of_client {
            hexadecimal(&Sha256::digest(&message.body))
        } else {
            let mut mac =
                Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
            // A source has no line break.
            mac.update(format!("{source}\n{id}").as_bytes());
            hexadecimal(&mac.finalize().into_bytes())
        };
        // The order of canaries means nothing, so none of them waits for another one.
        let has_order = fits(&subject) && !subject.starts_with(CANARY);
        let group = if has_order { subject } else { deduplication.clone() };
        FifoIds { group, deduplication }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

impl std::fmt::Debug for FifoKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FifoKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::event::Kind;

    fn message(kind: Kind, id: &str) -> Message {
        let body = json!({"id": id, "source": "/booking/seats", "subject": "b-1"}).to_string();
        Message { kind, body, trace: None }
    }

    #[test]
    fn the_group_is_the_booking_and_a_request_keeps_its_own_id() {
        let ids = FifoKey::random().ids(&message(Kind::BookingRequested, "e-1"));
        assert_eq!(ids, FifoIds { group: "b-1".to_owned(), deduplication: "e-1".to_owned() });
    }

    /// Otherwise a request with the id of a later outcome would make SQS drop that outcome.
    #[test]
    fn nobody_can_tell_the_deduplication_id_of_an_outcome_beforehand() {
        let (here, there) = (FifoKey::random(), FifoKey::random());
        let outcome = message(Kind::PaymentFailed, "e-1");
        let ids = here.ids(&outcome);
        assert_eq!(here.ids(&outcome), ids, "what is published again is dropped");
        assert_ne!(there.ids(&outcome).deduplication, ids.deduplication);
        assert_ne!(ids.deduplication, "e-1");
        assert_ne!(here.ids(&message(Kind::PaymentFailed, "e-2")).deduplication, ids.deduplication);
        assert_eq!(format!("{here:?}"), "FifoKey(…)");
    }

    #[test]
    fn an_id_that_sns_would_refuse_is_hashed() {
        let key = FifoKey::random();
        for id in ["", "a b", "é", &"x".repeat(129)] {
            let ids = key.ids(&message(Kind::BookingRequested, id));
            assert_eq!(ids.deduplication.len(), 64, "{id:?}");
        }
        let longest = "x".repeat(128);
        let ids = key.ids(&message(Kind::BookingRequested, &longest));
        assert_eq!(ids.deduplication, longest);
    }
}
