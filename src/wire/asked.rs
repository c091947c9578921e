//! The `data` of a request, as somebody wrote it into a file.

use super::{
    Flaw,
    decode::{digest_of, request},
    node::Fields,
};
use crate::domain::{ids::BookingId, request::Request};

/// Reads the `data` of a booking request as a service would; with the id, if it names one.
///
/// # Errors
/// With path, expectation and position, never with the value: for everything that the services
/// would refuse.
pub fn read_request(text: &str) -> Result<(Option<BookingId>, Request), Flaw> {
    let fields = Fields::parse(text)?;
    let id = fields.optional("booking_id").map(|it| it.parsed(BookingId::parse)).transpose()?;
    // Only for what it refuses: card numbers, and JSON that has no digest.
    digest_of(fields.node()).map_err(|(_, flaw)| flaw)?;
    Ok((id, request(&fields)?))
}
