//! Why a message became a dead letter, read from its attributes and from the queue that it is on.
//! Every word of it that somebody else wrote must be masked.

use jiff::Timestamp;
use serde::Serialize;

use super::{mask, queues::Dead};
use crate::{
    aws::DeadQueue,
    domain::{
        event::{Event, Kind},
        ids::BookingId,
    },
    wire::{self, Intake, Refusal},
};

/// A dead letter, decoded as its role would decode it.
pub(crate) struct Case {
    pub(crate) dead: Dead,
    /// The event, or why its role refuses it.
    pub(crate) read: Result<Event, Refusal>,
    /// Whether it is a canary, which a role recognises before it decodes a message.
    pub(crate) canary: bool,
    /// The type of the event, if the message shows it.
    pub(crate) kind: Option<Kind>,
    /// The booking, if the message shows it.
    pub(crate) booking: Option<BookingId>,
    pub(crate) why: Why,
}

/// Why a message is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Why {
    /// A word for machines, such as `malformed`.
    pub(crate) class: String,
    /// An explanation for people.
    pub(crate) reason: String,
}

impl Case {
    /// Decodes a dead letter as a role with this `intake` would.
    pub(crate) fn new(dead: Dead, why: Why, intake: &Intake) -> Case {
        let read = wire::decode(&dead.delivery.incoming, intake);
        let canary = wire::read_canary(&dead.delivery.incoming, intake).is_some();
        let written = dead.attributes.get("booking").and_then(|it| BookingId::parse(it).ok());
        let (kind, booking) = match &read {
            Ok(event) => (Some(event.kind()), Some(event.booking.clone())),
            Err(refusal) => (refusal.kind, refusal.booking.clone()),
        };
        Case { kind, booking: booking.or(written), why, dead, read, canary }
    }

    /// The sort key, by which the oldest message comes first.
    pub(crate) fn age(&self) -> (Timestamp, DeadQueue, &str) {
        let delivery = &self.dead.delivery;
        (delivery.incoming.sent_at, self.dead.place, &delivery.message_id)
    }

    /// The event's type, or `?`.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind.map_or("?", Kind::topic)
    }

    /// The booking, or `?`.
    pub(crate) fn booking(&self) -> &str {
        self.booking.as_ref().map_or("?", BookingId::as_str)
    }
}

/// Why a message is a dead letter. `receives_max` is the number of receives after which SQS moves a
/// message here.
pub(crate) fn why(dead: &Dead, receives_max: Option<u64>) -> Why {
    let written = |name: &str| dead.attributes.get(name).map(|it| mask::line(it));
    let told = |class: &str, reason: String| Why { class: class.to_owned(), reason };
    match (dead.place, written("class")) {
        (DeadQueue::Undelivered, _) => {
            let said = |names: [&str; 2]| names.into_iter().filter_map(written).collect::<Vec<_>>();
            let of_sns = said(["ErrorCode", "ErrorMessage"]);
            let of_event_bridge = said(["ERROR_CODE", "ERROR_MESSAGE"]);
            let (subject, said) = match (of_sns.join(" "), of_event_bridge.join(" ")) {
                (it, _) if !it.is_empty() => ("SNS could not deliver it", it),
                (_, it) if !it.is_empty() => ("EventBridge could not deliver it", it),
                _ => {
                    let ask = "does the role's queue exist, and does its policy let it in?";
                    ("it could not be delivered", ask.to_owned())
                }
            };
            told("undelivered", format!("{subject}: {said}"))
        }
        // A message that was set aside, put back and then moved by SQS still has the older reason
        // in its attributes, so this comes first.
        (DeadQueue::Dlq, _) if dead.moved => {
            let times = receives_max.map_or("too often".to_owned(), |it| format!("{it} times"));
            let log = "the role's log says why, at `given back`";
            told("retries-exhausted", format!("received {times} without success; {log}"))
        }
        (DeadQueue::Dlq, Some(class)) => {
            Why { class, reason: written("reason").unwrap_or_default() }
        }
        (DeadQueue::Dlq, None) => told(
            "unexplained",
            "nothing on it says why: it was received too often without success, or put here by hand"
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
        let bus = [("ERROR_CODE", "NO_PERMISSIONS"), ("RULE_ARN", "arn"), ("ERROR_MESSAGE", "no")];
        for (place, moved, attributes, class, reason) in [
            (DeadQueue::Dlq, false, &aside[..], "malformed", "data.flight: is missing"),
            (DeadQueue::Dlq, true, &aside[..], "retries-exhausted", "received 10 times without"),
            (DeadQueue::Dlq, true, &[], "retries-exhausted", "received 10 times without success"),
            (DeadQueue::Dlq, false, &[], "unexplained", "nothing on it says why"),
            (
                DeadQueue::Undelivered,
                false,
                &sns[..],
                "undelivered",
                "SNS could not deliver it: 403 not ours, says o***@e***.com",
            ),
            (
                DeadQueue::Undelivered,
                false,
                &bus[..],
                "undelivered",
                "EventBridge could not deliver it: NO_PERMISSIONS no",
            ),
            (
                DeadQueue::Undelivered,
                false,
                &[],
                "undelivered",
                "it could not be delivered: does the role's queue exist",
            ),
        ] {
            let text = |it: &(&str, &str)| (it.0.to_owned(), it.1.to_owned());
            let delivery = Delivery {
                incoming: Incoming {
                    body: "{}".to_owned(),
                    kind_attribute: None,
                    sent_at: Timestamp::UNIX_EPOCH,
                    attempt: 1,
                    hop: None,
                },
                message_id: "m".to_owned(),
                receipt_handle: ReceiptHandle("h".to_owned()),
                group: None,
            };
            let attributes = attributes.iter().map(text).collect();
            let told = why(&Dead { place, delivery, moved, attributes }, Some(10));
            assert_eq!(told.class, class);
            assert!(told.reason.starts_with(reason), "{told:?}");
        }
    }
}
