//! What many clients ask for and the store is asked for seldom. However many want it at once, it
//! must be read only once.

use std::{future::Future, time::Duration};

use tokio::sync::Mutex;

use crate::clock::Clock;

/// A value that is read again when it is older than it may be.
#[derive(Debug)]
pub(super) struct Fresh<T> {
    clock: Clock,
    /// How long a value is good for.
    good_for: Duration,
    /// The last value, and when its reading began by the steady clock. Locked while it is read.
    last: Mutex<Option<(Duration, T)>>,
}

impl<T: Clone> Fresh<T> {
    pub(super) fn new(clock: Clock, good_for: Duration) -> Fresh<T> {
        Fresh { clock, good_for, last: Mutex::new(None) }
    }

    /// The last value, or what `read` gives if that is too old.
    pub(super) async fn or(&self, read: impl Future<Output = T>) -> T {
        let mut last = self.last.lock().await;
        let now = self.clock.steady();
        if let Some((at, known)) = &*last
            && now.saturating_sub(*at) < self.good_for
        {
            return known.clone();
        }
        let read = read.await;
        *last = Some((now, read.clone()));
        read
    }
}
