//! Rows in memory, which are lost with the process. For tests, and for benchmarks that show what
//! everything but the store costs: a service must never use it for anything else.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Commit, Find, Page, Place, Start, Store, StoreError, Versioned, Write};
use crate::domain::decision::Listing;

/// The rows of one role. Copies share them.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<String, Row>>>);

#[derive(Debug)]
struct Row {
    versioned: Versioned,
    listing: Option<Listing>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Row>> {
        // A commit checks everything before its first write, and no write can panic. So the rows
        // are whole even if a thread panicked with the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Versioned>>, StoreError> {
        let rows = self.lock();
        Ok(keys.iter().map(|it| rows.get(it).map(|it| it.versioned.clone())).collect())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        let mut rows = self.lock();
        let version = |key: &str| rows.get(key).map_or(0, |it| it.versioned.version);
        if writes.iter().any(|it| version(&it.key) != it.read_version) {
            return Ok(Commit::Conflict);
        }
        for Write { key, read_version, body, listing } in writes {
            let versioned = Versioned { version: read_version + 1, body };
            rows.insert(key, Row { versioned, listing });
        }
        Ok(Commit::Done)
    }

    /// Looks at every row, which is fast enough, since tests keep few rows in memory.
    async fn list(&self, find: Find, start: Start, limit: usize) -> Result<Page, StoreError> {
        let rows = self.lock();
        let listed = rows.iter().filter_map(|(key, row)| {
            let (under, at_ms) = entry(&find, row.listing.as_ref()?)?;
            let place = Place { at_ms, under: under.to_owned(), key: key.clone() };
            Some((place, &row.versioned.body))
        });
        let mut listed: Vec<_> = listed.collect();
        listed.sort_by(|one, other| order(&find, &one.0, &other.0));
        let before =
            |place: &Place| listed.partition_point(|it| order(&find, &it.0, place).is_lt());
        let up_to = |place: &Place| listed.partition_point(|it| order(&find, &it.0, place).is_le());
        let (from, to) = match &start {
            Start::First => (0, limit),
            Start::After(place) => (up_to(place), up_to(place).saturating_add(limit)),
            Start::Before(place) => (before(place).saturating_sub(limit), before(place)),
        };
        let to = to.min(listed.len());
        let Some(page) = listed.get(from..to).filter(|it| !it.is_empty()) else {
            return Ok(Page::default());
        };
        let place = |it: Option<&(Place, &String)>| it.map(|it| it.0.clone());
        Ok(Page {
            rows: page.iter().map(|(place, body)| (place.key.clone(), (*body).clone())).collect(),
            previous: place(page.first()).filter(|_| from > 0),
            next: place(page.last()).filter(|_| to < listed.len()),
        })
    }
}

/// What the list has a row under, and the time; `None` if the row is not in it.
fn entry<'l>(find: &Find, listing: &'l Listing) -> Option<(&'l str, i64)> {
    let by_departure = |flight: Option<&str>, day: Option<&str>| {
        let it = listing.departure.as_ref()?;
        let fits =
            flight.is_none_or(|flight| flight == it.flight) && day.is_none_or(|day| day == it.day);
        fits.then_some((it.day.as_str(), it.since_ms))
    };
    let by_phase = |fits: bool| fits.then_some((listing.phase.as_str(), listing.at_ms));
    match find {
        Find::Newest { phase } => {
            by_phase(phase.as_ref().is_none_or(|phase| *phase == listing.phase))
        }
        Find::Stalest => by_phase(listing.open),
        Find::Flight { flight, day } => by_departure(Some(flight), day.as_deref()),
        Find::Day { day } => by_departure(None, Some(day)),
    }
}

/// The order of two places in the list. Rows of the same time are in the order of their keys.
fn order(find: &Find, one: &Place, other: &Place) -> Ordering {
    let by_time = (one.at_ms, &one.key).cmp(&(other.at_ms, &other.key));
    match find {
        Find::Newest { .. } => by_time.reverse(),
        Find::Stalest => by_time,
        Find::Flight { .. } | Find::Day { .. } => {
            one.under.cmp(&other.under).then(by_time).reverse()
        }
    }
}
