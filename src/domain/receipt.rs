//! Receipt: the join. Waits for the request, the seats and the payment of one digest, in any order,
//! and sends one receipt.
//!
//! Sending is claimed first ([`Issued::Issuing`]) and settled afterwards: a crash between the two
//! sends again, under the same receipt number and Message-ID. A receipt is valid exactly while it
//! is issued and no `seat-unavailable` is known.

use std::collections::{BTreeMap, btree_map::Entry};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    RoleName,
    decision::{Rows, Rules, Step},
    event::{About, Data, Event},
    ids::{BookingId, Digest},
    money::Money,
    request::{Passenger, Request},
    seat::Seating,
};

/// The most different requests that are remembered under one booking id.
pub const REQUESTS_MAX: usize = 8;

/// What receipt knows about a booking: one stored row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// What was asked for, by digest: two requests under one id must not depend on their order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<Digest, Wanted>,
    /// The request whose seats were booked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booked: Option<Digest>,
    /// The request that was paid, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid: Option<(Digest, Timestamp)>,
    /// There is no seat: closes an open receipt, voids one that went out.
    #[serde(default)]
    pub seat_unavailable: bool,
    /// Whether the receipt went out.
    #[serde(default)]
    pub issued: Issued,
    /// Whether the passengers were erased: a request that comes again brings nobody back. This
    /// alone says so, whatever names stand in the requests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// What a receipt is about, as the request had it. The payment token is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The seats.
    pub seating: Seating,
    /// Who flies, and where the receipt goes.
    pub passenger: Passenger,
    /// What it cost.
    pub amount: Money,
}

/// Whether the receipt went out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Issued {
    /// Nobody tried.
    #[default]
    No,
    /// Somebody may have sent it.
    Issuing {
        /// The request it names.
        digest: Digest,
    },
    /// It was sent, at least once.
    Yes {
        /// The request it names.
        digest: Digest,
    },
}

/// A receipt, complete. The same booking always gives the same receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Receipt number: `R-` and twelve characters in groups of four.
    pub number: String,
    /// The booking.
    pub booking: BookingId,
    /// The seats.
    pub seating: Seating,
    /// To whom it goes.
    pub to: Addressee,
    /// What they cost.
    pub amount: Money,
    /// When the money was taken, by the clock of payment.
    pub paid_at: Timestamp,
}

/// To whom a receipt goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// To who flies.
    Known(Passenger),
    /// To nobody: name and address were erased.
    Erased,
}

/// The mail went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent;

/// The rules of receipt.
#[derive(Clone, Copy, Debug)]
pub struct Receipts;

type Next = Step<Join, Receipt>;

impl Rules for Receipts {
    type State = Join;
    type Effect = Receipt;
    type Answer = Sent;
    const ROLE: RoleName = RoleName::Receipt;

    fn decide(&self, rows: &Rows<Join>, event: &Event, answers: &[Sent], now: Timestamp) -> Next {
        let before = rows.booking(&event.booking);
        let join = before.cloned().unwrap_or_default();
        match &event.data {
            Data::SeatUnavailable { .. } => no_seat(join),
            _ if join.ended() => Step::Nothing,
            Data::BookingRequested(request) => match join.requested(event.digest, request) {
                Some(join) => go_on(before, join, event, answers, now),
                None => Step::SetAside(format!(
                    "more than {REQUESTS_MAX} different requests under one id"
                )),
            },
            Data::SeatBooked(_) => {
                let booked = join.booked.or(Some(event.digest));
                go_on(before, Join { booked, ..join }, event, answers, now)
            }
            Data::PaymentOk(_) => {
                let paid = join.paid.or(Some((event.digest, event.time)));
                go_on(before, Join { paid, ..join }, event, answers, now)
            }
            // Not ours to act on. Listed, so that a new event must be placed here to compile.
            Data::SeatReleased { .. }
            | Data::PaymentFailed { .. }
            | Data::PaymentRefunded(_)
            | Data::ReceiptSent { .. } => Step::Nothing,
        }
    }
}

impl Join {
    /// With what a request says; `None` when there are too many already.
    fn requested(mut self, digest: Digest, request: &Request) -> Option<Join> {
        // The one that seats or payment accepted always has room.
        let accepted = self.booked == Some(digest) || self.paid.is_some_and(|(it, _)| it == digest);
        let full = self.requests.len() >= REQUESTS_MAX && !accepted;
        if let Entry::Vacant(place) = self.requests.entry(digest) {
            if full {
                return None;
            }
            let passenger = if self.erased { placeholder() } else { request.passenger.clone() };
            place.insert(Wanted {
                seating: request.seating.clone(),
                passenger,
                amount: request.payment.amount,
            });
        }
        Some(self)
    }

    /// The request that was asked for, booked and paid, if there is one.
    fn joined(&self) -> Option<Digest> {
        let (paid, _) = self.paid?;
        (self.booked == Some(paid) && self.requests.contains_key(&paid)).then_some(paid)
    }

    /// Whether nothing but a `seat-unavailable` can matter any more: sent, or closed.
    fn ended(&self) -> bool {
        match self.issued {
            Issued::Yes { .. } => true,
            Issued::Issuing { .. } => false,
            Issued::No => self.seat_unavailable,
        }
    }

    /// The same without the passengers' names and addresses; none while a receipt may still be
    /// sent, unless it is known that the booking `has_ended` without one, which receipt need not
    /// hear.
    #[must_use]
    pub fn erased(&self, has_ended: bool) -> Option<Join> {
        let over = self.ended() || has_ended;
        if !over {
            return None;
        }
        let mut erased = Join { erased: true, ..self.clone() };
        for wanted in erased.requests.values_mut() {
            wanted.passenger = placeholder();
        }
        Some(erased)
    }

    /// Whether there is a receipt that counts.
    #[must_use]
    pub fn valid(&self) -> bool {
        matches!(self.issued, Issued::Yes { .. }) && !self.seat_unavailable
    }

    /// The receipt that was or is being issued.
    #[must_use]
    pub fn receipt(&self, booking: &BookingId) -> Option<Receipt> {
        let (Issued::Issuing { digest } | Issued::Yes { digest }) = self.issued else {
            return None;
        };
        let wanted = self.requests.get(&digest)?;
        let to = match self.erased {
            true => Addressee::Erased,
            false => Addressee::Known(wanted.passenger.clone()),
        };
        Some(Receipt {
            number: number(booking),
            booking: booking.clone(),
            seating: wanted.seating.clone(),
            to,
            amount: wanted.amount,
            paid_at: self.paid?.1,
        })
    }
}

/// What stands in a row where a passenger was erased. It means nothing by itself: somebody may be
/// called so. Versions before this one take it for the sign of an erased passenger (A32).
fn placeholder() -> Passenger {
    Passenger { name: "erased".to_owned(), email: "erased@erased.invalid".to_owned() }
}

fn no_seat(join: Join) -> Next {
    if join.seat_unavailable {
        return Step::Nothing;
    }
    Step::become_row(Join { seat_unavailable: true, ..join })
}

/// One more fact is known, and it is no `seat-unavailable`.
fn go_on(
    before: Option<&Join>,
    join: Join,
    event: &Event,
    answers: &[Sent],
    now: Timestamp,
) -> Next {
    match join.issued {
        // Somebody claimed it and may have died: send again, also when the seat is gone meanwhile.
        Issued::Issuing { digest } => match (answers, join.receipt(&event.booking)) {
            ([], Some(receipt)) => Step::Ask { claim: None, effect: receipt },
            ([Sent, ..], Some(receipt)) => {
                let about = About { digest, ..event.about() };
                let data = Data::ReceiptSent { receipt: receipt.number };
                let said = Event::outcome(RoleName::Receipt, &about, now, data);
                let issued = Issued::Yes { digest };
                Step::announcing(Join { issued, ..join }, vec![said])
            }
            (_, None) => Step::SetAside("a receipt was claimed without its request".to_owned()),
        },
        Issued::No | Issued::Yes { .. } => match join.joined() {
            Some(digest) => {
                let claimed = Join { issued: Issued::Issuing { digest }, ..join };
                match claimed.receipt(&event.booking) {
                    Some(effect) => Step::Ask { claim: Some(claimed), effect },
                    None => Step::SetAside("a receipt was joined without its request".to_owned()),
                }
            }
            None if before == Some(&join) => Step::Nothing,
            None => Step::become_row(join),
        },
    }
}

/// `R-4F7K-9QXM-2DTA`: sixty bits of the booking's identity in Crockford's base 32, so that it can
/// be read out on the telephone.
fn number(booking: &BookingId) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = booking.derive("receipt-number").as_u128();
    let digit = |place: u32| char::from(DIGITS[(bits >> (5 * place)) as usize % 32]);
    let group = |from: u32| (from..from + 4).map(digit).collect::<String>();
    format!("R-{}-{}-{}", group(0), group(4), group(8))
}

#[cfg(test)]
#[path = "receipt_tests.rs"]
mod tests;
