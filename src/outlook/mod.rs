//! What is still to come of a booking: for each event whether it was heard, is awaited, can still
//! come, or can no longer come.
//!
//! All of it follows from the rules of the services: `courses` plays them through once. Nothing
//! about them is written down here a second time.

mod courses;
mod play;
mod world;

use jiff::Timestamp;

use self::{courses::COURSES, play::Said};
use crate::domain::{RoleName, event::Kind, status::Record};

/// What status can say about one event of a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// It was heard, and happened at this time, as the timeline of the booking has it.
    Heard { at: Timestamp },
    /// It is the next that brings the booking forward. `from` is its publisher (`None`: a client),
    /// and `since` the time from which on it could have come.
    Awaited { from: Option<RoleName>, since: Timestamp },
    /// It can still come, though nothing waits for it. Of a booking that has ended, nothing is
    /// expected; but a message that was sent before the end may still be on its way.
    Possible,
    /// It can no longer come, after what was heard.
    Impossible,
}

/// The prospect of each event, in the order of [`Kind::ALL`].
#[must_use]
pub fn outlook(record: &Record) -> [(Kind, Prospect); Kind::ALL.len()] {
    let (standing, timeline) = (record.standing(), record.timeline());
    let heard: Vec<Said> = timeline.iter().map(|it| Said::of(it)).collect();
    // Different requests under one id can end in any mixture, so nothing is ruled out.
    let still = if standing.conflict { Kind::ALL.into() } else { COURSES.after(&heard) };
    Kind::ALL.map(|kind| {
        let fact = timeline.iter().find(|it| it.kind == kind);
        let can_come = still.contains(&kind);
        // Messages that overtake each other may leave the standing behind what the rules say.
        let awaited = standing.waiting_for.iter().find(|it| it.event == kind.topic() && can_come);
        let prospect = match (fact, awaited) {
            (Some(fact), _) => Prospect::Heard { at: record.happened(fact) },
            (None, Some(it)) => {
                Prospect::Awaited { from: RoleName::of_name(&it.from), since: it.since }
            }
            (None, None) if can_come => Prospect::Possible,
            (None, None) => Prospect::Impossible,
        };
        (kind, prospect)
    })
}

#[cfg(test)]
mod tests;
