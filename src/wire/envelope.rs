//! The envelope around a message: that of SNS, or that of EventBridge. This is the only place that
//! reads one. It must never take a word of the publisher for a word of its carrier, except source
//! and type in an envelope of EventBridge: there IAM says who may write which.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{
    Intake,
    attributes::{parse_time, traceparent},
    intake::Put,
    json::{Fields, Node},
    refusal::Read,
};
use crate::domain::{event::Kind, ids::BookingId};

/// An envelope. Raw deliveries have none.
pub(super) struct Envelope<'e, 'a, 'p> {
    outer: &'e Fields<'a, 'p>,
    form: Form<'a, 'e>,
}

/// By whom an envelope is made.
enum Form<'a, 'e> {
    Sns { arn: Node<'a, 'e>, message: Node<'a, 'e> },
    EventBridge { detail_type: Node<'a, 'e>, detail: Node<'a, 'e> },
}

impl<'e, 'a, 'p> Envelope<'e, 'a, 'p> {
    /// The envelope, if the body is one. A CloudEvent is none, whatever other fields it has.
    pub(super) fn of(outer: &'e Fields<'a, 'p>) -> Option<Self> {
        if outer.optional("specversion").is_some() {
            return None;
        }
        let of_sns = || {
            let (arn, message) = (outer.optional("TopicArn")?, outer.optional("Message")?);
            Some(Form::Sns { arn, message })
        };
        let of_event_bridge = || {
            let (detail_type, detail) = (outer.optional("detail-type")?, outer.optional("detail")?);
            Some(Form::EventBridge { detail_type, detail })
        };
        Some(Envelope { outer, form: of_sns().or_else(of_event_bridge)? })
    }

    /// The topic that the message was published on, or the type under which it was put on the bus.
    ///
    /// # Errors
    /// When nobody may publish such a message for us.
    pub(super) fn topic(&self, intake: &Intake) -> Read<Kind> {
        match &self.form {
            Form::Sns { arn, .. } => {
                let topic = intake.topic(&arn.string()?);
                topic.map_err(|(why, expected)| (why, arn.flaw(&expected)))
            }
            Form::EventBridge { detail_type, .. } => {
                let [account, region, source] =
                    ["account", "region", "source"].map(|it| self.outer.required(it));
                let (account, region, source) = (account?, region?, source?);
                let put = Put {
                    account: &account.string()?,
                    region: &region.string()?,
                    source: &source.string()?,
                    detail_type: &detail_type.string()?,
                };
                intake.put(put).map_err(|(why, field, expected)| {
                    let node = self.outer.optional(field);
                    (why, node.unwrap_or(*detail_type).flaw(&expected))
                })
            }
        }
    }

    /// The id that SNS or EventBridge gave to the message: the same in all queues. What is replayed
    /// from an archive has none, since it may get another id there than the first time, and a
    /// request without an id of its own would be a second booking.
    pub(super) fn message_id(&self) -> Option<BookingId> {
        let id = match self.form {
            Form::Sns { .. } => "MessageId",
            Form::EventBridge { .. } if self.outer.optional("replay-name").is_some() => {
                return None;
            }
            Form::EventBridge { .. } => "id",
        };
        self.outer.optional_parsed(id, BookingId::parse).ok().flatten()
    }

    /// When SNS accepted the message, if the envelope says so. The time in an envelope of
    /// EventBridge may be the publisher's, so it is not read.
    ///
    /// # Errors
    /// When the field is not an instant.
    pub(super) fn sent_at(&self) -> Read<Option<Timestamp>> {
        match self.form {
            Form::Sns { .. } => Ok(self.outer.optional_parsed("Timestamp", parse_time)?),
            Form::EventBridge { .. } => Ok(None),
        }
    }

    /// The texts of the SNS message attributes of these names, as far as there are such.
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
    /// When the field of SNS is not a string.
    pub(super) fn message(&self) -> Read<Cow<'a, str>> {
        match &self.form {
            Form::Sns { message, .. } => Ok(message.string()?),
            Form::EventBridge { detail, .. } => Ok(Cow::Borrowed(detail.text())),
        }
    }
}

/// Where a message came from, as far as that can be read. A dead letter carries it, for the
/// operator who has to find out what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The id that SNS or EventBridge gave to it.
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
