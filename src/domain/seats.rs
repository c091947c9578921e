//! The rules of seats: hold what a request asks for, confirm it when it is paid, and free it when
//! the payment failed.
//!
//! A decision about a booking is made once and kept for good: a booking never leaves
//! [`Hold::Confirmed`], [`Hold::Refused`] or [`Hold::Released`]. The row of a seat names its holder
//! and nothing else. A seat must never be freed without comparing its holder with the booking that
//! lets it go (failure matrix, C8).

use std::convert::Infallible;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    RoleName, ServiceName,
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
    Booking(Hold),
    Seat {
        /// The booking that holds the seat; `None` when the seat is free again.
        holder: Option<BookingId>,
    },
}

/// The state of one booking in the seats role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Hold {
    /// The payment came before the request.
    Paid {
        /// The request that was paid.
        digest: Digest,
    },
    /// The seats are held until the payment succeeds or fails, or until the hold is older than the
    /// limit and another booking wants a seat.
    Held(Held),
    /// Paid: the seats belong to the booking. Final.
    Confirmed {
        /// The request that was paid.
        digest: Digest,
        seating: Seating,
    },
    /// The booking gets no seats. Final.
    Refused {
        /// The request that was refused.
        digest: Digest,
        /// The booking whose request took the hold over. The memo of that request has the
        /// announcement.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        taken_over_by: Option<BookingId>,
    },
    /// The payment failed: nothing is held and nothing will be. Final.
    Released {
        /// The request whose payment failed.
        digest: Digest,
    },
}

/// A hold that is not decided yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The request whose seats are held.
    pub digest: Digest,
    pub seating: Seating,
    /// When the hold began, by the wall clock of seats. A steady clock will not do: other processes
    /// read this time, also after a restart of the host, and they have no steady clock in common.
    pub since: Timestamp,
    /// The trace of the request, which the outcome belongs to even if another event causes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// The rules of seats.
#[derive(Clone, Debug)]
pub struct Seats {
    pub schedule: Schedule,
    /// An unpaid hold older than this may be taken over by another request.
    pub hold_limit: SignedDuration,
}

type Next = Step<Row, Infallible>;

impl Rules for Seats {
    type State = Row;
    type Effect = Infallible;
    type Answer = Infallible;
    const SERVICE: ServiceName = ServiceName::Role(RoleName::Seats);

    fn decide(&self, rows: &Rows<Row>, event: &Event, _: &[Infallible], now: Timestamp) -> Next {
        let hold = hold_of(rows, &event.booking);
        match &event.data {
            Data::BookingRequested(request) => self.requested(rows, hold, event, request, now),
            Data::PaymentOk(_) => paid(rows, hold, event, now),
            Data::PaymentFailed { .. } => failed(rows, hold, event, now),
            // Seats does not act on these. They are listed, so that a new event does not compile
            // until it is placed here.
            Data::SeatBooked(_)
            | Data::SeatUnavailable { .. }
            | Data::SeatReleased { .. }
            | Data::PaymentRefunded(_)
            | Data::ReceiptSent { .. } => Step::Nothing,
        }
    }

    fn ended_by(state: &Row) -> Option<&BookingId> {
        match state {
            Row::Booking(Hold::Refused { taken_over_by, .. }) => taken_over_by.as_ref(),
            Row::Booking(
                Hold::Paid { .. } | Hold::Held(_) | Hold::Confirmed { .. } | Hold::Released { .. },
            )
            | Row::Seat { .. } => None,
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

    /// Holds all the seats or none. A seat counts as free when it has no holder, or when its holder
    /// has not paid and the hold is older than the limit. What the schedule refuses is refused
    /// before a seat's row is read, whether it is paid or not, so that a request with a wrong price
    /// cannot find out which seats are taken.
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
                // The rival let the seat go after the seat's row was read and before its own row
                // was. Reads the seat again, to see who holds it now.
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
        // A displaced booking loses all its seats, including those that this request does not want.
        let theirs = displaced.iter().flat_map(|(_, held)| keys(&held.seating));
        let unread = rows.unread(theirs);
        if !unread.is_empty() {
            return Step::Read(unread);
        }
        take(rows, event, wanted, paid, &displaced, now)
    }
}

/// Holds the seats for the event's booking, and refuses every displaced booking for good.
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
        // The payment is for another request than the one whose seats are held: this booking gets
        // no seats.
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
            "payment-failed after payment-ok for the same booking: the payment stands".to_owned(),
        ),
        Some(Hold::Confirmed { .. } | Hold::Refused { .. } | Hold::Released { .. }) => {
            Step::Nothing
        }
    }
}

/// Frees what the booking holds, and ends the booking as `end` says. Does not compare the digest of
/// the event: freeing seats is always allowed.
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

/// Refuses the booking for good. No seat's row changes, since the booking never held a seat.
fn refuse(event: &Event, seating: &Seating, reason: NoSeat, now: Timestamp) -> Next {
    let refused = Hold::Refused { digest: event.digest, taken_over_by: None };
    let data = Data::SeatUnavailable { reason, seating: seating.clone() };
    let said = Event::outcome(RoleName::Seats, &event.about(), now, data);
    Step::announcing(Row::Booking(refused), vec![said])
}

fn keys(seating: &Seating) -> impl Iterator<Item = Key> {
    seating.seats.iter().map(|it| Key::seat(seating, *it))
}

/// Free rows for those seats of `seating` that `booking` really holds. A seat that now belongs to
/// another booking is left alone (failure matrix, C8).
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
