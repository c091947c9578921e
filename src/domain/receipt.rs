//! The rules of receipt: wait for the request, the seats and the payment with the same digest, in
//! any order, and send one receipt. If the seats are lost after that, one more mail says that the
//! receipt is void.
//!
//! Neither mail must ever be sent without a claim: [`Issued::Issuing`] for the receipt, and
//! [`Join::seat_unavailable`] for the other one. After a crash between the claim and the commit it
//! is sent again, with the same number and Message-ID. A receipt is valid exactly while it is
//! issued and no `seat-unavailable` is known.

use std::collections::{BTreeMap, btree_map::Entry};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    RoleName, ServiceName,
    decision::{Rows, Rules, Step},
    event::{About, Data, Event},
    ids::{BookingId, Digest},
    mailed::{RECEIPT, VOID, number},
    money::Money,
    request::{Passenger, Request},
    seat::Seating,
};

pub use super::mailed::{Addressee, Receipt, Voided};

/// The most different requests that are kept under one booking id.
pub const REQUESTS_MAX: usize = 8;

/// What the receipt role knows about one booking: one stored row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// What was asked for, by digest. All requests under the id are kept, so that the outcome does
    /// not depend on their order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<Digest, Wanted>,
    /// The request whose seats were booked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booked: Option<Digest>,
    /// The request that was paid, and when, by the clock of payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid: Option<(Digest, Timestamp)>,
    /// The payment provider's id of the charge. Rows of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<String>,
    /// Whether a `seat-unavailable` has come. If so, a receipt that was not claimed is never sent,
    /// and one that was sent is void. It is also the claim of the mail that says so.
    #[serde(default)]
    pub seat_unavailable: bool,
    /// When the seats were lost, by the clock of seats. Rows of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_at: Option<Timestamp>,
    #[serde(default)]
    pub issued: Issued,
    /// Whether the mail was sent, at least once, that says that the receipt is void.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub void_sent: bool,
    /// Whether the passengers were erased, which a request that is delivered again does not undo.
    /// Only this field says so; the names in `requests` do not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// The part of a request that the receipt needs. The payment token is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub seating: Seating,
    pub passenger: Passenger,
    pub amount: Money,
}

/// Whether the receipt was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Issued {
    /// Sending was never claimed.
    #[default]
    No,
    /// Sending is claimed: the receipt may have been sent.
    Issuing {
        /// The request that the receipt is for.
        digest: Digest,
    },
    /// The receipt was sent, at least once.
    Yes {
        /// The request that the receipt is for.
        digest: Digest,
    },
}

/// The answer that the mail was sent.
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
    const SERVICE: ServiceName = ServiceName::Role(RoleName::Receipt);

    fn decide(&self, rows: &Rows<Join>, event: &Event, answers: &[Sent], now: Timestamp) -> Next {
        let before = rows.booking(&event.booking);
        let join = before.cloned().unwrap_or_default();
        match &event.data {
            Data::SeatUnavailable { .. } => no_seat(join, event, answers),
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
            Data::PaymentOk(charge) => {
                let join = match join.paid {
                    Some(_) => join,
                    None => Join {
                        paid: Some((event.digest, event.time)),
                        charge: Some(charge.charge.clone()),
                        ..join
                    },
                };
                go_on(before, join, event, answers, now)
            }
            // Receipt does not act on these. They are listed, so that a new event does not compile
            // until it is placed here.
            Data::SeatReleased { .. }
            | Data::PaymentFailed { .. }
            | Data::PaymentRefunded(_)
            | Data::ReceiptSent { .. } => Step::Nothing,
        }
    }
}

impl Join {
    /// The same with one more request; `None` when there are too many requests already.
    fn requested(mut self, digest: Digest, request: &Request) -> Option<Join> {
        // There is always room for the request that seats or payment accepted.
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

    /// The digest for which the request, the seats and the payment are all known, if there is one.
    fn joined(&self) -> Option<Digest> {
        let (paid, _) = self.paid?;
        (self.booked == Some(paid) && self.requests.contains_key(&paid)).then_some(paid)
    }

    /// Whether only a `seat-unavailable` can still matter, since the receipt was sent or never will
    /// be.
    fn ended(&self) -> bool {
        match self.issued {
            Issued::Yes { .. } => true,
            Issued::Issuing { .. } => false,
            Issued::No => self.seat_unavailable,
        }
    }

    /// The same without the passengers' names and addresses. `None` while a receipt may still be
    /// sent. `has_ended` says that the booking has ended without a receipt, which this role does
    /// not always hear of.
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

    /// Whether there is a valid receipt.
    #[must_use]
    pub fn valid(&self) -> bool {
        is_valid(matches!(self.issued, Issued::Yes { .. }), self.seat_unavailable)
    }

    /// The receipt that was sent or is being sent; `None` when sending was never claimed.
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
            number: number(RECEIPT, booking),
            booking: booking.clone(),
            seating: wanted.seating.clone(),
            to,
            amount: wanted.amount,
            paid_at: self.paid?.1,
            charge: self.charge.clone(),
            voids: None,
        })
    }

    /// The mail that says that the receipt is void; `None` while the receipt is valid, and when
    /// there is none.
    #[must_use]
    pub fn void(&self, booking: &BookingId) -> Option<Receipt> {
        let receipt = self.receipt(booking).filter(|_| self.seat_unavailable)?;
        let voids = Some(Voided { number: receipt.number, lost_at: self.lost_at });
        Some(Receipt { number: number(VOID, booking), voids, ..receipt })
    }

    /// Whether somebody has a receipt that is void, and was not told yet. Nobody is left to be told
    /// if the passenger was erased.
    fn is_to_be_told(&self) -> bool {
        self.issued != Issued::No && self.seat_unavailable && !self.void_sent && !self.erased
    }
}

/// The one definition of a valid receipt: it was sent, and the seats were lost neither before nor
/// after.
#[must_use]
pub const fn is_valid(sent: bool, seats_lost: bool) -> bool {
    sent && !seats_lost
}

/// What a row contains in the place of an erased passenger. It means nothing by itself, since a
/// passenger could have this name. Older versions take it for the sign of an erased passenger
/// (failure matrix, A32).
fn placeholder() -> Passenger {
    Passenger { name: "erased".to_owned(), email: "erased@erased.invalid".to_owned() }
}

/// The seats were lost. If the receipt is out, the claim is that it is void, and its passenger is
/// told so. If it is on its way, that is left to the delivery that sends it.
fn no_seat(before: Join, event: &Event, answers: &[Sent]) -> Next {
    let lost = match before.seat_unavailable {
        true => before.clone(),
        false => Join { seat_unavailable: true, lost_at: Some(event.time), ..before.clone() },
    };
    let is_out = matches!(lost.issued, Issued::Yes { .. });
    if !is_out || !lost.is_to_be_told() {
        return if lost == before { Step::Nothing } else { Step::become_row(lost) };
    }
    match (answers, lost.void(&event.booking)) {
        ([], Some(void)) => Step::Ask { claim: (lost != before).then_some(lost), effect: void },
        ([Sent, ..], Some(_)) => Step::become_row(Join { void_sent: true, ..lost }),
        (_, None) => Step::SetAside("a receipt was sent without its request".to_owned()),
    }
}

/// The next step after one more fact, which is not a `seat-unavailable`.
fn go_on(
    before: Option<&Join>,
    join: Join,
    event: &Event,
    answers: &[Sent],
    now: Timestamp,
) -> Next {
    match join.issued {
        // An earlier delivery claimed it and may have died before it settled. Sends again, even if
        // the seat has been lost meanwhile, since the receipt may be out already; then the mail
        // that makes it void follows.
        Issued::Issuing { digest } => match (answers, join.receipt(&event.booking)) {
            ([], Some(receipt)) => send(None, receipt),
            ([Sent], Some(_)) if join.is_to_be_told() => match join.void(&event.booking) {
                Some(void) => send(None, void),
                None => Step::SetAside("a receipt is void that was not claimed".to_owned()),
            },
            ([Sent, ..], Some(receipt)) => {
                let about = About { digest, ..event.about() };
                let data = Data::ReceiptSent { receipt: receipt.number };
                let said = Event::outcome(RoleName::Receipt, &about, now, data);
                let void_sent = join.void_sent || join.is_to_be_told();
                let issued = Issued::Yes { digest };
                Step::announcing(Join { issued, void_sent, ..join }, vec![said])
            }
            (_, None) => Step::SetAside("a receipt was claimed without its request".to_owned()),
        },
        Issued::No | Issued::Yes { .. } => match join.joined() {
            Some(digest) => {
                let claimed = Join { issued: Issued::Issuing { digest }, ..join };
                match claimed.receipt(&event.booking) {
                    Some(receipt) => send(Some(claimed), receipt),
                    None => Step::SetAside("a receipt was joined without its request".to_owned()),
                }
            }
            None if before == Some(&join) => Step::Nothing,
            None => Step::become_row(join),
        },
    }
}

/// Asks the mailer to send, unless the passenger was erased.
fn send(claim: Option<Join>, receipt: Receipt) -> Next {
    match receipt.to {
        Addressee::Known(_) => Step::Ask { claim, effect: receipt },
        Addressee::Erased => {
            Step::SetAside("the passenger was erased, so the receipt has no addressee".to_owned())
        }
    }
}

#[cfg(test)]
#[path = "receipt_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "receipt_void_tests.rs"]
mod void_tests;
