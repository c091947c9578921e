//! What many clients ask for and the store is asked for seldom. However many want it at once, it
//! must be read only once, also if those who wanted it go away meanwhile.

use std::{future::Future, panic::resume_unwind, sync::Arc, time::Duration};

use tokio::sync::Mutex;

use crate::clock::Clock;

/// A value that is read again when it is older than it may be.
#[derive(Debug)]
pub(super) struct Fresh<T> {
    clock: Clock,
    /// How long a value is good for.
    good_for: Duration,
    /// The last value, and when its reading began by the steady clock. Locked while it is read.
    last: Arc<Mutex<Option<(Duration, T)>>>,
}

impl<T: Clone + Send + 'static> Fresh<T> {
    pub(super) fn new(clock: Clock, good_for: Duration) -> Fresh<T> {
        Fresh { clock, good_for, last: Arc::default() }
    }

    /// The last value, or what `read` gives if that is too old. Once begun, `read` goes on by
    /// itself, so that no client makes it begin again by going away.
    pub(super) async fn or(&self, read: impl Future<Output = T> + Send + 'static) -> T {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        let now = self.clock.steady();
        if let Some((at, known)) = &*last
            && now.saturating_sub(*at) < self.good_for
        {
            return known.clone();
        }
        let reading = tokio::spawn(async move {
            let read = read.await;
            *last = Some((now, read.clone()));
            read
        });
        match reading.await {
            Ok(read) => read,
            Err(ended) => resume_unwind(ended.into_panic()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt;
    use jiff::Timestamp;

    use super::*;

    #[tokio::test]
    async fn what_a_client_who_goes_away_has_begun_is_there_for_the_next() {
        let (clock, reads) = (Clock::manual(Timestamp::UNIX_EPOCH), Arc::new(AtomicU32::new(0)));
        let fresh = Fresh::new(clock.clone(), Duration::from_secs(1));
        let read = || {
            let reads = Arc::clone(&reads);
            async move {
                tokio::task::yield_now().await;
                reads.fetch_add(1, Ordering::Relaxed) + 1
            }
        };
        for _ in 0..9 {
            assert_eq!(fresh.or(read()).now_or_never(), None, "a reading takes a moment");
        }
        assert_eq!(fresh.or(read()).await, 1);
        clock.advance(Duration::from_secs(1));
        assert_eq!(fresh.or(read()).await, 2);
    }
}
