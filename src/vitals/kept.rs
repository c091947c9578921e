//! Keeps what a watch saw for some seconds, so that neither many viewers nor an impatient one make
//! it look more often. It must never make two looks at once.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::sync::Mutex;

use super::{Vitals, Watch};
use crate::clock::Clock;

/// How long what was seen is shown again. SQS itself says that its figures lag behind by seconds.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// A watch that looks at most once in [`KEPT_FOR`].
pub(super) struct Kept<W> {
    watch: W,
    clock: Clock,
    /// What was seen last, and when by the steady clock. Held while somebody looks: the others wait
    /// for that look, and it has a time limit of its own.
    last: Mutex<Option<(Duration, Vitals)>>,
}

impl<W> Kept<W> {
    pub(super) fn new(watch: W, clock: Clock) -> Kept<W> {
        Kept { watch, clock, last: Mutex::new(None) }
    }
}

impl<W: Watch> Watch for Kept<W> {
    fn look(&self) -> Pin<Box<dyn Future<Output = Vitals> + Send + '_>> {
        Box::pin(async {
            let mut last = self.last.lock().await;
            if let Some((at, seen)) = &*last
                && self.clock.steady().saturating_sub(*at) < KEPT_FOR
            {
                return seen.clone();
            }
            let seen = self.watch.look().await;
            *last = Some((self.clock.steady(), seen.clone()));
            seen
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use futures_util::future::join_all;
    use jiff::Timestamp;

    use super::*;

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
        let kept = Kept::new(Counting(Arc::clone(&looks)), clock.clone());
        join_all((0..200).map(|_| kept.look())).await;
        kept.look().await;
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        clock.advance(KEPT_FOR);
        join_all((0..200).map(|_| kept.look())).await;
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }
}
