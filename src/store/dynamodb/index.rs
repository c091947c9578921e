//! The indexes of the status table. They must have these names and keys in Terraform, too.

use super::row::{AT_MS, DAY, DEPARTURE, FLIGHT, OPEN_PHASE, PHASE};

/// An index of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) name: &'static str,
    /// Its hash key, a text.
    pub(super) hash: &'static str,
    pub(super) sort: Sort,
    pub(super) oldest_first: bool,
}

/// The sort key of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// When the row was last written.
    AtMs,
    /// Day and time in one, see `departures`.
    Departure,
}

/// By phase, the newest first.
pub(super) const NEWEST: Index =
    Index { name: "newest", hash: PHASE, sort: Sort::AtMs, oldest_first: false };
/// Open bookings. The one that has had no news for the longest time comes first.
pub(super) const STALEST: Index =
    Index { name: "stalest", hash: OPEN_PHASE, sort: Sort::AtMs, oldest_first: true };
/// By flight, the latest departure first.
pub(super) const OF_FLIGHT: Index =
    Index { name: "of_flight", hash: FLIGHT, sort: Sort::Departure, oldest_first: false };
/// By day of departure, the newest booking first.
pub(super) const OF_DAY: Index =
    Index { name: "of_day", hash: DAY, sort: Sort::Departure, oldest_first: false };

/// All indexes of the status table.
pub(super) const INDEXES: [Index; 4] = [NEWEST, STALEST, OF_FLIGHT, OF_DAY];
/// Those without which status does not start. A table of an earlier version has only these.
pub(super) const NEEDED: [Index; 2] = [NEWEST, STALEST];

impl Sort {
    /// Its attribute.
    pub(super) const fn attribute(self) -> &'static str {
        match self {
            Sort::AtMs => AT_MS,
            Sort::Departure => DEPARTURE,
        }
    }

    /// The type of its attribute, as DynamoDB names it.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Sort::AtMs => "N",
            Sort::Departure => "S",
        }
    }
}
