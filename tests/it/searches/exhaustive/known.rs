//! What each role wrote down, and what must hold of it and of every step from one such thing to the
//! next, whatever the others do: the part of section H of the failure matrix that looks at one
//! role.

use booking::{
    domain::{
        RoleName,
        event::{Data, Kind},
        ids::{BookingId, Cause, Digest},
        payment::Payment,
        receipt::{Issued, Join},
        seat::{SeatId, Seating},
        seats::{Hold, Row},
        status::{Phase, Record, Standing},
    },
    runtime::{Ended, Memo, StoredRow},
};
use serde::de::DeserializeOwned;

use super::{
    hand::{Cell, Run},
    hostile::{self, Lock},
    model::{BOOKINGS_MAX, Letter, Model},
};

/// What a cell's rows say.
#[derive(Debug)]
pub struct Known {
    pub facts: Facts,
    /// The messages that were committed to be said, and the causes (places in `Model::causes`) that
    /// say them when they come again.
    pub memos: Vec<(Vec<usize>, u64)>,
    /// All of them.
    pub committed: u64,
}

#[derive(Debug)]
pub enum Facts {
    Seats { holds: [Option<Hold>; BOOKINGS_MAX] },
    Payment { row: Option<Payment>, charges: usize, refunds: usize },
    Receipt { join: Option<Join>, mails: usize, voids: usize },
    Status { standing: Option<Standing> },
}

pub type Checked<T = ()> = Result<T, String>;

pub fn broken<T>(what: impl Into<String>) -> Checked<T> {
    Err(what.into())
}

impl Known {
    /// Reads the rows of a cell, and holds them against each other.
    pub fn of(model: &mut Model, role: RoleName, booking: usize, cell: &Cell) -> Checked<Known> {
        let mut memos = Vec::new();
        let facts = match role {
            RoleName::Seats => {
                let mut holds = [const { None }; BOOKINGS_MAX];
                for (at, id) in model.bookings.iter().enumerate() {
                    let kept = own_row::<Row>(cell, &format!("booking/{id}"), &mut memos);
                    holds[at] = match kept {
                        Some(Row::Booking(hold)) => Some(hold),
                        Some(Row::Seat { .. }) => return broken("H1 a booking's row is a seat's"),
                        None => None,
                    };
                }
                check_seats(&model.bookings, cell, &holds)?;
                Facts::Seats { holds }
            }
            RoleName::Payment | RoleName::Receipt | RoleName::Status => {
                // An unused cell, in a scenario of one booking.
                let Some(id) = model.bookings.get(booking) else {
                    let facts = Facts::Status { standing: None };
                    return Ok(Known { facts, memos: Vec::new(), committed: 0 });
                };
                let key = format!("booking/{id}");
                if cell.rows.keys().any(|it| *it != key) {
                    return broken("a row of another booking was written");
                }
                match role {
                    RoleName::Payment => payment(own_row(cell, &key, &mut memos), cell)?,
                    RoleName::Receipt => receipt(own_row(cell, &key, &mut memos), cell)?,
                    _ => {
                        let record = own_row::<Record>(cell, &key, &mut memos);
                        if let Some(record) = &record {
                            check_told(model, &model.bookings[booking], record)?;
                        }
                        Facts::Status { standing: record.map(|it| it.standing()) }
                    }
                }
            }
        };
        let mut said = Vec::new();
        for memo in &memos {
            let causes =
                memo.causes().map(|(kind, cause, digest)| model.cause(kind, cause, digest));
            let causes = causes.collect::<Option<Vec<usize>>>();
            let causes = causes.ok_or("H5 a memo of a message that was never published")?;
            said.push((causes, model.bits(&memo.messages())));
        }
        let committed = said.iter().fold(0, |all, (_, it)| all | it);
        Ok(Known { facts, memos: said, committed })
    }
}

pub fn own_row<T: DeserializeOwned>(cell: &Cell, key: &str, memos: &mut Vec<Memo>) -> Option<T> {
    let (_, body) = cell.rows.get(key)?;
    let kept: StoredRow<T> = serde_json::from_str(body).expect("the book reads its own rows");
    memos.extend(kept.memos);
    Some(kept.row)
}

/// H1: one holder a seat, and holder and booking agree about it.
pub fn check_seats(bookings: &[BookingId], cell: &Cell, holds: &[Option<Hold>]) -> Checked {
    let key = |it: &Seating, seat| format!("seat/{}/{}/{seat}", it.flight, it.date);
    let mut claimed = Vec::new();
    for (id, hold) in bookings.iter().zip(holds) {
        let Some(seating) = hold.as_ref().and_then(seated) else { continue };
        for seat in &seating.seats {
            let key = key(seating, *seat);
            let row = cell.rows.get(&key).map(|(_, body)| body.as_str()).unwrap_or_default();
            let kept: Option<StoredRow<Row>> = serde_json::from_str(row).ok();
            if kept.map(|it| it.row) != Some(Row::Seat { holder: Some(id.clone()) }) {
                return broken(format!("H1 {key} is booked by {id} but has another holder"));
            }
            claimed.push(key);
        }
    }
    for (key, (_, body)) in cell.rows.iter().filter(|(key, _)| key.starts_with("seat/")) {
        let kept: StoredRow<Row> = serde_json::from_str(body).expect("the book reads its own rows");
        if kept.row != (Row::Seat { holder: None }) && !claimed.contains(key) {
            return broken(format!("H1 {key} has a holder that has not booked it"));
        }
    }
    Ok(())
}

fn seated(hold: &Hold) -> Option<&Seating> {
    match hold {
        Hold::Held(held) => Some(&held.seating),
        Hold::Confirmed { seating, .. } => Some(seating),
        Hold::Paid { .. } | Hold::Refused { .. } | Hold::Released { .. } => None,
    }
}

/// H2: one charge, one refund after it; and payment never says more than the ledger has.
pub fn payment(row: Option<Payment>, cell: &Cell) -> Checked<Facts> {
    let refunds = cell.ledger.iter().filter(|it| it.refund).count();
    let charges = cell.ledger.len() - refunds;
    if charges > 1 || refunds > charges {
        return broken(format!("H2 {charges} charges, {refunds} refunds"));
    }
    if refunds == 1 && (cell.ledger[0].refund || cell.ledger[0].amount != cell.ledger[1].amount) {
        return broken("H2 refunded what was not charged");
    }
    let fits = match &row {
        None => charges == 0,
        Some(Payment::Claimed { .. }) => true,
        Some(Payment::Ok { .. }) => charges == 1,
        Some(Payment::Refunded { .. }) => refunds == 1,
        Some(Payment::Failed { .. } | Payment::Never { .. }) => charges == refunds,
    };
    if !fits {
        return broken(format!("H2 {row:?} with {charges} charges, {refunds} refunds"));
    }
    // What cannot be known stays open (D22).
    let open = matches!(row, Some(Payment::Claimed { .. }));
    if !open && charges == 0 && cell.is_stuck() {
        return broken(format!("D22 {row:?}, while the gateway repeats a failure"));
    }
    Ok(Facts::Payment { row, charges, refunds })
}

/// H4: a mail went out for one request, which was booked and paid, after it was claimed; and every
/// sending of it was the same. E15: so did the mail that says that it is void, after the receipt
/// and the lost seat.
pub fn receipt(join: Option<Join>, cell: &Cell) -> Checked<Facts> {
    let mails = cell.mails.len();
    let issued = join.as_ref().map_or(Issued::No, |it| it.issued);
    let fits = match (&join, issued) {
        (Some(join), Issued::Issuing { digest } | Issued::Yes { digest }) => {
            join.booked == Some(digest)
                && join.paid.map(|it| it.0) == Some(digest)
                && join.requests.contains_key(&digest)
        }
        _ => mails == 0,
    };
    if !fits || mails > 1 || (matches!(issued, Issued::Yes { .. }) && mails == 0) {
        return broken(format!("H4 {issued:?} with {mails} different mails"));
    }
    let voids = cell.voids.len();
    let void = join.as_ref().is_some_and(|it| it.seat_unavailable) && mails == 1;
    let told = join.as_ref().is_some_and(|it| it.void_sent);
    if voids > usize::from(void) || (told && voids == 0) {
        return broken(format!("E15 {voids} mails of a void receipt, void {void}, told {told}"));
    }
    Ok(Facts::Receipt { join, mails, voids })
}

/// I4, I5: what status tells is of one request, which is the one that was answered if one was; of
/// all others it tells nothing.
fn check_told(model: &Model, id: &BookingId, record: &Record) -> Checked {
    let view = hostile::told(id, record);
    let mut told = (view.request_digest, view.seats.clone());
    if model.hostile.opens(Lock::Answered) {
        // Whatever comes first.
        let facts = record.timeline().into_iter().filter(|it| it.seating.is_some());
        let first = facts.min_by_key(|it| (it.kind, it.digest));
        told.1 = first.and_then(|it| it.seating.clone()).map_or_else(Vec::new, |it| it.seats);
    }
    let (digest, seats) = told;
    let outcomes = [Kind::SeatBooked, Kind::PaymentOk].into_iter();
    let answered = outcomes.filter_map(|kind| {
        record.timeline().into_iter().find(|it| it.kind == kind).map(|it| it.digest)
    });
    let answered: Vec<Digest> = answered.collect();
    if !answered.is_empty() && !digest.is_some_and(|it| answered.contains(&it)) {
        return broken(format!("I4 told of {digest:?}, and {answered:?} was answered"));
    }
    let request = model.letters.iter().find_map(|it| match &it.event.data {
        Data::BookingRequested(request) if Some(it.event.digest) == digest => Some(request),
        _ => None,
    });
    let own = request.map(|it| (&it.seating.seats, it.payment.amount));
    let entries = view.timeline.iter().filter(|it| it.kind != "rejected");
    // A lost seat may be heard of before the request, and names only the seats that are lost.
    let of_another = |seats: &Vec<SeatId>| {
        seats.iter().any(|it| own.is_none_or(|(seats, _)| !seats.contains(it)))
    };
    if of_another(&seats) {
        return broken(format!("I4 told {seats:?}, which is not of the request {digest:?}"));
    }
    for entry in entries {
        let amount = entry.amount.is_some() && entry.amount != own.map(|it| it.1);
        let client = entry.kind == Kind::BookingRequested.topic();
        if of_another(&entry.seats) || amount || client != (entry.source == "client") {
            return broken(format!("I4 the timeline tells {entry:?} beside {digest:?}"));
        }
    }
    Ok(())
}

/// H6, H7, H10, for one step of one role.
pub fn check_step(
    conflicts: bool,
    before: &Known,
    after: &Known,
    letter: &Letter,
    run: &Run,
) -> Checked {
    if run.deleted {
        check_leaving(conflicts, letter, run)?;
    }
    if run.deleted && run.ended == Some(Ended::Done) {
        check_taking_back(after, letter)?;
    }
    let kept = match (&before.facts, &after.facts) {
        (Facts::Seats { holds: before }, Facts::Seats { holds: after }) => {
            before.iter().zip(after).all(|(before, after)| match before {
                Some(Hold::Confirmed { .. } | Hold::Refused { .. } | Hold::Released { .. }) => {
                    before == after
                }
                Some(Hold::Paid { .. } | Hold::Held(_)) => after.is_some(),
                None => true,
            })
        }
        (Facts::Payment { row: before, .. }, Facts::Payment { row: after, .. }) => match before {
            Some(Payment::Failed { .. } | Payment::Never { .. } | Payment::Refunded { .. }) => {
                before == after
            }
            Some(Payment::Ok { .. }) => {
                before == after || matches!(after, Some(Payment::Refunded { .. }))
            }
            Some(Payment::Claimed { .. }) => after.is_some(),
            None => true,
        },
        (Facts::Receipt { join: before, .. }, Facts::Receipt { join: after, .. }) => {
            let issued = |it: &Option<Join>| it.as_ref().map_or(Issued::No, |it| it.issued);
            let closed = |it: &Option<Join>| it.as_ref().is_some_and(|it| it.seat_unavailable);
            let kept = match (issued(before), issued(after)) {
                (
                    Issued::Issuing { digest: it },
                    Issued::Issuing { digest } | Issued::Yes { digest },
                ) => it == digest,
                (Issued::Issuing { .. }, Issued::No) => false,
                (before @ Issued::Yes { .. }, after) => before == after,
                (Issued::No, after) => !closed(before) || after == Issued::No,
            };
            let told = |it: &Option<Join>| it.as_ref().is_some_and(|it| it.void_sent);
            kept && (closed(after) || !closed(before)) && (told(after) || !told(before))
        }
        (Facts::Status { standing: before }, Facts::Status { standing: after }) => {
            match (before, after) {
                (Some(before), Some(after)) if before.is_final => {
                    let undone = matches!(after.phase, Phase::RefundPending | Phase::Refunded);
                    (before.phase == after.phase && after.is_final)
                        || (before.phase == Phase::Completed && undone)
                }
                (Some(_), None) => false,
                _ => true,
            }
        }
        _ => false,
    };
    if kept { Ok(()) } else { broken("H7 what was final was left") }
}

/// I7: no hold outlives the delivery of its decline, and no charge that of its lost seat.
fn check_taking_back(after: &Known, letter: &Letter) -> Checked {
    match (&after.facts, letter.event.kind()) {
        (Facts::Seats { holds }, Kind::PaymentFailed) => match &holds[letter.booking] {
            Some(Hold::Held(_)) => {
                broken("I7 payment-failed was dealt with, and the seats are held")
            }
            _ => Ok(()),
        },
        (Facts::Payment { row: Some(Payment::Ok { .. }), .. }, Kind::SeatUnavailable) => {
            broken("I7 seat-unavailable was dealt with, and the money is kept")
        }
        (Facts::Receipt { join: Some(join), .. }, Kind::SeatUnavailable)
            if matches!(join.issued, Issued::Yes { .. }) && !join.void_sent =>
        {
            broken("E15 seat-unavailable was dealt with, and a void receipt is not told")
        }
        _ => Ok(()),
    }
}

/// H6 and H10: a message is deleted only when all that it caused is committed and published, or
/// when it was set aside with a reason. That it was dealt with at all is `Model::check_ends`.
fn check_leaving(conflicts: bool, letter: &Letter, run: &Run) -> Checked {
    match (run.ended, &run.set_aside) {
        (Some(Ended::Done), None) => {}
        (Some(Ended::Poison), Some(reason)) if conflicts && !reason.is_empty() => return Ok(()),
        (_, Some(reason)) => return broken(format!("H10 set aside: {reason}")),
        _ => return broken("H10 deleted without being done or set aside"),
    }
    let key = format!("booking/{}", letter.event.booking);
    let mut memos = Vec::new();
    own_row::<serde_json::Value>(&run.cell, &key, &mut memos);
    let event = &letter.event;
    let is_its = |(kind, cause, _): (Option<Kind>, &Cause, Digest)| {
        kind.is_none_or(|it| it == event.kind()) && *cause == event.cause
    };
    let own = memos.iter().find(|it| it.causes().any(is_its));
    let owed = own.map(Memo::messages).unwrap_or_default();
    if owed.iter().all(|it| run.published.contains(it)) {
        Ok(())
    } else {
        broken("H10 deleted before all that it caused was published")
    }
}
