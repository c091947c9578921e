//! How eagerly the queue is asked. A receive that comes back full, or brings what has waited too
//! long, is followed by another at once, and by one more poller; a short one by a pause, so that
//! the next one finds more. Requests are what SQS charges for, and a pause is what they cost: no
//! message waits longer than the target for it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

/// The pause after the first receive that comes back short; it doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// A message that has waited so much longer than the target is part of a backlog: SQS often brings
/// less than there is. Far more than the clocks of SQS and of this host differ by.
const BEHIND_AFTER: Duration = Duration::from_secs(1);

/// The pace of all pollers of one queue.
#[derive(Debug)]
pub(super) struct Pace {
    target: Duration,
    pollers_min: usize,
    pollers_max: usize,
    /// How many receives since the last one that found nothing came back short.
    short: Mutex<u32>,
    wanted: watch::Sender<usize>,
}

impl Pace {
    /// No message waits longer than `target` to be received with others; zero receives eagerly, and
    /// has one receive open while another is on its way back.
    pub(super) fn new(target: Duration, pollers_max: usize) -> Pace {
        let pollers_min = if target.is_zero() { 2.min(pollers_max) } else { 1 };
        let wanted = watch::Sender::new(pollers_min);
        Pace { target, pollers_min, pollers_max, short: Mutex::default(), wanted }
    }

    /// Returns when poller `number`, from 0, is wanted. The first always is.
    pub(super) async fn turn(&self, number: usize) {
        // Nobody but us has the sender, so this ends only when it is wanted.
        let _ = self.wanted.subscribe().wait_for(|it| number < *it).await;
    }

    /// How many pollers are wanted.
    pub(super) fn wanted(&self) -> usize {
        *self.wanted.borrow()
    }

    /// How long the poller waits before its next receive, after one that asked for some and got
    /// some, of which the oldest had been on the queue for `waited`.
    pub(super) fn after(&self, asked: usize, got: usize, waited: Duration) -> Duration {
        if got >= asked || waited > self.target + BEHIND_AFTER {
            // Full is what a good pause brings, too: the next short one pauses as long as the last.
            self.want(|it| (it + 1).min(self.pollers_max));
            return Duration::ZERO;
        }
        self.want(|it| it.saturating_sub(1).max(self.pollers_min));
        let mut short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        if got == 0 {
            // The long poll was pause enough.
            *short = 0;
            return Duration::ZERO;
        }
        let pause = PAUSE_MIN.saturating_mul(1 << (*short).min(16));
        *short += 1;
        pause.min(self.target)
    }

    fn want(&self, change: impl Fn(usize) -> usize) {
        self.wanted.send_if_modified(|it| std::mem::replace(it, change(*it)) != *it);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Duration = Duration::ZERO;

    fn pauses<const N: usize>(pace: &Pace, got: [usize; N]) -> [u128; N] {
        got.map(|it| pace.after(10, it, FRESH).as_millis())
    }

    #[test]
    fn short_receives_make_the_pause_grow_as_far_as_the_target_lets_it() {
        let pace = Pace::new(Duration::from_millis(100), 4);
        assert_eq!(pauses(&pace, [1, 1, 2, 4, 8, 9]), [10, 20, 40, 80, 100, 100]);
        // One that found nothing begins anew.
        assert_eq!(pauses(&pace, [0, 2, 0, 4]), [0, 10, 0, 10]);
    }

    #[test]
    fn a_full_receive_is_what_a_pause_brings() {
        let pace = Pace::new(Duration::from_millis(100), 4);
        assert_eq!(
            pauses(&pace, [1, 2, 4, 8, 10, 1, 10, 10, 1]),
            [10, 20, 40, 80, 0, 100, 0, 0, 100]
        );
    }

    #[test]
    fn what_has_waited_too_long_is_a_backlog_however_little_one_receive_brings() {
        let pace = Pace::new(Duration::from_millis(500), 4);
        let late = |waited| pace.after(10, 1, Duration::from_millis(waited)).as_millis();
        assert_eq!([late(1_400), late(1_600), late(1_600)], [10, 0, 0]);
        assert_eq!(pace.wanted(), 3);
    }

    #[test]
    fn a_target_of_zero_is_eager() {
        let pace = Pace::new(Duration::ZERO, 4);
        assert_eq!(pauses(&pace, [1, 1]), [0, 0]);
        assert_eq!(pace.wanted(), 2, "one receive is open while another is on its way back");
    }

    #[test]
    fn all_that_was_asked_for_is_full_also_when_it_was_little() {
        let pace = Pace::new(Duration::from_secs(1), 4);
        assert_eq!(pace.after(1, 1, FRESH), Duration::ZERO);
    }

    #[tokio::test]
    async fn pollers_come_and_go_with_the_backlog() {
        let pace = Pace::new(Duration::from_millis(1), 3);
        let wanted = |number| tokio::time::timeout(Duration::ZERO, pace.turn(number));
        assert!(wanted(0).await.is_ok());
        assert!(wanted(1).await.is_err());
        pauses(&pace, [10; 5]);
        assert!(wanted(2).await.is_ok());
        assert!(wanted(3).await.is_err(), "never more than there may be");
        pauses(&pace, [3]);
        assert!(wanted(2).await.is_err());
        assert!(wanted(1).await.is_ok());
        pauses(&pace, [0, 0]);
        assert!(wanted(0).await.is_ok(), "never less than one");
    }
}
