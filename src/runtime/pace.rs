//! How eagerly the queue is asked. A receive that comes back full is followed by another at once, and
//! by one more poller; one that brings less than half by a pause, so that the next one finds more. Requests
//! are what SQS charges for, and a pause is what they cost: no message waits longer than the target.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

/// The pause after the first receive that comes back short; it doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// The pace of all pollers of one queue.
#[derive(Debug)]
pub(super) struct Pace {
    target: Duration,
    pollers_max: usize,
    /// How many receives in a row came back short.
    short: Mutex<u32>,
    wanted: watch::Sender<usize>,
}

impl Pace {
    /// No message waits longer than `target` to be received with others; zero receives eagerly.
    pub(super) fn new(target: Duration, pollers_max: usize) -> Pace {
        Pace { target, pollers_max, short: Mutex::default(), wanted: watch::Sender::new(1) }
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

    /// How long the poller waits before its next receive, after one that asked for some and got some.
    pub(super) fn after(&self, asked: usize, got: usize) -> Duration {
        let mut short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        if got >= asked {
            *short = 0;
            self.want(|it| (it + 1).min(self.pollers_max));
            return Duration::ZERO;
        }
        if got * 2 >= asked {
            // SQS often brings less than there is: that is no short queue yet.
            *short = 0;
            return Duration::ZERO;
        }
        self.want(|it| it.saturating_sub(1).max(1));
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

    fn ms(of: &[Duration]) -> Vec<u128> {
        of.iter().map(Duration::as_millis).collect()
    }

    #[test]
    fn short_receives_make_the_pause_grow_as_far_as_the_target_lets_it() {
        let pace = Pace::new(Duration::from_millis(100), 4);
        let pauses: Vec<_> = (0..6).map(|_| pace.after(10, 1)).collect();
        assert_eq!(ms(&pauses), [10, 20, 40, 80, 100, 100]);
        // A full one begins anew, and so does one that found nothing.
        assert_eq!(ms(&[pace.after(10, 10), pace.after(10, 2)]), [0, 10]);
        assert_eq!(ms(&[pace.after(10, 0), pace.after(10, 4)]), [0, 10]);
        assert_eq!(ms(&[pace.after(10, 5), pace.after(10, 4)]), [0, 10]);
    }

    #[test]
    fn a_target_of_zero_is_eager() {
        let pace = Pace::new(Duration::ZERO, 4);
        assert_eq!(ms(&[pace.after(10, 1), pace.after(10, 1)]), [0, 0]);
    }

    #[test]
    fn all_that_was_asked_for_is_full_also_when_it_was_little() {
        let pace = Pace::new(Duration::from_secs(1), 4);
        assert_eq!(pace.after(1, 1), Duration::ZERO);
    }

    #[tokio::test]
    async fn pollers_come_and_go_with_the_backlog() {
        let pace = Pace::new(Duration::ZERO, 3);
        let wanted = |number| tokio::time::timeout(Duration::ZERO, pace.turn(number));
        assert!(wanted(0).await.is_ok());
        assert!(wanted(1).await.is_err());
        for _ in 0..5 {
            pace.after(10, 10);
        }
        assert!(wanted(2).await.is_ok());
        assert!(wanted(3).await.is_err(), "never more than there may be");
        pace.after(10, 3);
        assert!(wanted(2).await.is_err());
        assert!(wanted(1).await.is_ok());
        pace.after(10, 0);
        pace.after(10, 0);
        assert!(wanted(0).await.is_ok(), "never less than one");
    }
}
