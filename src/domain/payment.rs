//! Payment: charges once, and gives the money back when there is no seat.
//!
//! A charge is claimed before it is asked for: a row that says *somebody may have charged*, so that
//! a `seat-unavailable` that comes meanwhile is recorded there and not answered with "never
//! charged" (D8). Whoever holds the request's delivery meets it as a conflict after the charge,
//! reads the row again and settles everything that follows in one transaction, the refund included.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    RoleName,
    decision::{Rows, Rules, Step},
    event::{About, Charge, Data, Event, NoCharge, Refund},
    ids::{BookingId, Digest},
    money::Money,
    request::{PaymentToken, Request},
};

/// How a booking stands with payment: one stored row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Payment {
    /// The gateway may have been asked.
    Claimed {
        /// The request that is being paid.
        digest: Digest,
        /// Whether it is known that there is no seat.
        seat_unavailable: bool,
    },
    /// Charged.
    Ok {
        /// The request that was paid.
        digest: Digest,
        /// The charge.
        charge: Charge,
    },
    /// Not charged. Final.
    Failed {
        /// The request that was not paid.
        digest: Digest,
    },
    /// Not charged and never will be: there is no seat. Final.
    Never {
        /// The request that the seats answered.
        digest: Digest,
    },
    /// Charged and given back. Final.
    Refunded {
        /// The request that was paid.
        digest: Digest,
        /// The refund.
        refund: Refund,
    },
}

/// What payment asks of the gateway. Keyed by the booking, so that asking twice does it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Take the money.
    Charge {
        /// The booking, which is the idempotency key and the reference.
        booking: BookingId,
        /// From what.
        token: PaymentToken,
        /// How much.
        amount: Money,
        /// An earlier delivery may have asked: look the charge up before asking again. Gateways
        /// forget keys sooner than queues redeliver.
        asked_before: bool,
    },
    /// Give the money back.
    Refund {
        /// The booking; the idempotency key is this and `:refund`.
        booking: BookingId,
        /// What to undo.
        charge: Charge,
    },
}

/// What the gateway answered. A time-out is not an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The money was taken.
    Charged(Charge),
    /// It was not, for good.
    Declined(NoCharge),
    /// The money was given back.
    Refunded(Refund),
}

/// The rules of payment.
#[derive(Clone, Copy, Debug)]
pub struct Payments;

type Next = Step<Payment, Effect>;

impl Rules for Payments {
    type State = Payment;
    type Effect = Effect;
    type Answer = Answer;
    const ROLE: RoleName = RoleName::Payment;

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
            // Not ours to act on. Listed, so that a new event must be placed here to compile.
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
            [Answer::Declined(reason), ..] => not_charged(event, reason.clone(), now),
            [Answer::Refunded(_), ..] => {
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

/// The money was taken: keep it, or give it back when there is no seat (D8) or it is not what was
/// asked for (D18).
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
        // Recorded, and announced by the delivery that claimed: it meets this row as a conflict
        // after its charge.
        Some(Payment::Claimed { digest, seat_unavailable: false }) => Step::become_row(Payment::Claimed { digest: *digest, seat_unavailable: true },
        ),
        Some(Payment::Ok { digest, charge }) => match answers {
            [.., Answer::Refunded(refund)] => {
                let refunded = Payment::Refunded { digest: *digest, refund: refund.clone() };
                let said = say(event, *digest, now, Data::PaymentRefunded(refund.clone()));
                Step::announcing(refunded, vec![said])
            }
            // The row is the claim already: nothing but this refund can come of it.
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
