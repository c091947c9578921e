//! Which publisher may say what: the topics whose envelopes are accepted, and the events that are
//! accepted without an envelope. What a publisher wrote must never decide whether that publisher is
//! trusted.

use super::{CanaryKey, SealKey, Why};
use crate::domain::{RoleName, event::Kind};

/// The messages that a role accepts. The publisher chose everything in a message except its SNS
/// envelope. SNS wrote that, and only the topic in it says which publishers are possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// The common beginning of the ARNs of our topics: everything except the topic's name.
    topic_arns: String,
    /// Whether outcomes are accepted without an envelope.
    raw: bool,
    /// The key that the canaries of an operator are made with. Without it, none is accepted.
    canary_key: Option<CanaryKey>,
    /// The key of the requests in tasks. With it, every message is read as a task.
    seal_key: Option<SealKey>,
}

impl Intake {
    /// Accepts messages in an envelope whose topic ARN is `topic_arns` followed by the name of a
    /// topic. An example of `topic_arns` is `arn:aws:sns:eu-central-1:123456789012:staging-`.
    /// Without an envelope, only requests are accepted, since any client may send those anyway.
    ///
    /// This relies on subscriptions without raw message delivery. With it, a publisher could write
    /// an envelope itself, and nothing in the queue would show the difference. `booking check`
    /// finds such subscriptions.
    #[must_use]
    pub fn enveloped(topic_arns: impl Into<String>) -> Intake {
        Intake { topic_arns: topic_arns.into(), raw: false, canary_key: None, seal_key: None }
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
        let Some(name) = arn.strip_prefix(&self.topic_arns) else {
            let expected =
                format!("expected the ARN of a topic that begins with {}", self.topic_arns);
            return Err((Why::Untrusted, expected));
        };
        Kind::of_topic(name)
            .ok_or_else(|| (Why::UnknownType, "expected the ARN of one of our topics".to_owned()))
    }

    /// Whether an event of this kind is accepted without an envelope.
    #[must_use]
    pub(super) fn takes_raw(&self, kind: Kind) -> bool {
        self.raw || kind.publisher().is_none()
    }
}

/// Whether `source` may publish events of this kind. Each outcome has one publisher. A client may
/// use any source except those of our services.
pub(super) fn may_say(source: &str, kind: Kind) -> Result<(), String> {
    match kind.publisher() {
        Some(role) if source == role.source() => Ok(()),
        Some(role) => Err(format!("expected {}, which publishes this topic", role.source())),
        None if RoleName::ALL.iter().all(|it| it.source() != source) => Ok(()),
        None => Err("expected a source that is none of our services".to_owned()),
    }
}
