//! What must never be, looked for in the evidence.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::{
    event::Kind,
    ids::BookingId,
    payment::Payment,
    receipt::Issued,
    seat::Seating,
    seats::{Hold, Row},
    status::Phase,
};

use super::Evidence;

/// The violation of an invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The number and the name of the invariant, as in section H.
    pub invariant: &'static str,
    /// The booking, seat or receipt.
    pub about: String,
    pub found: String,
}

impl Evidence {
    /// All violations. Only meaningful when the queues are empty.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Findings::default();
        self.check_seats(&mut found);
        self.check_money(&mut found);
        self.check_receipts(&mut found);
        self.check_announcements(&mut found);
        self.check_endings(&mut found);
        found.0
    }

    fn seats_of(&self, id: &BookingId) -> Option<&Seating> {
        match self.holds.get(id).map(|it| &it.row) {
            Some(Row::Booking(Hold::Held(held))) => Some(&held.seating),
            Some(Row::Booking(Hold::Confirmed { seating, .. })) => Some(seating),
            _ => None,
        }
    }

    /// H1: a seat has one holder, and the row of the seat agrees with the row of the booking.
    fn check_seats(&self, found: &mut Findings) {
        let place = |seating: &Seating, seat| format!("{}/{}/{seat}", seating.flight, seating.date);
        let mut claimed = BTreeMap::<String, &BookingId>::new();
        for id in self.holds.keys() {
            let Some(seating) = self.seats_of(id) else { continue };
            for seat in &seating.seats {
                let seat = place(seating, seat);
                if self.holders.get(&seat) != Some(id) {
                    found.add(
                        "H1 one holder a seat",
                        id,
                        format!("{seat} is booked but has another holder"),
                    );
                }
                if let Some(rival) = claimed.insert(seat.clone(), id) {
                    found.add(
                        "H1 one holder a seat",
                        id,
                        format!("{seat} is booked by {rival} too"),
                    );
                }
            }
        }
        for (seat, holder) in &self.holders {
            if claimed.get(seat) != Some(&holder) {
                found.add(
                    "H1 one holder a seat",
                    seat,
                    format!("held by {holder}, which has not booked it"),
                );
            }
        }
    }

    /// H2 and H3: a booking is charged at most once and refunded at most once, in this order, and a
    /// booking that stays charged has its seats.
    fn check_money(&self, found: &mut Findings) {
        let mut charges = BTreeMap::<&BookingId, usize>::new();
        let mut refunds = BTreeMap::<&BookingId, usize>::new();
        for line in self.ledger.values().flatten() {
            if line.movement == "charge" {
                *charges.entry(&line.booking).or_default() += 1;
                continue;
            }
            *refunds.entry(&line.booking).or_default() += 1;
            let charged = self.movements(&line.booking).find(|it| it.movement == "charge");
            if charged.map(|it| it.amount) != Some(line.amount) {
                found.add(
                    "H2 one net charge",
                    &line.booking,
                    "refunded what was not charged".to_owned(),
                );
            }
        }
        for (moved, what) in [(&charges, "charged"), (&refunds, "refunded")] {
            for (id, times) in moved.iter().filter(|(_, times)| **times > 1) {
                found.add("H2 one net charge", id, format!("{what} {times} times"));
            }
        }
        for id in charges.keys().filter(|it| !refunds.contains_key(*it)) {
            let confirmed = matches!(
                self.holds.get(id).map(|it| &it.row),
                Some(Row::Booking(Hold::Confirmed { .. }))
            );
            let open = self.records.get(id).is_none_or(|it| !it.row.standing().is_final);
            if !confirmed && !open {
                found.add("H3 charged means seated", id, "charged, no seat, no refund".to_owned());
            }
        }
        for (id, kept) in &self.payments {
            let (charged, refunded) = match &kept.row {
                Payment::Claimed { .. } => continue,
                Payment::Ok { .. } => (1, 0),
                Payment::Refunded { .. } => (1, 1),
                Payment::Failed { .. } | Payment::Never { .. } => (0, 0),
            };
            let count = |moved: &BTreeMap<&BookingId, usize>| moved.get(id).copied().unwrap_or(0);
            // A charge of a wrong amount is refunded and counts as failed (failure matrix, D18).
            if count(&charges) - count(&refunds).min(count(&charges)) != charged - refunded {
                found.add("H2 one net charge", id, "the ledger disagrees with payment".to_owned());
            }
        }
    }

    /// H4: a receipt was sent for one request that was booked and paid, and its file exists once.
    /// So does that of the mail that says that it is void, if it is.
    fn check_receipts(&self, found: &mut Findings) {
        let mut expected = BTreeSet::new();
        for (id, kept) in &self.joins {
            let join = &kept.row;
            let Issued::Yes { digest } = join.issued else { continue };
            let paid = join.paid.map(|(it, _)| it);
            if join.booked != Some(digest)
                || paid != Some(digest)
                || !join.requests.contains_key(&digest)
            {
                found.add(
                    "H4 receipt after its facts",
                    id,
                    "sent without request, seats and payment".into(),
                );
            }
            if let Some(receipt) = join.receipt(id) {
                expected.insert(receipt.number);
            }
            if let Some(void) = join.void(id).filter(|_| join.void_sent) {
                expected.insert(void.number);
            }
            // An earlier version told nobody, and did not keep when the seats were lost either.
            if join.lost_at.is_some() && !join.void_sent && !join.erased {
                let untold = "void, and nobody was told".to_owned();
                found.add("H4 receipt after its facts", id, untold);
            }
            let confirmed = matches!(
                self.holds.get(id).map(|it| &it.row),
                Some(Row::Booking(Hold::Confirmed { .. }))
            );
            if join.valid() && !confirmed {
                found.add(
                    "H4 receipt after its facts",
                    id,
                    "valid, but the seats are not confirmed".into(),
                );
            }
        }
        for number in &self.letters {
            if !expected.remove(number) {
                found.add(
                    "H4 receipt after its facts",
                    number,
                    "there is a file, but no booking issued it".to_owned(),
                );
            }
        }
        for number in expected {
            found.add(
                "H4 receipt after its facts",
                &number,
                "issued, but there is no file".to_owned(),
            );
        }
    }

    /// H5: everything that was committed was announced, and everything that was announced was
    /// committed.
    fn check_announcements(&self, found: &mut Findings) {
        let mut committed = BTreeSet::new();
        let seats = self.holds.values().flat_map(|it| &it.memos);
        let payments = self.payments.values().flat_map(|it| &it.memos);
        let joins = self.joins.values().flat_map(|it| &it.memos);
        for memo in seats.chain(payments).chain(joins) {
            for message in memo.messages() {
                let event: serde_json::Value =
                    serde_json::from_str(&message.body).unwrap_or_default();
                let subject = event.get("subject").and_then(|it| it.as_str()).unwrap_or_default();
                committed.insert((subject.to_owned(), message.kind));
            }
        }
        let mut heard = BTreeSet::new();
        for (id, kept) in &self.records {
            let outcomes =
                kept.row.timeline().into_iter().filter(|it| it.kind != Kind::BookingRequested);
            heard.extend(outcomes.map(|it| (id.as_str().to_owned(), it.kind)));
        }
        for (id, kind) in committed.difference(&heard) {
            found.add(
                "H5 committed is announced",
                id,
                format!("{kind} was committed and never heard"),
            );
        }
        for (id, kind) in heard.difference(&committed) {
            found.add(
                "H5 committed is announced",
                id,
                format!("{kind} was heard and never committed"),
            );
        }
    }

    /// H8: every ending is a row of section G: seat, money and receipt are as its phase says.
    fn check_endings(&self, found: &mut Findings) {
        for (id, kept) in &self.records {
            let standing = kept.row.standing();
            let charges = self.movements(id).filter(|it| it.movement == "charge").count();
            let refunds = self.movements(id).filter(|it| it.movement == "refund").count();
            let seated = self.seats_of(id).is_some();
            let valid = self.joins.get(id).is_some_and(|it| it.row.valid());
            let is = (seated, charges - refunds.min(charges), valid);
            let expected = match standing.phase {
                _ if !standing.is_final => continue,
                Phase::Completed => (true, 1, true),
                Phase::Inconsistent => {
                    found.add("H8 an ending of G", id, "both paid and not paid".to_owned());
                    continue;
                }
                Phase::PaymentFailed
                | Phase::SeatUnavailable
                | Phase::SeatAndPaymentFailed
                | Phase::Refunded
                | Phase::Rejected => (false, 0, false),
                Phase::Requested
                | Phase::SeatBooked
                | Phase::Paid
                | Phase::Confirmed
                | Phase::RefundPending => {
                    found.add("H8 an ending of G", id, format!("ended as {}", standing.phase));
                    continue;
                }
            };
            if is != expected {
                let found_is =
                    format!("{} with (seat, net charges, valid receipt) {is:?}", standing.phase);
                found.add("H8 an ending of G", id, found_is);
            }
        }
    }
}

#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, invariant: &'static str, about: &impl ToString, found: String) {
        self.0.push(Violation { invariant, about: about.to_string(), found });
    }
}
