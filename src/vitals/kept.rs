//! Keeps what a watch saw for some seconds, so that neither many viewers nor an impatient one make
//! it look more often. It must never make two looks at once.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt, Shared};

use super::{Vitals, Watch};
use crate::clock::Clock;

/// How long what was seen is shown again. SQS itself says that its figures lag behind by seconds.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// A watch that looks at most once in [`KEPT_FOR`].
pub(super) struct Kept<W> {
    watch: Arc<W>,
    clock: Clock,
    /// How long a look of the watch takes at most.
    look_max: Duration,
    last: Mutex<Option<Look>>,
}

/// A look that has begun, by the steady clock.
struct Look {
    began: Duration,
    /// When it ended, and what it saw. All who wait for it drive it together. If all of them go
    /// away, the next one who wants to know drives it on.
    seen: Shared<BoxFuture<'static, (Duration, Vitals)>>,
}

impl<W: Watch> Kept<W> {
    /// Of a watch whose looks take at most `look_max`.
    pub(super) fn new(watch: W, clock: Clock, look_max: Duration) -> Kept<W> {
        Kept { watch: Arc::new(watch), clock, look_max, last: Mutex::new(None) }
    }

    /// The last look, or a new one if that is too old.
    fn current(&self) -> Shared<BoxFuture<'static, (Duration, Vitals)>> {
        // Nothing that is done with the lock can panic half way.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.steady();
        let is_good = |it: &&Look| match it.seen.peek() {
            Some((ended, _)) => now.saturating_sub(*ended) < KEPT_FOR,
            None => now.saturating_sub(it.began) < self.look_max,
        };
        if let Some(it) = last.as_ref().filter(is_good) {
            return it.seen.clone();
        }
        let (watch, clock) = (Arc::clone(&self.watch), self.clock.clone());
        let look = async move {
            let seen = watch.look().await;
            (clock.steady(), seen)
        };
        let seen = look.boxed().shared();
        *last = Some(Look { began: now, seen: seen.clone() });
        seen
    }
}

impl<W: Watch> Watch for Kept<W> {
    fn look(&self) -> Pin<Box<dyn Future<Output = Vitals> + Send + '_>> {
        Box::pin(async { self.current().await.1 })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use jiff::Timestamp;

    use super::*;

    const LOOK_MAX: Duration = Duration::from_secs(10);

    /// Counts its looks, each of which lets the others go on meanwhile.
    struct Counting(Arc<AtomicU32>);

    impl Watch for Counting {
        fn look(&self) -> Pin<Box<dyn Future<Output = Vitals> + Send + '_>> {
            Box::pin(async {
                self.0.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Vitals { read: Timestamp::UNIX_EPOCH, services: Vec::new() }
            })
        }
    }

    #[tokio::test]
    async fn however_many_look_and_however_often_the_queues_are_asked_once_in_a_while() {
        let (looks, clock) = (Arc::new(AtomicU32::new(0)), Clock::manual(Timestamp::UNIX_EPOCH));
        let kept = Kept::new(Counting(Arc::clone(&looks)), clock.clone(), LOOK_MAX);
        join_all((0..200).map(|_| kept.look())).await;
        kept.look().await;
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        clock.advance(KEPT_FOR);
        join_all((0..200).map(|_| kept.look())).await;
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn who_goes_away_while_it_looks_does_not_make_it_look_again() {
        let (looks, clock) = (Arc::new(AtomicU32::new(0)), Clock::manual(Timestamp::UNIX_EPOCH));
        let kept = Kept::new(Counting(Arc::clone(&looks)), clock.clone(), LOOK_MAX);
        assert!(kept.look().now_or_never().is_none(), "a look takes a moment");
        kept.look().now_or_never().expect("the look went on where it was");
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        // What nobody has waited for so long is not shown as if it were new.
        clock.advance(KEPT_FOR);
        assert!(kept.look().now_or_never().is_none());
        clock.advance(LOOK_MAX);
        kept.look().await;
        assert_eq!(looks.load(Ordering::Relaxed), 3);
    }
}
