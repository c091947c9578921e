//! Parses arguments that several commands have. An error must not repeat an argument that may hold
//! a card number.

use crate::{domain::ids::BookingId, fault::Fault};

/// Parses a booking id from the command line. Clap must not do this, since it repeats a value that
/// it refuses, and the value may be a card number that was pasted by mistake.
pub(super) fn booking_id(text: &str) -> Result<BookingId, Fault> {
    BookingId::parse(text).map_err(|it| Fault::Usage(format!("ID: {it}")))
}
