//! Puts the four services together for [`super::live`], each with a store of its own.

use std::{path::Path, sync::Arc, time::Duration};

use axum::Router;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    bus::memory::Exchange,
    clock::Clock,
    domain::RoleName,
    durability::Durability,
    fault::Fault,
    http,
    metrics::Metrics,
    roles::Role,
    runtime::{Attendant, Chain, EndedByItself, Limits, PollHealth, UnitOfWork, Worker},
    store::sqlite::{Engine, Sqlite},
    wiring::store_file,
};

/// After so many long polls without a successful receive, the poll loop counts as dead.
const MISSED_POLLS_MAX: u32 = 6;

/// Where the services are put together.
pub(super) struct Floor<'a> {
    pub(super) data: &'a Path,
    pub(super) limits: Limits,
    pub(super) exchange: &'a Exchange,
    pub(super) stop: &'a CancellationToken,
    pub(super) working: JoinSet<Result<(), EndedByItself>>,
    pub(super) signs: Router,
}

impl Floor<'_> {
    /// Starts one service. Returns its unit of work and what it counts.
    pub(super) fn place<R: Role>(
        &mut self,
        name: RoleName,
        role: R,
    ) -> Result<(Arc<UnitOfWork<R, Sqlite>>, Metrics), Fault> {
        let store = store(&store_file(self.data, name), name)?;
        let file = store.watch();
        let work = Arc::new(UnitOfWork::new(role, store, Clock::Machine));
        let (bus, metrics) = (self.exchange.bus(name), Metrics::default());
        let health = PollHealth::new(&Clock::Machine, self.limits.long_poll * MISSED_POLLS_MAX);
        let intake = self.exchange.intake();
        let attendant = Attendant::new(Arc::clone(&work), bus.clone(), intake, metrics.clone());
        let seed = fastrand::u64(..);
        let worker = Worker::new(bus, attendant, self.limits, health.clone(), seed);
        self.working.spawn(Arc::new(worker).run(self.stop.clone()));
        let problem = move || file.as_ref().and_then(|it| it.problem());
        let signs = http::vital_signs(name, health, problem, metrics.clone());
        let all = std::mem::take(&mut self.signs);
        self.signs = match name {
            RoleName::Status => all.merge(signs),
            RoleName::Seats | RoleName::Payment | RoleName::Receipt => {
                all.nest(&format!("/{name}"), signs)
            }
        };
        Ok((work, metrics))
    }
}

/// A store file with its writer thread.
pub(super) fn store(file: &Path, role: RoleName) -> Result<Sqlite, Fault> {
    let unusable = |it: &(dyn std::error::Error + 'static)| {
        Fault::Config(format!("cannot use the stores of the demo: {}", Chain(it)))
    };
    let engine = Engine::open_existing(file, role, Durability::ProcessDeath);
    Sqlite::start(engine.map_err(|it| unusable(&it))?).map_err(|it| unusable(&it))
}

/// The limits of the services: those of a real one, but it stops within a few seconds.
pub(super) fn limits() -> Limits {
    let (long_poll, drain) = (Duration::from_secs(1), Duration::from_secs(3));
    Limits { long_poll, drain, ..Limits::default() }
}
