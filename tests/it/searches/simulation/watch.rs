//! Looks over everybody's shoulder: what must hold after every step is checked as it happens.

use std::collections::{BTreeMap, BTreeSet};

use booking::{
    domain::{
        RoleName,
        event::Kind,
        ids::{BookingId, Cause, Digest},
        payment::Payment,
        receipt::Join,
        seats::{Hold, Row},
        status::Record,
    },
    runtime::{Memo, StoredRow},
    store::Write,
};
use serde::de::DeserializeOwned;

use super::{queues::Queued, world::fingerprint};

/// What is known from the commits and the publishes so far.
#[derive(Default)]
pub struct Watch {
    pub violations: Vec<String>,
    holds: BTreeMap<BookingId, Hold>,
    holders: BTreeMap<String, Option<BookingId>>,
    payments: BTreeMap<BookingId, Payment>,
    /// What each cause owes: that its role says this before the message is gone. Two requests under
    /// one event id (B3) are told apart by their digests.
    decided: BTreeMap<(RoleName, Option<Kind>, Cause, Digest), Vec<u64>>,
    /// Texts that a committed memo has.
    committed: BTreeSet<(RoleName, u64)>,
    said: BTreeSet<(RoleName, u64)>,
}

/// Booking, cause and request digest of a CloudEvent that answers a request.
pub fn cause_of(body: &str) -> (BookingId, (Cause, Digest)) {
    let event: serde_json::Value = serde_json::from_str(body).expect("an event is JSON");
    let text = |name: &str| event[name].as_str().expect("every event of ours has it").to_owned();
    let booking = BookingId::parse(&text("subject")).expect("a booking");
    let digest = Digest::parse(&text("requestdigest")).expect("a digest");
    (booking, (Cause { source: text("source"), id: text("id") }, digest))
}

fn kept<T: DeserializeOwned>(write: &Write) -> StoredRow<T> {
    serde_json::from_str(&write.body).expect("a row that was written can be read")
}

impl Watch {
    pub fn violates(&mut self, invariant: &str, found: String) {
        self.violations.push(format!("{invariant}: {found}"));
    }

    pub fn committed(&mut self, role: RoleName, writes: &[Write]) {
        for write in writes {
            let booking = write.key.strip_prefix("booking/");
            let booking = booking.map(|it| BookingId::parse(it).expect("a booking"));
            match (role, booking) {
                (RoleName::Seats, Some(booking)) => {
                    let StoredRow { row, memos, .. } = kept::<Row>(write);
                    let Row::Booking(hold) = row else { panic!("{} is a seat", write.key) };
                    self.remember(role, &memos);
                    self.hold(booking, hold);
                }
                (RoleName::Seats, None) => {
                    let Row::Seat { holder } = kept::<Row>(write).row else {
                        panic!("{} is a booking", write.key)
                    };
                    let seat = write.key.trim_start_matches("seat/").to_owned();
                    self.holders.insert(seat, holder);
                }
                (RoleName::Payment, Some(booking)) => {
                    let StoredRow { row, memos, .. } = kept::<Payment>(write);
                    self.remember(role, &memos);
                    self.payment(booking, row);
                }
                (RoleName::Receipt, _) => self.remember(role, &kept::<Join>(write).memos),
                (RoleName::Status, _) => self.remember(role, &kept::<Record>(write).memos),
                (RoleName::Payment, None) => panic!("payment has no {}", write.key),
            }
        }
        if role == RoleName::Seats {
            self.check_seats(writes);
        }
    }

    fn remember(&mut self, role: RoleName, memos: &[Memo]) {
        for memo in memos {
            let texts: Vec<u64> = memo.messages().iter().map(|it| fingerprint(&it.body)).collect();
            self.committed.extend(texts.iter().map(|it| (role, *it)));
            // Who claimed owes it, also when a late delivery of another event settled it and is
            // gone.
            let (kind, owes, digest) = memo.causes().last().expect("a memo has a cause");
            self.decided.insert((role, kind, owes.clone(), digest), texts);
        }
    }

    /// H7: a final state is never left.
    fn hold(&mut self, booking: BookingId, hold: Hold) {
        let before = self.holds.insert(booking.clone(), hold.clone());
        let is_final = |it: &Hold| !matches!(it, Hold::Held(_) | Hold::Paid { .. });
        if before.as_ref().is_some_and(|it| is_final(it) && *it != hold) {
            self.violates("H7 final is final", format!("seats: {booking} became {hold:?}"));
        }
    }

    /// H7: a final state is never left, and a charge only by its refund.
    fn payment(&mut self, booking: BookingId, payment: Payment) {
        let before = self.payments.insert(booking.clone(), payment.clone());
        let may = match &before {
            None | Some(Payment::Claimed { .. }) => true,
            Some(Payment::Ok { .. }) => matches!(payment, Payment::Refunded { .. }),
            Some(it) => *it == payment,
        };
        if !may {
            self.violates("H7 final is final", format!("payment: {booking} became {payment:?}"));
        }
    }

    /// H1: a seat's holder has booked it, and who has booked a seat holds it. Only what was written
    /// can have changed.
    fn check_seats(&mut self, writes: &[Write]) {
        let mut found = Vec::new();
        for write in writes {
            if let Some(seat) = write.key.strip_prefix("seat/") {
                let Some(Some(holder)) = self.holders.get(seat) else { continue };
                if !self.seats_of(holder).contains(&seat.to_owned()) {
                    found.push(format!("{seat} is held by {holder}, which has not booked it"));
                }
            }
        }
        let touched = writes.iter().filter_map(|it| it.key.strip_prefix("booking/"));
        let mut touched: BTreeSet<BookingId> =
            touched.map(|it| BookingId::parse(it).expect("a booking")).collect();
        if writes.iter().any(|it| it.key.starts_with("seat/")) {
            // Whose seats were given away is not among the writes if it was not told.
            touched.extend(self.holds.keys().cloned());
        }
        for booking in touched {
            for seat in self.seats_of(&booking) {
                if self.holders.get(&seat) != Some(&Some(booking.clone())) {
                    found.push(format!("{booking} has booked {seat} and does not hold it"));
                }
            }
        }
        for it in found {
            self.violates("H1 one holder a seat", it);
        }
    }

    fn seats_of(&self, booking: &BookingId) -> Vec<String> {
        let seating = match self.holds.get(booking) {
            Some(Hold::Held(held)) => &held.seating,
            Some(Hold::Confirmed { seating, .. }) => seating,
            _ => return Vec::new(),
        };
        let place = |it| format!("{}/{}/{it}", seating.flight, seating.date);
        seating.seats.iter().map(place).collect()
    }

    /// H5: what is published was committed before.
    pub fn publishes(&mut self, role: RoleName, body: &str) {
        let text = fingerprint(body);
        self.said.insert((role, text));
        if !self.committed.contains(&(role, text)) {
            self.violates("H5 committed before announced", format!("{role} said {body}"));
        }
    }

    /// H6: what is deleted was announced before, or set aside.
    pub fn deletes(&mut self, role: RoleName, queued: &Queued) {
        if queued.copied {
            return;
        }
        if queued.letter.junk.is_some() {
            self.violates("H10 nothing disappears", format!("{role} deleted junk unseen"));
        }
        let Some(about) = queued.letter.about.as_ref() else { return };
        let Some((cause, digest)) = about.cause.clone() else { return };
        let key = (role, Some(about.kind), cause.clone(), digest);
        let decided = self.decided.get(&key).cloned().unwrap_or_default();
        if decided.iter().any(|it| !self.said.contains(&(role, *it))) {
            let found = format!("{role} deleted {cause:?} before it was announced");
            self.violates("H6 announced before deleted", found);
        }
    }
}
