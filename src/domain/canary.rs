//! A canary: a marked event that goes through a subscription and changes nothing.
//!
//! No rule ever sees one. Status keeps what got through; the other roles answer on their own
//! topics, which is all they may publish to, and status hears those.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Expected, RoleName, event::Kind};

/// How many canaries are kept. A newer one takes the place of an older one, so nothing has to be
/// cleared away.
pub const CANARIES_MAX: u128 = 16;
/// How far ahead a canary may be: who is further ahead would keep its place from those that come.
const AHEAD_MAX_MS: i64 = 10 * 60 * 1000;
/// How old a canary may be: nobody asks for it any longer, and who sends an old one again causes
/// nothing.
const AGE_MAX_MS: i64 = 60 * 60 * 1000;

/// One canary. The ids of later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CanaryId(Uuid);

impl CanaryId {
    /// Takes a UUID that begins with the time.
    ///
    /// # Errors
    /// When it is of another version than 7.
    pub fn new(id: Uuid) -> Result<Self, Expected> {
        match id.get_version_num() {
            7 => Ok(CanaryId(id)),
            _ => Err(Expected("a UUID of version 7")),
        }
    }

    /// Reads the text of a UUID.
    ///
    /// # Errors
    /// When it is none, or of another version than 7.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let id = Uuid::try_parse(text).map_err(|_| Expected("a UUID of version 7"))?;
        CanaryId::new(id)
    }

    /// Whether it says that it is from later than `now`, by more than clocks differ.
    #[must_use]
    pub fn is_ahead_of(self, now: Timestamp) -> bool {
        self.at_ms() > i128::from(now.as_millisecond()) + i128::from(AHEAD_MAX_MS)
    }

    /// Whether nobody waits for it any longer.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        self.at_ms() < i128::from(now.as_millisecond()) - i128::from(AGE_MAX_MS)
    }

    /// When it was made, as it says.
    fn at_ms(self) -> i128 {
        i128::try_from(self.0.as_u128() >> 80).unwrap_or(i128::MAX)
    }

    /// Which of the places it has.
    #[must_use]
    pub const fn slot(self) -> u128 {
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

/// One subscription, as an event goes through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hop {
    /// From this topic,
    pub topic: Kind,
    /// to this role.
    pub role: RoleName,
}

impl std::fmt::Display for Hop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}", self.topic, self.role)
    }
}

/// A hop that a canary made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Which.
    #[serde(flatten)]
    pub hop: Hop,
    /// When, by the clock of the role.
    pub at: Timestamp,
}

/// A canary as a role receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Its id.
    pub id: CanaryId,
    /// The topic it came from.
    pub topic: Kind,
    /// The hop that another role tells with it; none when it comes from who sent it out.
    pub told: Option<Sighting>,
}

/// What a role does with a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Keep what got through, for who asks.
    Keep(Sighting),
    /// Tell status.
    Tell(Sighting),
    /// It was not for this role.
    Nothing,
}

impl Canary {
    /// What `role` does with it.
    #[must_use]
    pub fn duty(&self, role: RoleName, now: Timestamp) -> Duty {
        if self.id.is_ahead_of(now) || self.id.is_over(now) {
            return Duty::Nothing;
        }
        let here = Sighting { hop: Hop { topic: self.topic, role }, at: now };
        match (role, self.told) {
            (RoleName::Status, told) => Duty::Keep(told.unwrap_or(here)),
            (RoleName::Seats | RoleName::Payment | RoleName::Receipt, None) => Duty::Tell(here),
            // An answer is not answered, or there would be no end to it.
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
