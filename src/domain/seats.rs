//! Seats: holds what is asked for, confirms it when it is paid, frees it when it is not.
//!
//! A decision is made once a booking and kept for good: [`Hold::Confirmed`], [`Hold::Refused`] and
//! [`Hold::Released`] are never left. A seat's row names its holder and nothing else, so that a
//! seat is only ever freed by comparing the holder with the booking that lets go (C8).

use std::convert::Infallible;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    RoleName,
    decision::{Decision, Key, Rows, Rules, Step},
    event::{About, Data, Event, Freed, NoSeat},
    ids::{BookingId, Digest},
    request::Request,
    schedule::Schedule,
    seat::{SeatId, Seating},
};

/// One stored row of seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// How a booking stands.
    Booking(Hold),
    /// Who has a seat.
    Seat {
        /// The holder; none when the seat is free again.
        holder: Option<BookingId>,
    },
}

/// How a booking stands with seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Hold {
    /// Paid before the request came.
    Paid {
        /// The request that was paid.
        digest: Digest,
    },
    /// Held until it is paid, or the payment fails, or it is older than the limit and wanted.
    Held(Held),
    /// Paid: the seats are the booking's. Final.
    Confirmed {
        /// The request it confirms.
        digest: Digest,
        /// The seats.
        seating: Seating,
    },
    /// No seat, for good. Final.
    Refused {
        /// The request it answers.
        digest: Digest,
        /// Whose request took the hold over, and so announced it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        taken_over_by: Option<BookingId>,
    },
    /// The payment failed: nothing is held and nothing will be. Final.
    Released {
        /// The request whose payment failed.
        digest: Digest,
    },
}

/// A hold that can still go either way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The request it answers.
    pub digest: Digest,
    /// The seats.
    pub seating: Seating,
    /// Since when, by the wall clock of seats: other processes read it, and restarted hosts, which
    /// have no steady clock in common.
    pub since: Timestamp,
    /// The trace its outcome belongs to, whoever causes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// The rules of seats.
#[derive(Clone, Debug)]
pub struct Seats {
    /// Which seats there are, when they are on sale, and for how much.
    pub schedule: Schedule,
    /// An unpaid hold older than this may be taken over by another request.
    pub hold_limit: SignedDuration,
}

type Next = Step<Row, Infallible>;

impl Rules for Seats {
    type State = Row;
    type Effect = Infallible;
    type Answer = Infallible;
    const ROLE: RoleName = RoleName::Seats;

    fn decide(&self, rows: &Rows<Row>, event: &Event, _: &[Infallible], now: Timestamp) -> Next {
        let hold = hold_of(rows, &event.booking);
        match &event.data {
            Data::BookingRequested(request) => self.requested(rows, hold, event, request, now),
            Data::PaymentOk(_) => paid(rows, hold, event, now),
            Data::PaymentFailed { .. } => failed(rows, hold, event, now),
            // Not ours to act on. Listed, so that a new event must be placed here to compile.
            Data::SeatBooked(_)
            | Data::SeatUnavailable { .. }
            | Data::SeatReleased { .. }
            | Data::PaymentRefunded(_)
            | Data::ReceiptSent { .. } => Step::Nothing,
        }
    }
}

impl Seats {
    fn requested(
        &self,
        rows: &Rows<Row>,
        hold: Option<&Hold>,
        event: &Event,
        request: &Request,
        now: Timestamp,
    ) -> Next {
        match hold {
            None => self.book(rows, event, request, false, now),
            Some(Hold::Paid { digest }) if *digest == event.digest => {
                self.book(rows, event, request, true, now)
            }
            Some(Hold::Paid { .. }) => Step::SetAside(
                "a different request under the id of a booking that is paid".to_owned(),
            ),
            Some(Hold::Held(held)) if held.digest != event.digest => Step::SetAside(
                "a different request under the id of a booking whose seats are held".to_owned(),
            ),
            Some(
                Hold::Held(_)
                | Hold::Confirmed { .. }
                | Hold::Refused { .. }
                | Hold::Released { .. },
            ) => Step::Nothing,
        }
    }

    /// Holds all the seats or none. A seat counts as free when nobody has it, or when its holder
    /// has not paid and its hold is older than the limit. What the schedule refuses, paid or not,
    /// is refused before a seat's row is read: who names a wrong price is not told who sits where.
    fn book(
        &self,
        rows: &Rows<Row>,
        event: &Event,
        request: &Request,
        paid: bool,
        now: Timestamp,
    ) -> Next {
        let wanted = &request.seating;
        if let Some((reason, missing)) = self.schedule.refusal(wanted, request.payment.amount, now)
        {
            return refuse(event, &wanted.with(missing), reason, now);
        }
        let seats = wanted.seats.iter().map(|it| Key::seat(wanted, *it));
        let unread = rows.unread(seats);
        if !unread.is_empty() {
            return Step::Read(unread);
        }
        let holders = wanted.seats.iter().filter_map(|it| holder(rows, wanted, *it));
        let unread = rows.unread(holders.cloned().map(Key::Booking));
        if !unread.is_empty() {
            return Step::Read(unread);
        }

        let mut taken = Vec::new();
        let mut moved_on = Vec::new();
        let mut displaced = Vec::<(&BookingId, &Held)>::new();
        for seat in &wanted.seats {
            let Some(rival) = holder(rows, wanted, *seat) else { continue };
            match hold_of(rows, rival) {
                Some(Hold::Held(held)) if now.duration_since(held.since) > self.hold_limit => {
                    if displaced.iter().all(|(it, _)| *it != rival) {
                        displaced.push((rival, held));
                    }
                }
                // It let go between our reading the seat and our reading it: see who has it now.
                Some(Hold::Refused { .. } | Hold::Released { .. }) => {
                    moved_on.push(Key::seat(wanted, *seat));
                }
                Some(Hold::Held(_) | Hold::Paid { .. } | Hold::Confirmed { .. }) | None => {
                    taken.push(*seat);
                }
            }
        }
        if !moved_on.is_empty() {
            return Step::Read(moved_on);
        }
        if !taken.is_empty() {
            return refuse(event, &wanted.with(taken), NoSeat::Taken, now);
        }
        // All that a displaced booking holds is freed, also the seats that nobody asked for.
        let theirs = displaced.iter().flat_map(|(_, held)| keys(&held.seating));
        let unread = rows.unread(theirs);
        if !unread.is_empty() {
            return Step::Read(unread);
        }
        take(rows, event, wanted, paid, &displaced, now)
    }
}

/// Holds the seats for the event's booking, and ends every displaced one for good.
fn take(
    rows: &Rows<Row>,
    event: &Event,
    wanted: &Seating,
    paid: bool,
    displaced: &[(&BookingId, &Held)],
    now: Timestamp,
) -> Next {
    let hold = if paid {
        Hold::Confirmed { digest: event.digest, seating: wanted.clone() }
    } else {
        Hold::Held(Held {
            digest: event.digest,
            seating: wanted.clone(),
            since: now,
            traceparent: event.traceparent.clone(),
        })
    };
    let mut others = Vec::new();
    let booked = Data::SeatBooked(wanted.clone());
    let mut announce = vec![Event::outcome(RoleName::Seats, &event.about(), now, booked)];

    for (old, held) in displaced {
        let taken_over_by = Some(event.booking.clone());
        let refused = Hold::Refused { digest: held.digest, taken_over_by };
        others.push((Key::Booking((*old).clone()), Row::Booking(refused)));
        others.extend(freed(rows, old, &held.seating));
        let about = About {
            booking: (*old).clone(),
            digest: held.digest,
            traceparent: held.traceparent.clone(),
        };
        let lost = Data::SeatUnavailable { reason: NoSeat::Expired, seating: held.seating.clone() };
        announce.push(Event::outcome(RoleName::Seats, &about, now, lost));
    }
    let mine = Row::Seat { holder: Some(event.booking.clone()) };
    others.retain(|(key, _)| keys(wanted).all(|it| it != *key));
    others.extend(keys(wanted).map(|it| (it, mine.clone())));
    Step::Settle(Decision { own: Row::Booking(hold), others, announce })
}

fn paid(rows: &Rows<Row>, hold: Option<&Hold>, event: &Event, now: Timestamp) -> Next {
    match hold {
        None => Step::become_row(Row::Booking(Hold::Paid { digest: event.digest })),
        Some(Hold::Held(held)) if held.digest == event.digest => {
            let confirmed = Hold::Confirmed { digest: held.digest, seating: held.seating.clone() };
            Step::become_row(Row::Booking(confirmed))
        }
        // Paid for another request than the one that holds the seats: nobody gets them.
        Some(Hold::Held(held)) => release(rows, event, held, |about| {
            let refused = Hold::Refused { digest: held.digest, taken_over_by: None };
            let seating = held.seating.clone();
            let data = Data::SeatUnavailable { reason: NoSeat::Conflict, seating };
            (refused, Event::outcome(RoleName::Seats, about, now, data))
        }),
        Some(
            Hold::Paid { .. }
            | Hold::Confirmed { .. }
            | Hold::Refused { .. }
            | Hold::Released { .. },
        ) => Step::Nothing,
    }
}

fn failed(rows: &Rows<Row>, hold: Option<&Hold>, event: &Event, now: Timestamp) -> Next {
    match hold {
        None => {
            let released = Row::Booking(Hold::Released { digest: event.digest });
            let data = Data::SeatReleased { reason: Freed::NeverHeld, seats: Vec::new() };
            let said = Event::outcome(RoleName::Seats, &event.about(), now, data);
            Step::announcing(released, vec![said])
        }
        Some(Hold::Held(held)) => release(rows, event, held, |about| {
            let seats = held.seating.seats.clone();
            let data = Data::SeatReleased { reason: Freed::PaymentFailed, seats };
            let released = Hold::Released { digest: held.digest };
            (released, Event::outcome(RoleName::Seats, about, now, data))
        }),
        Some(Hold::Paid { .. }) => Step::SetAside(
            "payment-failed for a booking whose payment-ok was seen: the first stands".to_owned(),
        ),
        Some(Hold::Confirmed { .. } | Hold::Refused { .. } | Hold::Released { .. }) => {
            Step::Nothing
        }
    }
}

/// Frees what the booking holds, and ends it as `end` says. Never looks at the digest of the event:
/// what takes back is not gated.
fn release(
    rows: &Rows<Row>,
    event: &Event,
    held: &Held,
    end: impl FnOnce(&About) -> (Hold, Event),
) -> Next {
    let unread = rows.unread(keys(&held.seating));
    if !unread.is_empty() {
        return Step::Read(unread);
    }
    let about = About { digest: held.digest, ..event.about() };
    let (hold, said) = end(&about);
    let others = freed(rows, &event.booking, &held.seating);
    Step::Settle(Decision { own: Row::Booking(hold), others, announce: vec![said] })
}

/// No seat, for good. Whatever this booking may have held before is not touched: it held nothing.
fn refuse(event: &Event, seating: &Seating, reason: NoSeat, now: Timestamp) -> Next {
    let refused = Hold::Refused { digest: event.digest, taken_over_by: None };
    let data = Data::SeatUnavailable { reason, seating: seating.clone() };
    let said = Event::outcome(RoleName::Seats, &event.about(), now, data);
    Step::announcing(Row::Booking(refused), vec![said])
}

fn keys(seating: &Seating) -> impl Iterator<Item = Key> {
    seating.seats.iter().map(|it| Key::seat(seating, *it))
}

/// The seats of `seating` that `booking` really has, as free rows (C8: a seat sold again is left).
fn freed(rows: &Rows<Row>, booking: &BookingId, seating: &Seating) -> Vec<(Key, Row)> {
    let theirs = |it: &&SeatId| holder(rows, seating, **it) == Some(booking);
    let free = |it: &SeatId| (Key::seat(seating, *it), Row::Seat { holder: None });
    seating.seats.iter().filter(theirs).map(free).collect()
}

fn hold_of<'a>(rows: &'a Rows<Row>, booking: &BookingId) -> Option<&'a Hold> {
    match rows.booking(booking) {
        Some(Row::Booking(hold)) => Some(hold),
        Some(Row::Seat { .. }) | None => None,
    }
}

fn holder<'a>(rows: &'a Rows<Row>, seating: &Seating, seat: SeatId) -> Option<&'a BookingId> {
    match rows.get(&Key::seat(seating, seat)) {
        Some(Row::Seat { holder }) => holder.as_ref(),
        Some(Row::Booking(_)) | None => None,
    }
}

#[cfg(test)]
#[path = "seats_sale_tests.rs"]
mod sale_tests;
#[cfg(test)]
#[path = "seats_tests.rs"]
mod tests;
