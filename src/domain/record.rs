//! What status has heard of one booking: a set of facts, so that neither order nor repetition
//! matters. No fact may replace another because it came later or is larger: a contradiction must
//! show.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    event::{Data, Event, Kind},
    ids::Digest,
    money::Money,
    receipt::is_valid,
    request::Rejection,
    seat::{SeatId, Seating},
    trace::TraceId,
};

/// The most different requests that are kept under one id. Outcomes are counted separately, so that
/// requests cannot take their room.
pub const REQUESTS_MAX: usize = 16;
/// The most outcomes that are kept under one id: far more than the services ever announce.
pub const OUTCOMES_MAX: usize = 64;
/// The most refused requests that are kept under one id.
pub const REJECTIONS_MAX: usize = 8;

/// The name of the sender of requests in `Fact::source` and `Waiting::from`.
pub const CLIENT: &str = "client";

/// What the status role knows about one booking: one stored row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// At most one fact for each type and request, sorted by these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) facts: Vec<Fact>,
    /// Requests that the parser refused.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) rejections: BTreeSet<Rejection>,
}

/// What status keeps of one event, and shows. A fact has no name, address or token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fact {
    pub kind: Kind,
    /// The digest of the request that the event is, or answers.
    pub digest: Digest,
    /// When the event was published, by the publisher's clock.
    pub time: Timestamp,
    /// The `source` of the role that publishes such events, or `client`. The source that a client
    /// writes is not kept.
    pub source: String,
    /// The event's id. Empty for a request, since its client chose the id.
    pub id: String,
    /// When status first heard it, by its own clock, since a client may write any time. The
    /// identity of the fact does not depend on it.
    pub heard: Timestamp,
    /// The reason, if the event has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The departure and the seats that the event names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seating: Option<Seating>,
    /// The seats that the event names without a departure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<SeatId>,
    /// The amount that the event names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The receipt number that the event names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The trace that a request says it belongs to; an outcome has none. Rows of earlier versions
    /// do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceId>,
}

impl Fact {
    /// The fact that status keeps of an event heard at `heard`: never a name, an address or a
    /// token.
    #[must_use]
    pub fn of(event: &Event, heard: Timestamp) -> Fact {
        let mut fact = Fact {
            kind: event.kind(),
            digest: event.digest,
            time: event.time,
            source: CLIENT.to_owned(),
            id: String::new(),
            heard,
            reason: None,
            seating: None,
            seats: Vec::new(),
            amount: None,
            receipt: None,
            trace: None,
        };
        if let Some(publisher) = event.kind().publisher() {
            fact.source = publisher.source().to_owned();
            fact.id.clone_from(&event.cause.id);
        }
        match &event.data {
            Data::BookingRequested(request) => {
                fact.seating = Some(request.seating.clone());
                fact.amount = Some(request.payment.amount);
                fact.trace = event.traceparent.as_deref().and_then(TraceId::of_traceparent);
            }
            Data::SeatBooked(seating) => fact.seating = Some(seating.clone()),
            Data::SeatUnavailable { reason, seating } => {
                fact.reason = Some(reason.to_string());
                fact.seating = Some(seating.clone());
            }
            Data::SeatReleased { reason, seats } => {
                fact.reason = Some(reason.to_string());
                fact.seats.clone_from(seats);
            }
            Data::PaymentOk(charge) => fact.amount = Some(charge.amount),
            Data::PaymentFailed { reason } => fact.reason = Some(reason.to_string()),
            Data::PaymentRefunded(refund) => fact.amount = Some(refund.amount),
            Data::ReceiptSent { receipt } => fact.receipt = Some(receipt.clone()),
        }
        fact
    }
}

impl Fact {
    /// When it became a fact: when it was published or when it was heard, whichever is earlier.
    pub(super) fn since(&self) -> Timestamp {
        self.time.min(self.heard)
    }
}

impl Record {
    /// Adds a fact. If it was heard before (same type and request), keeps the smaller of the two,
    /// so that arrival order cannot matter, and the time when the first was heard. False when the
    /// record is full.
    pub(super) fn add(&mut self, mut fact: Fact) -> bool {
        let place = |it: &Fact| (it.kind, it.digest);
        match self.facts.binary_search_by_key(&place(&fact), place) {
            Ok(at) => {
                let known = &mut self.facts[at];
                // Keeps the first time, even if the clock has been set back since.
                fact.heard = known.heard;
                // A repetition may name another trace or none: the smaller one stays.
                known.trace = known.trace.into_iter().chain(fact.trace).min();
                fact.trace = known.trace;
                if fact < *known {
                    *known = fact;
                }
            }
            Err(_) if self.full(fact.kind) => return false,
            Err(at) => self.facts.insert(at, fact),
        }
        true
    }

    pub(super) fn full(&self, kind: Kind) -> bool {
        let requests = self.facts.iter().filter(|it| it.kind == Kind::BookingRequested).count();
        match kind {
            Kind::BookingRequested => requests >= REQUESTS_MAX,
            Kind::SeatBooked
            | Kind::SeatUnavailable
            | Kind::SeatReleased
            | Kind::PaymentOk
            | Kind::PaymentFailed
            | Kind::PaymentRefunded
            | Kind::ReceiptSent => self.facts.len() - requests >= OUTCOMES_MAX,
        }
    }

    /// The same with one more refused request. `None` when nothing changes: the same refusal twice
    /// counts once, and when there are too many, those that were sent first are kept.
    #[must_use]
    pub fn rejecting(&self, rejection: Rejection) -> Option<Record> {
        let mut record = self.clone();
        record.rejections.insert(rejection);
        while record.rejections.len() > REJECTIONS_MAX {
            record.rejections.pop_last();
        }
        (record != *self).then_some(record)
    }

    /// Whether any event was heard for this booking. If so, the requests that were refused under
    /// its id may come from another client.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        !self.facts.is_empty()
    }

    /// The facts in the order in which they happened, as far as the clocks tell. Facts of the same
    /// time have the order of their types in the life of a booking.
    #[must_use]
    pub fn timeline(&self) -> Vec<&Fact> {
        let mut facts: Vec<&Fact> = self.facts.iter().collect();
        facts.sort_by_key(|it| (self.happened(it), it.kind));
        facts
    }

    /// When a fact happened: when it was published, but no later than it was heard. The time of a
    /// request that was not answered is not believed; it happened when it was heard.
    #[must_use]
    pub fn happened(&self, fact: &Fact) -> Timestamp {
        let believed = fact.kind != Kind::BookingRequested || self.is_answered(fact);
        if believed { fact.since() } else { fact.heard }
    }

    /// The one request under this id that was answered: the one whose seats were booked or that was
    /// paid, else the one that any other outcome names. While there is no outcome, it is the only
    /// request; `None` when there are several.
    #[must_use]
    pub fn answered(&self) -> Option<Digest> {
        let outcomes = self.facts.iter().filter_map(|it| Some((rank(it.kind)?, it)));
        if let Some((_, outcome)) = outcomes.min_by_key(|(rank, it)| (*rank, it.time)) {
            return Some(outcome.digest);
        }
        let mut requests = self.facts.iter().map(|it| it.digest);
        requests.next().filter(|_| requests.next().is_none())
    }

    /// Whether a fact may be shown in full, because it is about the request that was answered. Any
    /// client can send further requests under the id of another client's booking, and a role may
    /// have answered one of those.
    #[must_use]
    pub fn is_answered(&self, fact: &Fact) -> bool {
        self.answered() == Some(fact.digest)
    }

    /// The requests that the parser refused, oldest first.
    pub fn rejections(&self) -> impl Iterator<Item = &Rejection> {
        self.rejections.iter()
    }

    /// When the newest fact was heard. Without any fact, when the newest refused request was sent.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        let heard = self.facts.iter().map(|it| it.heard).max();
        heard.or_else(|| self.rejections.iter().map(|it| it.time).max())
    }

    /// The seats of the booking, according to the request that was answered, or else to an outcome
    /// of that request.
    #[must_use]
    pub fn seating(&self) -> Option<&Seating> {
        let answered = self.answered()?;
        // Requests are sorted first, so this finds all seats that were asked for, and not only
        // those that were unavailable.
        let about = self.facts.iter().filter(|it| it.digest == answered);
        about.into_iter().find_map(|it| it.seating.as_ref())
    }

    /// The number of the receipt that was sent, and whether the receipt is valid.
    #[must_use]
    pub fn receipt(&self) -> Option<(&str, bool)> {
        let answered = self.answered()?;
        let sent = self.facts.iter().filter(|it| it.digest == answered);
        let number = sent.into_iter().find_map(|it| it.receipt.as_deref())?;
        Some((number, is_valid(true, self.fact(Kind::SeatUnavailable).is_some())))
    }

    /// The trace that the request says it belongs to, if it is the one that was answered.
    #[must_use]
    pub fn trace(&self) -> Option<TraceId> {
        self.requested().filter(|it| self.is_answered(it))?.trace
    }

    /// The request that was answered, else the one that was heard first. The time that a request
    /// itself names does not matter.
    pub(super) fn requested(&self) -> Option<&Fact> {
        let requests = || self.facts.iter().filter(|it| it.kind == Kind::BookingRequested);
        let answered = requests().find(|it| self.is_answered(it));
        answered.or_else(|| requests().min_by_key(|it| it.heard))
    }

    pub(super) fn fact(&self, kind: Kind) -> Option<&Fact> {
        self.facts.iter().filter(|it| it.kind == kind).min_by_key(|it| it.time)
    }
}

/// How well an outcome says which request was answered: the lowest rank that was heard counts.
/// `None` for a request, which answers nothing.
const fn rank(kind: Kind) -> Option<u8> {
    match kind {
        Kind::SeatBooked => Some(0),
        Kind::PaymentOk => Some(1),
        Kind::SeatUnavailable => Some(2),
        Kind::PaymentFailed => Some(3),
        Kind::SeatReleased => Some(4),
        Kind::PaymentRefunded => Some(5),
        Kind::ReceiptSent => Some(6),
        Kind::BookingRequested => None,
    }
}
