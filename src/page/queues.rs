//! What is known of the queues, read at most once in ten seconds, and only while somebody looks.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    clock::Clock,
    vitals::{Vitals, Watch},
};

/// How long what was read counts as new.
const PAUSE: Duration = Duration::from_secs(10);
/// How long a reader waits for the queues. A page without them is better than none.
const PATIENCE: Duration = Duration::from_secs(3);

/// The queues, and what was read of them last.
pub(super) struct Queues {
    watch: Option<Arc<dyn Watch>>,
    clock: Clock,
    /// Whoever reads the queues has this; it holds until when they count as read.
    turn: tokio::sync::Mutex<Duration>,
    known: Mutex<Option<Arc<Vitals>>>,
}

impl Queues {
    pub(super) fn new(watch: Option<Arc<dyn Watch>>, clock: Clock) -> Queues {
        let turn = tokio::sync::Mutex::new(Duration::ZERO);
        Queues { watch, clock, turn, known: Mutex::new(None) }
    }

    /// Whether the queues can be looked at.
    pub(super) fn are_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// What was read last, if it was.
    pub(super) fn known(&self) -> Option<Arc<Vitals>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the queues say now. If they do not answer in time, what was read last.
    pub(super) async fn now(&self) -> Option<Arc<Vitals>> {
        let watch = self.watch.as_ref()?;
        let read = async {
            let mut until = self.turn.lock().await;
            if self.clock.steady() < *until && self.known().is_some() {
                return;
            }
            let vitals = Arc::new(watch.look().await);
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(vitals);
            *until = self.clock.steady() + PAUSE;
        };
        // A look that is given up is begun again by the next reader.
        let _ = tokio::time::timeout(PATIENCE, read).await;
        self.known()
    }
}

#[cfg(test)]
#[path = "queues_tests.rs"]
mod tests;
