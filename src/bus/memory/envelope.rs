//! The envelope in which SNS delivers an event to a queue.

use std::borrow::Cow;

use serde::Serialize;

/// The SNS envelope around the text of an event.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Envelope<'a> {
    pub(super) r#type: &'static str,
    pub(super) message_id: &'a str,
    pub(super) topic_arn: String,
    pub(super) message: &'a str,
    pub(super) timestamp: String,
    pub(super) message_attributes: Attributes<'a>,
}

#[derive(Serialize)]
pub(super) struct Attributes<'a> {
    pub(super) r#type: Attribute<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) traceparent: Option<Attribute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tracestate: Option<Attribute<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attribute<'a> {
    pub(super) r#type: &'static str,
    pub(super) value: Cow<'a, str>,
}

impl<'a> Attribute<'a> {
    pub(super) fn of(value: impl Into<Cow<'a, str>>) -> Attribute<'a> {
        Attribute { r#type: "String", value: value.into() }
    }
}
