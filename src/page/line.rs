//! One booking as one line of a list.

use jiff::{SignedDuration, Timestamp};

use super::{rows::Row, words};
use crate::{
    domain::status::{Phase, Waiting},
    http::view::BookingView,
};

/// One booking of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) phase: Phase,
    /// What it waits for, from whom, how long, and whether that is too long.
    pub(super) waits: Vec<String>,
    /// Whether it is open and has had no news for too long.
    pub(super) is_late: bool,
    pub(super) is_final: bool,
    pub(super) is_conflict: bool,
    /// Flight and day, if they are known.
    pub(super) departure: Option<String>,
    /// When status heard the newest of it, for people and for machines.
    pub(super) heard: Option<(String, Timestamp)>,
}

impl Line {
    pub(super) fn of(row: &Row, now: Timestamp, stuck_after: SignedDuration) -> Line {
        let view = BookingView::of(&row.id, &row.record, now, stuck_after);
        let departure = view.flight.as_ref().zip(view.date);
        Line {
            waits: view.waiting_for.iter().map(|it| waits(it, view.stuck, now)).collect(),
            id: view.booking_id.to_string(),
            phase: view.phase,
            is_late: view.stuck,
            is_final: view.is_final,
            is_conflict: view.conflict,
            departure: departure.map(|(flight, date)| format!("{flight} · {date}")),
            heard: view.as_of.map(|it| (words::time_of_day(it, now), it)),
        }
    }

    /// The phase in words.
    pub(super) fn phase_words(&self) -> String {
        phase_words(self.phase)
    }

    /// How the phase is coloured.
    pub(super) fn tone(&self) -> &'static str {
        tone(self.phase, self.is_final)
    }
}

/// What a booking waits for, such as `waits for payment-ok from payment, 4 min 10 s, late`.
pub(super) fn waits(it: &Waiting, is_late: bool, now: Timestamp) -> String {
    let for_how_long = words::span(now.duration_since(it.since));
    let late = if is_late { ", late" } else { "" };
    format!("waits for {} from {}, {for_how_long}{late}", it.event, it.from)
}

/// The name of a phase with spaces, the same word that the API has.
pub(super) fn phase_words(phase: Phase) -> String {
    phase.as_str().replace('_', " ")
}

/// How a phase is coloured: as open, done, failed or wrong.
pub(super) fn tone(phase: Phase, is_final: bool) -> &'static str {
    match (phase == Phase::Inconsistent, is_final, phase.is_failure()) {
        (true, ..) => "wrong",
        (false, true, true) => "failed",
        (false, true, false) => "done",
        (false, false, _) => "open",
    }
}
