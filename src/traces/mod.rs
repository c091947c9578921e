//! What a process tells about the way of each booking: spans of OpenTelemetry, named by its
//! conventions for messaging (docs/TRACES.md). The traces of a process are a value and must never
//! be global, so that each test has its own. Without them, nothing here costs anything.

mod ids;
mod sampling;
mod source;
mod span;

pub use sampling::Sampling;
pub use source::{Places, Sink};
pub use span::Span;

use std::{sync::Arc, time::SystemTime};

use opentelemetry::{KeyValue, StringValue, trace::SpanKind};

use self::{
    ids::{derived, span_id, trace_id},
    source::{Draft, Place, Source},
    span::{EVENT_TYPE, SQS},
};
use crate::{
    domain::{event::Kind, ids::BookingId},
    wire::{Hop, TraceContext},
};

const BATCH_COUNT: &str = "messaging.batch.message_count";
const SNS_MESSAGE_ID: &str = "booking.sns.message_id";
const ATTEMPT: &str = "booking.delivery.attempt";

/// The traces of one process, or nothing if they are off. Copies share them.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<On>>);

#[derive(Debug)]
struct On {
    source: Arc<Source>,
    sampling: Sampling,
}

/// A delivery that is dealt with.
#[derive(Clone, Copy, Debug)]
pub struct Processing<'a> {
    /// Whether a service of ours published it, which was checked. All else may be a client's.
    pub ours: bool,
    /// The type of the event, if it could be read.
    pub kind: Option<Kind>,
    /// The booking that it is about, if that could be read.
    pub booking: Option<&'a BookingId>,
    /// The `traceparent` in the event itself: what started the booking.
    pub stored: Option<&'a str>,
    /// What the delivery tells about its trace.
    pub hop: Option<&'a Hop>,
    /// How often the message was received, this time included.
    pub attempt: u32,
}

impl Traces {
    /// Traces whose spans go to `sink`, as soon as they end.
    #[must_use]
    pub fn new(sink: impl Sink + 'static, sampling: Sampling, places: &Places) -> Traces {
        let source = Arc::new(Source::new(sink, places));
        Traces(Some(Arc::new(On { source, sampling })))
    }

    /// Whether there are traces.
    #[must_use]
    pub fn on(&self) -> bool {
        self.0.is_some()
    }

    /// The time at which a span begins that is made later, by the clock that its end comes from.
    /// `None` if traces are off.
    #[must_use]
    pub fn now(&self) -> Option<SystemTime> {
        self.on().then(opentelemetry::time::now)
    }

    /// The span of a receive that brought messages, which ends now. It is linked to the span that
    /// published each of them.
    pub fn received<'a>(
        &self,
        begun: Option<SystemTime>,
        hops: impl ExactSizeIterator<Item = Option<&'a Hop>>,
    ) {
        let Some(on) = &self.0 else { return };
        let id = trace_id();
        if hops.len() == 0 || !on.sampling.begins(|| id) {
            return;
        }
        let draft = || {
            let (queue, operation) = (on.source.queue.clone(), ("receive", "receive"));
            let mut draft = Draft::messaging(SQS, operation, queue, SpanKind::Client);
            let count = i64::try_from(hops.len()).unwrap_or(i64::MAX);
            draft.attributes.push(KeyValue::new(BATCH_COUNT, count));
            let links = hops.filter_map(|it| it?.context.clone()).collect();
            Draft { begun, links, ..draft }
        };
        drop(Span::kept(&on.source, &Place::Begins(id), true, None, draft));
    }

    /// The span of dealing with one delivery. Its parent is the span that published the message,
    /// and without one what started the booking. Without that too, it begins the trace that belongs
    /// to the booking id.
    #[must_use]
    pub fn process(&self, begun: Option<SystemTime>, what: &Processing<'_>) -> Span {
        let Some(on) = &self.0 else { return Span::default() };
        let published = what.hop.and_then(|it| it.context.clone());
        // What started the booking is a client's word, also in an event of ours.
        let ours = what.ours && published.is_some();
        let stored = what.stored.and_then(|it| TraceContext::read(it, None));
        let same = |it: &TraceContext| stored.as_ref().is_some_and(|o| o.trace_id == it.trace_id);
        let is_found = published.as_ref().is_none_or(same);
        let before = published.or(stored);
        let booking = what.booking.map(BookingId::as_str);
        let message_id = what.hop.and_then(|it| it.message_id.as_deref());
        // A client chooses the booking id and the trace id, but not the MessageId.
        let fair = || message_id.or(booking).map_or_else(trace_id, derived);
        let kept = match &before {
            Some(it) => on.sampling.goes_on(it, ours, fair),
            None => on.sampling.begins(fair),
        };
        let own_trace = || booking.map_or_else(trace_id, derived);
        if !kept {
            let own = || TraceContext {
                trace_id: own_trace(),
                span_id: span_id(),
                sampled: false,
                state: None,
            };
            return Span::not_kept(&on.source, before.unwrap_or_else(own));
        }
        let place = match &before {
            Some(it) => Place::After(it),
            None => Place::Begins(own_trace()),
        };
        let draft = || {
            let (queue, operation) = (on.source.queue.clone(), ("process", "process"));
            let mut draft = Draft::messaging(SQS, operation, queue, SpanKind::Consumer);
            let told = &mut draft.attributes;
            told.push(KeyValue::new(ATTEMPT, i64::from(what.attempt)));
            told.extend(what.kind.map(|it| KeyValue::new(EVENT_TYPE, it.topic())));
            told.extend(message_id.map(|it| KeyValue::new(SNS_MESSAGE_ID, it.to_owned())));
            Draft { begun, ..draft }
        };
        let booking = booking.map(|it| StringValue::from(it.to_owned()));
        Span::kept(&on.source, &place, is_found, booking, draft)
    }
}
