//! The engine called in place: for demo and simulation, where one thread does everything and the
//! order of things follows from the seed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    super::{Commit, Find, Page, Place, Store, StoreError, Versioned, Write},
    Engine,
};

/// A role's file without a thread of its own. Copies share it.
#[derive(Clone, Debug)]
pub struct Inline(Arc<Mutex<Engine>>);

impl Inline {
    /// Takes the engine.
    #[must_use]
    pub fn new(engine: Engine) -> Inline {
        Inline(Arc::new(Mutex::new(engine)))
    }

    /// The engine. A thread that died with it left a file that is whole: SQLite saw to that.
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

    async fn list(
        &self,
        find: Find,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.engine().list(&find, after.as_ref(), limit)
    }
}
