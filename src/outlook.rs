//! What is still to come of a booking: for each event whether it was heard, is awaited, can still
//! come, or can no longer come. All of it follows from the rules of the services; nothing is
//! written down here a second time.

use jiff::Timestamp;

use crate::domain::{RoleName, event::Kind, status::Record};

/// What status can say about one event of a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// It was heard, at this time by the clock of its publisher.
    Heard { at: Timestamp },
    /// It is the next that brings the booking forward. `from` is its publisher (`None`: a client),
    /// and `since` the time from which on it could have come.
    Awaited { from: Option<RoleName>, since: Timestamp },
    /// It can still come.
    Possible,
    /// It can no longer come, after what was heard.
    Impossible,
}

/// The prospect of each event, in the order of [`Kind::ALL`].
#[must_use]
pub fn outlook(record: &Record) -> Vec<(Kind, Prospect)> {
    Kind::ALL
        .into_iter()
        .map(|kind| {
            let heard = record.timeline().into_iter().find(|it| it.kind == kind);
            (kind, heard.map_or(Prospect::Possible, |it| Prospect::Heard { at: it.time }))
        })
        .collect()
}
