//! After a run: every booking of it has ended, and nothing was doubled.

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

/// Reads everything that the services, which have ended, left in their files.
pub fn files(data: &Path, numbers: &Numbers) -> anyhow::Result<()> {
    judge(&Evidence::read(data)?, numbers)
}

/// The same, with a payment provider and a mailer that had no files.
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

/// The same, with nothing in files: `rows` by role.
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

/// The rows that this run's bookings have, by name.
fn keys(role: RoleName, numbers: &Numbers) -> Vec<String> {
    let mut wanted: Vec<String> =
        numbers.clone().map(|it| format!("booking/{}", bookings::id(it))).collect();
    if role == RoleName::Seats {
        wanted.extend(numbers.clone().map(bookings::seat_key));
    }
    wanted
}

fn look_up(rows: &Memory, keys: Vec<String>) -> Result<Vec<(String, String)>, StoreError> {
    // Nothing is waited for: rows in memory are there at once.
    let found =
        rows.read(keys.clone()).now_or_never().unwrap_or_else(|| Err(StoreError::Closed))?;
    Ok(keys.into_iter().zip(found).filter_map(|(key, row)| Some((key, row?.body))).collect())
}

/// The same of the bookings of this run alone, where there are a million others. Of their rows,
/// which are the newest ones, no two have one key.
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

/// Looks at so many of the newest rows and as many before them, without what finds a row by its
/// key.
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

/// Asks status, which has its rows in memory, and counts the receipts.
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
