//! A row of a list of the store, as the booking that it is.

use tracing::error;

use crate::{
    domain::{ids::BookingId, status::Record},
    runtime::StoredRow,
};

/// The booking of a row that a store listed. `None` for a row of something else, and for one that
/// cannot be read: the others are still listed, and whoever asks for this one gets an error.
#[must_use]
pub fn listed(key: &str, body: &str) -> Option<(BookingId, Record)> {
    let id = BookingId::parse(key.strip_prefix("booking/")?).ok()?;
    let kept: Result<StoredRow<Record>, _> = serde_json::from_str(body);
    let kept = kept.inspect_err(|it| {
        // Not the text of the error, which may quote the row.
        let (line, column) = (it.line(), it.column());
        error!(booking = %id, line, column, "left a row that cannot be read out of a list");
    });
    Some((id, kept.ok()?.row))
}
