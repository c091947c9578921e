//! Decides how eagerly the queue is polled. SQS charges for requests, not for messages. So after a
//! receive there is a pause in which as many messages come as the next one can nearly bring: it
//! grows with a receive that comes back short, and shrinks with a full one. It must never be longer
//! than the latency target. A full receive of a message that has waited too long is followed by
//! another one at once, and by one more poller.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

/// The pause after the first receive that comes back short, and the shortest one that is worth its
/// timer.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// How many of every ten messages that a receive asks for are to come during a pause. With more, it
/// would often leave some behind; with fewer, receives would cost more.
const FILL_OF_TEN: usize = 9;
/// The most by which a pause grows from one receive to the next.
const GROWTH_MAX: f64 = 2.0;
/// By how much it shrinks with a full receive, of which nobody knows what it has left behind.
const SHRINK: f64 = 0.8;
/// With how many times the target a message that came with a full receive has waited too long.
const LATE_TIMES: u32 = 2;
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
    /// The last pause. Zero after a receive that found nothing, which was a pause itself.
    pause: Mutex<Duration>,
    wanted: watch::Sender<usize>,
}

impl Pace {
    /// A pace for at most `pollers_max` pollers. No pause is longer than `target`. A target of zero
    /// means no pauses, and two pollers if `pollers_max` allows, so that one receive is open while
    /// another is on its way back.
    pub(super) fn new(target: Duration, pollers_max: usize) -> Pace {
        let pollers_min = if target.is_zero() { 2.min(pollers_max) } else { 1 };
        let wanted = watch::Sender::new(pollers_min);
        Pace { target, pollers_min, pollers_max, pause: Mutex::default(), wanted }
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
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        let full = got >= asked;
        if full {
            *pause = Some(pause.mul_f64(SHRINK)).filter(|it| *it >= PAUSE_MIN).unwrap_or_default();
        }
        let late = full && (pause.is_zero() || waited > self.target * LATE_TIMES);
        if late || waited > self.target + BEHIND_AFTER {
            self.want(|it| (it + 1).min(self.pollers_max));
            return Duration::ZERO;
        }
        if full {
            return *pause;
        }
        self.want(|it| it.saturating_sub(1).max(self.pollers_min));
        *pause = match got {
            0 => Duration::ZERO,
            _ => pause.mul_f64(growth(asked, got)).max(PAUSE_MIN).min(self.target),
        };
        *pause
    }

    fn want(&self, change: impl Fn(usize) -> usize) {
        self.wanted.send_if_modified(|it| std::mem::replace(it, change(*it)) != *it);
    }
}

/// By how much a pause grows after which a receive brought `got` of the messages it `asked` for.
#[expect(clippy::cast_precision_loss, reason = "a receive brings at most ten messages")]
fn growth(asked: usize, got: usize) -> f64 {
    ((asked * FILL_OF_TEN) as f64 / (got * 10) as f64).clamp(1.0, GROWTH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Duration = Duration::ZERO;

    fn pauses<const N: usize>(pace: &Pace, got: [usize; N]) -> [u128; N] {
        got.map(|it| pace.after(10, it, FRESH).as_millis())
    }

    #[test]
    fn short_receives_make_the_pause_grow_until_nine_of_ten_come() {
        let pace = Pace::new(Duration::from_millis(500), 4);
        assert_eq!(pauses(&pace, [1, 1, 2, 4, 6, 9, 9]), [10, 20, 40, 80, 120, 120, 120]);
        // After a receive that found nothing, the pauses start again from the shortest.
        assert_eq!(pauses(&pace, [0, 2, 0, 4]), [0, 10, 0, 10]);
        let pace = Pace::new(Duration::from_millis(100), 4);
        assert_eq!(
            pauses(&pace, [1; 6]),
            [10, 20, 40, 80, 100, 100],
            "never longer than the target"
        );
    }

    #[test]
    fn a_full_receive_is_what_a_pause_brings_and_makes_the_next_one_shorter() {
        let pace = Pace::new(Duration::from_millis(100), 4);
        assert_eq!(pauses(&pace, [1, 1, 2, 4, 10, 10, 9, 5]), [10, 20, 40, 80, 64, 51, 51, 92]);
        assert_eq!(pace.wanted(), 1, "nothing has waited for long");
    }

    #[test]
    fn a_full_receive_of_what_has_waited_twice_the_target_is_followed_by_others_at_once() {
        let pace = Pace::new(Duration::from_millis(100), 4);
        pauses(&pace, [1; 5]);
        let full = |waited| pace.after(10, 10, Duration::from_millis(waited)).as_millis();
        assert_eq!([full(200), full(201)], [80, 0]);
        assert_eq!(pace.wanted(), 2);
    }

    /// How many messages each receive brings on average, how long a message waits on average, and
    /// the longest, in milliseconds, where they come by chance, `a_second` on average.
    fn steady(target_ms: u64, a_second: f64) -> (f64, f64, f64) {
        let pace = Pace::new(Duration::from_millis(target_ms), 4);
        let (mut random, mut now, mut receives) = (fastrand::Rng::with_seed(7), 0.0, 0);
        let (mut sent, count, mut waits) = (0.0, 20_000, Vec::new());
        let mut queue = std::collections::VecDeque::new();
        while waits.len() < count {
            // A round trip, and a long poll that ends with the first message.
            now += 5.0;
            while sent <= now || queue.is_empty() {
                sent += -(1.0 - random.f64()).ln() * 1_000.0 / a_second;
                queue.push_back(sent);
            }
            now = queue.front().copied().filter(|it| *it > now).unwrap_or(now);
            let there = queue.iter().take_while(|it| **it <= now).count().min(10);
            let oldest = now - queue[0];
            waits.extend(queue.drain(..there).map(|it| now - it));
            receives += 1;
            let waited = Duration::from_secs_f64(oldest / 1_000.0);
            now += pace.after(10, there, waited).as_secs_f64() * 1_000.0;
        }
        let (longest, all) = (waits.iter().copied().fold(0.0, f64::max), waits.iter().sum::<f64>());
        let of = |it: usize| f64::from(u32::try_from(it).unwrap());
        (of(waits.len()) / f64::from(receives), all / of(waits.len()), longest)
    }

    #[test]
    fn receives_bring_nearly_what_the_target_allows_and_nothing_waits_for_long() {
        for a_second in [5.0, 20.0, 50.0, 100.0, 150.0, 200.0, 1_000.0] {
            for target_ms in [100_u32, 500] {
                let (target, expected) =
                    (f64::from(target_ms), a_second * f64::from(target_ms) / 1_000.0);
                let (size, mean, longest) = steady(target_ms.into(), a_second);
                let most = (expected + (-expected).exp()).min(10.0);
                let told =
                    format!("{target_ms} ms, {a_second}/s: {size} of {most}, {mean}, {longest}");
                assert!(size > 0.8 * most, "{told}");
                assert!(mean < 0.6 * target, "{told}");
                // Twice the target, then the pause of the receive that finds out.
                assert!(longest < 3.0 * target, "{told}");
            }
        }
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
