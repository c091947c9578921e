//! All four services in one process, over the memory bus. On a [`Stage`], they take one step at a
//! time, and everything that happens must follow from the seed: no machine clock, no thread, no
//! other randomness. [`live`] lets them run by themselves, by the machine's clock.

mod floor;
pub mod live;
mod mix;
mod watch;

pub use mix::{Mix, Wish, wishes};
pub use watch::OfExchange;

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};

use crate::{
    bus::memory::{Exchange, MemoryBus, Unkindness},
    clock::Clock,
    domain::{
        RoleName,
        event::{Data, Event, Kind},
        ids::{BookingId, Cause},
        schedule::Schedule,
        seats::Seats,
    },
    durability::Durability,
    gateway::simulated::SimulatedGateway,
    mailer::{Letterhead, folder::FolderMailer},
    metrics::Metrics,
    roles::{PaymentRole, ReceiptRole, SeatsRole, StatusRole},
    runtime::{Attendant, Limits, PollHealth, UnitOfWork, Worker},
    store::sqlite::{Engine, Inline},
    wire::{self, CanaryKey},
    wiring::{gateway_in, receipts_folder, store_file},
};

/// How long an unpaid hold is protected: far longer than the demo's clock runs between a hold and
/// its payment.
const HOLD_LIMIT: SignedDuration = SignedDuration::from_mins(15);
/// The most messages one step receives.
const BATCH: usize = 10;
/// A run that needs more steps than this for each booking is taken for endless.
const STEPS_PER_BOOKING_MAX: usize = 500;

type Bench<R> = Worker<MemoryBus, R, Inline, MemoryBus>;

/// The four services, and the bus between them.
pub struct Stage {
    exchange: Exchange,
    clock: Clock,
    rng: fastrand::Rng,
    /// A service that does nothing for a while, as happens to every service.
    slow: Option<RoleName>,
    seats: Bench<SeatsRole>,
    payment: Bench<PaymentRole<SimulatedGateway<Inline>>>,
    receipt: Bench<ReceiptRole<FolderMailer>>,
    status: Bench<StatusRole>,
}

impl Stage {
    /// Sets up the four services with stores in `data` and the built-in schedule.
    ///
    /// # Errors
    /// If a file cannot be created.
    pub fn new(data: &Path, seed: u64, unkindness: Unkindness) -> anyhow::Result<Stage> {
        Stage::selling(Schedule::sample(), data, seed, unkindness)
    }

    /// Sets up the four services with stores in `data`. The clock begins at 09:30 UTC on 1 February
    /// 2027.
    ///
    /// # Errors
    /// If a file cannot be created.
    pub fn selling(
        schedule: Schedule,
        data: &Path,
        seed: u64,
        unkindness: Unkindness,
    ) -> anyhow::Result<Stage> {
        std::fs::create_dir_all(data).with_context(|| format!("cannot use {}", data.display()))?;
        let start: Timestamp = "2027-02-01T09:30:00Z".parse().context("the clock's start")?;
        let clock = Clock::manual(start);
        let exchange = Exchange::new(clock.clone(), "", seed, unkindness);
        let lost = Durability::ProcessDeath;
        let gateway = gateway_in(data, Duration::ZERO, lost)?;
        let head = Letterhead::default().with_schedule(schedule.clone());
        let mailer = FolderMailer::open(&receipts_folder(data), Arc::new(head), lost)?;
        let seats = Seats { schedule, hold_limit: HOLD_LIMIT };
        Ok(Stage {
            seats: bench(SeatsRole(seats), RoleName::Seats, &exchange, &clock, data, seed)?,
            payment: bench(PaymentRole(gateway), RoleName::Payment, &exchange, &clock, data, seed)?,
            receipt: bench(ReceiptRole(mailer), RoleName::Receipt, &exchange, &clock, data, seed)?,
            status: bench(StatusRole, RoleName::Status, &exchange, &clock, data, seed)?,
            rng: fastrand::Rng::with_seed(seed),
            slow: None,
            exchange,
            clock,
        })
    }

    /// The same services, which accept canaries that are made with this key.
    #[must_use]
    pub fn with_canaries(self, key: &CanaryKey) -> Stage {
        Stage {
            seats: self.seats.with_canaries(key.clone()),
            payment: self.payment.with_canaries(key.clone()),
            receipt: self.receipt.with_canaries(key.clone()),
            status: self.status.with_canaries(key.clone()),
            ..self
        }
    }

    /// The time now, by the clock of this stage.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The bus.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Publishes a request as a client would.
    ///
    /// # Errors
    /// If the request is too large for an event.
    pub fn request(&self, booking: &BookingId, wish: &Wish) -> anyhow::Result<()> {
        request(&self.exchange, self.clock.now(), booking, wish)
    }

    /// Advances the clock, and lets one service receive and work; the seed decides which. Returns
    /// false if every queue is empty.
    ///
    /// # Errors
    /// If the bus fails, which the memory bus never does.
    pub async fn step(&mut self) -> anyhow::Result<bool> {
        let Some(next) = self.exchange.next_visible() else { return Ok(false) };
        let wait = Duration::try_from(next.duration_since(self.clock.now())).unwrap_or_default();
        let pause = Duration::from_millis(self.rng.u64(1..20));
        self.clock.advance(wait.max(pause));
        let max = self.rng.usize(1..=BATCH);
        if self.rng.u8(0..100) < 8 {
            self.slow =
                self.rng.choice([None, Some(RoleName::Payment), Some(RoleName::Seats)]).flatten();
        }
        match self.rng.choice(RoleName::ALL).filter(|it| Some(*it) != self.slow) {
            Some(RoleName::Seats) => self.seats.step(max).await?,
            Some(RoleName::Payment) => self.payment.step(max).await?,
            Some(RoleName::Receipt) => self.receipt.step(max).await?,
            Some(RoleName::Status) | None => self.status.step(max).await?,
        };
        Ok(true)
    }

    /// Publishes the wishes one by one, lets the services work in between, and returns once every
    /// queue is empty. `progress` is called with the number of wishes that were published.
    ///
    /// # Errors
    /// If that takes too many steps.
    pub async fn play(
        &mut self,
        wishes: &[(BookingId, Wish)],
        mut progress: impl FnMut(usize),
    ) -> anyhow::Result<()> {
        let mut waiting = wishes.iter().enumerate();
        let mut more = true;
        for _ in 0..wishes.len().max(1) * STEPS_PER_BOOKING_MAX {
            if more && self.rng.u8(0..100) < 25 {
                match waiting.next() {
                    Some((at, (booking, wish))) => {
                        self.request(booking, wish)?;
                        progress(at + 1);
                    }
                    None => more = false,
                }
            } else if !self.step().await? && !more {
                return Ok(());
            }
        }
        bail!("the queues are not empty after {STEPS_PER_BOOKING_MAX} steps for each booking")
    }
}

/// Publishes a request as a client would.
fn request(
    exchange: &Exchange,
    now: Timestamp,
    booking: &BookingId,
    wish: &Wish,
) -> anyhow::Result<()> {
    let request = wish.request();
    let event = Event {
        cause: Cause {
            source: "/booking/client".to_owned(),
            id: booking.derive("demo-request").to_string(),
        },
        booking: booking.clone(),
        time: now,
        digest: wire::digest(wire::request_data(&request)),
        traceparent: None,
        data: Data::BookingRequested(request),
    };
    exchange.publish_text(Kind::BookingRequested, &wire::encode(&event)?.body);
    Ok(())
}

fn bench<R: crate::roles::Role>(
    role: R,
    name: RoleName,
    exchange: &Exchange,
    clock: &Clock,
    data: &Path,
    seed: u64,
) -> anyhow::Result<Bench<R>> {
    let engine = Engine::open(&store_file(data, name), name, Durability::ProcessDeath)?;
    let work = UnitOfWork::new(role, Inline::new(engine), clock.clone());
    let poll_health = PollHealth::new(clock, Duration::MAX);
    let (bus, limits) = (exchange.bus(name), Limits::default());
    let (intake, metrics) = (exchange.intake(), Metrics::default());
    let attendant = Attendant::new(Arc::new(work), bus.clone(), intake, metrics);
    Ok(Worker::new(bus, attendant, limits, poll_health, seed))
}
