//! The store of one role: the real SQLite engine, with what a disk does to it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use booking::{
    domain::RoleName,
    store::{
        Commit, Find, Page, Start, Store, StoreError, Tally, Versioned, Write, sqlite::Inline,
    },
};

use super::{
    faults::Fault,
    guards::Guard,
    world::{Op, Outage, Sim, World},
};

/// A role's rows, for one or more processes.
#[derive(Clone)]
pub struct SimStore {
    pub sim: Sim,
    pub role: RoleName,
    pub inner: Inline,
    /// Rows as each hand last saw or wrote them: for the guard that reads them again.
    stale: Arc<Mutex<BTreeMap<(u64, String), String>>>,
}

fn failed(operation: &'static str, why: &'static str) -> StoreError {
    let source: Box<dyn std::error::Error + Send + Sync> = why.into();
    StoreError::Failed { operation, place: "sim".to_owned(), source: source.into() }
}

/// Whether this commit keeps a claim: it says that somebody may have asked, and decides nothing.
fn is_claim(role: RoleName, writes: &[Write]) -> bool {
    let claim = match role {
        RoleName::Payment => r#"{"is":"claimed""#,
        RoleName::Receipt => r#"{"is":"issuing""#,
        RoleName::Seats | RoleName::Status => return false,
    };
    writes
        .iter()
        .any(|it| it.body.contains(claim) && it.body.contains(r#""seat_unavailable":false"#))
}

impl SimStore {
    pub fn new(sim: Sim, role: RoleName, inner: Inline) -> SimStore {
        SimStore { sim, role, inner, stale: Arc::default() }
    }

    /// Whether this is payment without its second look.
    fn reads_once(&self, world: &World) -> bool {
        world.without == Some(Guard::ReadAgain) && self.role == RoleName::Payment
    }

    fn current(&self, key: &str) -> Result<u64, StoreError> {
        let row = self.inner.engine().read(&[key.to_owned()])?.pop().flatten();
        Ok(row.map_or(0, |it| it.version))
    }

    /// What a store without a guard would read.
    fn altered(&self, world: &World, keys: &[String], rows: &mut [Option<Versioned>]) {
        let mut stale = self.stale.lock().expect("one thread does everything");
        for (key, row) in keys.iter().zip(rows) {
            let place = (world.running, key.clone());
            match row {
                Some(row) if world.without == Some(Guard::Memo) => {
                    let mut kept: serde_json::Value =
                        serde_json::from_str(&row.body).expect("a row is JSON");
                    if let Some(kept) = kept.as_object_mut() {
                        kept.remove("memos");
                    }
                    row.body = kept.to_string();
                }
                Some(row) if self.reads_once(world) => {
                    let before = world.places.get(&world.running).and_then(|it| it.before);
                    match stale.get(&place) {
                        Some(body) if before == Some(Op::Settle) => row.body.clone_from(body),
                        _ => {
                            stale.insert(place, row.body.clone());
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

impl Store for SimStore {
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.sim.turn(Op::Read).await;
        let world = &mut *self.sim.lock();
        if world.strikes(Fault::StoreBusy, self.role, 3) {
            return Err(failed("read", "database is locked"));
        }
        let mut rows = self.inner.engine().read(&keys)?;
        if world.without.is_some() {
            self.altered(world, &keys, &mut rows);
        }
        Ok(rows)
    }

    async fn commit(&self, mut writes: Vec<Write>) -> Result<Commit, StoreError> {
        let claim = is_claim(self.role, &writes);
        self.sim.turn(if claim { Op::Claim } else { Op::Settle }).await;
        let world = &mut *self.sim.lock();
        let role = self.role;
        if world.strikes(Fault::StoreBusy, role, 5) {
            return Err(failed("commit", "database is locked"));
        }
        if world.down(Outage::Disk, Fault::StoreFull, role, 5) {
            return Err(failed("commit", "database or disk is full"));
        }
        for it in &mut writes {
            let unguarded = world.without == Some(Guard::Version)
                || world.without == Some(Guard::Missing) && it.read_version == 0;
            if unguarded {
                it.read_version = self.current(&it.key)?;
            }
        }
        let ends = self.inner.engine().commit_all(&[&writes])?;
        let end = ends.into_iter().next().unwrap_or(Commit::Done);
        let what = if claim { "claims" } else { "settles" };
        for it in &writes {
            world.note(format_args!("{role} {what} {} v{}: {end:?}", it.key, it.read_version));
        }
        if end == Commit::Done {
            world.watch.committed(role, &writes);
            if self.reads_once(world) {
                let mut stale = self.stale.lock().expect("one thread does everything");
                for it in &writes {
                    stale.insert((world.running, it.key.clone()), it.body.clone());
                }
            }
            if world.strikes(Fault::StoreUnsure, role, 4) {
                return Err(failed("commit", "disk I/O error after the commit"));
            }
        }
        Ok(end)
    }

    async fn list(&self, find: Find, start: Start, limit: usize) -> Result<Page, StoreError> {
        self.inner.engine().list(&find, &start, limit)
    }

    async fn tally(&self, before_ms: i64, limit: usize) -> Result<Tally, StoreError> {
        self.inner.engine().tally(before_ms, limit)
    }
}
