//! The queues are read seldom, only when asked, and never waited for too long.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
};

use jiff::Timestamp;

use super::*;

/// Counts how often it is asked; from some time on it does not answer.
#[derive(Default)]
struct Counted {
    asked: AtomicUsize,
    answers: usize,
}

impl Watch for Counted {
    fn look(&self) -> Pin<Box<dyn Future<Output = Vitals> + Send + '_>> {
        Box::pin(async {
            if self.asked.fetch_add(1, Ordering::SeqCst) >= self.answers {
                pending::<()>().await;
            }
            Vitals { read: Timestamp::UNIX_EPOCH, services: Vec::new() }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn the_queues_are_asked_at_most_once_in_ten_seconds_and_not_waited_for() {
    let watch = Arc::new(Counted { answers: 2, ..Counted::default() });
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let queues = Queues::new(Some(watch.clone()), clock.clone());
    assert!(queues.known().is_none() && watch.asked.load(Ordering::SeqCst) == 0);
    for _ in 0..5 {
        assert!(queues.now().await.is_some());
    }
    assert_eq!(watch.asked.load(Ordering::SeqCst), 1);
    clock.advance(PAUSE);
    assert!(queues.now().await.is_some());
    assert_eq!(watch.asked.load(Ordering::SeqCst), 2);
    // Now it hangs: what is known stays, and nobody else asks meanwhile.
    clock.advance(PAUSE);
    for _ in 0..3 {
        assert!(queues.now().await.is_some());
        assert_eq!(watch.asked.load(Ordering::SeqCst), 3);
    }
}

/// Answers later than a reader waits.
struct Slow;

impl Watch for Slow {
    fn look(&self) -> Pin<Box<dyn Future<Output = Vitals> + Send + '_>> {
        Box::pin(async {
            tokio::time::sleep(PATIENCE * 3).await;
            Vitals { read: Timestamp::UNIX_EPOCH, services: Vec::new() }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_slow_queues_say_is_there_for_a_later_reader() {
    let queues = Queues::new(Some(Arc::new(Slow)), Clock::manual(Timestamp::UNIX_EPOCH));
    assert!(queues.now().await.is_none());
    tokio::time::sleep(PATIENCE * 3).await;
    assert!(queues.now().await.is_some());
}

#[tokio::test]
async fn without_a_watch_nothing_is_known() {
    let queues = Queues::new(None, Clock::manual(Timestamp::UNIX_EPOCH));
    assert!(!queues.are_watched() && queues.now().await.is_none());
}
