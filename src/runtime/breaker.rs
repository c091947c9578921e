//! The breaker: stops polling while a dependency is down. Messages then wait on their queue, where
//! waiting costs nothing. Otherwise they would be received again and again, until SQS moves them to
//! the dead-letter queue.
//!
//! The breaker opens when several deliveries in a row had to be given back because of the same
//! dependency. After a pause it lets one delivery at a time through, as a trial. It closes when a
//! delivery that needs the dependency succeeds; it must never need a person or a restart for that.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::delay::pause;
use crate::domain::named;

/// How many deliveries in a row must fail before polling stops. One failed publish request may be
/// enough: all deliveries whose messages it carried fail. Then the first trial that works closes
/// the breaker again.
const FAILURES_MAX: u32 = 5;
/// How long other pollers wait while one delivery is being tried.
const TRIAL_WAIT: Duration = Duration::from_millis(500);

named! {
    /// A dependency of a delivery.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Dependency {
        /// The role's own store.
        Store = "store",
        /// The gateway, or the mailer.
        Outside = "outside",
        Topics = "topics",
    }
}

/// What a failure did to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trip {
    /// It was counted. Whether polling has stopped is as before.
    Counted,
    /// Polling stops now.
    Opens,
    /// The failed delivery was the trial. Polling stays stopped, for longer.
    StaysOpen,
}

/// The breaker of one role.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
    /// Wakes the pollers that rest until the breaker closes.
    closed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// How many deliveries in a row failed because of `failing`. Deliveries that do not need it are
    /// not counted, since they say nothing about it.
    failures: u32,
    failing: Option<Dependency>,
    /// How often in a row the breaker opened, trials that failed included.
    opened: u32,
    /// Until when nothing is received, by the steady clock. `None` while the breaker is closed.
    until: Option<Duration>,
    /// The number of the trial that has begun and not ended, its receive included.
    trial: Option<u64>,
    /// How many trials have begun. Never reset, so that no two trials have one number.
    trials: u64,
    why: String,
}

/// Whether a receive may begin.
#[derive(Debug)]
pub enum Permission {
    /// It may, for as many messages as there are permits.
    Closed,
    /// It may, for one message, to find out whether the dependency has recovered.
    Trial(Trial),
    /// It may not: ask again after `wait`. `why` is the last failure.
    Open { wait: Duration, why: String },
}

/// The one trial of an open breaker: a receive, and the delivery that it brings. Until this value
/// is dropped or the trial has failed, no other trial begins. Deliveries that were in flight when
/// the breaker opened are no trials, however they end.
#[derive(Debug)]
pub struct Trial {
    breaker: Arc<Breaker>,
    number: u64,
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut state = self.breaker.lock();
        // A trial that has failed may be dropped when the next one has begun.
        if state.trial == Some(self.number) {
            state.trial = None;
        }
    }
}

impl Breaker {
    /// Records that a delivery had to be given back because of the dependency `on`. `trial` is the
    /// trial that the delivery belongs to, if any. `now` is by the steady clock.
    pub fn failed(
        &self,
        on: Dependency,
        why: &str,
        trial: Option<&Trial>,
        now: Duration,
        jitter: &mut fastrand::Rng,
    ) -> Trip {
        let mut state = self.lock();
        let open = state.until.is_some();
        if open && trial.is_none_or(|it| state.trial != Some(it.number)) {
            // It does not say whether the dependency that is down has recovered.
            return Trip::Counted;
        }
        state.failures =
            if state.failing == Some(on) { state.failures.saturating_add(1) } else { 1 };
        state.failing = Some(on);
        why.clone_into(&mut state.why);
        if !open && state.failures < FAILURES_MAX {
            return Trip::Counted;
        }
        state.trial = None;
        state.opened = state.opened.saturating_add(1);
        state.until = Some(now.saturating_add(pause(state.opened, jitter)));
        if open { Trip::StaysOpen } else { Trip::Opens }
    }

    /// The dependency for which polling has stopped, and the last failure. `None` while the breaker
    /// is closed.
    #[must_use]
    pub fn open(&self) -> Option<(Dependency, String)> {
        let state = self.lock();
        state.until?;
        Some((state.failing?, state.why.clone()))
    }

    /// Records the success of a delivery that needed all of these. Returns whether the breaker
    /// closed.
    pub fn worked(&self, needed: &[Dependency]) -> bool {
        let mut state = self.lock();
        if !state.failing.is_some_and(|it| needed.contains(&it)) {
            return false;
        }
        let was_open = state.until.is_some();
        *state = State { trials: state.trials, ..State::default() };
        drop(state);
        if was_open {
            self.closed.notify_waiters();
        }
        was_open
    }

    /// Waits for `pause`. If the breaker is open now, returns as soon as it closes.
    pub async fn rest(&self, pause: impl Future<Output = ()>) {
        let closed = self.closed.notified();
        // Created before the check below, so that no close in between is missed.
        if self.lock().until.is_none() {
            return pause.await;
        }
        tokio::select! {
            biased;
            () = closed => {}
            () = pause => {}
        }
    }

    /// Whether a receive may begin now, by the steady clock.
    pub fn permission(self: &Arc<Self>, now: Duration) -> Permission {
        let mut state = self.lock();
        let Some(until) = state.until else { return Permission::Closed };
        let left = until.saturating_sub(now);
        if !left.is_zero() || state.trial.is_some() {
            let wait = left.max(TRIAL_WAIT);
            return Permission::Open { wait, why: state.why.clone() };
        }
        state.trials += 1;
        state.trial = Some(state.trials);
        Permission::Trial(Trial { breaker: Arc::clone(self), number: state.trials })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The trial that may begin now.
    fn trial(breaker: &Arc<Breaker>, now: Duration) -> Trial {
        match breaker.permission(now) {
            Permission::Trial(it) => it,
            other @ (Permission::Closed | Permission::Open { .. }) => panic!("{other:?}"),
        }
    }

    fn is_closed(breaker: &Arc<Breaker>, now: Duration) -> bool {
        matches!(breaker.permission(now), Permission::Closed)
    }

    /// How a trial ends that the gateway fails.
    fn fail_trial(breaker: &Breaker, trial: &Trial, now: Duration) -> Trip {
        let mut jitter = fastrand::Rng::with_seed(1);
        breaker.failed(Dependency::Outside, "the gateway is down", Some(trial), now, &mut jitter)
    }

    fn at(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn fail(breaker: &Breaker, times: u32, now: Duration) -> bool {
        let mut jitter = fastrand::Rng::with_seed(1);
        (0..times)
            .map(|_| {
                breaker.failed(Dependency::Outside, "the gateway is down", None, now, &mut jitter)
            })
            .any(|it| it == Trip::Opens)
    }

    /// Failure matrix: A21.
    #[test]
    fn it_opens_after_failures_in_a_row_and_says_why() {
        let breaker = Arc::new(Breaker::default());
        assert!(!fail(&breaker, 4, at(0)));
        assert!(is_closed(&breaker, at(0)));
        assert!(fail(&breaker, 1, at(0)));
        assert!(
            matches!(breaker.permission(at(0)), Permission::Open { why, .. } if why == "the gateway is down")
        );
    }

    /// Failure matrix: A21.
    #[test]
    fn one_that_works_in_between_keeps_it_closed() {
        let breaker = Arc::new(Breaker::default());
        for _ in 0..10 {
            assert!(!fail(&breaker, 4, at(0)));
            breaker.worked(&[Dependency::Store, Dependency::Outside]);
        }
        assert!(is_closed(&breaker, at(0)));
    }

    /// Failure matrix: A21.
    #[test]
    fn what_does_not_need_it_says_nothing_about_it() {
        let breaker = Arc::new(Breaker::default());
        fail(&breaker, 4, at(0));
        assert!(!breaker.worked(&[Dependency::Store, Dependency::Topics]));
        assert!(fail(&breaker, 1, at(0)));
        let first = trial(&breaker, at(60));
        assert!(!breaker.worked(&[Dependency::Store]), "still not known whether the gateway works");
        drop(first);
        trial(&breaker, at(60));
    }

    /// Failure matrix: A21.
    #[test]
    fn after_a_pause_one_delivery_is_tried_and_closes_it() {
        let breaker = Arc::new(Breaker::default());
        fail(&breaker, 5, at(0));
        let empty = trial(&breaker, at(60));
        assert!(matches!(breaker.permission(at(60)), Permission::Open { .. }), "only one");
        drop(empty);
        let _trial = trial(&breaker, at(60));
        assert!(breaker.worked(&[Dependency::Outside]));
        assert!(is_closed(&breaker, at(60)));
        assert_eq!(breaker.open(), None);
    }

    /// Failure matrix: A21.
    #[test]
    fn a_trial_that_fails_opens_it_for_longer() {
        let breaker = Arc::new(Breaker::default());
        fail(&breaker, 5, at(0));
        let mut now = 60;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let trial = trial(&breaker, at(now));
            assert_eq!(fail_trial(&breaker, &trial, at(now)), Trip::StaysOpen);
            assert_eq!(
                breaker.open(),
                Some((Dependency::Outside, "the gateway is down".to_owned()))
            );
            let Permission::Open { wait, .. } = breaker.permission(at(now)) else {
                panic!("it is open")
            };
            waits.push(wait);
            now += 60;
        }
        assert!(waits.last() > waits.first(), "{waits:?}");
    }

    /// Failure matrix: A21.
    #[test]
    fn what_was_in_flight_when_it_opened_is_no_trial_however_it_ends() {
        let breaker = Arc::new(Breaker::default());
        let mut jitter = fastrand::Rng::with_seed(1);
        fail(&breaker, 5, at(0));
        let trial = trial(&breaker, at(60));
        let mut failed = |on| breaker.failed(on, "it was in flight", None, at(60), &mut jitter);
        assert_eq!(failed(Dependency::Outside), Trip::Counted);
        assert_eq!(failed(Dependency::Store), Trip::Counted);
        assert!(!breaker.worked(&[Dependency::Store]), "the gateway is still down");
        assert!(matches!(breaker.permission(at(60)), Permission::Open { .. }), "one is tried");
        assert_eq!(breaker.open(), Some((Dependency::Outside, "the gateway is down".to_owned())));
        assert_eq!(fail_trial(&breaker, &trial, at(60)), Trip::StaysOpen);
    }

    /// Failure matrix: A21.
    #[test]
    fn a_trial_that_has_failed_and_is_dropped_late_does_not_end_the_next_one() {
        let breaker = Arc::new(Breaker::default());
        fail(&breaker, 5, at(0));
        let first = trial(&breaker, at(60));
        assert_eq!(fail_trial(&breaker, &first, at(60)), Trip::StaysOpen);
        let second = trial(&breaker, at(120));
        drop(first);
        assert!(matches!(breaker.permission(at(120)), Permission::Open { .. }), "one is tried");
        assert_eq!(fail_trial(&breaker, &second, at(120)), Trip::StaysOpen);
    }

    #[tokio::test(start_paused = true)]
    async fn who_rests_for_an_open_breaker_goes_on_as_soon_as_it_closes() {
        let breaker = Arc::new(Breaker::default());
        fail(&breaker, 5, at(0));
        let began = tokio::time::Instant::now();
        let close = async {
            tokio::task::yield_now().await;
            assert!(breaker.worked(&[Dependency::Outside]));
        };
        let hour = || tokio::time::sleep(Duration::from_hours(1));
        tokio::join!(breaker.rest(hour()), breaker.rest(hour()), close);
        assert_eq!(began.elapsed(), Duration::ZERO, "and not when its rest is over");

        breaker.rest(tokio::time::sleep(at(2))).await;
        assert_eq!(began.elapsed(), at(2), "what is no pause for a breaker is a pause");
    }
}
