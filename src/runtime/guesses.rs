//! The bookings whose row was lately taken to be missing. A row is taken to be missing once in a
//! process, so that whoever asks again and again under one id buys no refused write each time.
//!
//! It may forget a booking, but must never take one for new that it has just seen.

use std::{
    collections::{HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use crate::domain::ids::BookingId;

/// How many bookings are remembered: those that were guessed last.
const REMEMBERED: usize = 1024;

/// Remembers bookings by their hashes. The same bookings are remembered in each run, so that a run
/// of the simulation can be repeated.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Guesses {
    /// Whether the row of this booking may be taken to be missing. It will not be the next time.
    pub(super) fn may(&self, booking: &BookingId) -> bool {
        let mut hasher = DefaultHasher::new();
        booking.as_str().hash(&mut hasher);
        let hash = hasher.finish();
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Remembered { known, order } = &mut *remembered;
        if !known.insert(hash) {
            return false;
        }
        order.push_back(hash);
        if order.len() > REMEMBERED
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_booking_is_guessed_once_until_many_others_were() {
        let guesses = Guesses::default();
        let booking = |it: usize| BookingId::parse(&format!("b-{it}")).unwrap();
        assert!((0..REMEMBERED).all(|it| guesses.may(&booking(it))));
        assert!(!(0..REMEMBERED).any(|it| guesses.may(&booking(it))));
        assert!(guesses.may(&booking(REMEMBERED)));
        assert!(guesses.may(&booking(0)) && !guesses.may(&booking(2)));
    }
}
