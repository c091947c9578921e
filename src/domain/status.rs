//! Status: where a booking stands, from every fact seen so far.
//!
//! A fold over the *set* of facts. Order and repetition do not matter: SNS and SQS promise neither.
//! Never a maximum and never the last writer: a contradiction must show.

use std::{collections::BTreeSet, convert::Infallible};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    RoleName,
    decision::{Listing, Rows, Rules, Step},
    event::{Data, Event, Kind, NoCharge},
    ids::Digest,
    money::Money,
    seat::{SeatId, Seating},
};

/// The most different requests that are kept under one id. Outcomes always have room: there is one
/// of each type for a request that was dealt with.
pub const REQUESTS_MAX: usize = 16;
/// The most outcomes that are kept under one id: far more than the services ever say.
pub const OUTCOMES_MAX: usize = 64;
/// The most refused requests that are kept under one id.
pub const REJECTIONS_MAX: usize = 8;

/// Who sends requests, as it is told.
pub const CLIENT: &str = "client";

/// What status knows about a booking: one stored row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// One fact a type and request, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    facts: Vec<Fact>,
    /// Requests that the parser refused.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    rejections: BTreeSet<Rejection>,
}

/// One event, as far as it is told again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fact {
    /// The event's type.
    pub kind: Kind,
    /// The request it is, or answers.
    pub digest: Digest,
    /// When it was said, by the clock of who said it.
    pub time: Timestamp,
    /// Who said it: the service that publishes such events, or `client`. What a client calls itself
    /// is not kept.
    pub source: String,
    /// The event's id; of a request, which a client chose, none is kept.
    pub id: String,
    /// When status heard of it first, by its own clock: a client may say what time it likes. Not
    /// part of what the fact is.
    pub heard: Timestamp,
    /// Why, where the event says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The departure and the seats it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seating: Option<Seating>,
    /// The seats it names without a departure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<SeatId>,
    /// The money it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The receipt number it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

/// A request that the parser refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rejection {
    /// When it was sent.
    pub time: Timestamp,
    /// What was wrong: path, expected kind and position, never the value.
    pub reason: String,
}

/// The headline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Asked for; nothing decided that we know of.
    Requested,
    /// The seats are held, the payment is not known.
    SeatBooked,
    /// Paid, the seats are not known.
    Paid,
    /// Seats and payment are there, the receipt is not.
    Confirmed,
    /// Seats, payment, receipt.
    Completed,
    /// The payment failed; final when the seats are free again.
    PaymentFailed,
    /// There is no seat; final when it is known that nothing was charged.
    SeatUnavailable,
    /// Neither a seat nor a payment: nothing to undo.
    SeatAndPaymentFailed,
    /// Charged without a seat: the money is on its way back.
    RefundPending,
    /// The money was given back.
    Refunded,
    /// The request was refused by the parser.
    Rejected,
    /// Both paid and not paid: must never be; a person should look.
    Inconsistent,
}

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 12] = [
        Phase::Requested,
        Phase::SeatBooked,
        Phase::Paid,
        Phase::Confirmed,
        Phase::Completed,
        Phase::PaymentFailed,
        Phase::SeatUnavailable,
        Phase::SeatAndPaymentFailed,
        Phase::RefundPending,
        Phase::Refunded,
        Phase::Rejected,
        Phase::Inconsistent,
    ];

    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Requested => "requested",
            Phase::SeatBooked => "seat_booked",
            Phase::Paid => "paid",
            Phase::Confirmed => "confirmed",
            Phase::Completed => "completed",
            Phase::PaymentFailed => "payment_failed",
            Phase::SeatUnavailable => "seat_unavailable",
            Phase::SeatAndPaymentFailed => "seat_and_payment_failed",
            Phase::RefundPending => "refund_pending",
            Phase::Refunded => "refunded",
            Phase::Rejected => "rejected",
            Phase::Inconsistent => "inconsistent",
        }
    }

    /// The phase of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Phase> {
        Phase::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a booking stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The headline.
    pub phase: Phase,
    /// Whether it is an ending.
    pub is_final: bool,
    /// What it waits for; empty exactly when it is final.
    pub waiting_for: Vec<Waiting>,
    /// Whether different requests were seen under this id.
    pub conflict: bool,
}

/// Something that has not come yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The event that would take the booking on.
    pub event: String,
    /// Whose turn it is: a role, or `client`.
    pub from: String,
    /// Since when it could have come.
    pub since: Timestamp,
}

/// The rules of status.
#[derive(Clone, Copy, Debug)]
pub struct Statuses;

impl Rules for Statuses {
    type State = Record;
    type Effect = Infallible;
    type Answer = Infallible;
    const ROLE: RoleName = RoleName::Status;

    fn decide(
        &self,
        rows: &Rows<Record>,
        event: &Event,
        _: &[Infallible],
        now: Timestamp,
    ) -> Step<Record, Infallible> {
        let before = rows.booking(&event.booking);
        let mut record = before.cloned().unwrap_or_default();
        if !record.add(Fact::of(event, now)) {
            return Step::SetAside(format!(
                "more than {REQUESTS_MAX} different requests, or {OUTCOMES_MAX} outcomes, under one id"
            ));
        }
        if before == Some(&record) {
            Step::Nothing
        } else {
            Step::become_row(record)
        }
    }

    fn rejected(record: Option<&Record>, rejection: Rejection) -> Option<Record> {
        record.unwrap_or(&Record::default()).rejecting(rejection)
    }

    fn listing(record: &Record) -> Option<Listing> {
        let standing = record.standing();
        Some(Listing {
            phase: standing.phase.as_str().to_owned(),
            at_ms: record.newest()?.as_millisecond(),
            open: !standing.is_final,
        })
    }
}

impl Fact {
    /// What is told again of an event: never a name, an address or a token.
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
        };
        if let Some(publisher) = event.kind().publisher() {
            fact.source = publisher.source().to_owned();
            fact.id.clone_from(&event.cause.id);
        }
        match &event.data {
            Data::BookingRequested(request) => {
                fact.seating = Some(request.seating.clone());
                fact.amount = Some(request.payment.amount);
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
    /// Since when it is a fact: when it was said, unless that is later than it was heard.
    fn since(&self) -> Timestamp {
        self.time.min(self.heard)
    }
}

impl Record {
    /// Adds a fact; of two tellings of one fact the lesser is kept, whichever came first, and when
    /// the first was heard. False when there is no room.
    fn add(&mut self, mut fact: Fact) -> bool {
        let place = |it: &Fact| (it.kind, it.digest);
        match self.facts.binary_search_by_key(&place(&fact), place) {
            Ok(at) => {
                let known = &mut self.facts[at];
                // Whatever a clock that has stepped says of it now.
                fact.heard = known.heard;
                if fact < *known {
                    *known = fact;
                }
            }
            Err(_) if self.full(fact.kind) => return false,
            Err(at) => self.facts.insert(at, fact),
        }
        true
    }

    fn full(&self, kind: Kind) -> bool {
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

    /// With a refused request; none when that changes nothing: the same refusal twice is one, and
    /// of many those are kept that were sent first.
    #[must_use]
    pub fn rejecting(&self, rejection: Rejection) -> Option<Record> {
        let mut record = self.clone();
        record.rejections.insert(rejection);
        while record.rejections.len() > REJECTIONS_MAX {
            record.rejections.pop_last();
        }
        (record != *self).then_some(record)
    }

    /// Whether a request was taken: what was refused under the same id need not be of whoever sent
    /// that.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        !self.facts.is_empty()
    }

    /// The facts in the order in which they happened, as far as clocks tell; a booking's life
    /// decides between equals.
    #[must_use]
    pub fn timeline(&self) -> Vec<&Fact> {
        let mut facts: Vec<&Fact> = self.facts.iter().collect();
        facts.sort_by_key(|it| (self.happened(it), it.kind));
        facts
    }

    /// When a fact happened, as far as it can be believed: no later than it was heard. A request
    /// that was not answered has no say in it: it happened when it was heard.
    #[must_use]
    pub fn happened(&self, fact: &Fact) -> Timestamp {
        let believed = fact.kind != Kind::BookingRequested || self.is_answered(fact);
        if believed { fact.since() } else { fact.heard }
    }

    /// The request that was answered, of all that came under this id: the one whose seats were
    /// booked or that was paid, else the one that any other outcome names. While nothing was
    /// answered, the only one there is; none while there are several.
    #[must_use]
    pub fn answered(&self) -> Option<Digest> {
        const OUTCOMES: [Kind; 7] = [
            Kind::SeatBooked,
            Kind::PaymentOk,
            Kind::SeatUnavailable,
            Kind::PaymentFailed,
            Kind::SeatReleased,
            Kind::PaymentRefunded,
            Kind::ReceiptSent,
        ];
        if let Some(outcome) = OUTCOMES.into_iter().find_map(|it| self.fact(it)) {
            return Some(outcome.digest);
        }
        let mut requests = self.facts.iter().map(|it| it.digest);
        requests.next().filter(|_| requests.next().is_none())
    }

    /// Whether a fact may be told in full: the one request that was answered, and what was said of
    /// it. Any client can send further requests under the id of somebody's booking, and a role may
    /// have answered one of those.
    #[must_use]
    pub fn is_answered(&self, fact: &Fact) -> bool {
        self.answered() == Some(fact.digest)
    }

    /// The requests that were refused.
    pub fn rejections(&self) -> impl Iterator<Item = &Rejection> {
        self.rejections.iter()
    }

    /// When the newest fact was heard; of a request that was refused and nothing else, when it was
    /// sent.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        let heard = self.facts.iter().map(|it| it.heard).max();
        heard.or_else(|| self.rejections.iter().map(|it| it.time).max())
    }

    /// What the booking is about, by the request that was answered, else by an outcome of that one.
    #[must_use]
    pub fn seating(&self) -> Option<&Seating> {
        let answered = self.answered()?;
        // Requests come first: what was asked for, and not only the seats that could not be had.
        let about = self.facts.iter().filter(|it| it.digest == answered);
        about.into_iter().find_map(|it| it.seating.as_ref())
    }

    /// The request that was answered, else the one that was heard of first: not the one that says
    /// it is the oldest.
    fn requested(&self) -> Option<&Fact> {
        let requests = || self.facts.iter().filter(|it| it.kind == Kind::BookingRequested);
        let answered = requests().find(|it| self.is_answered(it));
        answered.or_else(|| requests().min_by_key(|it| it.heard))
    }

    fn fact(&self, kind: Kind) -> Option<&Fact> {
        self.facts.iter().filter(|it| it.kind == kind).min_by_key(|it| it.time)
    }

    /// Where the booking stands: the table of `docs/RULES.md`, first line that fits.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let requested = self.requested();
        let booked = self.fact(Kind::SeatBooked);
        let no_seat = self.fact(Kind::SeatUnavailable);
        let released = self.fact(Kind::SeatReleased);
        let paid = self.fact(Kind::PaymentOk);
        let failed = self.fact(Kind::PaymentFailed);
        let refunded = self.fact(Kind::PaymentRefunded);
        let sent = self.fact(Kind::ReceiptSent);
        let never_charged = self.facts.iter().any(|it| {
            let reason = it.reason.as_deref();
            it.kind == Kind::PaymentFailed && reason == Some(NoCharge::SeatUnavailable.as_str())
        });

        let waits = |event: Kind, from: RoleName, since: &[&Fact]| Waiting {
            event: event.topic().to_owned(),
            from: from.as_str().to_owned(),
            since: since.iter().map(|it| it.since()).max().unwrap_or(Timestamp::UNIX_EPOCH),
        };
        let ended = |phase| (phase, Vec::new());
        let open = |phase, waiting| (phase, vec![waiting]);

        let (phase, waiting_for) = match (paid, failed, no_seat) {
            (Some(_), Some(_), _) => ended(Phase::Inconsistent),
            _ if refunded.is_some() => ended(Phase::Refunded),
            (None, Some(_), _) if never_charged => ended(Phase::SeatUnavailable),
            (None, Some(_), Some(_)) => ended(Phase::SeatAndPaymentFailed),
            (None, Some(_), None) if released.is_some() => ended(Phase::PaymentFailed),
            (None, Some(it), None) => {
                open(Phase::PaymentFailed, waits(Kind::SeatReleased, RoleName::Seats, &[it]))
            }
            (Some(paid), None, Some(it)) => {
                let waiting = waits(Kind::PaymentRefunded, RoleName::Payment, &[paid, it]);
                open(Phase::RefundPending, waiting)
            }
            (None, None, Some(it)) => {
                open(Phase::SeatUnavailable, waits(Kind::PaymentFailed, RoleName::Payment, &[it]))
            }
            (Some(paid), None, None) => match (booked, sent) {
                (Some(_), Some(_)) => ended(Phase::Completed),
                (Some(booked), None) => {
                    let waiting = waits(Kind::ReceiptSent, RoleName::Receipt, &[booked, paid]);
                    open(Phase::Confirmed, waiting)
                }
                (None, _) => (Phase::Paid, self.missing(requested, booked, Some(paid))),
            },
            (None, None, None) if self.facts.is_empty() && !self.rejections.is_empty() => {
                ended(Phase::Rejected)
            }
            (None, None, None) => {
                let phase = match (booked, released) {
                    (Some(_), None) => Phase::SeatBooked,
                    // Seats only frees what a failed payment tells it to: that fact is on its way.
                    (_, Some(_)) => Phase::PaymentFailed,
                    (None, None) => Phase::Requested,
                };
                let mut missing = self.missing(requested, booked.or(released), None);
                if released.is_some() {
                    missing.retain(|it| it.event != Kind::PaymentOk.topic());
                    missing.extend(
                        released.map(|it| waits(Kind::PaymentFailed, RoleName::Payment, &[it])),
                    );
                }
                (phase, missing)
            }
        };
        Standing { phase, is_final: waiting_for.is_empty(), waiting_for, conflict: self.conflict() }
    }

    /// Whichever of request, seats and payment has not been heard of, since the first thing that
    /// was.
    fn missing(
        &self,
        requested: Option<&Fact>,
        seats: Option<&Fact>,
        paid: Option<&Fact>,
    ) -> Vec<Waiting> {
        let happened = |it| self.happened(it);
        let first = self.facts.iter().map(happened).min().unwrap_or(Timestamp::UNIX_EPOCH);
        let since = requested.map_or(first, happened);
        let parts = [
            (requested, Kind::BookingRequested, CLIENT),
            (seats, Kind::SeatBooked, RoleName::Seats.as_str()),
            (paid, Kind::PaymentOk, RoleName::Payment.as_str()),
        ];
        let missing = parts.into_iter().filter(|(fact, _, _)| fact.is_none());
        missing
            .map(|(_, event, from)| Waiting {
                event: event.topic().to_owned(),
                from: from.to_owned(),
                since,
            })
            .collect()
    }

    /// Whether the facts are about more than one request.
    fn conflict(&self) -> bool {
        self.facts.windows(2).any(|pair| pair[0].digest != pair[1].digest)
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
