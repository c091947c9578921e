//! One process: the real worker of one role, and the futures it has in hand.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::harness::intake;
use booking::{
    bus::{Delivery, Driver},
    clock::Clock,
    domain::{RoleName, schedule::Schedule, seats::Seats},
    metrics::Metrics,
    roles::{PaymentRole, ReceiptRole, Role, SeatsRole, StatusRole},
    runtime::{Attendant, Ended, InFlight, Limits, PollHealth, Received, UnitOfWork, Worker},
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
    Received(Received),
    Attended(Ended),
    Beat,
    Rested,
    /// Its bus is gone, and all that was sent is answered.
    Sent,
}

impl std::fmt::Display for Came {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Came::Received(it) => {
                f.write_str("received")?;
                let handles = it.deliveries.iter().map(|(it, _)| &it.receipt_handle.0);
                handles.into_iter().try_for_each(|it| write!(f, " #{it}"))?;
                write!(f, " and rests for {:?}", it.rest)
            }
            Came::Attended(ended) => write!(f, "{ended:?}"),
            Came::Beat => f.write_str("beat"),
            Came::Rested => f.write_str("rested"),
            Came::Sent => f.write_str("sent all"),
        }
    }
}

/// A process, whichever role it has.
pub trait Process {
    fn receive(&self, max: usize) -> Task;
    fn attend(&self, delivery: Delivery, in_flight: InFlight) -> Task;
    fn heartbeat(&self) -> Task;
    fn rest(&self, until_ms: i64) -> Task;
    fn pollers_wanted(&self) -> usize;
    /// Whether it polls no more, because something that it needs is down.
    fn has_stopped(&self) -> bool;
}

struct Live<R: Role> {
    sim: Sim,
    without: Option<Guard>,
    worker: Arc<Worker<SimBus, R, SimStore, SimBus>>,
    poll_health: PollHealth,
}

impl<R: Role> Process for Live<R> {
    fn receive(&self, max: usize) -> Task {
        let worker = Arc::clone(&self.worker);
        Box::pin(async move { Came::Received(worker.receive(max).await) })
    }

    fn attend(&self, delivery: Delivery, in_flight: InFlight) -> Task {
        let worker = Arc::clone(&self.worker);
        Box::pin(async move { Came::Attended(worker.attend(delivery, &in_flight).await) })
    }

    fn rest(&self, until_ms: i64) -> Task {
        let (worker, sim) = (Arc::clone(&self.worker), self.sim.clone());
        let wakes = self.without != Some(Guard::Wake);
        Box::pin(async move {
            let pause = sim.until(until_ms);
            if wakes {
                worker.rest(pause).await
            } else {
                pause.await
            }
            Came::Rested
        })
    }

    fn pollers_wanted(&self) -> usize {
        self.worker.pollers_wanted()
    }

    fn has_stopped(&self) -> bool {
        self.poll_health.health().paused.is_some()
    }

    fn heartbeat(&self) -> Task {
        let worker = Arc::clone(&self.worker);
        Box::pin(async move {
            worker.heartbeat().await;
            Came::Beat
        })
    }
}

/// A process that starts, and the tasks that send for it.
pub type Started = (Box<dyn Process>, Vec<Task>);

/// Starts a process of `role` over the rows that are there.
pub fn start(sim: &Sim, role: RoleName, rows: &Inline, clock: Clock, world: &mut World) -> Started {
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
    fn live<R: Role<Rules: Alter + Clone>>(self, name: RoleName, role: R) -> Started {
        let store = SimStore::new(self.sim.clone(), name, self.rows);
        let role = SimRole::new(role, self.guards.0, self.guards.1);
        let poll_health = PollHealth::new(&self.clock, Duration::MAX);
        let work = Arc::new(UnitOfWork::new(role, store, self.clock));
        let (bus, drivers) = SimBus::new(&self.sim, name);
        let attendant = Attendant::new(work, bus.clone(), intake(), Metrics::default());
        let worker = Worker::new(bus, attendant, Limits::default(), poll_health.clone(), self.seed);
        let sends = |driver: Driver| -> Task {
            Box::pin(async move {
                driver.await;
                Came::Sent
            })
        };
        let (sim, without) = (self.sim, self.guards.0);
        let live = Live { sim, without, worker: Arc::new(worker), poll_health };
        (Box::new(live), drivers.into_iter().map(sends).collect())
    }
}
