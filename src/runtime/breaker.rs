//! The breaker: stops polling while a dependency is down. Messages then wait on their queue, where
//! waiting costs nothing. Otherwise they would be received again and again, until SQS moves them to
//! the dead-letter queue.
//!
//! The breaker opens when several deliveries in a row had to be given back because of the store or
//! the topics. The payment provider and the mailer may be slow for some bookings only, so for them
//! the share of failures counts ([`Window`]). After a pause the breaker lets one delivery at a time
//! through, as a trial. It closes when a delivery that needs the dependency succeeds; it must never
//! need a person or a restart for that.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    delay::pause,
    window::{Attempt, Window},
};
use crate::domain::named;

/// How many deliveries in a row must fail because of the store or the topics before polling stops.
/// One failed publish request may be enough: all deliveries whose messages it carried fail. Then
/// the first trial that works closes the breaker again.
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
    /// Nothing changes: polling goes on, or stays stopped.
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
    /// How the outside answered since the breaker last closed.
    outside: Window,
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

impl Trial {
    /// Ends this trial, so that the next one can begin.
    pub(super) fn end(&self) {
        let mut state = self.breaker.lock();
        // A trial that has failed may end when the next one has begun.
        if state.trial == Some(self.number) {
            state.trial = None;
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.end();
    }
}

impl Breaker {
    /// Records that a delivery had to be given back because of the dependency `on`. `trial` is the
    /// trial that the delivery belongs to, if any.
    pub fn failed(
        &self,
        on: Dependency,
        why: &str,
        trial: Option<&Trial>,
        attempt: Attempt,
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
        why.clone_into(&mut state.why);
        let down = match on {
            Dependency::Outside => state.outside.failed(attempt),
            Dependency::Store | Dependency::Topics => state.failures >= FAILURES_MAX,
        };
        // One slow booking does not make an outage of the store one of the outside, which only a
        // booking that asks the outside would end.
        if !open || down || on != Dependency::Outside {
            state.failing = Some(on);
        }
        if !open && !down {
            return Trip::Counted;
        }
        state.trial = None;
        state.opened = state.opened.saturating_add(1);
        state.until = Some(attempt.ended().saturating_add(pause(state.opened, jitter)));
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
    pub fn worked(&self, needed: &[Dependency], attempt: Attempt) -> bool {
        let mut state = self.lock();
        let recovered = state.failing.is_some_and(|it| needed.contains(&it));
        let closes = recovered && state.until.is_some();
        if closes {
            *state = State { trials: state.trials, ..State::default() };
        } else if recovered {
            (state.failures, state.failing) = (0, None);
        }
        if needed.contains(&Dependency::Outside) {
            state.outside.worked(attempt);
        }
        drop(state);
        if closes {
            self.closed.notify_waiters();
        }
        closes
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
#[path = "breaker_tests.rs"]
mod tests;
