//! The whole pipeline in one process: the four real workers, rules, wire format and stores over the
//! memory bus. What a booking takes when nobody waits for AWS.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, ensure};
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
    stored: impl Fn(RoleName) -> anyhow::Result<S> + Sync,
    gateway: impl Fn() -> anyhow::Result<S> + Sync,
) -> anyhow::Result<Figures> {
    let texts: Vec<String> = (0..bookings).map(bookings::request).collect();
    let schedule = Schedule::parse(&bookings::schedule().to_string())?;
    let stage = Stage {
        exchange: Exchange::new(Clock::Machine, "", 7, Unkindness::default()),
        stop: CancellationToken::new(),
    };
    let (stored, stage) = (&stored, &stage);
    let figures = std::thread::scope(|threads| {
        // A thread and a runtime for each role, as its process has.
        let seats = Seats { schedule, hold_limit: SignedDuration::from_mins(15) };
        let gateway = || Ok(PaymentRole(SimulatedGateway::new(gateway()?, Duration::ZERO)));
        let letters = || {
            let folder = receipts_folder(data);
            let kept = Durability::ProcessDeath;
            Ok(ReceiptRole(FolderMailer::open(&folder, DEFAULT_SENDER, kept)?))
        };
        let roles = [
            threads.spawn(move || stage.run(RoleName::Seats, || Ok(SeatsRole(seats)), stored)),
            threads.spawn(move || stage.run(RoleName::Payment, gateway, stored)),
            threads.spawn(move || stage.run(RoleName::Receipt, letters, stored)),
            threads.spawn(move || stage.run(RoleName::Status, || Ok(StatusRole), stored)),
        ];
        let measured = stage.measure(&texts);
        stage.stop.cancel();
        for role in roles {
            role.join().map_err(|_| anyhow!("a role panicked"))??;
        }
        measured
    })?;
    stage.verify(bookings)?;
    Ok(figures)
}

/// The four services and what is between them.
struct Stage {
    exchange: Exchange,
    stop: CancellationToken,
}

impl Stage {
    fn run<R: Role, S: Store>(
        &self,
        name: RoleName,
        role: impl FnOnce() -> anyhow::Result<R>,
        stored: &impl Fn(RoleName) -> anyhow::Result<S>,
    ) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Whatever ends one ends all: nobody waits for a role that could not begin.
        let _ended = self.stop.clone().drop_guard();
        runtime.block_on(async {
            let book = Arc::new(Book::new(role()?, stored(name)?, Clock::Machine));
            let limits = Limits { long_poll: Duration::from_secs(1), ..Limits::default() };
            let (bus, pulse) = (self.exchange.bus(name), Pulse::new(Duration::MAX));
            let worker = Worker::new(bus, book, "", limits, pulse, Metrics::default(), 7);
            Arc::new(worker).run(self.stop.clone()).await;
            Ok(())
        })
    }

    fn measure(&self, texts: &[String]) -> anyhow::Result<Figures> {
        let (began, before) = (Instant::now(), proc::usage(std::process::id())?.cpu_s);
        self.feed(texts)?;
        let took_s = began.elapsed().as_secs_f64();
        let cpu_s = proc::usage(std::process::id())?.cpu_s - before;
        let bookings = texts.len() as f64;
        Ok(Figures::from([
            ("bookings_per_s".to_owned(), bookings / took_s),
            ("cpu_s_per_1000".to_owned(), cpu_s * 1000.0 / bookings),
        ]))
    }

    /// One receipt for each booking, and nothing set aside.
    fn verify(&self, bookings: usize) -> anyhow::Result<()> {
        let receipts = self.receipts()?;
        ensure!(receipts == bookings, "{receipts} receipts for {bookings} bookings");
        for role in RoleName::ALL {
            let dead = self.exchange.dead(role).len();
            ensure!(dead == 0, "{role} set {dead} messages aside");
        }
        Ok(())
    }

    /// Publishes all of these, and returns when every queue is empty.
    fn feed(&self, texts: &[String]) -> anyhow::Result<()> {
        for (said, text) in texts.iter().enumerate() {
            while said >= UNDER_WAY_MAX + self.receipts()? {
                self.wait()?;
            }
            self.exchange.publish_text(Kind::BookingRequested, text);
        }
        while RoleName::ALL.into_iter().any(|it| self.exchange.depth(it) > 0) {
            self.wait()?;
        }
        Ok(())
    }

    fn wait(&self) -> anyhow::Result<()> {
        ensure!(!self.stop.is_cancelled(), "a role ended before its work did");
        std::thread::sleep(Duration::from_millis(1));
        Ok(())
    }

    fn receipts(&self) -> anyhow::Result<usize> {
        usize::try_from(self.exchange.published(Kind::ReceiptSent)).context("receipts fit a usize")
    }
}
