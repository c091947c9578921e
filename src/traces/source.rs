//! What all spans of a process have in common, and how one starts.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc, time::SystemTime};

use opentelemetry::{
    InstrumentationScope, KeyValue, StringValue,
    trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::ids::span_id;
use crate::{domain::event::Kind, wire::TraceContext};

const CONVERSATION: &str = "messaging.message.conversation_id";
/// The name under which all spans are made.
const SCOPE: &str = "booking";
/// Room for the attributes that most spans have.
const ATTRIBUTES: usize = 12;

/// Takes the spans of a process. It must never block: what a span tells about waits for it.
pub trait Sink: Debug + Send + Sync {
    /// Whether there is room for one more span. Must be asked once for each span: without room, the
    /// span is not made, and the sink counts it as dropped. Room now is no promise for later.
    fn finds_room(&self) -> bool;

    /// Takes a span that has ended.
    fn take(&self, span: SpanData);
}

/// The names of what a service works with, as AWS knows them.
#[derive(Clone, Debug)]
pub struct Places {
    /// The name of the service's queue.
    pub queue: String,
    /// The beginning of the name of every topic. It may be empty.
    pub prefix: String,
}

/// Where a span belongs.
pub(super) enum Place<'a> {
    /// After this span of this process.
    Within(&'a TraceContext),
    /// After this span, which came with a message.
    After(&'a TraceContext),
    /// At the beginning of the trace with this id.
    Begins([u8; 16]),
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) sink: Box<dyn Sink>,
    scope: InstrumentationScope,
    pub(super) queue: StringValue,
    topics: BTreeMap<Kind, StringValue>,
}

impl Source {
    pub(super) fn new(sink: impl Sink + 'static, places: &Places) -> Source {
        let scope = InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION"));
        let shared = |name: String| StringValue::from(Arc::<str>::from(name));
        let topic = |kind: Kind| (kind, shared(format!("{}{kind}", places.prefix)));
        Source {
            sink: Box::new(sink),
            scope: scope.build(),
            queue: shared(places.queue.clone()),
            topics: Kind::ALL.into_iter().map(topic).collect(),
        }
    }

    pub(super) fn topic(&self, kind: Kind) -> StringValue {
        self.topics[&kind].clone()
    }

    /// A span that starts, as far as it is known by then.
    pub(super) fn start(
        &self,
        place: &Place<'_>,
        booking: Option<StringValue>,
        draft: Draft,
    ) -> SpanData {
        let Draft { name, kind, begun, mut attributes, links } = draft;
        attributes.extend(booking.map(|it| KeyValue::new(CONVERSATION, it)));
        let (trace_id, parent, remote) = match place {
            Place::Within(it) => (it.trace_id, SpanId::from_bytes(it.span_id), false),
            Place::After(it) => (it.trace_id, SpanId::from_bytes(it.span_id), true),
            Place::Begins(trace_id) => (*trace_id, SpanId::INVALID, false),
        };
        let mut linked = SpanLinks::default();
        linked.links = links.iter().map(|it| Link::with_context(context_of(it))).collect();
        let start_time = begun.unwrap_or_else(opentelemetry::time::now);
        SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes(trace_id),
                SpanId::from_bytes(span_id()),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: parent,
            parent_span_is_remote: remote,
            span_kind: kind,
            name: name.into(),
            start_time,
            end_time: start_time,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: linked,
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// A span that has not started yet.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) kind: SpanKind,
    /// When it began; `None` for now.
    pub(super) begun: Option<SystemTime>,
    pub(super) attributes: Vec<KeyValue>,
    /// Spans that it has to do with, beside its parent.
    pub(super) links: Vec<TraceContext>,
}

impl Draft {
    /// A span of one operation of messaging, named and described by the conventions of
    /// OpenTelemetry, which have a name and a type for the operation.
    pub(super) fn messaging(
        system: &'static str,
        (operation, of_type): (&'static str, &'static str),
        destination: StringValue,
        kind: SpanKind,
    ) -> Draft {
        let name = format!("{operation} {}", destination.as_str());
        let mut attributes = Vec::with_capacity(ATTRIBUTES);
        attributes.extend([
            KeyValue::new("messaging.system", system),
            KeyValue::new("messaging.destination.name", destination),
            KeyValue::new("messaging.operation.name", operation),
            KeyValue::new("messaging.operation.type", of_type),
        ]);
        Draft { name, kind, begun: None, attributes, links: Vec::new() }
    }
}

/// The span that this context names, for OpenTelemetry. What other systems added stays outside.
fn context_of(context: &TraceContext) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(context.trace_id),
        SpanId::from_bytes(context.span_id),
        TraceFlags::NOT_SAMPLED.with_sampled(context.sampled),
        true,
        TraceState::NONE,
    )
}
