//! The engine without a thread: calls run on the caller's thread. For demo and simulation, where
//! one thread does everything and the order of all operations follows from the seed. A service must
//! never use it, since it blocks the runtime.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    super::{Commit, Find, Page, Start, Store, StoreError, Versioned, Write},
    Engine,
};

/// The file of one role, without a writer thread. Copies share it.
#[derive(Clone, Debug)]
pub struct Inline(Arc<Mutex<Engine>>);

impl Inline {
    /// Uses `engine` on the thread of the caller.
    #[must_use]
    pub fn new(engine: Engine) -> Inline {
        Inline(Arc::new(Mutex::new(engine)))
    }

    /// The engine. If a thread panicked with the lock, the file is still whole, since SQLite undoes
    /// a transaction that was not committed.
    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Inline {
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.engine().read(&keys)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        let ends = self.engine().commit_all(&[&writes])?;
        Ok(ends.into_iter().next().unwrap_or(Commit::Done))
    }

    async fn list(&self, find: Find, start: Start, limit: usize) -> Result<Page, StoreError> {
        self.engine().list(&find, &start, limit)
    }
}
