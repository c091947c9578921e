//! The ids of traces and spans. All services give a booking whose client knows no traces the same
//! trace id, since it follows from the booking id.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use sha2::{Digest, Sha256};

/// Makes the derived ids differ from every other hash of the same text.
const PURPOSE: &[u8] = b"booking trace\n";

thread_local! {
    /// The id of the next trace that begins on this thread, if it is not to be random.
    static NEXT: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// The trace id of a booking whose client gave none, or of another text.
pub(super) fn derived(text: &str) -> [u8; 16] {
    let hash = Sha256::new().chain_update(PURPOSE).chain_update(text).finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    // All zeros would be no id.
    id[15] |= u8::from(id == [0; 16]);
    id
}

/// A random trace id and span id.
pub(super) fn random() -> ([u8; 16], [u8; 8]) {
    let random = RandomIdGenerator::default();
    (random.new_trace_id().to_bytes(), random.new_span_id().to_bytes())
}

/// Calls `start`, in which the next trace that begins gets this id.
pub(super) fn with_trace<T>(id: [u8; 16], start: impl FnOnce() -> T) -> T {
    NEXT.set(Some(TraceId::from_bytes(id)));
    let started = start();
    NEXT.set(None);
    started
}

/// Random ids, except inside [`with_trace`].
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_booking_has_one_trace_id_and_another_booking_another() {
        assert_eq!(derived("b-1"), derived("b-1"));
        assert_ne!(derived("b-1"), derived("b-2"));
        let ids = Ids::default();
        let of = |text| with_trace(derived(text), || ids.new_trace_id().to_bytes());
        assert_eq!(of("b-1"), derived("b-1"));
        assert_ne!(ids.new_trace_id().to_bytes(), derived("b-1"));
    }
}
