//! The whole pipeline in one process: the four real workers, rules, wire format and stores over the
//! memory bus. What a booking takes when nobody waits for AWS.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use booking::{
    bus::memory::{Exchange, Unkindness},
    clock::Clock,
    domain::{RoleName, event::Kind, schedule::Schedule, seats::Seats},
    durability::Durability,
    gateway::simulated::SimulatedGateway,
    mailer::{DEFAULT_SENDER, folder::FolderMailer},
    metrics::Metrics,
    roles::{PaymentRole, ReceiptRole, Role, SeatsRole, StatusRole},
    runtime::{Book, Limits, Pulse, Worker},
    store::{
        Store,
        memory::Memory,
        sqlite::{Engine, Sqlite},
    },
    wiring::{gateway_file, receipts_folder, store_file},
};
use jiff::SignedDuration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{bookings, place, proc, results::Figures, services, verify};

/// So many bookings are on their way at once: a queue as deep as it is when services keep up.
const UNDER_WAY_MAX: usize = 2_000;

/// Plays so many bookings on this store, with `synchronous=FULL`. Receipts are written as files and
/// not flushed one by one: a real mailer has no folder.
pub fn run(bookings: usize, store: services::Store) -> anyhow::Result<Figures> {
    let data = place::fresh("pipeline")?;
    let figures = match store {
        services::Store::Memory => {
            play(&data, bookings, |_| Ok(Memory::default()), || Ok(Memory::default()))?
        }
        services::Store::Sqlite => {
            let open = |file: &Path, role| -> anyhow::Result<Sqlite> {
                Ok(Sqlite::start(Engine::open(file, role, Durability::PowerFailure)?)?)
            };
            let gateway = || open(&gateway_file(&data), RoleName::Payment);
            let figures = play(&data, bookings, |it| open(&store_file(&data, it), it), gateway)?;
            verify::files(&data, &(0..bookings))?;
            figures
        }
    };
    place::spent(&data)?;
    Ok(figures)
}

fn play<S: Store>(
    data: &Path,
    bookings: usize,
    stored: impl Fn(RoleName) -> anyhow::Result<S>,
    gateway: impl Fn() -> anyhow::Result<S>,
) -> anyhow::Result<Figures> {
    let texts: Vec<String> = (0..bookings).map(bookings::request).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stage = Stage {
            exchange: Exchange::new(Clock::Machine, "", 7, Unkindness::default()),
            stop: CancellationToken::new(),
            workers: JoinSet::new(),
        };
        let schedule = Schedule::parse(&bookings::schedule().to_string())?;
        let seats = Seats { schedule, hold_limit: SignedDuration::from_mins(15) };
        let gateway = SimulatedGateway::new(gateway()?, Duration::ZERO);
        let receipts = receipts_folder(data);
        let mailer = FolderMailer::open(&receipts, DEFAULT_SENDER, Durability::ProcessDeath)?;
        stage.begin(RoleName::Seats, SeatsRole(seats), stored(RoleName::Seats)?);
        stage.begin(RoleName::Payment, PaymentRole(gateway), stored(RoleName::Payment)?);
        stage.begin(RoleName::Receipt, ReceiptRole(mailer), stored(RoleName::Receipt)?);
        stage.begin(RoleName::Status, StatusRole, stored(RoleName::Status)?);

        let (began, before) = (Instant::now(), proc::usage(std::process::id())?.cpu_s);
        stage.feed(&texts).await?;
        let took_s = began.elapsed().as_secs_f64();
        let cpu_s = proc::usage(std::process::id())?.cpu_s - before;
        stage.stop.cancel();
        while stage.workers.join_next().await.is_some() {}
        Ok(Figures::from([
            ("bookings_per_s".to_owned(), bookings as f64 / took_s),
            ("cpu_s_per_1000".to_owned(), cpu_s * 1000.0 / bookings as f64),
        ]))
    })
}

/// The four services and what is between them.
struct Stage {
    exchange: Exchange,
    stop: CancellationToken,
    workers: JoinSet<()>,
}

impl Stage {
    fn begin<R: Role, S: Store>(&mut self, name: RoleName, role: R, store: S) {
        let book = Arc::new(Book::new(role, store, Clock::Machine));
        let limits = Limits { long_poll: Duration::from_secs(1), ..Limits::default() };
        let (bus, pulse) = (self.exchange.bus(name), Pulse::new(Duration::MAX));
        let worker = Worker::new(bus, book, "", limits, pulse, Metrics::default(), 7);
        self.workers.spawn(Arc::new(worker).run(self.stop.clone()));
    }

    /// Publishes all of these, and returns when every queue is empty.
    async fn feed(&self, texts: &[String]) -> anyhow::Result<()> {
        for (said, text) in texts.iter().enumerate() {
            while said >= UNDER_WAY_MAX + self.receipts()? {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            self.exchange.publish_text(Kind::BookingRequested, text);
        }
        while RoleName::ALL.into_iter().any(|it| self.exchange.depth(it) > 0) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    fn receipts(&self) -> anyhow::Result<usize> {
        usize::try_from(self.exchange.published(Kind::ReceiptSent)).context("receipts fit a usize")
    }
}
