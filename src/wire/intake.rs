//! Who may say what: the topics whose envelopes are taken for events, and what is taken without
//! one.

use super::{CanaryKey, Why};
use crate::domain::{RoleName, event::Kind};

/// Where a role's messages come from. Everything in a message was chosen by whoever published it,
/// except its SNS envelope: SNS wrote that, and only the topic in it says who may have published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// What the ARN of each of our topics begins with: all but the topic's name.
    topic_arns: String,
    /// Whether subscriptions deliver raw, so that nothing says which topic a message came from.
    raw: bool,
    /// What an operator's canary is known by. Without one there are none.
    canary_key: Option<CanaryKey>,
}

impl Intake {
    /// Takes messages in an envelope of the topics whose ARNs are `topic_arns` and a topic's name:
    /// `arn:aws:sns:eu-central-1:123456789012:staging-`. Without an envelope only requests are
    /// taken, which come from anybody anyway.
    ///
    /// This rests on subscriptions that are not raw: where one is, an envelope is what its
    /// publisher wrote. Nothing in a queue tells the two apart; `booking check` does.
    #[must_use]
    pub fn enveloped(topic_arns: impl Into<String>) -> Intake {
        Intake { topic_arns: topic_arns.into(), raw: false, canary_key: None }
    }

    /// Takes outcomes without an envelope as well: for subscriptions with raw message delivery.
    /// Whoever may publish on any topic that the role hears is then trusted with every event.
    #[must_use]
    pub fn or_raw(self, raw: bool) -> Intake {
        Intake { raw, ..self }
    }

    /// Takes canaries that were made with this key; without one they are all dropped.
    #[must_use]
    pub fn and_canaries(self, canary_key: Option<CanaryKey>) -> Intake {
        Intake { canary_key, ..self }
    }

    /// What canaries are made with.
    #[must_use]
    pub fn canary_key(&self) -> Option<&CanaryKey> {
        self.canary_key.as_ref()
    }

    /// The topic of ours that has this ARN.
    ///
    /// # Errors
    /// With the class and what was expected, when it is not one of ours.
    pub(super) fn topic(&self, arn: &str) -> Result<Kind, (Why, String)> {
        let Some(name) = arn.strip_prefix(&self.topic_arns) else {
            let expected =
                format!("expected the ARN of a topic that begins with {}", self.topic_arns);
            return Err((Why::Untrusted, expected));
        };
        Kind::of_topic(name)
            .ok_or_else(|| (Why::UnknownType, "expected the ARN of a topic of ours".to_owned()))
    }

    /// Whether an event of this kind may come without an envelope.
    #[must_use]
    pub(super) fn takes_raw(&self, kind: Kind) -> bool {
        self.raw || kind.publisher().is_none()
    }
}

/// Whether `source` may say events of this kind. Outcomes have one publisher each; a client may
/// call itself anything but one of our services.
pub(super) fn may_say(source: &str, kind: Kind) -> Result<(), String> {
    match kind.publisher() {
        Some(role) if source == role.source() => Ok(()),
        Some(role) => Err(format!("expected {}, which publishes this topic", role.source())),
        None if RoleName::ALL.iter().all(|it| it.source() != source) => Ok(()),
        None => Err("expected a source that is none of our services".to_owned()),
    }
}
