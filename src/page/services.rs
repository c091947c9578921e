//! Whether a service is behind, as far as bookings and queues tell: bookings that wait for one of
//! its events, and messages that wait on its queue.

use jiff::{SignedDuration, Timestamp};

use super::{flow::Flow, rows::Row, words};
use crate::{
    domain::{RoleName, status::CLIENT},
    topics,
    vitals::{ServiceVitals, Vitals},
};

/// So many messages on a queue are never called a backlog.
const BACKLOG_MIN: u64 = 100;
/// A queue with more messages than its service hears in this time is a backlog, in seconds.
const BACKLOG_S: f64 = 30.0;

/// How one service, or the client, is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceState {
    pub(super) name: &'static str,
    /// `ok`, `late` if somebody waits for it for too long, or `behind` if its queue is long.
    pub(super) state: &'static str,
    /// The same in a few words.
    pub(super) words: String,
    /// Since when the booking that waits for it the longest does so, stuck or not, if any waits.
    pub(super) awaited_since: Option<Timestamp>,
}

/// The client and the four services, in the order in which the diagram has them.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    [CLIENT].into_iter().chain(RoleName::ALL.map(RoleName::as_str))
}

/// How each is doing. `open` are bookings that wait for something.
pub(super) fn states<'r>(
    open: impl Iterator<Item = &'r Row>,
    flow: &Flow,
    vitals: Option<&Vitals>,
    now: Timestamp,
    stuck_after: SignedDuration,
) -> Vec<ServiceState> {
    let waits: Vec<Wait> = open.flat_map(|it| waits(it, now, stuck_after)).collect();
    let state = |name| {
        let of_it = || waits.iter().filter(|it| it.from == name);
        let awaited_since = of_it().map(|it| it.since).min();
        let late_since = of_it().filter(|it| it.is_stuck).map(|it| it.since).min();
        let queue = vitals.and_then(|it| it.services.iter().find(|it| it.role.as_str() == name));
        let (state, words) = match (late_since, queue.and_then(|it| backlog(it, flow))) {
            (Some(since), _) => {
                let waits = words::short_span(now.duration_since(since));
                ("late", format!("waits {waits}"))
            }
            (None, Some(waiting)) => ("behind", format!("{waiting} queued")),
            (None, None) if name == CLIENT => ("ok", "asks".to_owned()),
            (None, None) => ("ok", "in step".to_owned()),
        };
        ServiceState { name, state, words, awaited_since }
    };
    names().map(state).collect()
}

/// One booking that waits for one event.
struct Wait {
    /// Who should send it.
    from: String,
    since: Timestamp,
    /// Whether the booking is stuck.
    is_stuck: bool,
}

/// What a booking waits for.
fn waits(
    row: &Row,
    now: Timestamp,
    stuck_after: SignedDuration,
) -> impl Iterator<Item = Wait> + use<'_> {
    let standing = row.record.standing();
    let silent_for = row.record.newest().map(|it| now.duration_since(it));
    let is_stuck = standing.is_stuck(silent_for, stuck_after);
    let waits = standing.waiting_for.into_iter();
    waits.map(move |it| Wait { since: row.record.waits_since(&it), from: it.from, is_stuck })
}

/// How many messages wait for a service, if these are too many.
fn backlog(queue: &ServiceVitals, flow: &Flow) -> Option<u64> {
    let heard = topics::subscriptions(queue.role);
    let per_second: f64 = heard.into_iter().map(|it| flow.rates.per_second(it)).sum();
    let normal = per_second * BACKLOG_S;
    let is_long = queue.waiting > BACKLOG_MIN && queue.waiting as f64 > normal;
    is_long.then_some(queue.waiting)
}

#[cfg(test)]
#[path = "services_tests.rs"]
mod tests;
