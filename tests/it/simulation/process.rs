//! One process: the real worker of one role, and the futures it has in hand.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use booking::{
    bus::{Bus, BusError, Delivery},
    clock::Clock,
    domain::{RoleName, schedule::Schedule, seats::Seats},
    metrics::Metrics,
    roles::{PaymentRole, ReceiptRole, Role, SeatsRole, StatusRole},
    runtime::{Book, Ended, Limits, Pulse, Worker},
    store::sqlite::Inline,
};
use jiff::SignedDuration;

use super::{
    bus::SimBus,
    guards::{Alter, Guard, SimRole, Wanted},
    outside::{SimGateway, SimMailer},
    store::SimStore,
    world::{Sim, World},
};

/// How long a received message is hidden, as the limits have it.
pub const VISIBILITY_MS: i64 = 60_000;

/// Something a process does that takes several steps.
pub type Task = Pin<Box<dyn Future<Output = Came> + Send>>;

/// How it came out.
pub enum Came {
    Received(Result<Vec<Delivery>, BusError>),
    Attended(Ended),
    Beat,
}

impl std::fmt::Display for Came {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Came::Received(Ok(it)) => {
                f.write_str("received")?;
                it.iter().try_for_each(|it| write!(f, " #{}", it.receipt_handle.0))
            }
            Came::Received(Err(_)) => f.write_str("could not receive"),
            Came::Attended(ended) => write!(f, "{ended:?}"),
            Came::Beat => f.write_str("beat"),
        }
    }
}

/// A process, whichever role it has.
pub trait Process {
    fn receive(&self, max: usize) -> Task;
    fn attend(&self, delivery: Delivery) -> Task;
    fn heartbeat(&self) -> Task;
}

struct Live<R: Role> {
    bus: SimBus,
    worker: Arc<Worker<SimBus, R, SimStore>>,
}

impl<R: Role> Process for Live<R> {
    fn receive(&self, max: usize) -> Task {
        let bus = self.bus.clone();
        let hidden = Limits::default().visibility;
        Box::pin(async move { Came::Received(bus.receive(max, Duration::ZERO, hidden).await) })
    }

    fn attend(&self, delivery: Delivery) -> Task {
        let worker = Arc::clone(&self.worker);
        Box::pin(async move { Came::Attended(worker.attend(delivery).await) })
    }

    fn heartbeat(&self) -> Task {
        let worker = Arc::clone(&self.worker);
        Box::pin(async move {
            worker.heartbeat().await;
            Came::Beat
        })
    }
}

/// Starts a process of `role` over the rows that are there.
pub fn start(
    sim: &Sim,
    role: RoleName,
    rows: &Inline,
    clock: Clock,
    world: &mut World,
) -> Box<dyn Process> {
    let guards = (world.without, Wanted::clone(&world.wanted));
    let seed = world.rng.u64(..);
    let parts = Parts { sim: sim.clone(), rows: rows.clone(), clock, guards, seed };
    let seats = Seats { schedule: Schedule::sample(), hold_limit: SignedDuration::from_mins(15) };
    match role {
        RoleName::Seats => parts.live(role, SeatsRole(seats)),
        RoleName::Payment => parts.live(role, PaymentRole(SimGateway(sim.clone()))),
        RoleName::Receipt => parts.live(role, ReceiptRole(SimMailer(sim.clone()))),
        RoleName::Status => parts.live(role, StatusRole),
    }
}

struct Parts {
    sim: Sim,
    rows: Inline,
    clock: Clock,
    guards: (Option<Guard>, Wanted),
    seed: u64,
}

impl Parts {
    fn live<R: Role<Rules: Alter + Clone>>(self, name: RoleName, role: R) -> Box<dyn Process> {
        let store = SimStore::new(self.sim.clone(), name, self.rows);
        let role = SimRole::new(role, self.guards.0, self.guards.1);
        let book = Arc::new(Book::new(role, store, self.clock));
        let bus = SimBus { sim: self.sim, role: name };
        let (limits, pulse) = (Limits::default(), Pulse::new(Duration::MAX));
        let metrics = Metrics::default();
        let worker = Worker::new(bus.clone(), book, "", limits, pulse, metrics, self.seed);
        Box::new(Live { bus, worker: Arc::new(worker) })
    }
}
