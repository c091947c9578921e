//! A booking as the status service tells it, and as `booking show` reads it.

use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::domain::{
    event::Kind,
    ids::{BookingId, Digest},
    money::Money,
    seat::{FlightNo, SeatId},
    status::{CLIENT, Fact, Phase, Record, Rejection, Waiting},
};

/// Why nothing is told of a request: another one under the same id was answered, or none was yet
/// and there are several.
const NOT_ANSWERED: &str = "not_answered";
/// Why nothing is told of an outcome: it is of another request under the same id.
const OTHER_REQUEST: &str = "other_request";
/// The phase of a booking that status has not seen.
pub const UNKNOWN: &str = "unknown";
/// The type of an entry about a request that was refused.
const REJECTED: &str = "rejected";
/// Who said what may have been said by anybody.
const UNVERIFIED: &str = "unverified";

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
    /// The digest of the request that was answered, which all of this is about. Whoever sent a
    /// request can tell by it whether it was theirs; none while several wait for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_digest: Option<Digest>,
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
    /// Why requests under this id were refused. Anybody may have sent them, also beside a booking
    /// that goes on: their entries in the timeline are then of nobody that was verified.
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
    /// When it was said, by the clock of who said it.
    pub time: Timestamp,
    /// When status heard it: of what a client said, which may say any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Timestamp>,
    /// Who said it: the service that publishes such events, or `client`; `unverified` where it may
    /// have been anybody else.
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
        let facts = record.timeline().into_iter();
        let mut timeline: Vec<(Timestamp, Entry)> =
            facts.map(|it| (record.happened(it), Entry::of(record, it))).collect();
        timeline.extend(record.rejections().map(|it| (it.time, Entry::rejected(record, it))));
        timeline.sort_by_key(|it| it.0);
        let timeline: Vec<Entry> = timeline.into_iter().map(|it| it.1).collect();
        let lost = timeline.iter().any(|it| it.kind == Kind::SeatUnavailable.topic());
        let number = timeline.iter().find_map(|it| it.receipt.clone());
        let seating = record.seating();
        BookingView {
            booking_id: id.clone(),
            phase: standing.phase,
            is_final: standing.is_final,
            conflict: standing.conflict,
            request_digest: record.answered(),
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

impl BookingView {
    /// Whether any role has answered a request under this id.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let request = Kind::BookingRequested.topic();
        self.timeline.iter().any(|it| it.kind != request && it.kind != REJECTED)
    }
}

impl Entry {
    fn of(record: &Record, fact: &Fact) -> Entry {
        let publisher = fact.kind.publisher();
        let source = match publisher {
            None => CLIENT,
            Some(role) if fact.source == role.source() => role.source(),
            // Rows of version 0.1 may have facts whose source nobody compared.
            Some(_) => UNVERIFIED,
        };
        let entry = Entry {
            kind: fact.kind.topic().to_owned(),
            time: fact.time,
            heard: publisher.is_none().then_some(fact.heard),
            source: source.to_owned(),
            reason: None,
            seats: Vec::new(),
            amount: None,
            receipt: None,
        };
        if !record.is_answered(fact) {
            let why = if publisher.is_none() { NOT_ANSWERED } else { OTHER_REQUEST };
            return Entry { reason: Some(why.to_owned()), ..entry };
        }
        let seats = fact.seating.as_ref().map_or(&fact.seats, |it| &it.seats);
        Entry {
            reason: fact.reason.clone(),
            seats: seats.clone(),
            amount: fact.amount,
            receipt: fact.receipt.clone(),
            ..entry
        }
    }

    fn rejected(record: &Record, rejection: &Rejection) -> Entry {
        let source = if record.is_taken() { UNVERIFIED } else { CLIENT };
        Entry {
            kind: REJECTED.to_owned(),
            time: rejection.time,
            heard: None,
            source: source.to_owned(),
            reason: Some(rejection.reason.clone()),
            seats: Vec::new(),
            amount: None,
            receipt: None,
        }
    }
}

/// The answer to `GET /bookings`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listing {
    /// The bookings, in the order that was asked for.
    pub bookings: Vec<Line>,
    /// What to give as `after=` to go on; none when this was the end. A booking that has news
    /// meanwhile moves to where its new time is: among the newest it may be told twice, or not on
    /// what is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
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
