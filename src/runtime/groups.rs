//! The groups of a FIFO queue that a message which comes again holds up: until it is dealt with,
//! SQS brings nothing else of its group. Only for people who look at the service: nothing may be
//! decided by it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;

use crate::clock::Clock;

/// How long after its message should have come again a group counts as blocked. Then another
/// replica has the message.
const OVERDUE: Duration = Duration::from_secs(60);
/// The most groups that are counted. A client chooses the groups of its requests.
const GROUPS_MAX: usize = 10_000;

/// The blocked groups, as far as this process knows them. Clones share them.
#[derive(Clone, Debug)]
pub struct Groups {
    clock: Clock,
    blocked: Arc<Mutex<BTreeMap<String, Blocked>>>,
}

/// By the steady clock.
#[derive(Clone, Copy, Debug)]
struct Blocked {
    since: Duration,
    /// When the message is visible again.
    until: Duration,
}

/// The part of `/health` about blocked groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockedGroups {
    /// How many groups have a message that was given back.
    pub count: usize,
    /// For how many seconds the first of them has waited.
    pub longest_s: f64,
}

impl Groups {
    pub(super) fn new(clock: &Clock) -> Groups {
        Groups { clock: clock.clone(), blocked: Arc::default() }
    }

    /// Records that a message of this group was given back, and becomes visible `after` from now.
    pub(super) fn block(&self, group: &str, after: Duration) {
        let now = self.clock.steady();
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        if blocked.len() >= GROUPS_MAX {
            forget(&mut blocked, now);
        }
        let since = blocked.get(group).map_or(now, |it| it.since);
        if blocked.len() < GROUPS_MAX || blocked.contains_key(group) {
            blocked.insert(group.to_owned(), Blocked { since, until: now.saturating_add(after) });
        }
    }

    /// Records that a message of this group was dealt with.
    pub(super) fn free(&self, group: &str) {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
    }

    /// What is blocked now; `None` if nothing is.
    #[must_use]
    pub fn blocked(&self) -> Option<BlockedGroups> {
        let now = self.clock.steady();
        let blocked = self.lock();
        let since = blocked.values().map(|it| it.since).min()?;
        let count = blocked.len();
        Some(BlockedGroups { count, longest_s: now.saturating_sub(since).as_secs_f64() })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Blocked>> {
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut blocked, self.clock.steady());
        blocked
    }
}

/// Forgets the groups whose message is overdue.
fn forget(blocked: &mut BTreeMap<String, Blocked>, now: Duration) {
    blocked.retain(|_, it| it.until.saturating_add(OVERDUE) > now);
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn groups() -> (Groups, Clock) {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        (Groups::new(&clock), clock)
    }

    /// Failure matrix: L5.
    #[test]
    fn a_group_is_blocked_from_its_first_message_that_came_back_until_one_is_dealt_with() {
        let (groups, clock) = groups();
        assert_eq!(groups.blocked(), None);
        groups.block("b-1", MINUTE);
        clock.advance(MINUTE);
        groups.block("b-1", MINUTE);
        groups.block("b-2", MINUTE);
        assert_eq!(groups.blocked(), Some(BlockedGroups { count: 2, longest_s: 60.0 }));
        groups.free("b-1");
        assert_eq!(groups.blocked(), Some(BlockedGroups { count: 1, longest_s: 0.0 }));
        groups.free("b-2");
        assert_eq!(groups.blocked(), None);
    }

    #[test]
    fn a_group_whose_message_another_replica_got_is_forgotten() {
        let (groups, clock) = groups();
        groups.block("b-1", MINUTE);
        clock.advance(MINUTE + OVERDUE - Duration::from_secs(1));
        assert!(groups.blocked().is_some());
        clock.advance(Duration::from_secs(1));
        assert_eq!(groups.blocked(), None);
    }

    #[test]
    fn a_client_that_blocks_many_groups_takes_no_more_memory() {
        let (groups, _) = groups();
        for number in 0..=GROUPS_MAX {
            groups.block(&number.to_string(), MINUTE);
        }
        assert_eq!(groups.blocked().map(|it| it.count), Some(GROUPS_MAX));
    }
}
