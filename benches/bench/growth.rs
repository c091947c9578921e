//! Makes files with many bookings in them: the rows of one booking, as the services wrote them, are
//! copied under other names. The files are kept under `target/bench/stored`, since a million
//! bookings take a minute. They must never be used with another binary than the one that made them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use booking::{
    domain::{
        RoleName,
        decision::{Departure, Listing},
        status::Phase,
    },
    durability::Durability,
    store::{Write, sqlite::Engine},
    wiring::{gateway_file, receipts_folder, store_file},
};

use crate::{
    bookings::{self, Numbers},
    place,
    proxy::Manner,
    run::run,
    services::{Consumer, Store},
    setting::{Load, Setting},
};

/// The booking whose rows are copied. Its id and seat occur in no other booking.
const PATTERN: usize = 900_000_000;
/// How many bookings one transaction writes.
const BOOKINGS_A_TRANSACTION: usize = 5_000;
/// Up to this size, each run gets its own copy of the files.
const COPIED_MAX: usize = 100_000;
/// The file with the first number that is not stored.
const NEXT: &str = "next";

/// A folder in which `size` bookings are stored, and the numbers of `bookings` that are not.
///
/// A small folder is copied for each run. A large one is used in place, and each run adds its own
/// bookings to it. When they have added more than a fifth, the folder is made anew.
pub fn stored(size: usize, bookings: usize) -> anyhow::Result<(PathBuf, Numbers)> {
    let kept = place::folder().join("stored").join(size.to_string());
    let copied = size <= COPIED_MAX;
    let mut first = next(&kept)?.unwrap_or(usize::MAX);
    if first > size + size / 5 {
        fill(&kept, size)?;
        first = size;
    }
    let numbers = first..first + bookings;
    // A failed run leaves bookings behind, so its numbers must not be used again.
    let after = if copied { first } else { numbers.end };
    fs::write(kept.join(NEXT), format!("{} {after}", built()?))?;
    if !copied {
        let receipts = receipts_folder(&kept);
        if receipts.exists() {
            // Moved rather than removed; `place::clear` says why.
            fs::rename(receipts, place::fresh("receipts")?.join("receipts"))?;
        }
        return Ok((kept, numbers));
    }
    let copy = place::fresh("stored")?;
    for file in fs::read_dir(&kept)? {
        let file = file?;
        let to = copy.join(file.file_name());
        fs::copy(file.path(), &to)?;
        // Flush the copy, so that the run does not wait for it.
        fs::File::open(&to)?.sync_all()?;
    }
    Ok((copy, numbers))
}

/// The first number that is not stored. `None` when nothing is stored, or when another binary made
/// the files, since their format may be different.
fn next(kept: &Path) -> anyhow::Result<Option<usize>> {
    let Ok(text) = fs::read_to_string(kept.join(NEXT)) else { return Ok(None) };
    let Some((built_then, next)) = text.split_once(' ') else { return Ok(None) };
    Ok(if built_then == built()? { next.parse().ok() } else { None })
}

/// A text that identifies this binary: its size and the time of its build.
fn built() -> anyhow::Result<String> {
    let file = fs::metadata(place::BOOKING)?;
    let since = file.modified()?.duration_since(std::time::UNIX_EPOCH)?;
    Ok(format!("{}-{}", file.len(), since.as_millis()))
}

fn fill(folder: &Path, size: usize) -> anyhow::Result<()> {
    println!("storing {size} bookings, once …");
    let pattern = place::fresh("pattern")?;
    let consumer =
        Consumer::Booking { store: Store::Sqlite, target: std::time::Duration::from_millis(100) };
    let numbers = PATTERN..PATTERN + 1;
    let stored = Some(pattern.clone());
    let (load, manner) = (Load::Backlog, Manner::default());
    run(&Setting {
        consumer,
        load,
        manner,
        numbers,
        stored,
        traced: false,
        watched: false,
        fifo: false,
    })?;
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let mut files: Vec<(RoleName, PathBuf, PathBuf)> = Vec::new();
    for role in RoleName::ALL {
        files.push((role, store_file(&pattern, role), store_file(folder, role)));
    }
    files.push((RoleName::Payment, gateway_file(&pattern), gateway_file(folder)));
    std::thread::scope(|scope| {
        let filling: Vec<_> = files
            .iter()
            .map(|(role, from, to)| scope.spawn(move || fill_file(*role, from, to, size)))
            .collect();
        for it in filling {
            it.join().map_err(|_| anyhow::anyhow!("a thread that fills a file panicked"))??;
        }
        anyhow::Ok(())
    })?;
    // Flush the files, so that the first run does not wait for them.
    for (_, _, file) in &files {
        fs::File::open(file)?.sync_all()?;
    }
    Ok(())
}

fn fill_file(role: RoleName, from: &Path, to: &Path, size: usize) -> anyhow::Result<()> {
    let pattern = Engine::open(from, role, Durability::ProcessDeath)?.all()?;
    // Without flushes: what a power failure destroys can be made again.
    let mut engine = Engine::open(to, role, Durability::ProcessDeath)?;
    let id = bookings::id(PATTERN);
    let (flight, date, seat) = bookings::seat(PATTERN);
    let rename = |text: &str, number: usize| {
        let (own_flight, own_date, own_seat) = bookings::seat(number);
        let quoted = |it: &str| format!("\"{it}\"");
        text.replace(&id, &bookings::id(number))
            .replace(&bookings::seat_key(PATTERN), &bookings::seat_key(number))
            .replace(&quoted(&flight), &quoted(&own_flight))
            .replace(&quoted(&date), &quoted(&own_date))
            .replace(&quoted(&seat), &quoted(&own_seat))
    };
    let lot = |number: usize| -> Vec<Write> {
        let since_ms = 1_700_000_000_000 + i64::try_from(number).unwrap_or(0);
        let (flight, day, _) = bookings::seat(number);
        let write = |(key, body): &(String, String)| Write {
            key: rename(key, number),
            read_version: 0,
            body: rename(body, number),
            listing: (role == RoleName::Status).then(|| Listing {
                phase: Phase::Completed.as_str().to_owned(),
                at_ms: since_ms,
                open: false,
                departure: Some(Departure { flight: flight.clone(), day: day.clone(), since_ms }),
            }),
        };
        pattern.iter().map(write).collect()
    };
    for start in (0..size).step_by(BOOKINGS_A_TRANSACTION) {
        let lots: Vec<_> = (start..size.min(start + BOOKINGS_A_TRANSACTION)).map(lot).collect();
        let lots: Vec<&[Write]> = lots.iter().map(Vec::as_slice).collect();
        engine.commit_all(&lots).with_context(|| format!("fill {role}"))?;
    }
    Ok(engine.empty_log()?)
}
