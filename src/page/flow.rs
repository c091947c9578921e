//! What passed lately, as far as the newest bookings tell: how often status heard which event, and
//! what is new since somebody was told last.

use std::{fmt, str::FromStr};

use jiff::Timestamp;

use super::rows::Row;
use crate::{
    domain::{event::Kind, ids::BookingId},
    vitals::rates::{Rates, rates},
};

/// One event that status heard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Passed {
    pub(super) heard: Timestamp,
    pub(super) booking: BookingId,
    pub(super) kind: Kind,
}

/// How far a reader of the stream has come: up to the events of this time, of which it has seen so
/// many. It is the same whichever replica tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    at_ms: i64,
    seen: usize,
}

/// The text is no position that a stream can have given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoPosition;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at_ms, self.seen)
    }
}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Position, NoPosition> {
        let (at_ms, seen) = text.rsplit_once('-').ok_or(NoPosition)?;
        let position = Position {
            at_ms: at_ms.parse().map_err(|_| NoPosition)?,
            seen: seen.parse().map_err(|_| NoPosition)?,
        };
        if position.to_string() == text { Ok(position) } else { Err(NoPosition) }
    }
}

/// What the newest bookings tell.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) rates: Rates,
    /// Every event of these bookings, however long ago, oldest first.
    facts: Vec<Passed>,
}

impl Flow {
    /// `rows` are the newest bookings; `is_all` says that there are no others.
    pub(super) fn of(rows: &[Row], is_all: bool, now: Timestamp) -> Flow {
        let mut facts: Vec<Passed> = Vec::new();
        for Row { id, record } in rows {
            let of = |kind, heard| Passed { heard, booking: id.clone(), kind };
            facts.extend(record.timeline().into_iter().map(|it| of(it.kind, it.heard)));
        }
        facts.sort();
        Flow { rates: rates(rows.iter().map(|it| &it.record), is_all, now), facts }
    }

    /// Up to where these events go.
    pub(super) fn position(&self) -> Position {
        let Some(newest) = self.facts.last() else { return Position::default() };
        let at_ms = newest.heard.as_millisecond();
        let seen = self.at(at_ms).len();
        Position { at_ms, seen }
    }

    /// The events after a position, oldest first, as far as these bookings have them.
    pub(super) fn after(&self, position: Position) -> &[Passed] {
        let same = self.at(position.at_ms).len();
        let end = self.facts.partition_point(|it| it.heard.as_millisecond() <= position.at_ms);
        &self.facts[end - same.saturating_sub(position.seen)..]
    }

    /// The events of one millisecond.
    fn at(&self, at_ms: i64) -> &[Passed] {
        let begin = self.facts.partition_point(|it| it.heard.as_millisecond() < at_ms);
        let end = self.facts.partition_point(|it| it.heard.as_millisecond() <= at_ms);
        &self.facts[begin..end]
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
