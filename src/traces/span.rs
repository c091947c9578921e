//! One span that is under way. It ends when its value is dropped, so that it also ends when a
//! handler panics or is dropped. It must never say anything about a person.

use std::{borrow::Cow, sync::Arc};

use opentelemetry::{
    KeyValue, StringValue, Value,
    trace::{SpanKind, Status},
};
use opentelemetry_sdk::trace::SpanData;
use serde::Deserialize;

use super::{
    ids::{derived, span_id},
    source::{Draft, Place, Source},
};
use crate::wire::{Message, TraceContext};

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
    /// `None` if this trace is not kept, or there was no room for the span.
    data: Option<SpanData>,
    /// What the next hop is told. Without a span of ours, it names that of the hop before, if there
    /// was one. It is `sampled` exactly if this trace is kept.
    context: TraceContext,
    /// Whether the next hop finds this trace without being told: by what started the booking, which
    /// stands in its events, or by the booking.
    is_found: bool,
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
    /// A span that is kept, if there is room for it. Without room, log lines still get the id of
    /// its trace. `is_found` says whether the next hop finds the trace without being told.
    pub(super) fn kept(
        source: &Arc<Source>,
        place: &Place<'_>,
        is_found: bool,
        booking: Option<StringValue>,
        draft: impl FnOnce() -> Draft,
    ) -> Span {
        if source.sink.finds_room() {
            return Span::made(source, place, is_found, booking, draft());
        }
        Span::without_room(source, place, is_found, booking)
    }

    /// No span, for want of room: what comes next in this process hangs on the span before, or on
    /// one that nobody has.
    fn without_room(
        source: &Arc<Source>,
        place: &Place<'_>,
        is_found: bool,
        booking: Option<StringValue>,
    ) -> Span {
        let context = match place {
            Place::Within(it) | Place::After(it) => TraceContext { sampled: true, ..(*it).clone() },
            Place::Begins(trace_id) => {
                TraceContext { trace_id: *trace_id, span_id: span_id(), sampled: true, state: None }
            }
        };
        let source = Arc::clone(source);
        Span(Some(Box::new(Running { source, data: None, context, is_found, booking })))
    }

    /// No span, since its trace is not kept: the next hop is told so.
    pub(super) fn not_kept(source: &Arc<Source>, context: TraceContext) -> Span {
        let context = TraceContext { sampled: false, ..context };
        let source = Arc::clone(source);
        Span(Some(Box::new(Running { source, data: None, context, is_found: true, booking: None })))
    }

    /// The context that the next hop needs. `None` if traces are off, or if there was no room for
    /// this span and the next hop finds the trace by itself. Then only the link from span to span
    /// is missing, and one of the two spans is missing, too.
    #[must_use]
    pub fn context(&self) -> Option<TraceContext> {
        let running = self.0.as_deref()?;
        let is_told = running.data.is_some() || !running.context.sampled || !running.is_found;
        is_told.then(|| running.context.clone())
    }

    /// Whether there is a span of ours: traces are on, this one is kept, and there was room for it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.as_ref().is_some_and(|it| it.data.is_some())
    }

    /// The id of the trace, for log lines. `None` if it is not kept.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        let context = self.0.as_ref().map(|it| &it.context).filter(|it| it.sampled)?;
        Some(format!("{:032x}", u128::from_be_bytes(context.trace_id)))
    }

    /// The id of this span, for log lines. `None` if there is no span of ours.
    #[must_use]
    pub fn span_id(&self) -> Option<String> {
        let context = self.0.as_ref().filter(|it| it.data.is_some()).map(|it| &it.context)?;
        Some(format!("{:016x}", u64::from_be_bytes(context.span_id)))
    }

    /// The span of a commit to the store that settles this span's event.
    #[must_use]
    pub fn settle(&self) -> Span {
        self.child(|it| {
            Draft::messaging(SQS, ("settle", "settle"), it.queue.clone(), SpanKind::Internal)
        })
    }

    /// The span of an outside effect, such as `charge`.
    #[must_use]
    pub fn effect(&self, name: &'static str) -> Span {
        self.child(|_| {
            let attributes = vec![KeyValue::new("booking.effect", name)];
            let (name, kind) = (format!("effect {name}"), SpanKind::Client);
            Draft { name, kind, begun: None, attributes, links: Vec::new() }
        })
    }

    /// The span of publishing a message. A message that a memo `recalled`, or that is about another
    /// booking than this span, starts from the context that is stored in it, and is linked to this
    /// span.
    #[must_use]
    pub fn publish(&self, message: &Message, recalled: bool) -> Span {
        let Some(running) = &self.0 else { return Span::default() };
        let Running { source, context, is_found, booking, .. } = &**running;
        if !context.sampled {
            return Span::not_kept(source, context.clone());
        }
        let finds_room = source.sink.finds_room();
        // Nothing has to be read for that.
        if !finds_room && *is_found {
            return Span::default();
        }
        let Ok(outline) = serde_json::from_str::<Outline<'_>>(&message.body) else {
            return Span::not_kept(source, context.clone());
        };
        let own = booking.as_ref().is_none_or(|it| it.as_str() == outline.subject);
        let stored = outline.traceparent.and_then(|it| TraceContext::read(&it, None));
        let stored = stored.map(|it| TraceContext { sampled: true, ..it });
        let (place, linked) = match &stored {
            _ if own && !recalled => (running.place(), false),
            Some(stored) => (Place::After(stored), true),
            None if own => (running.place(), false),
            None => (Place::Begins(derived(&outline.subject)), true),
        };
        let subject = StringValue::from(outline.subject.into_owned());
        if !finds_room {
            return Span::without_room(source, &place, *is_found, None);
        }
        let (topic, operation) = (source.topic(message.kind), ("publish", "send"));
        let mut draft = Draft::messaging(SNS, operation, topic, SpanKind::Producer);
        draft.attributes.push(KeyValue::new(EVENT_ID, outline.id.into_owned()));
        draft.attributes.push(KeyValue::new(EVENT_TYPE, message.kind.topic()));
        draft.attributes.extend(recalled.then(|| KeyValue::new(RECALLED, true)));
        draft.links.extend(linked.then(|| context.clone()));
        Span::made(source, &place, *is_found, Some(subject), draft)
    }

    /// A span for which there is room.
    fn made(
        source: &Arc<Source>,
        place: &Place<'_>,
        is_found: bool,
        booking: Option<StringValue>,
        draft: Draft,
    ) -> Span {
        let data = source.start(place, booking.clone(), draft);
        let (trace_id, state) = match place {
            Place::Within(it) | Place::After(it) => (it.trace_id, it.state.clone()),
            Place::Begins(trace_id) => (*trace_id, None),
        };
        let span_id = data.span_context.span_id().to_bytes();
        let context = TraceContext { trace_id, span_id, sampled: true, state };
        let (source, data) = (Arc::clone(source), Some(data));
        Span(Some(Box::new(Running { source, data, context, is_found, booking })))
    }

    fn child(&self, of: impl FnOnce(&Source) -> Draft) -> Span {
        let Some(running) = self.0.as_ref().filter(|it| it.context.sampled) else {
            return Span::default();
        };
        let Running { source, is_found, booking, .. } = &**running;
        if !source.sink.finds_room() {
            return Span::default();
        }
        Span::made(source, &running.place(), *is_found, booking.clone(), of(source))
    }

    /// Adds an attribute.
    pub fn note(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(span) = self.0.as_mut().and_then(|it| it.data.as_mut()) {
            span.attributes.push(KeyValue::new(name, value));
        }
    }

    /// Says that it failed. `class` names the kind of the failure, and must be no text of a message
    /// or of a library.
    pub fn fail(&mut self, class: &'static str) {
        if let Some(span) = self.0.as_mut().and_then(|it| it.data.as_mut()) {
            span.status = Status::error("");
            span.attributes.push(KeyValue::new(ERROR_TYPE, class));
        }
    }
}

impl Running {
    /// The place of what comes next in this process.
    fn place(&self) -> Place<'_> {
        match self.data {
            Some(_) => Place::Within(&self.context),
            None => Place::After(&self.context),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut span) = self.data.take() {
            span.end_time = opentelemetry::time::now();
            self.source.sink.take(span);
        }
    }
}
