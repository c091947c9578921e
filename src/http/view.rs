//! The JSON of a booking, as the status service writes it and `booking show` reads it. A field may
//! be added, but must never be renamed or removed: programs rely on it.

use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::domain::{
    event::Kind,
    ids::{BookingId, Digest},
    money::Money,
    seat::{FlightNo, SeatId},
    status::{CLIENT, Fact, Phase, Record, Rejection, Waiting},
};

/// The reason of an entry that shows no details of a request: another request with the same id was
/// answered, or there are several and none was answered yet.
const NOT_ANSWERED: &str = "not_answered";
/// The reason of an entry that shows no details of an outcome: the outcome belongs to another
/// request with the same id.
const OTHER_REQUEST: &str = "other_request";
/// The phase of a booking that status has not seen.
pub const UNKNOWN: &str = "unknown";
/// How far the time that an event states may be from the time at which status heard it. Beyond
/// that, the time of hearing is shown.
const CLOCKS_DIFFER_MAX: SignedDuration = SignedDuration::from_mins(1);
/// The type of an entry about a request that was refused.
const REJECTED: &str = "rejected";
/// The source of an entry that anybody may have sent.
const UNVERIFIED: &str = "unverified";

/// How one booking stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingView {
    pub booking_id: BookingId,
    pub phase: Phase,
    /// Whether the booking has ended: no event is expected any more.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Whether different requests were made with this id.
    pub conflict: bool,
    /// The digest of the request that was answered, which this view is about. By it a client can
    /// tell whether that was its own request. `None` while several requests wait for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_digest: Option<Digest>,
    /// Whether the booking has had no new fact for longer than the limit, and has not ended.
    pub stuck: bool,
    /// The events that the booking waits for, from which service and since when.
    pub waiting_for: Vec<Waiting>,
    /// The flight, if a fact names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flight: Option<FlightNo>,
    /// The local day of departure, if a fact names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<SeatId>,
    /// The receipt, if one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptView>,
    /// Why requests with this id were refused. Anybody may have sent them, even while another
    /// request with this id goes on; then the source of their entries is `unverified`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejections: Vec<String>,
    /// All known facts and refusals, in the order in which they happened.
    pub timeline: Vec<Entry>,
    /// When status heard the newest fact. What happened later is not in this view.
    pub as_of: Option<Timestamp>,
}

/// A receipt that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptView {
    pub number: String,
    /// False if the seats were lost after the receipt was sent.
    pub valid: bool,
}

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The event's type, or `rejected`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The time that the event states, by the clock of its publisher.
    pub time: Timestamp,
    /// When status heard the event. Only for the events of clients, which may state any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Timestamp>,
    /// The service that publishes events of this type, or `client`. `unverified` if anybody else
    /// may have sent it.
    pub source: String,
    /// The reason that the event gives, or why its details are not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The seats that the event names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<SeatId>,
    /// The amount that the event names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The number of the receipt that the event names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

impl BookingView {
    /// The view of a record at the time `now`. The booking counts as stuck if its newest fact is
    /// older than `stuck_after` and it has not ended.
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
        let seating = record.seating();
        let stuck = standing.is_stuck(waited, stuck_after);
        let since = |it: Waiting| Waiting { since: record.waits_since(&it), ..it };
        BookingView {
            booking_id: id.clone(),
            phase: standing.phase,
            is_final: standing.is_final,
            conflict: standing.conflict,
            request_digest: record.answered(),
            stuck,
            waiting_for: standing.waiting_for.into_iter().map(since).collect(),
            flight: seating.map(|it| it.flight.clone()),
            date: seating.map(|it| it.date),
            seats: seating.map(|it| it.seats.clone()).unwrap_or_default(),
            receipt: record
                .receipt()
                .map(|(number, valid)| ReceiptView { number: number.to_owned(), valid }),
            rejections: record.rejections().map(|it| it.reason.clone()).collect(),
            timeline,
            as_of,
        }
    }
}

impl BookingView {
    /// Whether any role has answered a request with this id.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let request = Kind::BookingRequested.topic();
        self.timeline.iter().any(|it| it.kind != request && it.kind != REJECTED)
    }
}

impl Entry {
    /// The time to show for the event: the one that its publisher states, but no later than status
    /// heard the event, and the time of hearing if the two are more than a minute apart. A client
    /// may state any time.
    #[must_use]
    pub fn happened(&self) -> Timestamp {
        match self.heard {
            Some(heard) if self.time.duration_since(heard).abs() > CLOCKS_DIFFER_MAX => heard,
            Some(heard) => self.time.min(heard),
            None => self.time,
        }
    }

    fn of(record: &Record, fact: &Fact) -> Entry {
        let publisher = fact.kind.publisher();
        let source = match publisher {
            None => CLIENT,
            Some(role) if fact.source == role.source() => role.source(),
            // Version 0.1 did not check the source of a fact, and its rows are still read.
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
pub struct BookingList {
    /// The bookings, in the order that the query asked for.
    pub bookings: Vec<BookingLine>,
    /// The value of `before=` for the page before; `None` at the beginning of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The value of `after=` for the next page; `None` at the end of the list. In a list by phase
    /// or age, a booking that has news between two pages moves to the place of its new time, so it
    /// may be listed twice or be missing from the pages that are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One line of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BookingLine {
    pub booking_id: BookingId,
    pub phase: Phase,
    /// Whether the booking has ended.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Whether different requests were made with this id.
    pub conflict: bool,
    /// Whether the booking has had no new fact for longer than the limit, and has not ended.
    pub stuck: bool,
    /// When status heard the newest fact.
    pub as_of: Option<Timestamp>,
    /// The events that the booking waits for, from which service and since when.
    pub waiting_for: Vec<Waiting>,
}

impl From<BookingView> for BookingLine {
    fn from(it: BookingView) -> BookingLine {
        BookingLine {
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
