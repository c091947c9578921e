//! Why an event could not be dealt with this time.

use super::LeaseLost;
use crate::{roles::EffectError, store::StoreError, wire::TooLarge};

/// How often a version conflict is answered by deciding again before the event is given back.
pub(super) const CONFLICTS_MAX: u32 = 16;
/// How often a decision may ask for more rows or an effect: more than any rule does.
pub(super) const STEPS_MAX: u32 = 16;

/// Why an event could not be dealt with this time. Nothing is half done: the same event must come
/// again.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The store failed.
    #[error("could not use the store")]
    Store(#[from] StoreError),
    /// An outside effect had no answer.
    #[error("could not finish the outside effect")]
    Effect(#[from] EffectError),
    /// The lease on the delivery is over.
    #[error("stopped before the next commit")]
    Lease(#[from] LeaseLost),
    /// Other deliveries kept changing the same rows.
    #[error("gave up after {CONFLICTS_MAX} version conflicts")]
    Contended,
    /// A stored row is not what this binary writes.
    #[error("the row `{key}` cannot be read")]
    Row {
        /// The row's key.
        key: String,
        /// Where in the row. The words of serde are not kept: they could quote the row.
        #[source]
        source: Unreadable,
    },
    /// An outcome is larger than SNS takes. Nothing was committed.
    #[error("could not announce the outcome")]
    TooLarge(#[from] TooLarge),
    /// The rules asked for more than they ever should.
    #[error("the rules did not come to an end after {STEPS_MAX} steps")]
    Endless,
}

/// Where a row stopped being readable.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{category:?} error at line {line} column {column}")]
pub struct Unreadable {
    category: serde_json::error::Category,
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for Unreadable {
    fn from(it: serde_json::Error) -> Unreadable {
        Unreadable { category: it.classify(), line: it.line(), column: it.column() }
    }
}
