//! The bookings whose row was lately taken to be missing. A row is taken to be missing once in a
//! process, so that whoever asks again and again under one id buys no refused write each time.
//!
//! It may forget a booking, but must never take one for new that it has just seen.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use crate::domain::ids::BookingId;

/// How many bookings are remembered at most.
const REMEMBERED: usize = 1024;

/// Remembers bookings by their hashes, each in one place. Two that share a place forget each other.
/// No client knows the keys of the hashes.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    keys: RandomState,
    hashes: Mutex<Vec<u64>>,
}

impl Guesses {
    /// Whether the row of this booking may be taken to be missing. It will not be the next time.
    pub(super) fn may(&self, booking: &BookingId) -> bool {
        // Zero is an empty place.
        let hash = self.keys.hash_one(booking.as_str()).max(1);
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.resize(REMEMBERED, 0);
        let place = usize::try_from(hash % REMEMBERED as u64).unwrap_or_default();
        std::mem::replace(&mut hashes[place], hash) != hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_booking_is_guessed_once_and_many_are_remembered() {
        let guesses = Guesses::default();
        let booking = |it: usize| BookingId::parse(&format!("b-{it}")).unwrap();
        assert!((0..100).all(|it| guesses.may(&booking(it))));
        let known = (0..100).filter(|it| !guesses.may(&booking(*it))).count();
        assert!(known > 80, "{known}");
        assert!(!guesses.may(&booking(99)));
    }
}
