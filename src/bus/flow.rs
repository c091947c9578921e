//! How long a batch of deletes waits for the next delete: as long as another one is to be expected
//! soon, which it learns from those before. Nobody waits for a delete, so ten of them should share
//! a request even where few messages come; but when no more come, the last ones must not linger.
//!
//! It must never read a clock: its caller says what time it is.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Deletes that follow each other within this time came together: what one receive brought is done
/// at about the same time.
const TOGETHER: Duration = Duration::from_millis(20);
/// With how many times the mean pause between two deletes that did not come together the flow has
/// dried up. By chance alone, a pause is as long only once in three thousand times.
const PAUSES: u32 = 8;
/// The part that one pause has in the mean.
const SHARE: u32 = 8;
/// No flow dries up sooner.
const PATIENCE_MIN: Duration = Duration::from_millis(200);

/// The flow of deletes of one service.
#[derive(Debug)]
pub(super) struct Flow {
    /// The longest that a delete waits.
    cap: Duration,
    learned: Mutex<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    /// When the last delete came.
    last: Option<Duration>,
    /// The mean pause between two deletes that did not come together.
    pause: Duration,
    /// When the batch that waits must leave at the latest.
    leaves: Duration,
}

impl Flow {
    /// A flow of which nothing is known. No delete waits for longer than `cap`.
    pub(super) fn new(cap: Duration) -> Flow {
        Flow { cap, learned: Mutex::default() }
    }

    /// A delete came `now`, on a clock that never steps: for how long the batch, which has this
    /// many `entries` with it, waits for a further one.
    pub(super) fn next(&self, now: Duration, entries: usize) -> Duration {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        let last = learned.last.replace(now).unwrap_or(now);
        let pause = now.saturating_sub(last).min(self.cap);
        if pause > TOGETHER {
            learned.pause = (learned.pause * (SHARE - 1) + pause) / SHARE;
        }
        if entries <= 1 {
            learned.leaves = now + self.cap;
        }
        let patience = (learned.pause * PAUSES).max(PATIENCE_MIN);
        patience.min(learned.leaves.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: Duration = Duration::from_secs(5);

    /// The mean size of the batches that leave while deletes come, so many `together`, with pauses
    /// of chance, `a_second` on average, and how long the last batch waits when no more come.
    fn batches(flow: &Flow, together: u32, a_second: f64) -> (f64, Duration) {
        let (mut random, count) = (fastrand::Rng::with_seed(7), 5_000);
        let (mut now, mut entries, mut leaves, mut left) = (CAP, 0, CAP, 0);
        for number in 0..count {
            if number % together == 0 {
                let pause = -(1.0 - random.f64()).ln() * f64::from(together) / a_second;
                now += Duration::from_secs_f64(pause);
            }
            if entries > 0 && (now > leaves || entries == 10) {
                (entries, left) = (0, left + 1);
            }
            entries += 1;
            leaves = now + flow.next(now, entries);
        }
        (f64::from(count) / f64::from(left), leaves - now)
    }

    #[test]
    fn deletes_leave_by_tens_where_ten_come_in_time_and_soon_when_no_more_come() {
        // From five bookings a second on, the services delete ten to twenty messages a second.
        for a_second in [10.0, 20.0, 1_000.0] {
            for together in [1, 3, 6] {
                let (size, _) = batches(&Flow::new(CAP), together, a_second);
                assert!(size > 9.5, "{together} together, {a_second} a second: {size}");
            }
        }
        let (size, _) = batches(&Flow::new(CAP), 1, 1.0);
        assert!((4.0..7.0).contains(&size), "five seconds bring about five more: {size}");
        let (_, last) = batches(&Flow::new(CAP), 1, 2_000.0);
        assert_eq!(last, PATIENCE_MIN);
    }

    #[test]
    fn no_delete_waits_for_longer_than_the_cap() {
        let flow = Flow::new(CAP);
        let mut now = CAP * 3;
        for entries in 1..=10 {
            let wait = flow.next(now, entries);
            assert!(now + wait <= CAP * 4, "{entries}");
            now += CAP / 10;
        }
        let short = Flow::new(Duration::from_millis(20));
        assert_eq!(short.next(CAP, 1), Duration::from_millis(20));
    }
}
