//! The error of the unit of work, and the bounds after which it gives up. No error may quote a row
//! or a message.

use std::time::Duration;

use super::LeaseLost;
use crate::{roles::EffectError, store::StoreError, wire::TooLarge};

/// How often an event is decided again after a version conflict, before it is given back.
pub(super) const CONFLICTS_MAX: u32 = 16;
/// How many steps one decision may take. No rule takes nearly as many.
pub(super) const STEPS_MAX: u32 = 16;

/// Why an event could not be dealt with this time. Nothing is half done, and dealing with the event
/// again continues the work.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The store failed.
    #[error("could not use the store")]
    Store(#[from] StoreError),
    /// An outside effect had no answer, or was refused.
    #[error("could not finish the outside effect")]
    Effect(#[from] EffectError),
    #[error("stopped before the next commit")]
    Lease(#[from] LeaseLost),
    /// Other commits kept changing the same rows.
    #[error("gave up after {CONFLICTS_MAX} version conflicts")]
    Contended,
    /// A stored row cannot be read, or a new one cannot be written as JSON.
    #[error("the row `{key}` cannot be read")]
    Row {
        key: String,
        /// The place in the row. The message of serde is dropped, since it could quote the row.
        #[source]
        source: Unreadable,
    },
    /// An outcome is larger than SNS accepts. Nothing was committed.
    #[error("could not announce the outcome")]
    TooLarge(#[from] TooLarge),
    /// The rules never reached a final step. This is a bug.
    #[error("the rules reached no final step after {STEPS_MAX} steps")]
    Endless,
}

impl WorkError {
    /// How long to wait at least before the event is dealt with again, if the provider said so. The
    /// caller bounds this time.
    #[must_use]
    pub fn asked_to_wait(&self) -> Option<Duration> {
        match self {
            WorkError::Effect(EffectError::NotNow { after, .. }) => Some(*after),
            WorkError::Effect(EffectError::Undecided { after, .. }) => *after,
            WorkError::Effect(EffectError::NoAnswer { .. } | EffectError::Refused { .. })
            | WorkError::Store(_)
            | WorkError::Lease(_)
            | WorkError::Contended
            | WorkError::Row { .. }
            | WorkError::TooLarge(_)
            | WorkError::Endless => None,
        }
    }
}

/// The place in a row where it stopped being readable.
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
