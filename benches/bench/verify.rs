//! Checks after a run that every booking has ended well and nothing was doubled. It must never rely
//! on what the measured code says about itself where it can read the files.

use std::path::Path;

use anyhow::ensure;
use booking::{
    audit::{Evidence, letters},
    domain::{RoleName, status::Phase},
    durability::Durability,
    gateway::simulated::{self, Movement, movements},
    store::{Store, StoreError, memory::Memory, sqlite::Engine},
    wiring::{gateway_file, receipts_folder, store_file},
};

use futures_util::FutureExt;

use crate::{
    bookings::{self, Numbers},
    services::Services,
};

/// Checks all files that the services left. The services must have ended.
pub fn files(data: &Path, numbers: &Numbers) -> anyhow::Result<()> {
    judge(&Evidence::read(data)?, numbers)
}

/// The same check, for a payment provider and a mailer without files.
pub fn stores(
    data: &Path,
    charges: &Memory,
    letters: Vec<String>,
    numbers: &Numbers,
) -> anyhow::Result<()> {
    let stored =
        |role| Engine::open(&store_file(data, role), role, Durability::ProcessDeath)?.all();
    judge(&Evidence::gather(stored, money(charges, numbers)?, letters)?, numbers)
}

/// The same check, with no files at all. `rows` are the stores by role.
pub fn memories(
    rows: &[Memory; 4],
    charges: &Memory,
    letters: Vec<String>,
    numbers: &Numbers,
) -> anyhow::Result<()> {
    let stored = |role| look_up(&rows[role as usize], keys(role, numbers));
    judge(&Evidence::gather(stored, money(charges, numbers)?, letters)?, numbers)
}

fn money(charges: &Memory, numbers: &Numbers) -> anyhow::Result<Vec<Movement>> {
    let accounts = numbers.clone().map(|it| simulated::key(&bookings::booking_id(it)));
    Ok(movements(look_up(charges, accounts.collect())?)?)
}

/// The keys of the rows of this run's bookings.
fn keys(role: RoleName, numbers: &Numbers) -> Vec<String> {
    let mut wanted: Vec<String> =
        numbers.clone().map(|it| format!("booking/{}", bookings::id(it))).collect();
    if role == RoleName::Seats {
        wanted.extend(numbers.clone().map(bookings::seat_key));
    }
    wanted
}

fn look_up(rows: &Memory, keys: Vec<String>) -> Result<Vec<(String, String)>, StoreError> {
    // Rows in memory are there at once, so the future is ready at its first poll.
    let found =
        rows.read(keys.clone()).now_or_never().unwrap_or_else(|| Err(StoreError::Closed))?;
    Ok(keys.into_iter().zip(found).filter_map(|(key, row)| Some((key, row?.body))).collect())
}

/// The same check of the files, but only for the bookings of this run, where a million others are
/// stored. Their rows are the newest ones. It also checks that no two of these have the same key.
pub fn files_among_others(data: &Path, numbers: &Numbers) -> anyhow::Result<()> {
    let rows = |file: &Path, role, keys: &[String]| -> Result<Vec<(String, String)>, StoreError> {
        let found = Engine::open(file, role, Durability::ProcessDeath)?.read(keys)?;
        let pairs = keys.iter().zip(found);
        Ok(pairs.filter_map(|(key, row)| Some((key.clone(), row?.body))).collect())
    };
    let stored = |role| rows(&store_file(data, role), role, &keys(role, numbers));
    let accounts: Vec<String> =
        numbers.clone().map(|it| simulated::key(&bookings::booking_id(it))).collect();
    let ledger = movements(rows(&gateway_file(data), RoleName::Payment, &accounts)?)?;
    for role in RoleName::ALL {
        newest_are_apart(&store_file(data, role), keys(role, numbers).len())?;
    }
    newest_are_apart(&gateway_file(data), accounts.len())?;
    judge(&Evidence::gather(stored, ledger, letters(&receipts_folder(data))?)?, numbers)
}

/// Checks the keys of the newest rows: those of this run, and as many older ones. It reads the rows
/// in their order and does not use the index that finds a row by its key.
fn newest_are_apart(file: &Path, rows: usize) -> anyhow::Result<()> {
    let connection = rusqlite::Connection::open(file)?;
    let (newest, apart): (usize, usize) = connection.query_row(
        "SELECT count(key), count(DISTINCT key) FROM (SELECT key FROM rows ORDER BY id DESC LIMIT ?1)",
        [i64::try_from(2 * rows)?],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    ensure!(newest == apart, "{}: {newest} rows have {apart} keys", file.display());
    Ok(())
}

fn judge(evidence: &Evidence, numbers: &Numbers) -> anyhow::Result<()> {
    let violations = evidence.violations();
    ensure!(violations.is_empty(), "{} violations: {:?}", violations.len(), violations.first());
    let (endings, open) = evidence.endings();
    let completed = endings.get(&Phase::Completed).copied().unwrap_or(0);
    let all_happy = completed == numbers.len() && endings.len() <= 1;
    ensure!(all_happy && open == 0, "{} asked for: {endings:?}, {open} open", numbers.len());
    Ok(())
}

/// Checks a run whose rows are in memory: asks status for each booking, and counts the receipts.
pub async fn memory(services: &Services, data: &Path, numbers: &Numbers) -> anyhow::Result<()> {
    for number in numbers.clone() {
        let id = bookings::id(number);
        let view = services.get(RoleName::Status, &format!("/bookings/{id}")).await?;
        ensure!(view["phase"] == "completed", "{id} ended as {}", view["phase"]);
    }
    let receipts = letters(&receipts_folder(data))?.len();
    ensure!(receipts == numbers.len(), "{receipts} receipts of {} bookings", numbers.len());
    Ok(())
}
