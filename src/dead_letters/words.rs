//! Says in words what putting a message back would do. Each role has its own words; what it would
//! do is decided by its rules alone, and never here.

use std::convert::Infallible;

use crate::{
    domain::{
        decision::{Decision, Key, Rules},
        event::{Data, Event},
        payment::{self, Payment, Payments},
        receipt::{Addressee, Issued, Join, Receipt, Receipts},
        seat::seat_list,
        seats::{Hold, Row, Seats},
        status::{Record, Statuses},
    },
    runtime::Preview,
    wire::Message,
};

use super::mask;

/// What a dry run says about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Forecast {
    /// The role would write, announce or call something.
    Would(String),
    /// The role would change nothing.
    NoOp(String),
    /// The role would set the message aside again.
    StillPoison(String),
}

impl std::fmt::Display for Forecast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Forecast::Would(it) => write!(f, "would {it}"),
            Forecast::NoOp(it) => write!(f, "no-op: {it}"),
            Forecast::StillPoison(it) => write!(f, "still poison: {it}"),
        }
    }
}

/// The words of a role for its rows and effects.
pub(crate) trait Tell: Rules {
    /// The state of a booking, in words that follow "already".
    fn already(row: &Self::State) -> String;

    /// A call to the outside, in words that follow "would".
    fn asks(effect: &Self::Effect) -> String;

    /// The writes of a decision, in words that follow "would".
    fn writes(
        row: Option<&Self::State>,
        decision: &Decision<Self::State>,
        event: &Event,
    ) -> Vec<String>;
}

/// The forecast for a preview.
pub(crate) fn tell<R: Tell>(preview: &Preview<R>, event: &Event) -> Forecast {
    let already = |row: &Option<R::State>| match row {
        Some(it) => format!("already {}", R::already(it)),
        None => format!("{} does nothing with {}", R::SERVICE, event.kind()),
    };
    match preview {
        Preview::Recalled { row, messages } => {
            let kinds: Vec<&str> = messages.iter().map(|it: &Message| it.kind.topic()).collect();
            let again = format!("would announce {} again", kinds.join(" and "));
            Forecast::NoOp(format!("{}; {again}", already(row)))
        }
        Preview::Nothing { row } => Forecast::NoOp(already(row)),
        Preview::Asks(effect) => Forecast::Would(R::asks(effect)),
        Preview::Settles { row, decision } => {
            let mut parts = R::writes(row.as_ref(), decision, event);
            parts.extend(decision.announce.iter().map(announces));
            Forecast::Would(parts.join(", "))
        }
        Preview::SetAside(reason) => Forecast::StillPoison(reason.clone()),
    }
}

fn announces(event: &Event) -> String {
    let why = match &event.data {
        Data::SeatUnavailable { reason, .. } => format!(" ({reason})"),
        Data::SeatReleased { reason, .. } => format!(" ({reason})"),
        Data::PaymentFailed { reason } => format!(" ({reason})"),
        Data::BookingRequested(_)
        | Data::SeatBooked(_)
        | Data::PaymentOk(_)
        | Data::PaymentRefunded(_)
        | Data::ReceiptSent { .. } => String::new(),
    };
    format!("announce {}{why}", event.kind())
}

impl Tell for Seats {
    fn already(row: &Row) -> String {
        match row {
            Row::Booking(Hold::Paid { .. }) => "paid, its request has not come".to_owned(),
            Row::Booking(Hold::Held(held)) => format!("holding {}", seat_list(&held.seating.seats)),
            Row::Booking(Hold::Confirmed { seating, .. }) => {
                format!("confirmed for {}", seat_list(&seating.seats))
            }
            Row::Booking(Hold::Refused { .. }) => "without a seat, for good".to_owned(),
            Row::Booking(Hold::Released { .. }) => "released, for good".to_owned(),
            Row::Seat { .. } => "there".to_owned(),
        }
    }

    fn asks(effect: &Infallible) -> String {
        match *effect {}
    }

    fn writes(_: Option<&Row>, decision: &Decision<Row>, event: &Event) -> Vec<String> {
        let (mut hold, mut confirm, mut release) = (Vec::new(), Vec::new(), Vec::new());
        let mut parts = Vec::new();
        let own_key = Key::Booking(event.booking.clone());
        let others = decision.others.iter().map(|(key, row)| (key, row));
        for (key, row) in [(&own_key, &decision.own)].into_iter().chain(others) {
            let seat = |place: &str| place.rsplit('/').next().unwrap_or_default().to_owned();
            match (key, row) {
                (Key::Seat(place), Row::Seat { holder: Some(_) }) => hold.push(seat(place)),
                (Key::Seat(place), Row::Seat { holder: None }) => release.push(seat(place)),
                (Key::Booking(id), Row::Booking(Hold::Refused { .. })) if id != &event.booking => {
                    parts.push(format!("end the expired hold of booking {id}"));
                }
                (_, Row::Booking(Hold::Confirmed { seating, .. })) => {
                    confirm.clone_from(&seating.seats);
                }
                (_, Row::Booking(Hold::Paid { .. })) => {
                    parts.push("remember that it is paid until its request comes".to_owned());
                }
                (_, Row::Booking(Hold::Refused { .. })) => parts.push("refuse it".to_owned()),
                (_, Row::Booking(Hold::Released { .. })) if event_frees_nothing(decision) => {
                    parts.push("never hold a seat for it".to_owned());
                }
                (_, Row::Booking(Hold::Held(_) | Hold::Released { .. }) | Row::Seat { .. }) => {}
            }
        }
        if !confirm.is_empty() {
            parts.insert(0, format!("confirm {}", seat_list(&confirm)));
        } else if !hold.is_empty() {
            parts.insert(0, format!("hold {}", hold.join(", ")));
        }
        if !release.is_empty() {
            parts.insert(0, format!("release {}", release.join(", ")));
        }
        parts
    }
}

fn event_frees_nothing(decision: &Decision<Row>) -> bool {
    decision.others.iter().all(|(key, _)| matches!(key, Key::Booking(_)))
}

impl Tell for Payments {
    fn already(row: &Payment) -> String {
        match row {
            Payment::Claimed { .. } => "being charged, by another message".to_owned(),
            Payment::Ok { charge, .. } => format!("charged {}", charge.amount),
            Payment::Failed { .. } => "refused by the gateway: not charged".to_owned(),
            Payment::Never { .. } => "without a seat: never charged".to_owned(),
            Payment::Refunded { refund, .. } => format!("refunded {}", refund.amount),
        }
    }

    fn asks(effect: &payment::Effect) -> String {
        match effect {
            payment::Effect::Charge { booking, amount, asked_before, token: _ } => {
                let first = if *asked_before { "look the charge up, and else " } else { "" };
                format!("{first}ask the gateway to charge {amount} (key {booking})")
            }
            payment::Effect::Refund { booking, charge } => {
                format!("ask the gateway to refund {} (key {booking}:refund)", charge.amount)
            }
            payment::Effect::Undo { booking, charge } => {
                format!("ask the gateway to refund all of {charge} (key {booking}:refund)")
            }
        }
    }

    fn writes(_: Option<&Payment>, decision: &Decision<Payment>, _: &Event) -> Vec<String> {
        let told = |row: &Payment| match row {
            Payment::Claimed { .. } => "tell the charge under way that there is no seat",
            Payment::Never { .. } => "never charge it",
            Payment::Ok { .. } => "keep the charge",
            Payment::Failed { .. } => "keep that it was not charged",
            Payment::Refunded { .. } => "keep the refund",
        };
        vec![told(&decision.own).to_owned()]
    }
}

impl Tell for Receipts {
    fn already(row: &Join) -> String {
        match (row.issued, row.seat_unavailable) {
            (Issued::Yes { .. }, false) => "sent".to_owned(),
            (Issued::Yes { .. }, true) => "sent, and void: there is no seat".to_owned(),
            (Issued::Issuing { .. }, _) => "being sent, by another message".to_owned(),
            (Issued::No, true) => "closed: there is no seat".to_owned(),
            (Issued::No, false) => format!("known; {}", waits(row)),
        }
    }

    fn asks(receipt: &Receipt) -> String {
        let to = match &receipt.to {
            Addressee::Known(passenger) => mask::line(&passenger.email),
            Addressee::Erased => "nobody: the passenger was erased".to_owned(),
        };
        match &receipt.voids {
            None => format!("ask the mailer to send receipt {} to {to}", receipt.number),
            Some(void) => format!(
                "void receipt {} and ask the mailer to send {} to {to}, which says so",
                void.number, receipt.number
            ),
        }
    }

    fn writes(row: Option<&Join>, decision: &Decision<Join>, event: &Event) -> Vec<String> {
        let sent = row.is_some_and(|it| matches!(it.issued, Issued::Yes { .. }));
        let told = |join: &Join| match (&event.data, sent) {
            (Data::SeatUnavailable { .. }, true) => "void the receipt that went out".to_owned(),
            (Data::SeatUnavailable { .. }, false) => "close it: no receipt goes out".to_owned(),
            (
                Data::BookingRequested(_)
                | Data::SeatBooked(_)
                | Data::SeatReleased { .. }
                | Data::PaymentOk(_)
                | Data::PaymentFailed { .. }
                | Data::PaymentRefunded(_)
                | Data::ReceiptSent { .. },
                _,
            ) => format!("remember {}; {}", event.kind(), waits(join)),
        };
        vec![told(&decision.own)]
    }
}

/// The facts that a receipt still waits for.
fn waits(join: &Join) -> String {
    let parts = [
        (join.requests.is_empty(), "the request"),
        (join.booked.is_none(), "the seats"),
        (join.paid.is_none(), "the payment"),
    ];
    let missing: Vec<&str> = parts.iter().filter(|it| it.0).map(|it| it.1).collect();
    if missing.is_empty() {
        return "it waits for facts about the same request".to_owned();
    }
    format!("it waits for {}", missing.join(" and "))
}

impl Tell for Statuses {
    fn already(row: &Record) -> String {
        row.standing().phase.to_string()
    }

    fn asks(effect: &Infallible) -> String {
        match *effect {}
    }

    fn writes(row: Option<&Record>, decision: &Decision<Record>, event: &Event) -> Vec<String> {
        let before = row.map(|it| it.standing().phase);
        let told = |record: &Record| {
            let phase = record.standing().phase;
            let how = if before == Some(phase) { "stays" } else { "becomes" };
            format!("record {}: the booking {how} {phase}", event.kind())
        };
        vec![told(&decision.own)]
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
