//! How often each event is heard, counted from the newest bookings of status: a pure function of
//! them and the time. Status hears every event once, so the rate of an event is the rate on each of
//! its arrows.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{event::Kind, status::Record};

/// How many of the newest bookings are read for the rates.
pub const ROWS: usize = 200;
/// The longest time over which events are counted.
pub const WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// How often each event was heard of late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Until when the events were counted: now, or later if a replica whose clock is ahead has
    /// heard something since.
    pub until: Timestamp,
    /// The time over which the events were counted, up to then.
    pub window: SignedDuration,
    /// How many events of each kind were heard in that time, in the order of [`Kind::ALL`].
    pub heard: Vec<(Kind, u64)>,
}

impl Rates {
    /// How many events of this kind were heard in the window.
    #[must_use]
    pub fn count(&self, kind: Kind) -> u64 {
        self.heard.iter().find(|it| it.0 == kind).map_or(0, |it| it.1)
    }

    /// How many events of this kind were heard a second.
    #[must_use]
    pub fn per_second(&self, kind: Kind) -> f64 {
        let window = self.window.as_secs_f64();
        if window > 0.0 { self.count(kind) as f64 / window } else { 0.0 }
    }
}

/// The rates by the newest bookings. `is_all` says that there are no older ones.
///
/// The counts are exact. A booking is listed under the time of its newest fact, so a fact that is
/// newer than the last of these bookings belongs to one of them. If they do not reach back for
/// [`WINDOW`], events are counted from that time on, and the window is shorter.
#[must_use]
pub fn rates<'r>(
    records: impl IntoIterator<Item = &'r Record>,
    is_all: bool,
    now: Timestamp,
) -> Rates {
    let records: Vec<&Record> = records.into_iter().collect();
    let newest = || records.iter().filter_map(|it| it.newest());
    // Another replica, whose clock is ahead, may have heard something after this `now`.
    let end = newest().max().map_or(now, |it| it.max(now));
    let longest = end.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
    let reached = newest().min().filter(|_| !is_all);
    let begin = reached.map_or(longest, |it| it.max(longest));
    let facts = || records.iter().flat_map(|it| it.timeline()).filter(move |it| it.heard > begin);
    let count = |kind| facts().filter(|it| it.kind == kind).count() as u64;
    Rates {
        until: end,
        window: end.duration_since(begin),
        heard: Kind::ALL.into_iter().map(|it| (it, count(it))).collect(),
    }
}

#[cfg(test)]
#[path = "rates_tests.rs"]
mod tests;
