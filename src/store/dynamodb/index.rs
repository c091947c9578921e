//! The two indexes of the status table. They must have these names and keys in Terraform, too.

use super::row::{OPEN_PHASE, PHASE, Row};

/// An index of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Index {
    name: &'static str,
    phase: &'static str,
    pub(super) oldest_first: bool,
}

/// By phase, the newest first.
pub(super) const NEWEST: Index = Index { name: "newest", phase: PHASE, oldest_first: false };
/// Open bookings. The one that has had no news for the longest time comes first.
pub(super) const STALEST: Index = Index { name: "stalest", phase: OPEN_PHASE, oldest_first: true };

/// All indexes of the status table.
pub(super) const INDEXES: [Index; 2] = [NEWEST, STALEST];

impl Index {
    pub(super) const fn name(self) -> &'static str {
        self.name
    }

    /// The attribute that is its hash key.
    pub(super) const fn phase_attribute(self) -> &'static str {
        self.phase
    }

    /// A number by which a list is sorted: smaller numbers come earlier.
    pub(super) fn rank(self, at_ms: i64) -> i64 {
        if self.oldest_first { at_ms } else { at_ms.saturating_neg() }
    }

    /// The phase under which this index lists a row.
    pub(super) fn phase_of(self, row: &Row) -> Option<&str> {
        if self.oldest_first { row.open_phase.as_deref() } else { row.phase.as_deref() }
    }
}
