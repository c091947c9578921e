//! The SNS envelope around a message. This is the only place that reads one. It must never take a
//! word of the publisher for a word of SNS.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{
    Intake,
    attributes::{parse_time, traceparent},
    json::{Fields, Node},
    refusal::Read,
};
use crate::domain::{event::Kind, ids::BookingId};

/// An SNS envelope. Raw deliveries have none.
pub(super) struct Envelope<'e, 'a, 'p> {
    outer: &'e Fields<'a, 'p>,
    arn: Node<'a, 'e>,
    message: Node<'a, 'e>,
}

impl<'e, 'a, 'p> Envelope<'e, 'a, 'p> {
    /// The envelope, if the body is one. A CloudEvent is none, whatever other fields it has.
    pub(super) fn of(outer: &'e Fields<'a, 'p>) -> Option<Self> {
        if outer.optional("specversion").is_some() {
            return None;
        }
        let (arn, message) = (outer.optional("TopicArn")?, outer.optional("Message")?);
        Some(Envelope { outer, arn, message })
    }

    /// The topic that the message was published on.
    ///
    /// # Errors
    /// When it is not one of our topics.
    pub(super) fn topic(&self, intake: &Intake) -> Read<Kind> {
        let topic = intake.topic(&self.arn.string()?);
        topic.map_err(|(why, expected)| (why, self.arn.flaw(&expected)))
    }

    /// The SNS MessageId, which is the same in all queues.
    pub(super) fn message_id(&self) -> Option<BookingId> {
        self.outer.optional_parsed("MessageId", BookingId::parse).ok().flatten()
    }

    /// When SNS accepted the message, if the envelope says so.
    ///
    /// # Errors
    /// When the field is not an instant.
    pub(super) fn sent_at(&self) -> Read<Option<Timestamp>> {
        Ok(self.outer.optional_parsed("Timestamp", parse_time)?)
    }

    /// The texts of the message attributes of these names, as far as there are such.
    pub(super) fn attributes<const N: usize>(
        &self,
        names: [&'static str; N],
    ) -> [Option<String>; N] {
        let all = self.outer.optional("MessageAttributes").and_then(|it| it.object().ok());
        names.map(|name| {
            let attribute = all.as_ref()?.optional(name)?.object().ok()?;
            let value = attribute.optional("Value")?.string().ok()?;
            Some(value.into_owned())
        })
    }

    /// The message as it was published.
    ///
    /// # Errors
    /// When the field is not a string.
    pub(super) fn message(&self) -> Read<Cow<'a, str>> {
        Ok(self.message.string()?)
    }
}

/// Where a message came from, as far as that can be read. A dead letter carries it, for the
/// operator who has to find out what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The SNS MessageId.
    pub message_id: Option<String>,
    /// The W3C trace context of the event.
    pub traceparent: Option<String>,
}

/// Reads the origin of any body. Parts that cannot be read are `None`.
#[must_use]
pub fn origin(body: &str) -> Origin {
    let Ok(outer) = Fields::parse(without_mark(body)) else { return Origin::default() };
    let envelope = Envelope::of(&outer);
    let id = envelope.as_ref().and_then(Envelope::message_id);
    let message = envelope.and_then(|it| it.message().ok());
    let trace =
        |fields: &Fields<'_, '_>| fields.optional_parsed("traceparent", traceparent).ok().flatten();
    let inner = message.as_deref().and_then(|it| Fields::parse(without_mark(it)).ok());
    Origin {
        message_id: id.map(|it| it.as_str().to_owned()),
        traceparent: inner.as_ref().map_or_else(|| trace(&outer), trace),
    }
}

/// The text without a byte order mark, which some programs write at the beginning.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_byte_order_mark_hides_no_trace_of_a_message_that_is_set_aside() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let marked = format!("\u{feff}{}", json!({ "traceparent": trace }));
        assert_eq!(origin(&marked).traceparent.as_deref(), Some(trace));
        let envelope = json!({"Type": "Notification", "TopicArn": "arn", "Message": marked});
        assert_eq!(origin(&format!("\u{feff}{envelope}")).traceparent.as_deref(), Some(trace));
    }
}
