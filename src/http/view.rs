//! A booking as the status service tells it, and as `booking show` reads it.

use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::domain::{
    event::Kind,
    ids::BookingId,
    money::Money,
    seat::{FlightNo, SeatId},
    status::{Fact, Phase, Record, Waiting},
};

/// How one booking stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingView {
    /// Its id.
    pub booking_id: BookingId,
    /// The headline.
    pub phase: Phase,
    /// Whether it is an ending.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Whether different requests were seen under this id.
    pub conflict: bool,
    /// Whether it has waited for longer than the limit.
    pub stuck: bool,
    /// What it waits for, from whom, since when.
    pub waiting_for: Vec<Waiting>,
    /// The flight, if any fact names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flight: Option<FlightNo>,
    /// Local day of departure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// The seats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<SeatId>,
    /// The receipt, if one went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptView>,
    /// Why a request under this id was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejections: Vec<String>,
    /// Every fact known, in the order in which they were said.
    pub timeline: Vec<Entry>,
    /// When status heard the newest of them: the answer may lag.
    pub as_of: Option<Timestamp>,
}

/// A receipt that went out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptView {
    /// Receipt number.
    pub number: String,
    /// False when the seats were lost after it went out.
    pub valid: bool,
}

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The event's type, or `rejected`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was said.
    pub time: Timestamp,
    /// Who said it.
    pub source: String,
    /// Why, where the event says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The seats it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<SeatId>,
    /// The money it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The receipt it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

impl BookingView {
    /// Tells a record, at a time, with what counts as too long.
    #[must_use]
    pub fn of(
        id: &BookingId,
        record: &Record,
        now: Timestamp,
        stuck_after: SignedDuration,
    ) -> Self {
        let standing = record.standing();
        let as_of = record.newest();
        let waited = as_of.map(|it| now.duration_since(it));
        let mut timeline: Vec<Entry> = record.timeline().into_iter().map(Entry::of).collect();
        timeline.extend(record.rejections().map(|it| Entry {
            kind: "rejected".to_owned(),
            time: it.time,
            source: "/booking/status".to_owned(),
            reason: Some(it.reason.clone()),
            seats: Vec::new(),
            amount: None,
            receipt: None,
        }));
        timeline.sort_by_key(|it| it.time);
        let lost = timeline.iter().any(|it| it.kind == Kind::SeatUnavailable.topic());
        let number = timeline.iter().find_map(|it| it.receipt.clone());
        let seating = record.seating();
        BookingView {
            booking_id: id.clone(),
            phase: standing.phase,
            is_final: standing.is_final,
            conflict: standing.conflict,
            stuck: !standing.is_final && waited.is_some_and(|it| it > stuck_after),
            waiting_for: standing.waiting_for,
            flight: seating.map(|it| it.flight.clone()),
            date: seating.map(|it| it.date),
            seats: seating.map(|it| it.seats.clone()).unwrap_or_default(),
            receipt: number.map(|number| ReceiptView { number, valid: !lost }),
            rejections: record.rejections().map(|it| it.reason.clone()).collect(),
            timeline,
            as_of,
        }
    }
}

impl Entry {
    fn of(fact: &Fact) -> Entry {
        let seats = fact.seating.as_ref().map_or(&fact.seats, |it| &it.seats);
        Entry {
            kind: fact.kind.topic().to_owned(),
            time: fact.time,
            source: fact.source.clone(),
            reason: fact.reason.clone(),
            seats: seats.clone(),
            amount: fact.amount,
            receipt: fact.receipt.clone(),
        }
    }
}

/// The answer to `GET /bookings`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listing {
    /// The bookings, in the order that was asked for.
    pub bookings: Vec<Line>,
}

/// One line of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Its id.
    pub booking_id: BookingId,
    /// The headline.
    pub phase: Phase,
    /// Whether it is an ending.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Whether different requests were seen under this id.
    pub conflict: bool,
    /// Whether it has waited for longer than the limit.
    pub stuck: bool,
    /// When status heard its newest fact.
    pub as_of: Option<Timestamp>,
    /// Whom it waits for.
    pub waiting_for: Vec<Waiting>,
}

impl From<BookingView> for Line {
    fn from(it: BookingView) -> Line {
        Line {
            booking_id: it.booking_id,
            phase: it.phase,
            is_final: it.is_final,
            conflict: it.conflict,
            stuck: it.stuck,
            as_of: it.as_of,
            waiting_for: it.waiting_for,
        }
    }
}
