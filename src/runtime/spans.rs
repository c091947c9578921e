//! What the spans of traces say about a delivery. It must never put a part of a message into a span
//! that was not checked, or that may be personal.

use std::time::SystemTime;

use tracing::field::display;

use super::reading::{AT_ONCE_BYTES_MAX, Opened};
use crate::{
    bus::{BusError, Delivery},
    traces::{Processing, Span, Traces},
    wire::{Content, Incoming},
};

/// Tells a receive that brought these deliveries, after their envelopes were read for it. An
/// envelope that is too large for the role's own thread is not read: no booking has one.
pub(super) fn receive(traces: &Traces, begun: Option<SystemTime>, deliveries: &mut [Delivery]) {
    if !traces.on() {
        return;
    }
    let small = |it: &&mut Delivery| it.incoming.body.len() <= AT_ONCE_BYTES_MAX;
    deliveries.iter_mut().filter(small).for_each(|it| it.incoming.take_up());
    traces.received(begun, deliveries.iter().map(|it| it.incoming.hop.as_deref()));
}

/// The span of dealing with this message. Log lines get its ids, by the span `lines`. A canary has
/// none, since it belongs to no booking.
pub(super) fn process(
    traces: &Traces,
    begun: Option<SystemTime>,
    opened: &Opened,
    incoming: &Incoming,
    lines: &tracing::Span,
) -> Span {
    if !traces.on() {
        return Span::default();
    }
    let (hop, attempt) = (incoming.hop.as_deref(), incoming.attempt);
    let unread = Processing { ours: false, kind: None, booking: None, stored: None, hop, attempt };
    let what = match opened {
        Ok(Content::Event(event)) => Processing {
            ours: event.kind().publisher().is_some(),
            kind: Some(event.kind()),
            booking: Some(&event.booking),
            stored: event.traceparent.as_deref(),
            ..unread
        },
        Ok(Content::Refused(it)) => Processing { kind: it.kind, booking: it.requested(), ..unread },
        Ok(Content::Canary(_) | Content::StrangeCanary) => return Span::default(),
        Err(_) => unread,
    };
    let span = traces.process(begun, &what);
    if let Some((trace_id, span_id)) = span.ids() {
        lines.record("trace_id", display(trace_id)).record("span_id", display(span_id));
    }
    span
}

/// The kind of a failure to publish.
pub(super) fn unpublished(error: &BusError) -> &'static str {
    match error {
        BusError::Refused { .. } => "refused",
        BusError::Failed { .. } => "failed",
    }
}
