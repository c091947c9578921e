//! One span that is under way. It ends when its value is dropped, so that it also ends when a
//! handler panics or is dropped. It must never say anything about a person.

use std::{borrow::Cow, sync::Arc};

use opentelemetry::{
    KeyValue, StringValue, Value,
    trace::{Span as _, SpanKind, Status},
};
use serde::Deserialize;

use super::{
    ids::derived,
    source::{Draft, Place, Source},
};
use crate::wire::{Message, TraceContext};

pub(super) const SYSTEM: &str = "messaging.system";
pub(super) const DESTINATION: &str = "messaging.destination.name";
pub(super) const OPERATION: &str = "messaging.operation.name";
pub(super) const OPERATION_TYPE: &str = "messaging.operation.type";
pub(super) const CONVERSATION: &str = "messaging.message.conversation_id";
/// What `messaging.system` calls SQS.
pub(super) const SQS: &str = "aws_sqs";
/// What `messaging.system` calls SNS.
const SNS: &str = "aws.sns";
const EVENT_ID: &str = "cloudevents.event_id";
pub(super) const EVENT_TYPE: &str = "cloudevents.event_type";
const RECALLED: &str = "booking.recalled";
const ERROR_TYPE: &str = "error.type";

/// One span that is under way, or nothing if traces are off.
#[derive(Debug, Default)]
pub struct Span(Option<Box<Running>>);

#[derive(Debug)]
struct Running {
    source: Arc<Source>,
    /// `None` if this trace is not kept.
    span: Option<opentelemetry_sdk::trace::Span>,
    /// What the next hop is told. Without a span of ours, that of the hop before.
    context: TraceContext,
    booking: Option<StringValue>,
}

/// What a published event says about itself.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    #[serde(borrow)]
    traceparent: Option<Cow<'a, str>>,
}

impl Span {
    /// A span that is kept. `state` is passed on to the next hop.
    pub(super) fn kept(
        source: &Arc<Source>,
        place: &Place<'_>,
        draft: Draft,
        booking: Option<StringValue>,
    ) -> Span {
        let state = match place {
            Place::After(it) => it.state.clone(),
            Place::Begins(_) => None,
        };
        let span = source.start(place, draft);
        let told = span.span_context();
        let context = TraceContext {
            trace_id: told.trace_id().to_bytes(),
            span_id: told.span_id().to_bytes(),
            sampled: true,
            state,
        };
        let source = Arc::clone(source);
        Span(Some(Box::new(Running { source, span: Some(span), context, booking })))
    }

    /// No span, since its trace is not kept: the next hop is told so.
    pub(super) fn not_kept(source: &Arc<Source>, context: TraceContext) -> Span {
        let context = TraceContext { sampled: false, ..context };
        let source = Arc::clone(source);
        Span(Some(Box::new(Running { source, span: None, context, booking: None })))
    }

    /// The context that the next hop needs. `None` if traces are off.
    #[must_use]
    pub fn context(&self) -> Option<TraceContext> {
        self.0.as_ref().map(|it| it.context.clone())
    }

    /// Whether there is a span of ours: traces are on, and this one is kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.as_ref().is_some_and(|it| it.span.is_some())
    }

    /// The ids of trace and span, for log lines. `None` if this trace is not kept.
    #[must_use]
    pub fn ids(&self) -> Option<(String, String)> {
        let context = self.0.as_ref().filter(|it| it.span.is_some()).map(|it| &it.context)?;
        let trace = format!("{:032x}", u128::from_be_bytes(context.trace_id));
        Some((trace, format!("{:016x}", u64::from_be_bytes(context.span_id))))
    }

    /// The span of a commit to the store that settles this span's event.
    #[must_use]
    pub fn settle(&self) -> Span {
        self.child(|it| {
            let name = format!("settle {}", it.source.queue.as_str());
            let mut attributes = Vec::with_capacity(8);
            attributes.extend([
                KeyValue::new(SYSTEM, SQS),
                KeyValue::new(DESTINATION, it.source.queue.clone()),
                KeyValue::new(OPERATION, "settle"),
                KeyValue::new(OPERATION_TYPE, "settle"),
            ]);
            draft(name, SpanKind::Internal, attributes)
        })
    }

    /// The span of an outside effect, such as `charge`.
    #[must_use]
    pub fn effect(&self, name: &'static str) -> Span {
        self.child(|_| {
            let attributes = vec![KeyValue::new("booking.effect", name)];
            draft(format!("effect {name}"), SpanKind::Client, attributes)
        })
    }

    /// The span of publishing a message. A message that a memo `recalled`, or that is about another
    /// booking than this span, starts from the context that is stored in it, and is linked to this
    /// span.
    #[must_use]
    pub fn publish(&self, message: &Message, recalled: bool) -> Span {
        let Some(running) = &self.0 else { return Span::default() };
        let Running { source, context, booking, span } = &**running;
        let outline = serde_json::from_str::<Outline<'_>>(&message.body);
        let (true, Ok(outline)) = (span.is_some(), outline) else {
            return Span::not_kept(source, context.clone());
        };
        let own = booking.as_ref().is_none_or(|it| it.as_str() == outline.subject);
        let stored = outline.traceparent.and_then(|it| TraceContext::read(&it, None));
        let stored = stored.map(|it| TraceContext { sampled: true, ..it });
        let (place, linked) = match &stored {
            _ if own && !recalled => (Place::After(context), false),
            Some(stored) => (Place::After(stored), true),
            None if own => (Place::After(context), false),
            None => (Place::Begins(derived(&outline.subject)), true),
        };
        let subject = StringValue::from(outline.subject.into_owned());
        let topic = source.topic(message.kind);
        let name = format!("publish {}", topic.as_str());
        let mut attributes = Vec::with_capacity(10);
        attributes.extend([
            KeyValue::new(SYSTEM, SNS),
            KeyValue::new(DESTINATION, topic),
            KeyValue::new(OPERATION, "publish"),
            KeyValue::new(OPERATION_TYPE, "send"),
            KeyValue::new(CONVERSATION, subject.clone()),
            KeyValue::new(EVENT_ID, outline.id.into_owned()),
            KeyValue::new(EVENT_TYPE, message.kind.topic()),
        ]);
        attributes.extend(recalled.then(|| KeyValue::new(RECALLED, true)));
        let mut draft = draft(name, SpanKind::Producer, attributes);
        draft.links.extend(linked.then(|| context.clone()));
        Span::kept(source, &place, draft, Some(subject))
    }

    fn child(&self, of: impl FnOnce(&Running) -> Draft) -> Span {
        let Some(running) = self.0.as_ref().filter(|it| it.span.is_some()) else {
            return Span::default();
        };
        let mut draft = of(running);
        let booking = running.booking.clone();
        draft.attributes.extend(booking.clone().map(|it| KeyValue::new(CONVERSATION, it)));
        Span::kept(&running.source, &Place::After(&running.context), draft, booking)
    }

    /// Adds an attribute.
    pub fn note(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(span) = self.0.as_mut().and_then(|it| it.span.as_mut()) {
            span.set_attribute(KeyValue::new(name, value));
        }
    }

    /// Says that it failed. `class` names the kind of the failure, and must be no text of a message
    /// or of a library.
    pub fn fail(&mut self, class: &'static str) {
        if let Some(span) = self.0.as_mut().and_then(|it| it.span.as_mut()) {
            span.set_status(Status::error(""));
            span.set_attribute(KeyValue::new(ERROR_TYPE, class));
        }
    }
}

fn draft(name: String, kind: SpanKind, attributes: Vec<KeyValue>) -> Draft {
    Draft { name, kind, begun: None, attributes, links: Vec::new() }
}
