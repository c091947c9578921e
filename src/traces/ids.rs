//! The ids of traces and spans. All services give a booking whose client knows no traces the same
//! trace id, since it follows from the booking id.

use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use sha2::{Digest, Sha256};

/// Makes the derived ids differ from every other hash of the same text.
const PURPOSE: &[u8] = b"booking trace\n";

/// The trace id of a booking whose client gave none, or of another text.
pub(super) fn derived(text: &str) -> [u8; 16] {
    let hash = Sha256::new().chain_update(PURPOSE).chain_update(text).finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    // All zeros would be no id.
    id[15] |= u8::from(id == [0; 16]);
    id
}

/// A random trace id.
pub(super) fn trace_id() -> [u8; 16] {
    RandomIdGenerator::default().new_trace_id().to_bytes()
}

/// A random span id.
pub(super) fn span_id() -> [u8; 8] {
    RandomIdGenerator::default().new_span_id().to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_booking_has_one_trace_id_and_another_booking_another() {
        assert_eq!(derived("b-1"), derived("b-1"));
        assert_ne!(derived("b-1"), derived("b-2"));
        assert_ne!(derived("b-1"), trace_id());
    }
}
