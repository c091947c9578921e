//! What passed lately, as far as the newest bookings tell: which events status heard, in which
//! time, and how often. It must never count a time that the bookings do not cover.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};

use super::rows::Row;
use crate::domain::{event::Kind, ids::BookingId};

/// The longest window, however quiet it is.
const WINDOW_MAX: SignedDuration = SignedDuration::from_secs(60);
/// The shortest window, however busy it is.
const WINDOW_MIN: SignedDuration = SignedDuration::from_millis(100);

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

/// What the newest bookings tell of the last minute, or of less if that is all they cover.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// How long the window is.
    pub(super) window: SignedDuration,
    /// How often each event was heard within the window, in the order of [`Kind::ALL`].
    counts: [usize; Kind::ALL.len()],
    /// Every event of these bookings, also before the window, oldest first.
    facts: Vec<Passed>,
}

impl Flow {
    /// `rows` are the newest bookings, newest first; `is_all` says that there are no others.
    pub(super) fn of(rows: &[Row], is_all: bool, now: Timestamp) -> Flow {
        // Whatever was heard since the last of them had its news belongs to one of them.
        let covered = rows.last().filter(|_| !is_all).and_then(|it| it.record.newest());
        let window = covered.map_or(WINDOW_MAX, |it| now.duration_since(it));
        let window = window.clamp(WINDOW_MIN, WINDOW_MAX);
        let mut facts: Vec<Passed> = Vec::new();
        for Row { id, record } in rows {
            let of = |kind, heard| Passed { heard, booking: id.clone(), kind };
            facts.extend(record.timeline().into_iter().map(|it| of(it.kind, it.heard)));
        }
        facts.sort();
        let mut counts = [0; Kind::ALL.len()];
        let begin = now - window;
        for it in facts.iter().rev().take_while(|it| it.heard >= begin) {
            counts[place(it.kind)] += 1;
        }
        Flow { window, counts, facts }
    }

    /// How often an event was heard within the window.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.counts[place(kind)]
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

fn place(kind: Kind) -> usize {
    Kind::ALL.iter().position(|it| *it == kind).expect("every kind is in the list of all")
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
