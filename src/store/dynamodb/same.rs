//! Checks that the table is still the one that was opened. A table that was deleted and created
//! again under the same name is empty, and a lost table must never be read as one that never had
//! any rows.
//!
//! DynamoDB's answers do not show this, and checking the identity with every request would cost a
//! read unit each time. But for some seconds after a table is deleted, no other can have its name.
//! A process that sends requests meanwhile gets an error, and remembers it. A process that has sent
//! none for a while checks the identity with its next request. A table that was restored from a
//! backup has the identity of the backup, and counts as the same table.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use crate::clock::Clock;

/// For how long after an answer the table is taken to be the same one: less than DynamoDB needs to
/// delete a table and create another.
const TRUST: Duration = Duration::from_secs(2);
/// What is known about the table, shared by all copies of a store.
#[derive(Debug)]
pub(super) struct Same {
    trust: Duration,
    /// When the newest answered request was sent, by the steady clock.
    known: Mutex<Duration>,
    /// Why the table is lost. Once set, it stays.
    pub(super) lost: OnceLock<String>,
}

impl Same {
    /// The state right after the table was checked.
    pub(super) fn new(trust: Option<Duration>) -> Same {
        Same { trust: trust.unwrap_or(TRUST), known: Mutex::new(now()), lost: OnceLock::new() }
    }

    /// Whether a request that was sent at `sent` and answered by the right table is recent enough
    /// to trust that table now.
    pub(super) fn is_trusted(&self, sent: Duration) -> bool {
        now().saturating_sub(sent) < self.trust
    }

    pub(super) fn known(&self) -> Duration {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn answered(&self, sent: Duration) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = sent.max(*known);
    }
}

/// The time of a clock that also runs while the machine sleeps, since a table can be replaced
/// meanwhile.
pub(super) fn now() -> Duration {
    Clock::Machine.steady()
}
