//! How the payment provider or the mailer answered lately. Decides whether it is down, or only slow
//! for some bookings. It must never count as down while most bookings get an answer, and never
//! because of one booking, however often that comes again.
//!
//! A time-out ends much later than the deliveries that began beside it and got an answer at once,
//! and several time-outs often end together. So what counts is when a failed delivery began, and
//! not how many failures end in a row.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// It is down if this many messages failed, counting only deliveries that began later than the last
/// one that worked.
const UNBROKEN_MAX: usize = 5;
/// For that, the last delivery that worked must have begun at least this long ago.
const QUIET: Duration = Duration::from_secs(2);
/// For how long the end of a delivery is remembered: three times as long as a time-out of a minute,
/// so that the answers to deliveries that began beside it are remembered when it ends.
const SPAN: Duration = Duration::from_mins(3);
/// How many ends are remembered at most: three times as many as the deliveries that are in flight
/// by default, so that time-outs that end together do not push out the answers before them.
const ENDS_MAX: usize = 200;
/// With fewer ends than this, the share of failures says nothing.
const ENDS_MIN: usize = 20;
/// It is also down if at least this many of every [`OF`] messages failed. Half is not enough: it
/// may be that the first answer to each booking is late, and the second one in time. Below three
/// quarters, more than nine of ten messages get an answer within the ten receives that they have.
const FAILED_OF: usize = 3;
/// See [`FAILED_OF`].
const OF: usize = 4;

/// A delivery that has ended: of which message, and from when to when, by the steady clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    message: u64,
    began: Duration,
    ended: Duration,
}

impl Attempt {
    /// A delivery of the message with this id of SQS, which stays the same however often the
    /// message is received.
    #[must_use]
    pub fn of(message_id: &str, began: Duration, ended: Duration) -> Attempt {
        let mut hasher = DefaultHasher::new();
        message_id.hash(&mut hasher);
        Attempt { message: hasher.finish(), began, ended }
    }

    /// When it ended, by the steady clock.
    #[must_use]
    pub fn ended(&self) -> Duration {
        self.ended
    }
}

/// The ends of the last deliveries that asked the payment provider or the mailer, the last one of
/// each message. All times are by the steady clock.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Each message, when its delivery ended, and whether it failed.
    ends: VecDeque<(u64, Duration, bool)>,
    /// The latest time at which a delivery began that worked.
    worked: Option<Duration>,
    /// The last messages that failed, and when their deliveries began, as far as that was after
    /// `worked`. At most [`UNBROKEN_MAX`] of them.
    unbroken: VecDeque<(u64, Duration)>,
}

impl Window {
    /// Records a delivery that got an answer.
    pub(super) fn worked(&mut self, attempt: Attempt) {
        let worked = self.worked.map_or(attempt.began, |it| it.max(attempt.began));
        self.worked = Some(worked);
        self.unbroken.retain(|(_, began)| *began > worked);
        self.ended(attempt, false);
    }

    /// Records a delivery that failed. Returns whether the payment provider or the mailer is down.
    pub(super) fn failed(&mut self, attempt: Attempt) -> bool {
        if self.worked.is_none_or(|it| attempt.began > it) {
            self.unbroken.retain(|(message, _)| *message != attempt.message);
            self.unbroken.push_back((attempt.message, attempt.began));
            if self.unbroken.len() > UNBROKEN_MAX {
                self.unbroken.pop_front();
            }
        }
        self.ended(attempt, true);
        self.is_silent(attempt.ended) || self.fails_mostly()
    }

    /// Whether no delivery gets an answer any more.
    fn is_silent(&self, now: Duration) -> bool {
        let quiet = self.worked.is_none_or(|it| now.saturating_sub(it) >= QUIET);
        quiet && self.unbroken.len() >= UNBROKEN_MAX
    }

    /// Whether most messages fail.
    fn fails_mostly(&self) -> bool {
        let failed = self.ends.iter().filter(|(_, _, failed)| *failed).count();
        self.ends.len() >= ENDS_MIN && failed * OF >= self.ends.len() * FAILED_OF
    }

    fn ended(&mut self, attempt: Attempt, failed: bool) {
        let now = attempt.ended;
        self.ends.retain(|(message, ..)| *message != attempt.message);
        self.ends.push_back((attempt.message, now, failed));
        while self.ends.len() > ENDS_MAX
            || self.ends.front().is_some_and(|(_, at, _)| now.saturating_sub(*at) > SPAN)
        {
            self.ends.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A delivery of the message with this number.
    fn attempt(message: u64, began: Duration, ended: Duration) -> Attempt {
        Attempt { message, began, ended }
    }

    /// How long a request takes that has no answer.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Failure matrix: A21.
    #[test]
    fn time_outs_that_come_at_once_say_nothing_while_others_who_asked_then_got_an_answer() {
        let mut window = Window::default();
        // Sixty-four ask at once. Thirteen wait in vain, and no other asks until they have failed.
        for at in 0..51 {
            window.worked(attempt(at, ms(at), ms(at + 100)));
        }
        for at in 0..13 {
            assert!(!window.failed(attempt(100 + at, ms(at), ms(at) + PATIENCE)), "{at}");
        }
    }

    /// Failure matrix: A21.
    #[test]
    fn time_outs_of_all_who_asked_since_an_answer_say_that_it_is_down() {
        let mut window = Window::default();
        window.worked(attempt(0, ms(0), ms(100)));
        let fail = |at| window.failed(attempt(at, ms(at), ms(at) + PATIENCE));
        let down: Vec<bool> = (1..=5).map(fail).collect();
        assert_eq!(down, [false, false, false, false, true]);
    }

    /// Failure matrix: A21.
    #[test]
    fn failures_at_once_need_two_seconds_without_an_answer() {
        let mut window = Window::default();
        window.worked(attempt(0, ms(0), ms(1)));
        for at in 1..19 {
            assert!(!window.failed(attempt(at, ms(100 * at), ms(100 * at))), "{at}");
        }
        assert!(window.failed(attempt(99, ms(2_000), ms(2_000))));
    }

    /// Failure matrix: A21.
    #[test]
    fn what_works_clears_those_who_asked_before_it_and_not_those_who_asked_after_it() {
        let mut window = Window::default();
        for at in [1, 2, 4, 5] {
            assert!(!window.failed(attempt(at, ms(at), ms(at))));
        }
        window.worked(attempt(3, ms(3), PATIENCE));
        assert!(!window.failed(attempt(6, ms(6), PATIENCE)));
        assert!(!window.failed(attempt(7, ms(7), PATIENCE)));
        assert!(window.failed(attempt(8, ms(8), PATIENCE)));
    }

    /// Whether it is ever down if each first `failed` of so many fail, late, and the others get
    /// their answer at once.
    fn is_down(failed: u64, of: u64) -> bool {
        let mut window = Window::default();
        (0..1_000).any(|at| {
            let (began, now) = (ms(at), ms(at) + PATIENCE);
            if at % of < failed {
                return window.failed(attempt(at, began, now));
            }
            window.worked(attempt(at, now, now));
            false
        })
    }

    /// Failure matrix: A21.
    #[test]
    fn three_of_four_that_fail_are_too_many_and_two_of_three_are_not() {
        assert!(!is_down(1, 5) && !is_down(1, 2) && !is_down(2, 3));
        assert!(is_down(3, 4) && is_down(9, 10));
    }

    /// Failure matrix: A21.
    #[test]
    fn one_message_says_nothing_however_often_it_fails() {
        let mut window = Window::default();
        window.worked(attempt(0, ms(0), ms(0)));
        for at in 1..1_000 {
            assert!(!window.failed(attempt(1, ms(100 * at), ms(100 * at))), "{at}");
        }
        let down: Vec<bool> =
            (2..=5).map(|it| window.failed(attempt(it, PATIENCE, PATIENCE))).collect();
        assert_eq!(down, [false, false, false, true], "the fifth message");
    }

    #[test]
    fn no_more_is_remembered_than_three_minutes_and_two_hundred() {
        let mut window = Window::default();
        for at in 0..1_000 {
            window.worked(attempt(at, ms(at), ms(at)));
        }
        assert_eq!(window.ends.len(), ENDS_MAX);
        window.worked(attempt(1_000, ms(182_000), ms(182_000)));
        assert_eq!(window.ends.len(), 1);
        for at in 0..100 {
            window.failed(attempt(1_001 + at, ms(182_001 + at), ms(182_001 + at)));
        }
        assert_eq!(window.unbroken.len(), UNBROKEN_MAX);
    }
}
