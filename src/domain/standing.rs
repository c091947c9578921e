//! Where a booking stands, as a pure function of what status has heard of it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    RoleName,
    event::{Kind, NoCharge},
    named,
    record::{CLIENT, Fact, Record},
};

named! {
    /// The state of a booking in one word.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Phase {
        /// Requested; status has heard of no decision.
        Requested = "requested",
        /// The seats are held; the payment is not known.
        SeatBooked = "seat_booked",
        /// Paid; the seats are not known.
        Paid = "paid",
        /// The seats are held and paid; the receipt was not sent yet.
        Confirmed = "confirmed",
        /// The seats are held and paid, and the receipt was sent.
        Completed = "completed",
        /// The payment failed; final when the seats are free again.
        PaymentFailed = "payment_failed",
        /// There is no seat; final when it is known that nothing was charged.
        SeatUnavailable = "seat_unavailable",
        /// There is neither a seat nor a payment, so there is nothing to undo.
        SeatAndPaymentFailed = "seat_and_payment_failed",
        /// Charged without a seat; the refund has not been heard of yet.
        RefundPending = "refund_pending",
        /// Charged without a seat, and refunded.
        Refunded = "refunded",
        /// The parser refused the request.
        Rejected = "rejected",
        /// Both paid and not paid. This must never happen; a person should look.
        Inconsistent = "inconsistent",
    }
}

impl Phase {
    /// The phases at which a booking can have ended. At some of them it can also be open.
    pub const ENDINGS: [Phase; 7] = [
        Phase::Completed,
        Phase::PaymentFailed,
        Phase::SeatUnavailable,
        Phase::SeatAndPaymentFailed,
        Phase::Refunded,
        Phase::Rejected,
        Phase::Inconsistent,
    ];

    /// Whether the booking has not been sold and will not be any more.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Phase::Requested
            | Phase::SeatBooked
            | Phase::Paid
            | Phase::Confirmed
            | Phase::Completed => false,
            Phase::PaymentFailed
            | Phase::SeatUnavailable
            | Phase::SeatAndPaymentFailed
            | Phase::RefundPending
            | Phase::Refunded
            | Phase::Rejected
            | Phase::Inconsistent => true,
        }
    }
}

/// Where a booking stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub phase: Phase,
    /// Whether the booking has ended.
    pub is_final: bool,
    /// The events that it waits for; empty exactly when it is final.
    pub waiting_for: Vec<Waiting>,
    /// Whether different requests were heard under this id.
    pub conflict: bool,
}

impl Standing {
    /// Whether the booking is open and nothing was heard of it for longer than `limit`.
    #[must_use]
    pub fn is_stuck(&self, silent_for: Option<SignedDuration>, limit: SignedDuration) -> bool {
        !self.is_final && silent_for.is_some_and(|it| it > limit)
    }
}

/// An event that has not come yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The type of the event that would bring the booking forward.
    pub event: String,
    /// The sender of that event: a role, or `client`.
    pub from: String,
    /// The time from which on it could have come.
    pub since: Timestamp,
}

impl Record {
    /// Where the booking stands: the first line that fits in the table of `docs/RULES.md`.
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
                    // Seats frees seats only after a failed payment, so that event is on its way.
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

    /// Those of request, seats and payment that have not been heard. They are waited for since the
    /// request, or else since the first fact.
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

    /// Since when people and programs are told that the booking waits for this. Not since before
    /// the first fact was heard, as a client chooses the time of its request.
    #[must_use]
    pub fn waits_since(&self, it: &Waiting) -> Timestamp {
        self.oldest().map_or(it.since, |heard| it.since.max(heard))
    }

    /// Whether the facts are about more than one request.
    fn conflict(&self) -> bool {
        self.facts.windows(2).any(|pair| pair[0].digest != pair[1].digest)
    }
}
