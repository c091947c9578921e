//! Which publisher may say what: the topics whose envelopes are accepted, and the events that are
//! accepted without an envelope. What a publisher wrote must never decide whether that publisher is
//! trusted, except on an event bus, where IAM says who may write which source and type.

use super::{CanaryKey, SealKey, Why};
use crate::domain::{RoleName, event::Kind};

/// The messages that a role accepts. The publisher chose everything in a message except its SNS
/// envelope. SNS wrote that, and only the topic in it says which publishers are possible. On an
/// event bus, it chose source and type too, as far as IAM lets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// What puts events into the envelopes that are accepted.
    carrier: Carrier,
    /// Whether outcomes are accepted without an envelope.
    raw: bool,
    /// The key that the canaries of an operator are made with. Without it, none is accepted.
    canary_key: Option<CanaryKey>,
    /// The key of the requests in tasks. With it, every message is read as a task.
    seal_key: Option<SealKey>,
}

/// What carries events to the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Carrier {
    /// SNS.
    Topics {
        /// The common beginning of the ARNs of our topics: everything except the topic's name.
        arns: String,
        /// Whether they are FIFO topics.
        fifo: bool,
    },
    /// EventBridge.
    EventBus { account: String, region: String },
}

/// What EventBridge says of an event in its envelope.
#[derive(Clone, Copy, Debug)]
pub(super) struct Put<'e> {
    /// The account whose principal put the event on the bus.
    pub(super) account: &'e str,
    pub(super) region: &'e str,
    /// IAM decides who may use a source.
    pub(super) source: &'e str,
    /// IAM decides who may use a type.
    pub(super) detail_type: &'e str,
}

impl Intake {
    /// Accepts messages in an envelope of SNS whose topic ARN is `topic_arns` followed by the name
    /// of a topic. An example of `topic_arns` is `arn:aws:sns:eu-central-1:123456789012:staging-`.
    /// Without an envelope, only requests are accepted, since any client may send those anyway.
    ///
    /// This relies on subscriptions without raw message delivery. With it, a publisher could write
    /// an envelope itself, and nothing in the queue would show the difference. `booking check`
    /// finds such subscriptions.
    #[must_use]
    pub fn enveloped(topic_arns: impl Into<String>) -> Intake {
        Intake::of(Carrier::Topics { arns: topic_arns.into(), fifo: false })
    }

    /// As [`Intake::enveloped`], but only from FIFO topics.
    #[must_use]
    pub fn of_fifo_topics(topic_arns: impl Into<String>) -> Intake {
        Intake::of(Carrier::Topics { arns: topic_arns.into(), fifo: true })
    }

    /// Accepts messages in an envelope of EventBridge that this account put on a bus in this
    /// region. The envelope does not name the bus: only the policy of the queue says whose rules
    /// may bring something. Without an envelope, only requests are accepted.
    ///
    /// A publisher names the source and the type itself, so this relies on IAM policies that let
    /// each service use only its own (`events:source`, `events:detail-type`), as terraform/ has
    /// them.
    #[must_use]
    pub fn of_event_bus(account: impl Into<String>, region: impl Into<String>) -> Intake {
        Intake::of(Carrier::EventBus { account: account.into(), region: region.into() })
    }

    fn of(carrier: Carrier) -> Intake {
        Intake { carrier, raw: false, canary_key: None, seal_key: None }
    }

    /// Accepts outcomes without an envelope too, for subscriptions with raw message delivery. Then
    /// every publisher on any topic that the role hears is trusted with every event.
    #[must_use]
    pub fn or_raw(self, raw: bool) -> Intake {
        Intake { raw, ..self }
    }

    /// Accepts canaries made with this key. Without a key, all canaries are dropped.
    #[must_use]
    pub fn and_canaries(self, canary_key: Option<CanaryKey>) -> Intake {
        Intake { canary_key, ..self }
    }

    /// Accepts tasks of a state machine, whose requests are sealed with this key, and nothing else.
    #[must_use]
    pub fn tasks(seal_key: SealKey) -> Intake {
        Intake { seal_key: Some(seal_key), ..Intake::enveloped("") }
    }

    /// The key of the requests in tasks, if every message is a task.
    #[must_use]
    pub(super) fn seal_key(&self) -> Option<&SealKey> {
        self.seal_key.as_ref()
    }

    /// The key that canaries are made with.
    #[must_use]
    pub fn canary_key(&self) -> Option<&CanaryKey> {
        self.canary_key.as_ref()
    }

    /// The topic with this ARN.
    ///
    /// # Errors
    /// When it is not one of our topics: the class of the problem, and what was expected.
    pub(super) fn topic(&self, arn: &str) -> Result<Kind, (Why, String)> {
        let Carrier::Topics { arns, fifo } = &self.carrier else {
            let expected = "expected an envelope of EventBridge (--events eventbridge)";
            return Err((Why::Untrusted, expected.to_owned()));
        };
        let Some(name) = arn.strip_prefix(arns) else {
            let expected = format!("expected the ARN of a topic that begins with {arns}");
            return Err((Why::Untrusted, expected));
        };
        let name = if *fifo { name.strip_suffix(".fifo") } else { Some(name) };
        name.and_then(Kind::of_topic)
            .ok_or_else(|| (Why::UnknownType, "expected the ARN of one of our topics".to_owned()))
    }

    /// The kind of an event that EventBridge delivered.
    ///
    /// # Errors
    /// When nobody may put such an event on our bus: the class of the problem, the field it is in,
    /// and what was expected.
    pub(super) fn put(&self, put: Put<'_>) -> Result<Kind, (Why, &'static str, String)> {
        let untrusted = |field, expected: String| Err((Why::Untrusted, field, expected));
        let Carrier::EventBus { account, region } = &self.carrier else {
            let expected = "expected an envelope of SNS (--events sns)".to_owned();
            return untrusted("detail-type", expected);
        };
        if put.account != account {
            return untrusted("account", format!("expected {account}"));
        }
        if put.region != region {
            return untrusted("region", format!("expected {region}"));
        }
        let Some(kind) = Kind::of_topic(put.detail_type) else {
            let expected = "expected the name of one of our topics".to_owned();
            return Err((Why::UnknownType, "detail-type", expected));
        };
        match may_say_as(put.source, kind, source_on_a_bus) {
            Ok(()) => Ok(kind),
            Err(expected) => untrusted("source", expected),
        }
    }

    /// Whether an event of this kind is accepted without an envelope.
    #[must_use]
    pub(super) fn takes_raw(&self, kind: Kind) -> bool {
        self.raw || kind.publisher().is_none()
    }
}

/// The source under which events of this kind are put on an event bus: that of the service which
/// publishes them, or that of a client.
#[must_use]
pub fn bus_source(kind: Kind) -> String {
    kind.publisher().map_or_else(|| "booking.client".to_owned(), source_on_a_bus)
}

fn source_on_a_bus(role: RoleName) -> String {
    format!("booking.{role}")
}

/// Whether `source`, in a CloudEvent, may publish events of this kind.
pub(super) fn may_say(source: &str, kind: Kind) -> Result<(), String> {
    may_say_as(source, kind, RoleName::source)
}

/// Whether `source` may publish events of this kind, if a role calls itself so. Each outcome has
/// one publisher. A client may use any source except those of our services.
fn may_say_as<S: AsRef<str>>(
    source: &str,
    kind: Kind,
    of: impl Fn(RoleName) -> S,
) -> Result<(), String> {
    let own = |role| of(role).as_ref() == source;
    match kind.publisher() {
        Some(role) if own(role) => Ok(()),
        Some(role) => Err(format!("expected {}, which publishes this topic", of(role).as_ref())),
        None if !RoleName::ALL.into_iter().any(own) => Ok(()),
        None => Err("expected a source that is none of our services".to_owned()),
    }
}
