//! What the spans of traces say about a delivery. It must never put a part of a message into a span
//! that was not checked, or that may be personal.

use std::time::SystemTime;

use super::reading::{AT_ONCE_BYTES_MAX, Opened};
use crate::{
    bus::{BusError, Delivery},
    traces::{Processing, Span, Traces},
    wire::{Content, Incoming},
};

/// Whether a message is traced: one that is too large for the role's own thread is not, since its
/// envelope is not read here. No booking is so large, and nobody outside may decide what is kept by
/// an id of their own choice.
fn is_traced(incoming: &Incoming) -> bool {
    incoming.body.len() <= AT_ONCE_BYTES_MAX
}

/// Tells a receive that brought these deliveries, after their envelopes were read for it.
pub(super) fn receive(traces: &Traces, begun: Option<SystemTime>, deliveries: &mut [Delivery]) {
    if !traces.on() {
        return;
    }
    for it in deliveries.iter_mut().filter(|it| is_traced(&it.incoming)) {
        it.incoming.take_up();
    }
    traces.received(begun, deliveries.iter().map(|it| it.incoming.hop.as_deref()));
}

/// The span of dealing with this message. A message that is too large has none, and neither has a
/// canary, since it belongs to no booking.
pub(super) fn process(
    traces: &Traces,
    begun: Option<SystemTime>,
    opened: &Opened,
    incoming: &Incoming,
) -> Span {
    if !traces.on() || !is_traced(incoming) {
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
        Ok(Content::Task(it)) => Processing {
            ours: it.kind().is_some_and(|it| it.publisher().is_some()),
            kind: it.kind(),
            booking: it.booking(),
            stored: it.newest().and_then(|it| it.traceparent.as_deref()),
            ..unread
        },
        Ok(Content::Refused(it)) => Processing { kind: it.kind, booking: it.requested(), ..unread },
        Ok(Content::Canary(_) | Content::StrangeCanary) => return Span::default(),
        Err(_) => unread,
    };
    traces.process(begun, &what)
}

/// The kind of a failure to publish.
pub(super) fn unpublished(error: &BusError) -> &'static str {
    match error {
        BusError::Refused { .. } => "refused",
        BusError::Failed { .. } => "failed",
    }
}
