//! Why a message died, in words: by what is written on it, and by where it is.

use jiff::Timestamp;
use serde::Serialize;

use super::mask;
use crate::{
    bus::aws::{Dead, Place},
    domain::{
        event::{Event, Kind},
        ids::BookingId,
    },
    wire::{self, Intake, Refusal},
};

/// A dead message, read as its role would read it.
pub(super) struct Case {
    /// The message.
    pub(super) dead: Dead,
    /// What its role makes of it.
    pub(super) read: Result<Event, Refusal>,
    /// Whether it is a canary, which a role knows before it reads it.
    pub(super) canary: bool,
    /// The type of the event, as far as it can be made out.
    pub(super) kind: Option<Kind>,
    /// The booking, as far as it can be made out.
    pub(super) booking: Option<BookingId>,
    /// Why it died, in a few words and in more.
    pub(super) why: Why,
}

/// Why a message died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Why {
    /// For machines.
    pub(super) class: String,
    /// For people.
    pub(super) reason: String,
}

impl Case {
    /// Reads a dead message that died of `why`, as a role with this `intake` would.
    pub(super) fn new(dead: Dead, why: Why, intake: &Intake) -> Case {
        let read = wire::decode(&dead.delivery.incoming, intake);
        let canary = wire::read_canary(&dead.delivery.incoming, intake).is_some();
        let written = dead.attributes.get("booking").and_then(|it| BookingId::parse(it).ok());
        let (kind, booking) = match &read {
            Ok(event) => (Some(event.kind()), Some(event.booking.clone())),
            Err(refusal) => (refusal.kind, refusal.booking.clone()),
        };
        Case { kind, booking: booking.or(written), why, dead, read, canary }
    }

    /// By which the oldest is the first.
    pub(super) fn age(&self) -> (Timestamp, Place, &str) {
        let delivery = &self.dead.delivery;
        (delivery.incoming.sent_at, self.dead.place, &delivery.message_id)
    }

    /// The event's type, or `?`.
    pub(super) fn kind(&self) -> &'static str {
        self.kind.map_or("?", Kind::topic)
    }

    /// The booking, or `?`.
    pub(super) fn booking(&self) -> &str {
        self.booking.as_ref().map_or("?", BookingId::as_str)
    }
}

/// Why a message died; `receives_max` is after how many receives SQS moves one.
pub(super) fn why(dead: &Dead, receives_max: Option<u64>) -> Why {
    let written = |name: &str| dead.attributes.get(name).map(|it| mask::line(it));
    let told = |class: &str, reason: String| Why { class: class.to_owned(), reason };
    match (dead.place, written("class")) {
        (Place::Undelivered, _) => {
            let said = [written("ErrorCode"), written("ErrorMessage")].into_iter().flatten();
            let said = said.collect::<Vec<_>>().join(" ");
            let ask = "is the role's queue there, and does its policy let the topic send?";
            let said = if said.is_empty() { ask.to_owned() } else { said };
            told("undelivered", format!("SNS could not deliver it: {said}"))
        }
        // Who was set aside before and put back with it still carries the older reason.
        (Place::Dlq, _) if dead.moved => {
            let times = receives_max.map_or("too often".to_owned(), |it| format!("{it} times"));
            let log = "the role's log says why, at `given back`";
            told("retries-exhausted", format!("received {times} without success; {log}"))
        }
        (Place::Dlq, Some(class)) => Why { class, reason: written("reason").unwrap_or_default() },
        (Place::Dlq, None) => told(
            "unexplained",
            "nothing on it says why: received too often without success, or put here by hand"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Delivery, ReceiptHandle};
    use crate::wire::Incoming;

    #[test]
    fn why_a_message_died_is_read_off_it() {
        let aside = [("class", "malformed"), ("reason", "data.flight: is missing")];
        let sns = [("ErrorCode", "403"), ("ErrorMessage", "not ours, says ops@example.com")];
        for (place, moved, attributes, class, reason) in [
            (Place::Dlq, false, &aside[..], "malformed", "data.flight: is missing"),
            (Place::Dlq, true, &aside[..], "retries-exhausted", "received 10 times without"),
            (Place::Dlq, true, &[], "retries-exhausted", "received 10 times without success"),
            (Place::Dlq, false, &[], "unexplained", "nothing on it says why"),
            (
                Place::Undelivered,
                false,
                &sns[..],
                "undelivered",
                "SNS could not deliver it: 403 not ours, says o***@e***.com",
            ),
            (
                Place::Undelivered,
                false,
                &[],
                "undelivered",
                "SNS could not deliver it: is the role's queue there",
            ),
        ] {
            let text = |it: &(&str, &str)| (it.0.to_owned(), it.1.to_owned());
            let delivery = Delivery {
                incoming: Incoming {
                    body: "{}".to_owned(),
                    kind_attribute: None,
                    sent_at: Timestamp::UNIX_EPOCH,
                    attempt: 1,
                },
                message_id: "m".to_owned(),
                receipt_handle: ReceiptHandle("h".to_owned()),
            };
            let attributes = attributes.iter().map(text).collect();
            let told = why(&Dead { place, delivery, moved, attributes }, Some(10));
            assert_eq!(told.class, class);
            assert!(told.reason.starts_with(reason), "{told:?}");
        }
    }
}
