//! Rows in memory, which are lost with the process. For tests, and for benchmarks that show what
//! everything but the store costs: a service must never use it for anything else.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Commit, Find, Page, Place, Store, StoreError, Tally, Versioned, Write};
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
    async fn list(
        &self,
        find: Find,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let rows = self.lock();
        let wanted = |it: &Listing| match &find {
            Find::Newest { phase } => phase.as_ref().is_none_or(|phase| *phase == it.phase),
            Find::Stalest => it.open,
        };
        let listed = rows.iter().filter_map(|(key, row)| {
            let listing = row.listing.as_ref().filter(|it| wanted(it))?;
            Some((listing.at_ms, key, listing, &row.versioned.body))
        });
        let mut found: Vec<_> = listed.collect();
        found.sort_by_key(|(at_ms, key, ..)| (*at_ms, *key));
        if find != Find::Stalest {
            found.reverse();
        }
        if let Some(after) = after {
            let after = (after.at_ms, &after.key);
            found.retain(|(at_ms, key, ..)| match find {
                Find::Newest { .. } => (*at_ms, *key) < after,
                Find::Stalest => (*at_ms, *key) > after,
            });
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(at_ms, key, listing, _)| Place {
            at_ms: *at_ms,
            phase: listing.phase.clone(),
            key: (*key).clone(),
        });
        let rows = found.into_iter().map(|(_, key, _, body)| (key.clone(), body.clone()));
        Ok(Page { rows: rows.collect(), next })
    }

    async fn tally(&self, before_ms: i64, limit: usize) -> Result<Tally, StoreError> {
        let rows = self.lock();
        let listed = || rows.values().filter_map(|it| it.listing.as_ref());
        let open = || listed().filter(|it| it.open);
        Ok(Tally {
            open: open().count().min(limit),
            older: open().filter(|it| it.at_ms < before_ms).count().min(limit),
            newest_ms: listed().map(|it| it.at_ms).max(),
        })
    }
}
