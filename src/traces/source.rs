//! What all spans of a process have in common, and how one starts.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use opentelemetry::{
    Context, InstrumentationScope, KeyValue, StringValue,
    trace::{
        Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
        Tracer, TracerProvider,
    },
};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider, Span, SpanProcessor},
};

use super::ids::{Ids, with_trace};
use crate::{domain::event::Kind, wire::TraceContext};

/// The name under which all spans are made.
const SCOPE: &str = "booking";

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
    /// After this span.
    After(&'a TraceContext),
    /// At the beginning of the trace with this id.
    Begins([u8; 16]),
}

#[derive(Debug)]
pub(super) struct Source {
    tracer: SdkTracer,
    pub(super) queue: StringValue,
    topics: BTreeMap<Kind, StringValue>,
}

impl Source {
    pub(super) fn new(
        processor: impl SpanProcessor + 'static,
        resource: Resource,
        places: &Places,
    ) -> Source {
        // Whether a span is kept is known before it is made.
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_resource(resource)
            .with_sampler(Sampler::AlwaysOn)
            .with_id_generator(Ids::default())
            .build();
        let scope = InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION"));
        let shared = |name: String| StringValue::from(Arc::<str>::from(name));
        let topic = |kind: Kind| (kind, shared(format!("{}{kind}", places.prefix)));
        Source {
            tracer: provider.tracer_with_scope(scope.build()),
            queue: shared(places.queue.clone()),
            topics: Kind::ALL.into_iter().map(topic).collect(),
        }
    }

    pub(super) fn topic(&self, kind: Kind) -> StringValue {
        self.topics[&kind].clone()
    }

    pub(super) fn start(&self, place: &Place<'_>, draft: Draft) -> Span {
        let Draft { name, kind, begun, attributes, links } = draft;
        let mut builder =
            self.tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
        builder.start_time = begun;
        if !links.is_empty() {
            let links = links.iter().map(|it| Link::with_context(remote(it)));
            builder = builder.with_links(links.collect());
        }
        match place {
            Place::After(it) => {
                let parent = Context::new().with_remote_span_context(remote(it));
                self.tracer.build_with_context(builder, &parent)
            }
            Place::Begins(id) => {
                with_trace(*id, || self.tracer.build_with_context(builder, &Context::new()))
            }
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

/// The span that this context names, for OpenTelemetry. What other systems added stays outside.
fn remote(context: &TraceContext) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(context.trace_id),
        SpanId::from_bytes(context.span_id),
        TraceFlags::NOT_SAMPLED.with_sampled(context.sampled),
        true,
        TraceState::NONE,
    )
}
