//! A canary: a marked event that passes through a subscription and changes nothing.
//!
//! A canary must never reach a rule. Status records which subscriptions a canary passed. The other
//! roles answer on their own topics, since they may publish to no others, and status hears the
//! answers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Expected, RoleName, ServiceName, event::Kind};

/// How many canaries status keeps. A newer canary takes the place of an older one, so nothing has
/// to be deleted.
pub const CANARIES_MAX: u128 = 16;
/// How far in the future a canary may be: one from further ahead would block its place for all
/// that follow.
const AHEAD_MAX_MS: i64 = 10 * 60 * 1000;
/// How old a canary may be. No command still waits for an older one, and an old canary that is sent
/// again has no effect.
const AGE_MAX_MS: i64 = 60 * 60 * 1000;

/// The id of one canary. A later canary has a greater id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CanaryId(Uuid);

impl CanaryId {
    /// Takes a UUID of version 7, which begins with the time.
    ///
    /// # Errors
    /// When the UUID has another version.
    pub fn new(id: Uuid) -> Result<Self, Expected> {
        match id.get_version_num() {
            7 => Ok(CanaryId(id)),
            _ => Err(Expected("a UUID of version 7")),
        }
    }

    /// Reads a UUID of version 7.
    ///
    /// # Errors
    /// When the text is not a UUID, or one of another version.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let id = Uuid::try_parse(text).map_err(|_| Expected("a UUID of version 7"))?;
        CanaryId::new(id)
    }

    /// Whether its time is later than `now` by more than clocks may differ.
    #[must_use]
    pub fn is_ahead_of(self, now: Timestamp) -> bool {
        self.at_ms() > i128::from(now.as_millisecond()) + i128::from(AHEAD_MAX_MS)
    }

    /// Whether a sighting of this canary takes the place of a sighting of `kept`. The first
    /// sighting of a canary counts, and a later canary replaces an earlier one. A canary from the
    /// future does not keep its place.
    #[must_use]
    pub fn replaces(self, kept: CanaryId, now: Timestamp) -> bool {
        kept < self || kept.is_ahead_of(now)
    }

    /// Whether the canary is so old that no command still waits for it.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        self.at_ms() < i128::from(now.as_millisecond()) - i128::from(AGE_MAX_MS)
    }

    /// When it was made, according to the id, in milliseconds since 1970.
    fn at_ms(self) -> i128 {
        i128::try_from(self.0.as_u128() >> 80).unwrap_or(i128::MAX)
    }

    /// The place in which status keeps it, below [`CANARIES_MAX`].
    #[must_use]
    pub const fn row_number(self) -> u128 {
        self.0.as_u128() % CANARIES_MAX
    }
}

impl TryFrom<String> for CanaryId {
    type Error = Expected;
    fn try_from(text: String) -> Result<Self, Expected> {
        CanaryId::parse(&text)
    }
}

impl From<CanaryId> for String {
    fn from(it: CanaryId) -> String {
        it.to_string()
    }
}

impl std::fmt::Display for CanaryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One subscription: the way of an event from a topic to a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hop {
    pub topic: Kind,
    pub role: RoleName,
}

impl std::fmt::Display for Hop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}", self.topic, self.role)
    }
}

/// The record that a canary passed a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    #[serde(flatten)]
    pub hop: Hop,
    /// When the canary arrived, by the clock of the role.
    pub at: Timestamp,
}

/// A canary as a role receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canary {
    pub id: CanaryId,
    /// The topic that it came from.
    pub topic: Kind,
    /// The sighting that another role reports with it; `None` when the canary comes directly from
    /// the command that sent it.
    pub told: Option<Sighting>,
}

/// What a role does with a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Store the sighting, so that a command can ask for it.
    Keep(Sighting),
    /// Publish the sighting, so that status hears of it.
    Tell(Sighting),
    /// Ignore the canary.
    Nothing,
}

impl Canary {
    /// What a service does with the canary when it arrives at `now`. A guest does nothing: it may
    /// publish nowhere, and nobody waits for it.
    #[must_use]
    pub fn duty(&self, service: impl Into<ServiceName>, now: Timestamp) -> Duty {
        let ServiceName::Role(role) = service.into() else {
            return Duty::Nothing;
        };
        if self.id.is_ahead_of(now) || self.id.is_over(now) {
            return Duty::Nothing;
        }
        let here = Sighting { hop: Hop { topic: self.topic, role }, at: now };
        match (role, self.told) {
            (RoleName::Status, told) => Duty::Keep(told.unwrap_or(here)),
            (RoleName::Seats | RoleName::Payment | RoleName::Receipt, None) => Duty::Tell(here),
            // An answer is never answered: the answers would never end.
            (RoleName::Seats | RoleName::Payment | RoleName::Receipt, Some(_)) => Duty::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_told_once_and_kept_by_status_alone() {
        let id = CanaryId::parse("01997f6e-2f10-7d9a-9c53-6f2f5a1c9e01").unwrap();
        let (topic, now) = (Kind::PaymentOk, sent());
        let first = Canary { id, topic, told: None };
        for role in [RoleName::Seats, RoleName::Payment, RoleName::Receipt] {
            let seen = Sighting { hop: Hop { topic, role }, at: now };
            assert_eq!(first.duty(role, now), Duty::Tell(seen));
            let answer = Canary { id, topic: Kind::SeatBooked, told: Some(seen) };
            assert_eq!(answer.duty(role, now), Duty::Nothing);
            assert_eq!(answer.duty(RoleName::Status, now), Duty::Keep(seen));
        }
        let seen = Sighting { hop: Hop { topic, role: RoleName::Status }, at: now };
        assert_eq!(first.duty(RoleName::Status, now), Duty::Keep(seen));
        assert_eq!(first.duty(ServiceName::guest("loyalty"), now), Duty::Nothing);
    }

    /// When the canary of these tests was made: the first 48 bits of its id.
    fn sent() -> Timestamp {
        Timestamp::from_millisecond(0x0199_7f6e_2f10).unwrap()
    }

    #[test]
    fn one_that_is_far_ahead_or_old_is_nobodys_so_that_it_keeps_no_place() {
        let id = CanaryId::parse("01997f6e-2f10-7d9a-9c53-6f2f5a1c9e01").unwrap();
        let canary = Canary { id, topic: Kind::PaymentOk, told: None };
        let minutes = jiff::SignedDuration::from_mins;
        for (ahead, duty) in [(9, true), (11, false)] {
            let now = sent() - minutes(ahead);
            assert_eq!(canary.duty(RoleName::Status, now) != Duty::Nothing, duty, "{ahead} min");
        }
        for (old, duty) in [(59, true), (61, false)] {
            let now = sent() + minutes(old);
            assert_eq!(canary.duty(RoleName::Status, now) != Duty::Nothing, duty, "{old} min");
        }
    }

    #[test]
    fn only_ids_that_begin_with_the_time_are_canaries() {
        for bad in ["", "canary", "6b1d0c4e-7c1f-4d0a-9b62-3a51c0ffee17"] {
            assert!(CanaryId::parse(bad).is_err(), "{bad}");
        }
    }
}
