//! Compares what the four services have stored with each other, with the gateway's ledger and with
//! the receipts folder, and reports every violation of the invariants in section H of
//! `docs/FAILURE-MATRIX.md`. `booking demo` and many tests end with it. It must only be used when
//! the queues are empty, and it must never change anything.

mod checks;

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use serde::de::DeserializeOwned;

use crate::{
    domain::{
        RoleName,
        ids::BookingId,
        payment::Payment,
        receipt::Join,
        seats::Row,
        status::{Phase, Record},
    },
    durability::Durability,
    gateway::simulated::{Movement, movements},
    runtime::StoredRow,
    store::{StoreError, sqlite::Engine},
    wiring::{gateway_file, receipts_folder, store_file},
};

pub use checks::Violation;

/// Everything that the services have stored.
#[derive(Debug)]
pub struct Evidence {
    holds: BTreeMap<BookingId, StoredRow<Row>>,
    /// The holder of each seat that has one, by seat.
    holders: BTreeMap<String, BookingId>,
    payments: BTreeMap<BookingId, StoredRow<Payment>>,
    joins: BTreeMap<BookingId, StoredRow<Join>>,
    records: BTreeMap<BookingId, StoredRow<Record>>,
    /// The movements of money of each booking, in order.
    ledger: BTreeMap<BookingId, Vec<Movement>>,
    /// The numbers of all files: of receipts, and of mails that say that one is void.
    letters: Vec<String>,
}

impl Evidence {
    /// Reads the files of a data folder.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(data: &Path) -> anyhow::Result<Evidence> {
        let open =
            |file: &Path, role| Engine::open_existing(file, role, Durability::ProcessDeath)?.all();
        let ledger = movements(open(&gateway_file(data), RoleName::Payment)?)?;
        let stored = |role| open(&store_file(data, role), role);
        Evidence::gather(stored, ledger, letters(&receipts_folder(data))?)
    }

    /// Takes the rows of each role (keys and bodies), the gateway's ledger, and the numbers of the
    /// receipts that were sent.
    ///
    /// # Errors
    /// When a store cannot be read, or a row does not have the expected form.
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

    /// The number of bookings that have ended, by phase, and the number of those that have not.
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

    /// The records of status, by booking.
    pub fn records(&self) -> impl Iterator<Item = (&BookingId, &Record)> {
        self.records.iter().map(|(id, kept)| (id, &kept.row))
    }

    /// The movements of money of one booking.
    pub fn movements(&self, id: &BookingId) -> impl Iterator<Item = &Movement> {
        self.ledger.get(id).into_iter().flatten()
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

/// Removes the rows of `booking check --canary`, which belong to no booking.
fn without_canaries(mut stored: Vec<(String, String)>) -> Vec<(String, String)> {
    stored.retain(|(key, _)| !key.starts_with("canary/"));
    stored
}

fn booking(key: &str) -> anyhow::Result<BookingId> {
    let id =
        key.strip_prefix("booking/").with_context(|| format!("an unknown kind of row: {key}"))?;
    Ok(BookingId::parse(id)?)
}

/// The numbers of the receipts in a folder; none when the folder does not exist.
///
/// # Errors
/// When the folder cannot be read.
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
