//! Where a role keeps its rows. Two verbs: read rows, and commit rows that have not changed since.
//!
//! A store does not look inside a row: what a booking's row holds besides its state is the
//! runtime's business. Every store passes the one contract suite in `tests/it`.

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
    /// The row.
    pub body: String,
}

/// A row to be written if it still has the version that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The row's key.
    pub key: String,
    /// The version it was read with; 0 when there was no such row.
    pub read_version: u64,
    /// The row.
    pub body: String,
    /// How else it can be found.
    pub listing: Option<Listing>,
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// All rows are written, durably.
    Done,
    /// A row had changed meanwhile: nothing was written.
    Conflict,
}

/// Which rows to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Find {
    /// Those of one phase, or all, newest first.
    Newest {
        /// The phase.
        phase: Option<String>,
    },
    /// Those that still wait for something, the one that waits longest first.
    Stalest,
}

/// Where a row stood in a list. What comes after it is the same whatever was written meanwhile, but
/// for rows that were written themselves: they stand where their new time is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The time it is listed under, in milliseconds since 1970.
    pub at_ms: i64,
    /// The phase it is listed under.
    pub phase: String,
    /// Its key: many rows may have one time. Their order is the store's own, and always the same.
    pub key: String,
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and rows, in the order that was asked for.
    pub rows: Vec<(String, String)>,
    /// After what the list goes on; none when this was its end.
    pub next: Option<Place>,
}

/// A role's rows.
pub trait Store: Send + Sync + 'static {
    /// The rows of these keys, in their order, as of the newest commit.
    fn read(
        &self,
        keys: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<Versioned>>, StoreError>> + Send;

    /// Writes all of these rows, or none because one has changed. When it says done, the rows
    /// survive a power failure.
    fn commit(&self, writes: Vec<Write>)
    -> impl Future<Output = Result<Commit, StoreError>> + Send;

    /// At most `limit` rows that have a listing: those that come after `after`, or the first. Costs
    /// what it brings, however far into the list that is.
    fn list(
        &self,
        find: Find,
        after: Option<Place>,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;
}

/// Why a store could not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or the table is not what it should be: a person has to look.
    #[error("cannot use the store `{place}`: {problem}")]
    Unusable {
        /// Which.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file is not what was written: its disk, or somebody, has damaged it.
    #[error("the store `{place}` is damaged: restore it from its backup (could not {operation})")]
    Damaged {
        /// What was tried.
        operation: &'static str,
        /// Which file.
        place: String,
        /// What its reader found.
        #[source]
        source: std::sync::Arc<dyn std::error::Error + Send + Sync>,
    },
    /// It did not work this time.
    #[error("could not {operation} in `{place}`")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// Which file or table.
        place: String,
        /// What went wrong; shared, because one failed transaction fails many commits.
        #[source]
        source: std::sync::Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The thread that writes has ended: the process is stopping.
    #[error("the store is closed")]
    Closed,
}
