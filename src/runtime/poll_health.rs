//! The health of the poll loop: how long ago a receive last came back. It must never report a
//! paused loop as dead, since a restart would not help against what it is paused for.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;

use super::{BlockedGroups, Groups};
use crate::clock::Clock;

/// Why nothing is received while all permits are in use.
const FULL: &str =
    "as many messages are in flight as --in-hand allows (with --mailer smtp, 8 at most)";

/// The health of one poll loop. Clones share it.
#[derive(Clone, Debug)]
pub struct PollHealth {
    state: Arc<Mutex<State>>,
    clock: Clock,
    groups: Groups,
    /// The loop counts as dead when its last successful receive is older than this.
    age_max: Duration,
}

#[derive(Debug)]
struct State {
    /// By the steady clock, as all times in this module.
    started: Duration,
    polled: Option<Duration>,
    failures: u32,
    problem: Option<String>,
    paused: Option<String>,
    in_flight: usize,
    /// Whether as many messages are in flight as there may be, so that nothing can be received.
    full: bool,
    /// When that was last so.
    full_until: Duration,
}

/// The answer of `/health`.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// Whether the loop polls (or has only just started), and the store's files are still in place.
    pub healthy: bool,
    /// Seconds since a receive last came back. `None` before the first one.
    pub last_poll_age_s: Option<f64>,
    /// How many receives in a row have failed.
    pub failures: u32,
    /// Why the last receive failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Why polling has stopped, while it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// What is held up by a message that comes again. Only on a FIFO queue, and only while there
    /// is something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_groups: Option<BlockedGroups>,
    /// What happened to the store's files. The loop does not know this; the HTTP server adds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
}

impl PollHealth {
    /// The health of a loop that is about to begin, and that should poll at least every `age_max`.
    #[must_use]
    pub fn new(clock: &Clock, age_max: Duration) -> PollHealth {
        let state = State {
            started: clock.steady(),
            polled: None,
            failures: 0,
            problem: None,
            paused: None,
            in_flight: 0,
            full: false,
            full_until: clock.steady(),
        };
        let (clock, groups) = (clock.clone(), Groups::new(clock));
        PollHealth { state: Arc::new(Mutex::new(state)), clock, groups, age_max }
    }

    /// The groups of a FIFO queue that are blocked.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Records that a receive came back.
    pub fn beat(&self) {
        self.beat_while(None);
    }

    /// Records that a receive came back. `paused` says why polling has stopped except for trials;
    /// `None` if it has not.
    pub fn beat_while(&self, paused: Option<String>) {
        let mut state = self.lock();
        state.polled = Some(self.clock.steady());
        state.failures = 0;
        state.problem = None;
        state.paused = paused;
    }

    /// Records that polling resumes. To be called as soon as the breaker closes, since the next
    /// receive may take a whole long poll to come back.
    pub fn resume(&self) {
        self.lock().paused = None;
    }

    /// Records that polling is stopped on purpose, and why. The loop counts as alive.
    pub fn rest(&self, why: String) {
        let mut state = self.lock();
        state.polled = Some(self.clock.steady());
        state.paused = Some(why);
    }

    /// Records that one more message is in flight, of at most `in_flight_max`. While there are so
    /// many, the loop can receive nothing. It counts as alive, since each of them ends at the
    /// latest at the heartbeat cap.
    pub fn took(&self, in_flight_max: usize) {
        let mut state = self.lock();
        state.in_flight += 1;
        state.full = state.in_flight >= in_flight_max;
    }

    /// Records that a message in flight, of at most `in_flight_max`, has ended.
    pub fn ended(&self, in_flight_max: usize) {
        let mut state = self.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        if state.full {
            state.full_until = self.clock.steady();
        }
        state.full = state.in_flight >= in_flight_max;
    }

    /// Records that a receive failed. Returns how many have failed in a row.
    pub fn miss(&self, problem: String) -> u32 {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        state.problem = Some(problem);
        state.failures
    }

    /// The present health of the loop.
    #[must_use]
    pub fn health(&self) -> Health {
        let state = self.lock();
        let now = self.clock.steady();
        let since = now.saturating_sub(state.polled.unwrap_or(state.started));
        let silent = since.min(now.saturating_sub(state.full_until));
        let failing = state.problem.is_some() && state.polled.is_none();
        Health {
            healthy: (silent <= self.age_max || state.full) && !failing,
            last_poll_age_s: state.polled.map(|_| since.as_secs_f64()),
            failures: state.failures,
            problem: state.problem.clone(),
            paused: state.paused.clone().or_else(|| state.full.then(|| FULL.to_owned())),
            blocked_groups: self.groups.blocked(),
            store: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    fn poll_health() -> (PollHealth, Clock) {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        (PollHealth::new(&clock, Duration::from_secs(60)), clock)
    }

    /// Failure matrix: A30.
    #[test]
    fn a_loop_that_stopped_polling_is_not_healthy() {
        let (poll_health, clock) = poll_health();
        assert!(poll_health.health().healthy);
        poll_health.beat();
        clock.advance(Duration::from_secs(59));
        assert!(poll_health.health().healthy);
        clock.advance(Duration::from_secs(2));
        let health = poll_health.health();
        assert_eq!((health.healthy, health.last_poll_age_s), (false, Some(61.0)));
    }

    /// Failure matrix: A40.
    #[test]
    fn a_clock_that_steps_makes_no_dead_loop_healthy_and_no_live_one_dead() {
        let year = SignedDuration::from_hours(24 * 365);
        for step in [-year, year] {
            let (poll_health, clock) = poll_health();
            poll_health.beat();
            clock.step(step);
            assert!(poll_health.health().healthy, "{step:?}");
            clock.advance(Duration::from_secs(61));
            clock.step(-step);
            assert!(!poll_health.health().healthy, "{step:?}");
        }
    }

    #[test]
    fn a_receive_that_works_ends_the_problem_of_the_one_before_also_while_polling_rests() {
        let (poll_health, _) = poll_health();
        poll_health.miss("connection reset".to_owned());
        poll_health.beat_while(Some("the gateway is down".to_owned()));
        let health = poll_health.health();
        assert_eq!((health.problem, health.failures), (None, 0));
        assert_eq!(health.paused.as_deref(), Some("the gateway is down"));
        poll_health.resume();
        assert_eq!(poll_health.health().paused, None);
    }

    /// Failure matrix: A30.
    #[test]
    fn a_loop_that_waits_for_messages_in_flight_is_alive_and_says_why() {
        let (poll_health, clock) = poll_health();
        poll_health.beat();
        poll_health.took(2);
        clock.advance(Duration::from_secs(61));
        assert!(!poll_health.health().healthy, "one more can be received");
        poll_health.took(2);
        clock.advance(Duration::from_secs(600));
        let health = poll_health.health();
        assert_eq!((health.healthy, health.paused.as_deref()), (true, Some(FULL)));
        // The next receive has the time of every receive to come back, and no other message that
        // ends gives it more.
        poll_health.ended(2);
        clock.advance(Duration::from_secs(59));
        poll_health.ended(2);
        let health = poll_health.health();
        assert_eq!((health.healthy, health.paused), (true, None));
        clock.advance(Duration::from_secs(2));
        assert!(!poll_health.health().healthy);
    }

    /// Failure matrix: A31.
    #[test]
    fn a_loop_that_never_could_poll_says_why() {
        let (poll_health, _) = poll_health();
        assert_eq!(poll_health.miss("no such queue".to_owned()), 1);
        let health = poll_health.health();
        assert!(!health.healthy && health.problem.as_deref() == Some("no such queue"));
    }
}
