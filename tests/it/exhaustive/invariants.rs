//! Section H of the failure matrix: what must hold of what each role wrote down, of every step, of
//! every world, and of every world at rest.

use booking::{
    domain::{
        RoleName,
        event::Kind,
        payment::Payment,
        receipt::{Issued, Join},
        seat::Seating,
        seats::{Hold, Row},
        status::{Phase, Record, Standing},
    },
    runtime::{Ended, Kept, Memo},
};
use serde::de::DeserializeOwned;

use super::{
    hand::{Cell, Run},
    model::{BOOKINGS_MAX, Letter, Model, World, places},
};

/// What a cell's rows say.
#[derive(Debug)]
pub struct Known {
    pub facts: Facts,
    /// By cause: the messages that were committed to be said.
    memos: Vec<(u64, u64)>,
    /// All of them.
    pub committed: u64,
}

#[derive(Debug)]
pub enum Facts {
    Seats { holds: [Option<Hold>; BOOKINGS_MAX] },
    Payment { row: Option<Payment>, charges: usize, refunds: usize },
    Receipt { join: Option<Join>, mails: usize },
    Status { standing: Option<Standing> },
}

type Checked<T = ()> = Result<T, String>;

fn broken<T>(what: impl Into<String>) -> Checked<T> {
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
                check_seats(model, cell, &holds)?;
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
                        Facts::Status { standing: record.map(|it| it.standing()) }
                    }
                }
            }
        };
        let mut said = Vec::new();
        for memo in &memos {
            let cause = model
                .letters
                .iter()
                .position(|it| it.event.cause == memo.cause && it.event.digest == memo.digest);
            let cause = cause.ok_or("H5 a memo of a message that was never published")?;
            said.push((1 << cause, model.bits(&memo.messages())));
        }
        let committed = said.iter().fold(0, |all, (_, it)| all | it);
        Ok(Known { facts, memos: said, committed })
    }
}

fn own_row<T: DeserializeOwned>(cell: &Cell, key: &str, memos: &mut Vec<Memo>) -> Option<T> {
    let (_, body) = cell.rows.get(key)?;
    let kept: Kept<T> = serde_json::from_str(body).expect("the book reads its own rows");
    memos.extend(kept.memos);
    Some(kept.row)
}

/// H1: one holder a seat, and holder and booking agree about it.
fn check_seats(model: &Model, cell: &Cell, holds: &[Option<Hold>]) -> Checked {
    let key = |it: &Seating, seat| format!("seat/{}/{}/{seat}", it.flight, it.date);
    let mut claimed = Vec::new();
    for (id, hold) in model.bookings.iter().zip(holds) {
        let Some(seating) = hold.as_ref().and_then(seated) else { continue };
        for seat in &seating.seats {
            let key = key(seating, *seat);
            let row = cell.rows.get(&key).map(|(_, body)| body.as_str()).unwrap_or_default();
            let kept: Option<Kept<Row>> = serde_json::from_str(row).ok();
            if kept.map(|it| it.row) != Some(Row::Seat { holder: Some(id.clone()) }) {
                return broken(format!("H1 {key} is booked by {id} but has another holder"));
            }
            claimed.push(key);
        }
    }
    for (key, (_, body)) in cell.rows.iter().filter(|(key, _)| key.starts_with("seat/")) {
        let kept: Kept<Row> = serde_json::from_str(body).expect("the book reads its own rows");
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
fn payment(row: Option<Payment>, cell: &Cell) -> Checked<Facts> {
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
    Ok(Facts::Payment { row, charges, refunds })
}

/// H4: a mail went out for one request, which was booked and paid, after it was claimed; and every
/// sending of it was the same.
fn receipt(join: Option<Join>, cell: &Cell) -> Checked<Facts> {
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
    Ok(Facts::Receipt { join, mails })
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
            kept && (closed(after) || !closed(before))
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

/// H6 and H10: a message is deleted only when all that it caused is committed and published, or when
/// it was set aside with a reason. That it was dealt with at all is `Model::check_ends`.
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
    let own = memos.iter().find(|it| it.cause == letter.event.cause);
    let owed = own.map(Memo::messages).unwrap_or_default();
    if owed.iter().all(|it| run.published.contains(it)) {
        Ok(())
    } else {
        broken("H10 deleted before all that it caused was published")
    }
}

/// What must hold in every world.
pub fn check(model: &Model, world: &World) -> Checked {
    let mut committed = 0;
    for booking in 0..model.bookings.len() {
        for role in RoleName::ALL {
            let known = model.known(world, role, booking);
            committed |= known.committed;
            // H5, the other way round: what is committed and not said is owed by a queue.
            let here = world.pending(model, role);
            let owed =
                |(cause, said): &(u64, u64)| said & !world.published != 0 && cause & here == 0;
            if known.memos.iter().any(owed) {
                return broken("H5 committed, not said, and nothing will come again to say it");
            }
        }
        check_money(model, world, booking)?;
        check_receipt(model, world, booking)?;
    }
    let said = places(world.published);
    let outcome = |it: &u8| model.letters[usize::from(*it)].message.kind != Kind::BookingRequested;
    match said.filter(outcome).find(|it| committed & 1 << it == 0) {
        Some(it) => broken(format!(
            "H5 {} was said and never committed",
            model.letters[usize::from(it)].message.kind
        )),
        None => Ok(()),
    }
}

fn of(model: &Model, bits: u64, booking: usize, kind: Kind) -> u64 {
    let is = |it: &u8| {
        let letter = &model.letters[usize::from(*it)];
        letter.booking == booking && letter.message.kind == kind
    };
    places(bits).filter(is).fold(0, |bits, it| bits | 1 << it)
}

/// H3: charged implies seat confirmed, or refund done or on its way, or the seat decision open.
fn check_money(model: &Model, world: &World, booking: usize) -> Checked {
    let Facts::Payment { row, charges, refunds } =
        &model.known(world, RoleName::Payment, booking).facts
    else {
        return Ok(());
    };
    if charges == refunds {
        return Ok(());
    }
    let seats = model.known(world, RoleName::Seats, booking);
    let Facts::Seats { holds } = &seats.facts else { return Ok(()) };
    match &holds[booking] {
        None | Some(Hold::Paid { .. } | Hold::Held(_) | Hold::Confirmed { .. }) => Ok(()),
        Some(Hold::Released { .. }) => broken("H3 charged, and the seats were released"),
        Some(Hold::Refused { .. }) => {
            let recorded = matches!(row, Some(Payment::Claimed { seat_unavailable: true, .. }));
            let no_seat = of(model, seats.committed, booking, Kind::SeatUnavailable);
            let dealt_with = world.gone[RoleName::Payment as usize];
            if recorded || no_seat & !dealt_with != 0 {
                Ok(())
            } else {
                broken("H3 charged, no seat, and no refund is on its way")
            }
        }
    }
}

/// H4: sent implies BR, SB and PO with one digest; valid exactly while no SU was heard.
fn check_receipt(model: &Model, world: &World, booking: usize) -> Checked {
    let Facts::Receipt { join: Some(join), mails } =
        &model.known(world, RoleName::Receipt, booking).facts
    else {
        return Ok(());
    };
    if let Issued::Issuing { digest } | Issued::Yes { digest } = join.issued {
        let said = |kind| {
            let of_digest = |it| model.letters[usize::from(it)].event.digest == digest;
            places(of(model, world.published, booking, kind)).any(of_digest)
        };
        if ![Kind::BookingRequested, Kind::SeatBooked, Kind::PaymentOk].into_iter().all(said) {
            return broken(format!("H4 {mails} mails without request, seats and payment"));
        }
    }
    let heard = of(model, world.gone[RoleName::Receipt as usize], booking, Kind::SeatUnavailable);
    let said = of(model, world.published, booking, Kind::SeatUnavailable);
    if (join.valid() && heard != 0) || (join.seat_unavailable && said == 0) {
        return broken("H4 valid is not exactly while there is no seat-unavailable");
    }
    Ok(())
}

/// How status tells the end of a booking: phase and whether requests contradict each other.
pub fn end_of(model: &Model, world: &World, booking: usize) -> Checked<(Phase, bool)> {
    let Facts::Status { standing } = &model.known(world, RoleName::Status, booking).facts else {
        return broken("a cell of another role");
    };
    match standing {
        Some(it) if it.is_final => Ok((it.phase, it.conflict)),
        Some(it) => broken(format!("H8 stuck at {}", it.phase)),
        None => broken("H8 status has heard nothing"),
    }
}

/// H8: at rest a booking is at an ending of section G: seat, money and receipt are what status says.
pub fn ending(model: &Model, world: &World, booking: usize, end: (Phase, bool)) -> Checked<String> {
    let known = |role| &model.known(world, role, booking).facts;
    let (
        Facts::Seats { holds },
        Facts::Payment { row: row_of, charges, refunds },
        Facts::Receipt { join, .. },
    ) = (known(RoleName::Seats), known(RoleName::Payment), known(RoleName::Receipt))
    else {
        return broken("a cell of another role");
    };
    let confirmed = matches!(holds[booking], Some(Hold::Confirmed { .. }));
    let held = matches!(holds[booking], Some(Hold::Held(_)));
    let valid = join.as_ref().is_some_and(Join::valid);
    let void = !valid && join.as_ref().is_some_and(|it| matches!(it.issued, Issued::Yes { .. }));
    let (phase, conflict) = end;
    let row = (confirmed, *charges, *refunds, valid, void);
    let fits = match phase {
        Phase::Completed => row == (true, 1, 0, true, false),
        Phase::Refunded => matches!(row, (false, 1, 1, false, _)),
        Phase::PaymentFailed | Phase::SeatUnavailable | Phase::SeatAndPaymentFailed => {
            row == (false, 0, 0, false, false)
        }
        _ => false,
    };
    if !fits || held {
        return broken(format!(
            "H8 {phase} with (seat, charges, refunds, valid, void) {row:?}, held {held}"
        ));
    }
    if phase == Phase::Completed && !one_request(&holds[booking], row_of, join) {
        return broken("B3 seats, payment and receipt are about different requests");
    }
    let receipt = if void { " (receipt void)" } else { "" };
    let conflict = if conflict { " (conflict)" } else { "" };
    Ok(format!("{phase}{receipt}{conflict}"))
}

fn one_request(hold: &Option<Hold>, paid: &Option<Payment>, join: &Option<Join>) -> bool {
    match (hold, paid, join.as_ref().map(|it| it.issued)) {
        (
            Some(Hold::Confirmed { digest: seats, .. }),
            Some(Payment::Ok { digest: paid, .. }),
            Some(Issued::Yes { digest }),
        ) => *seats == digest && *paid == digest,
        _ => false,
    }
}
