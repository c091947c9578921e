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
    turn: Arc<tokio::sync::Mutex<Duration>>,
    known: Arc<Mutex<Option<Arc<Vitals>>>>,
}

impl Queues {
    pub(super) fn new(watch: Option<Arc<dyn Watch>>, clock: Clock) -> Queues {
        Queues { watch, clock, turn: Arc::default(), known: Arc::default() }
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
        let watch = Arc::clone(self.watch.as_ref()?);
        let read = async {
            let mut until = Arc::clone(&self.turn).lock_owned().await;
            if self.clock.steady() < *until {
                return;
            }
            let (known, clock) = (Arc::clone(&self.known), self.clock.clone());
            // It goes on when this reader has lost patience: the next one has what came of it, and
            // that may be what is wrong with the queues.
            let look = tokio::spawn(async move {
                let vitals = Arc::new(watch.look().await);
                *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(vitals);
                *until = clock.steady() + PAUSE;
            });
            // It fails only by a panic, and then the next reader looks.
            let _ = look.await;
        };
        let _ = tokio::time::timeout(PATIENCE, read).await;
        self.known()
    }
}

#[cfg(test)]
#[path = "queues_tests.rs"]
mod tests;
