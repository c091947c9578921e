//! Holds what the four services wrote down against each other, and against the gateway's own ledger
//! and the receipts folder: the invariants of `docs/FAILURE-MATRIX.md`, section H, for a system at
//! rest. `booking demo` ends with it; the tests do too.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    domain::{
        RoleName,
        event::Kind,
        ids::BookingId,
        payment::Payment,
        receipt::{Issued, Join},
        seat::Seating,
        seats::{Hold, Row},
        status::{Phase, Record},
    },
    durability::Durability,
    gateway::simulated::{Movement, movements},
    runtime::StoredRow,
    store::{StoreError, sqlite::Engine},
    wiring::{gateway_file, receipts_folder, store_file},
};

/// Everything that was written down.
#[derive(Debug)]
pub struct Evidence {
    holds: BTreeMap<BookingId, StoredRow<Row>>,
    /// Holder by seat, for seats that have one.
    holders: BTreeMap<String, BookingId>,
    payments: BTreeMap<BookingId, StoredRow<Payment>>,
    joins: BTreeMap<BookingId, StoredRow<Join>>,
    records: BTreeMap<BookingId, StoredRow<Record>>,
    /// In order, by booking.
    ledger: BTreeMap<BookingId, Vec<Movement>>,
    /// Receipt numbers, one a file.
    letters: Vec<String>,
}

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The invariant of section H.
    pub invariant: &'static str,
    /// The booking, or the seat.
    pub about: String,
    /// What was found.
    pub found: String,
}

impl Evidence {
    /// Reads the files of a data folder.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn read(data: &Path) -> anyhow::Result<Evidence> {
        let open =
            |file: &Path, role| Engine::open_existing(file, role, Durability::ProcessDeath)?.all();
        let ledger = movements(open(&gateway_file(data), RoleName::Payment)?)?;
        let stored = |role| open(&store_file(data, role), role);
        Evidence::gather(stored, ledger, letters(&receipts_folder(data))?)
    }

    /// Takes what each role has stored, key and row; the gateway's ledger; and the numbers of the
    /// receipts that are out.
    ///
    /// # Errors
    /// When a store cannot be read, or a row is not what it should be.
    pub fn gather(
        stored: impl Fn(RoleName) -> Result<Vec<(String, String)>, StoreError>,
        ledger: Vec<Movement>,
        letters: Vec<String>,
    ) -> anyhow::Result<Evidence> {
        let mut holds = BTreeMap::new();
        let mut holders = BTreeMap::new();
        for (key, kept) in rows::<Row>(stored(RoleName::Seats)?)? {
            match (key.strip_prefix("seat/"), &kept.row) {
                (Some(seat), Row::Seat { holder: Some(holder) }) => {
                    holders.insert(seat.to_owned(), holder.clone());
                }
                (Some(_), _) => {}
                (None, _) => {
                    holds.insert(booking(&key)?, kept);
                }
            }
        }
        let mut by_booking = BTreeMap::<BookingId, Vec<Movement>>::new();
        for it in ledger {
            by_booking.entry(it.booking.clone()).or_default().push(it);
        }
        Ok(Evidence {
            holds,
            holders,
            payments: bookings(stored(RoleName::Payment)?)?,
            joins: bookings(stored(RoleName::Receipt)?)?,
            records: bookings(without_canaries(stored(RoleName::Status)?))?,
            ledger: by_booking,
            letters,
        })
    }

    /// How many bookings status knows, by phase; and how many of them are not at an end.
    #[must_use]
    pub fn endings(&self) -> (BTreeMap<Phase, usize>, usize) {
        let mut endings = BTreeMap::new();
        let mut open = 0;
        for kept in self.records.values() {
            let standing = kept.row.standing();
            if standing.is_final {
                *endings.entry(standing.phase).or_default() += 1;
            } else {
                open += 1;
            }
        }
        (endings, open)
    }

    /// What status knows, by booking.
    pub fn records(&self) -> impl Iterator<Item = (&BookingId, &Record)> {
        self.records.iter().map(|(id, kept)| (id, &kept.row))
    }

    /// The movements of money of one booking.
    pub fn movements(&self, id: &BookingId) -> impl Iterator<Item = &Movement> {
        self.ledger.get(id).into_iter().flatten()
    }

    /// Everything that must not be, of a system whose queues are empty.
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

    /// H1: one holder a seat, and holder and booking agree about it.
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

    /// H2 and H3: charged at most once, refunded at most once and after it; charged means seated.
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
            // A charge of another amount than asked is given back and counts as failed (D18).
            if count(&charges) - count(&refunds).min(count(&charges)) != charged - refunded {
                found.add("H2 one net charge", id, "the ledger disagrees with payment".to_owned());
            }
        }
    }

    /// H4: a receipt went out for one request, booked and paid, and it is there once.
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
                    "a file that no booking issued".to_owned(),
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

    /// H5: what was committed was announced, and what was announced was committed.
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

    /// H8: every ending is a row of section G: seat, money and receipt are what its headline says.
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
                    found.add("H8 an ending of G", id, format!("{} as an ending", standing.phase));
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

fn rows<T: DeserializeOwned>(
    stored: Vec<(String, String)>,
) -> anyhow::Result<Vec<(String, StoredRow<T>)>> {
    let read = |(key, body): (String, String)| {
        let kept = serde_json::from_str(&body).with_context(|| format!("the row {key}"))?;
        Ok((key, kept))
    };
    stored.into_iter().map(read).collect()
}

fn bookings<T: DeserializeOwned>(
    stored: Vec<(String, String)>,
) -> anyhow::Result<BTreeMap<BookingId, StoredRow<T>>> {
    rows(stored)?.into_iter().map(|(key, kept)| Ok((booking(&key)?, kept))).collect()
}

/// What `booking check --canary` left behind is about no booking.
fn without_canaries(mut stored: Vec<(String, String)>) -> Vec<(String, String)> {
    stored.retain(|(key, _)| !key.starts_with("canary/"));
    stored
}

fn booking(key: &str) -> anyhow::Result<BookingId> {
    let id =
        key.strip_prefix("booking/").with_context(|| format!("an unknown kind of row: {key}"))?;
    Ok(BookingId::parse(id)?)
}

/// The numbers of the receipts in a folder.
///
/// # Errors
/// When it cannot be read.
pub fn letters(folder: &Path) -> anyhow::Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(number) = name.to_string_lossy().strip_suffix(".eml") {
            numbers.push(number.to_owned());
        }
    }
    Ok(numbers)
}
