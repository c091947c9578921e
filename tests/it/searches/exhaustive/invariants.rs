//! Section H of the failure matrix: what must hold of all roles together, in every world, and in
//! every world at rest.

use booking::domain::{
    RoleName, event::Kind, ids::Digest, payment::Payment, receipt::Issued, seats::Hold,
    status::Phase,
};

use super::{
    known::{Checked, Facts, broken},
    model::{Model, World, places},
};

/// What must hold in every world, of the roles that are explored together.
pub fn check(model: &Model, world: &World, roles: &[RoleName]) -> Checked {
    let mut committed = 0;
    for booking in 0..model.bookings.len() {
        for role in roles {
            let known = model.known(world, *role, booking);
            committed |= known.committed;
            // H5, the other way round: what is committed and not said is owed by a queue.
            let here = world.pending(model, *role);
            let owed = |(causes, said): &(Vec<usize>, u64)| {
                let comes = |it: &usize| model.causes[*it].1 & here != 0;
                said & !world.published != 0 && !causes.iter().any(comes)
            };
            if known.memos.iter().any(owed) {
                return broken("H5 committed, not said, and nothing will come again to say it");
            }
        }
        if roles.contains(&RoleName::Payment) {
            check_money(model, world, booking)?;
        }
        if roles.contains(&RoleName::Receipt) {
            check_receipt(model, world, booking)?;
        }
    }
    let unfounded = |it: &u8| {
        let kind = model.letters[usize::from(*it)].message.kind;
        publisher(kind).is_some_and(|it| roles.contains(&it)) && committed & 1 << it == 0
    };
    match places(world.published).find(unfounded) {
        Some(it) => broken(format!(
            "H5 {} was said and never committed",
            model.letters[usize::from(it)].message.kind
        )),
        None => Ok(()),
    }
}

/// Who says it; none for what clients say.
fn publisher(kind: Kind) -> Option<RoleName> {
    match kind {
        Kind::BookingRequested => None,
        Kind::SeatBooked | Kind::SeatUnavailable | Kind::SeatReleased => Some(RoleName::Seats),
        Kind::PaymentOk | Kind::PaymentFailed | Kind::PaymentRefunded => Some(RoleName::Payment),
        Kind::ReceiptSent => Some(RoleName::Receipt),
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
    let Facts::Receipt { join: Some(join), mails, .. } =
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

/// How status tells the end of a booking: the headline, and whether requests contradict each other.
pub type StatusEnd = (Phase, bool);

/// The receipt of a booking at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiptEnd {
    /// The request of the receipt that was sent.
    sent: Option<Digest>,
    valid: bool,
}

pub fn status_end(model: &Model, world: &World, booking: usize) -> Checked<StatusEnd> {
    let Facts::Status { standing } = &model.known(world, RoleName::Status, booking).facts else {
        return broken("a cell of another role");
    };
    match standing {
        Some(it) if it.is_final => Ok((it.phase, it.conflict)),
        Some(it) => broken(format!("H8 stuck at {}, waiting for {:?}", it.phase, it.waiting_for)),
        None => broken("H8 status has heard nothing"),
    }
}

pub fn receipt_end(model: &Model, world: &World, booking: usize) -> Checked<ReceiptEnd> {
    let Facts::Receipt { join, voids, .. } = &model.known(world, RoleName::Receipt, booking).facts
    else {
        return broken("a cell of another role");
    };
    match join.as_ref().map(|it| (it.issued, it.valid())) {
        Some((Issued::Yes { .. }, valid)) if valid != (*voids == 0) => {
            broken(format!("E15 valid is {valid}, and {voids} mails say that it is void"))
        }
        Some((Issued::Yes { digest }, valid)) => Ok(ReceiptEnd { sent: Some(digest), valid }),
        Some((Issued::Issuing { .. }, _)) => broken("H8 a receipt is claimed for ever"),
        Some((Issued::No, _)) | None => Ok(ReceiptEnd::default()),
    }
}

/// H8: at rest a booking is at an ending of section G: seat, money and receipt are what status
/// says.
pub fn ending(
    model: &Model,
    world: &World,
    booking: usize,
    receipt: &ReceiptEnd,
    (phase, conflict): &StatusEnd,
) -> Checked<String> {
    let known = |role| &model.known(world, role, booking).facts;
    let (Facts::Seats { holds }, Facts::Payment { row: paid, charges, refunds }) =
        (known(RoleName::Seats), known(RoleName::Payment))
    else {
        return broken("a cell of another role");
    };
    let hold = &holds[booking];
    let confirmed = matches!(hold, Some(Hold::Confirmed { .. }));
    let held = matches!(hold, Some(Hold::Held(_)));
    let void = receipt.sent.is_some() && !receipt.valid;
    let row = (confirmed, *charges, *refunds, receipt.valid, void);
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
    if *phase == Phase::Completed && !one_request(hold, paid, receipt) {
        return broken("B3 seats, payment and receipt are about different requests");
    }
    let receipt = if void { " (receipt void)" } else { "" };
    let conflict = if *conflict { " (conflict)" } else { "" };
    Ok(format!("{phase}{receipt}{conflict}"))
}

/// B3: a receipt names the one request that both seats and payment accepted.
fn one_request(hold: &Option<Hold>, paid: &Option<Payment>, receipt: &ReceiptEnd) -> bool {
    match (hold, paid, receipt.sent) {
        (
            Some(Hold::Confirmed { digest: seats, .. }),
            Some(Payment::Ok { digest: paid, .. }),
            Some(digest),
        ) => *seats == digest && *paid == digest,
        _ => false,
    }
}
