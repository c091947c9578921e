//! Decides how eagerly the queue is polled. A receive that comes back full, or that brings a
//! message which has waited too long, is followed by another one at once, and by one more poller. A
//! receive that comes back short is followed by a pause, so that the next one finds more messages:
//! SQS charges for requests, not for messages. A pause must never let a message wait longer than
//! the latency target.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

/// The pause after the first receive that comes back short. It doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// How often the pause is doubled at most. It has reached every latency target long before.
const DOUBLINGS_MAX: u32 = 16;
/// A message that has waited longer than the target by this much is part of a backlog, even if the
/// receive was short, since SQS often brings fewer messages than there are. This time is
/// far longer than the clocks of SQS and of this host differ.
const BEHIND_AFTER: Duration = Duration::from_secs(1);

/// The pace of all pollers of one queue.
#[derive(Debug)]
pub(super) struct Pace {
    target: Duration,
    pollers_min: usize,
    pollers_max: usize,
    /// How many receives came back short since the last one that found nothing.
    short: Mutex<u32>,
    wanted: watch::Sender<usize>,
}

impl Pace {
    /// A pace for at most `pollers_max` pollers. No message waits longer than `target` to be
    /// received together with others. A target of zero means no pauses, and two pollers if
    /// `pollers_max` allows, so that one receive is open while another is on its way back.
    pub(super) fn new(target: Duration, pollers_max: usize) -> Pace {
        let pollers_min = if target.is_zero() { 2.min(pollers_max) } else { 1 };
        let wanted = watch::Sender::new(pollers_min);
        Pace { target, pollers_min, pollers_max, short: Mutex::default(), wanted }
    }

    /// Returns when poller `number` is wanted. Poller 0 always is.
    pub(super) async fn turn(&self, number: usize) {
        // The sender lives in `self`, so this cannot end because the channel closed.
        let _ = self.wanted.subscribe().wait_for(|it| number < *it).await;
    }

    /// How many pollers are wanted now.
    pub(super) fn wanted(&self) -> usize {
        *self.wanted.borrow()
    }

    /// How long a poller pauses before its next receive. Its last one asked for `asked` messages
    /// and got `got`, of which the oldest was on the queue for `waited`.
    pub(super) fn after(&self, asked: usize, got: usize, waited: Duration) -> Duration {
        if got >= asked || waited > self.target + BEHIND_AFTER {
            // A pause of the right length makes the next receive full, too. So `short` stays, and
            // the next short receive is followed by a pause of the same length.
            self.want(|it| (it + 1).min(self.pollers_max));
            return Duration::ZERO;
        }
        self.want(|it| it.saturating_sub(1).max(self.pollers_min));
        let mut short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        if got == 0 {
            // The long poll that brought nothing was a pause already.
            *short = 0;
            return Duration::ZERO;
        }
        let pause = PAUSE_MIN.saturating_mul(1 << (*short).min(DOUBLINGS_MAX));
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
        // After a receive that found nothing, the pauses start again from the shortest.
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
