//! The rules of payment: charge a booking once, and refund it when there is no seat.
//!
//! A charge must never be asked for without a claim, which is a row that says that the card may
//! have been charged. A `seat-unavailable` that comes meanwhile is recorded in this row, and not
//! answered with "never charged" (failure matrix, D8). The delivery of the request then meets a
//! conflict when it settles the charge, reads the row again, and settles everything that follows in
//! one transaction, the refund included.
//!
//! Money of another amount than was asked for is given back, and the booking is not paid (D18).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    RoleName, ServiceName,
    decision::{Rows, Rules, Step},
    event::{About, Charge, Data, Event, NoCharge, Refund},
    ids::{BookingId, Digest},
    money::Money,
    request::{PaymentToken, Request},
};

/// The state of one booking in the payment role: one stored row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Payment {
    /// The gateway may have been asked.
    Claimed {
        /// The request that is being paid.
        digest: Digest,
        /// Whether a `seat-unavailable` has come.
        seat_unavailable: bool,
    },
    /// Charged. Only a `seat-unavailable` can still change it.
    Ok {
        /// The request that was paid.
        digest: Digest,
        charge: Charge,
    },
    /// Not charged. Final.
    Failed {
        /// The request that was not paid.
        digest: Digest,
    },
    /// Not charged and never will be, since there is no seat. Final.
    Never {
        /// The request that got no seat.
        digest: Digest,
    },
    /// Charged and refunded. Final.
    Refunded {
        /// The request that was paid.
        digest: Digest,
        refund: Refund,
    },
}

/// What payment asks of the gateway. Each effect is idempotent, with the booking as its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Charge {
        /// The idempotency key, and the reference that the payment provider stores.
        booking: BookingId,
        token: PaymentToken,
        amount: Money,
        /// Whether an earlier delivery may have asked. If so, the charge is looked up before it is
        /// asked for again, since a gateway may forget its keys before a queue redelivers.
        asked_before: bool,
    },
    Refund {
        /// The idempotency key is this id followed by `:refund`.
        booking: BookingId,
        /// The charge to undo.
        charge: Charge,
    },
    /// Give back all of a charge whose amount no [`Money`] can express.
    Undo {
        /// The idempotency key is this id followed by `:refund`.
        booking: BookingId,
        /// The provider's id of the charge.
        charge: String,
    },
}

/// What the gateway answered. A time-out is not an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Charged(Charge),
    /// Money was taken, but of an amount or a currency that no request can have.
    ChargedOther {
        /// The provider's id of the charge.
        charge: String,
    },
    /// Nothing was charged, and asking again would not change that.
    Declined(NoCharge),
    /// The card was charged, and a person gave all of the money back since, outside of this
    /// program.
    GivenBack,
    Refunded(Refund),
    /// All of the money that no request can have was given back.
    Undone,
}

/// The rules of payment.
#[derive(Clone, Copy, Debug)]
pub struct Payments;

type Next = Step<Payment, Effect>;

impl Rules for Payments {
    type State = Payment;
    type Effect = Effect;
    type Answer = Answer;
    const SERVICE: ServiceName = ServiceName::Role(RoleName::Payment);

    fn decide(
        &self,
        rows: &Rows<Payment>,
        event: &Event,
        answers: &[Answer],
        now: Timestamp,
    ) -> Next {
        let state = rows.booking(&event.booking);
        match &event.data {
            Data::BookingRequested(request) => requested(state, event, request, answers, now),
            Data::SeatUnavailable { .. } => no_seat(state, event, answers, now),
            // Payment does not act on these. They are listed, so that a new event does not compile
            // until it is placed here.
            Data::SeatBooked(_)
            | Data::SeatReleased { .. }
            | Data::PaymentOk(_)
            | Data::PaymentFailed { .. }
            | Data::PaymentRefunded(_)
            | Data::ReceiptSent { .. } => Step::Nothing,
        }
    }
}

fn requested(
    state: Option<&Payment>,
    event: &Event,
    request: &Request,
    answers: &[Answer],
    now: Timestamp,
) -> Next {
    let charge = |asked_before| Effect::Charge {
        booking: event.booking.clone(),
        token: request.payment.token.clone(),
        amount: request.payment.amount,
        asked_before,
    };
    match state {
        None => Step::Ask {
            claim: Some(Payment::Claimed { digest: event.digest, seat_unavailable: false }),
            effect: charge(false),
        },
        Some(Payment::Claimed { digest, .. } | Payment::Ok { digest, .. })
            if *digest != event.digest =>
        {
            Step::SetAside(
                "a different request under the id of a booking that is being paid".to_owned(),
            )
        }
        Some(Payment::Claimed { seat_unavailable, .. }) => match answers {
            [] => Step::Ask { claim: None, effect: charge(true) },
            [Answer::Charged(charge), rest @ ..] => {
                charged(event, request, charge, *seat_unavailable, rest, now)
            }
            [Answer::ChargedOther { .. }, Answer::Undone, ..] => {
                not_charged(event, NoCharge::Invalid, now)
            }
            [Answer::ChargedOther { charge }, ..] => {
                let (booking, charge) = (event.booking.clone(), charge.clone());
                Step::Ask { claim: None, effect: Effect::Undo { booking, charge } }
            }
            [Answer::Declined(reason), ..] => not_charged(event, reason.clone(), now),
            // Nobody has paid for the seats, so the booking ends as if the card had been declined.
            [Answer::GivenBack, ..] => not_charged(event, NoCharge::Declined, now),
            [Answer::Refunded(_) | Answer::Undone, ..] => {
                Step::SetAside("the gateway refunded before it charged".to_owned())
            }
        },
        Some(
            Payment::Ok { .. }
            | Payment::Failed { .. }
            | Payment::Never { .. }
            | Payment::Refunded { .. },
        ) => Step::Nothing,
    }
}

/// The card was charged. Keeps the money, or refunds it when there is no seat (failure matrix, D8)
/// or the amount is not the one that was asked for (D18).
fn charged(
    event: &Event,
    request: &Request,
    charge: &Charge,
    seat_unavailable: bool,
    rest: &[Answer],
    now: Timestamp,
) -> Next {
    let wrong_amount = charge.amount != request.payment.amount;
    if !seat_unavailable && !wrong_amount {
        let ok = Payment::Ok { digest: event.digest, charge: charge.clone() };
        let said = say(event, event.digest, now, Data::PaymentOk(charge.clone()));
        return Step::announcing(ok, vec![said]);
    }
    let Some(Answer::Refunded(refund)) = rest.first() else {
        let effect = Effect::Refund { booking: event.booking.clone(), charge: charge.clone() };
        return Step::Ask { claim: None, effect };
    };
    if wrong_amount {
        return not_charged(event, NoCharge::Invalid, now);
    }
    let refunded = Payment::Refunded { digest: event.digest, refund: refund.clone() };
    let said = vec![
        say(event, event.digest, now, Data::PaymentOk(charge.clone())),
        say(event, event.digest, now, Data::PaymentRefunded(refund.clone())),
    ];
    Step::announcing(refunded, said)
}

fn not_charged(event: &Event, reason: NoCharge, now: Timestamp) -> Next {
    let failed = Payment::Failed { digest: event.digest };
    let said = say(event, event.digest, now, Data::PaymentFailed { reason });
    Step::announcing(failed, vec![said])
}

fn no_seat(state: Option<&Payment>, event: &Event, answers: &[Answer], now: Timestamp) -> Next {
    match state {
        None => {
            let never = Payment::Never { digest: event.digest };
            let data = Data::PaymentFailed { reason: NoCharge::SeatUnavailable };
            Step::announcing(never, vec![say(event, event.digest, now, data)])
        }
        // Only records it. The delivery that claimed the charge meets this row as a conflict when
        // it settles, and announces what follows.
        Some(Payment::Claimed { digest, seat_unavailable: false }) => {
            Step::become_row(Payment::Claimed { digest: *digest, seat_unavailable: true })
        }
        Some(Payment::Ok { digest, charge }) => match answers {
            [.., Answer::Refunded(refund)] => {
                let refunded = Payment::Refunded { digest: *digest, refund: refund.clone() };
                let said = say(event, *digest, now, Data::PaymentRefunded(refund.clone()));
                Step::announcing(refunded, vec![said])
            }
            // No claim is needed: from this row and this event, only the refund can follow.
            _ => Step::Ask {
                claim: None,
                effect: Effect::Refund { booking: event.booking.clone(), charge: charge.clone() },
            },
        },
        Some(
            Payment::Claimed { seat_unavailable: true, .. }
            | Payment::Failed { .. }
            | Payment::Never { .. }
            | Payment::Refunded { .. },
        ) => Step::Nothing,
    }
}

fn say(event: &Event, digest: Digest, now: Timestamp, data: Data) -> Event {
    Event::outcome(RoleName::Payment, &About { digest, ..event.about() }, now, data)
}

#[cfg(test)]
#[path = "payment_tests.rs"]
mod tests;
