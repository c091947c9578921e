//! Where a role keeps its rows. A store has three operations: read rows, commit rows if they have
//! not changed since they were read, and list rows by phase, by age, by flight or by day.
//!
//! A store must never look inside a row; the runtime decides what a row contains. Every store
//! passes the same contract suite in `tests/it`.

mod departures;
pub mod dynamodb;
mod identity;
pub mod memory;
pub mod sqlite;

pub use identity::{Identity, Origin, Part};

use std::future::Future;

use crate::domain::decision::Listing;

/// A stored row and the version it had when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Counts the writes to the row, from 1.
    pub version: u64,
    pub body: String,
}

/// The conditional write of a row: it takes place only if the row still has the version that was
/// read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub key: String,
    /// The version that was read; 0 when there was no such row.
    pub read_version: u64,
    pub body: String,
    /// The index entry of the row; `None` when the row is not listed.
    pub listing: Option<Listing>,
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// All rows are written, durably.
    Done,
    /// A row had changed since it was read. Nothing was written.
    Conflict,
}

/// Which rows to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Find {
    /// The rows of one phase, or of all phases, newest first.
    Newest { phase: Option<String> },
    /// The rows that still wait for something, the one that waits longest first.
    Stalest,
    /// The rows of one flight: the latest day first, and of one day the newest row first. With a
    /// day, only the rows of that departure.
    Flight { flight: String, day: Option<String> },
    /// The rows of one day, of every flight, the newest row first.
    Day { day: String },
}

impl Find {
    /// The day that all of its rows have, if it names one.
    #[must_use]
    pub fn day(&self) -> Option<&str> {
        match self {
            Find::Newest { .. } | Find::Stalest => None,
            Find::Flight { day, .. } => day.as_deref(),
            Find::Day { day } => Some(day),
        }
    }
}

/// The place of a row in a list, from which the list can be continued both ways. Writes to other
/// rows do not change what comes before and after it. In a list by phase or age, a row that is
/// written moves to the place of its new time; in one by flight or day it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The time under which the row is listed, in milliseconds since 1970.
    pub at_ms: i64,
    /// What the row is listed under: its phase, or in a list by flight or day its day.
    pub under: String,
    /// The key of the row, since several rows may have the same time. Each store has an order of
    /// its own for these, which is always the same.
    pub key: String,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// The first rows.
    First,
    /// The rows after a place of the same list, which itself is not among them.
    After(Place),
    /// The last rows before a place of the same list, which itself is not among them. They have the
    /// order of the list, too.
    Before(Place),
}

impl Start {
    /// The place, if there is one.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Start::First => None,
            Start::After(it) | Start::Before(it) => Some(it),
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and bodies, in the order that was asked for.
    pub rows: Vec<(String, String)>,
    /// The place before which the list has further rows; `None` at its beginning, and for a page
    /// without rows.
    pub previous: Option<Place>,
    /// The place after which the list continues; `None` at its end, and for a page without rows.
    pub next: Option<Place>,
}

/// The rows of one role.
pub trait Store: Send + Sync + 'static {
    /// The rows of these keys, in the order of the keys, as of the newest commit. `None` stands for
    /// a row that does not exist.
    ///
    /// # Errors
    /// When the store cannot be read; see [`StoreError`].
    fn read(
        &self,
        keys: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<Versioned>>, StoreError>> + Send;

    /// Writes all of these rows, or none of them when one has changed since it was read. After
    /// [`Commit::Done`], the rows survive a power failure, if the store was opened for that.
    ///
    /// # Errors
    /// When it is not known that the rows were written; see [`StoreError`]. They may still have
    /// been written, so a caller reads again.
    fn commit(&self, writes: Vec<Write>)
    -> impl Future<Output = Result<Commit, StoreError>> + Send;

    /// At most `limit` listed rows, from the beginning, after a place or before it. The cost
    /// depends on the number of rows that are returned, not on the place in the list.
    ///
    /// A row that was last written by a version without lists by flight and day is in none of these
    /// until it is written again.
    ///
    /// # Errors
    /// When the store cannot be read; see [`StoreError`].
    fn list(
        &self,
        find: Find,
        start: Start,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;
}

/// Why an operation of a store failed. `place` is the file or the table.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or the table cannot be used as it is, and a person has to look. Trying again does
    /// not help.
    #[error("cannot use the store `{place}`: {problem}")]
    Unusable { place: String, problem: String },
    /// The file no longer has the contents that were written: a disk or another program has damaged
    /// it.
    #[error("the store `{place}` is damaged: restore it from its backup (could not {operation})")]
    Damaged {
        operation: &'static str,
        place: String,
        #[source]
        source: std::sync::Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The table has no index for this list yet. All its other rows and lists can be used.
    #[error(
        "the table `{place}` cannot be listed by flight or day: its index `{index}` is missing, not \
         built yet or not allowed; run terraform apply with the terraform/ of this version and wait \
         until the index is active"
    )]
    NotIndexed {
        place: String,
        index: &'static str,
        /// What DynamoDB said.
        #[source]
        source: std::sync::Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The operation failed this time. Trying again may help.
    #[error("could not {operation} in `{place}`")]
    Failed {
        operation: &'static str,
        place: String,
        /// Shared, because one failed transaction fails many commits.
        #[source]
        source: std::sync::Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The thread that writes has ended: the process is stopping, or the thread died of a bug.
    #[error("the store is closed")]
    Closed,
}
