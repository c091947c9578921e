//! The whole pipeline in one process: the four real workers, rules, wire format and stores over the
//! memory bus. What a booking takes when nobody waits for AWS.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, ensure};
use booking::{
    bus::memory::{Exchange, Unkindness},
    clock::Clock,
    domain::{RoleName, event::Kind, receipt::Receipt, schedule::Schedule, seats::Seats},
    durability::Durability,
    gateway::simulated::SimulatedGateway,
    mailer::{DEFAULT_SENDER, MailError, Mailer, folder::FolderMailer},
    metrics::Metrics,
    roles::{PaymentRole, ReceiptRole, Role, SeatsRole, StatusRole},
    runtime::{Book, Limits, Pulse, Worker},
    store::{
        memory::Memory,
        sqlite::{Engine, Sqlite},
    },
    wiring::{gateway_file, receipts_folder, store_file},
};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::{bookings, place, proc, results::Figures, services::Store, verify};

/// So many bookings are on their way at once: a queue as deep as it is when services keep up.
const UNDER_WAY_MAX: usize = 2_000;

/// `--in-hand` of each role: what waits for one flush to disk is flushed together.
const IN_HAND_MAX: usize = 256;

/// Where what is outside of the four services keeps what it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Outside {
    /// In memory: in production neither is ours.
    Memory,
    /// The built-in provider has a file of its own; each receipt is one, not flushed.
    Disk,
}

/// Plays so many bookings on this store, with `synchronous=FULL`.
pub fn run(bookings: usize, store: Store, outside: Outside) -> anyhow::Result<Figures> {
    let data = place::fresh("pipeline")?;
    let open = |file: &Path, role| -> anyhow::Result<Sqlite> {
        Ok(Sqlite::start(Engine::open(file, role, Durability::PowerFailure)?)?)
    };
    let on_disk = |it| open(&store_file(&data, it), it);
    let in_memory = |_| Ok(Memory::default());
    let (charges, outbox) = (Memory::default(), Outbox::default());
    let provider = || Ok(charges.clone());
    let letters = || Ok(outbox.clone());
    let figures = match (store, outside) {
        (Store::Memory, Outside::Memory) => play(bookings, in_memory, provider, letters)?,
        (Store::Sqlite, Outside::Memory) => play(bookings, on_disk, provider, letters)?,
        (_, Outside::Disk) => {
            let provider = || open(&gateway_file(&data), RoleName::Payment);
            let letters = || {
                let (folder, kept) = (receipts_folder(&data), Durability::ProcessDeath);
                Ok(FolderMailer::open(&folder, DEFAULT_SENDER, kept)?)
            };
            match store {
                Store::Memory => play(bookings, in_memory, provider, letters)?,
                Store::Sqlite => play(bookings, on_disk, provider, letters)?,
            }
        }
    };
    let numbers = 0..bookings;
    match (store, outside) {
        (Store::Memory, _) => {}
        (Store::Sqlite, Outside::Disk) => verify::files(&data, &numbers)?,
        (Store::Sqlite, Outside::Memory) => {
            verify::stores(&data, &charges, outbox.sent(), &numbers)?;
        }
    }
    place::spent(&data)?;
    Ok(figures)
}

/// The receipts that went out, by number.
#[derive(Clone, Debug, Default)]
struct Outbox(Arc<Mutex<Vec<String>>>);

impl Outbox {
    fn sent(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics with it").clone()
    }
}

impl Mailer for Outbox {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        self.0.lock().expect("nobody panics with it").push(receipt.number.clone());
        Ok(())
    }
}

fn play<S: booking::store::Store, G: booking::store::Store, M: Mailer>(
    bookings: usize,
    stored: impl Fn(RoleName) -> anyhow::Result<S> + Sync,
    provider: impl Fn() -> anyhow::Result<G> + Sync,
    letters: impl Fn() -> anyhow::Result<M> + Sync,
) -> anyhow::Result<Figures> {
    let texts: Vec<String> = (0..bookings).map(bookings::request).collect();
    let schedule = Schedule::parse(&bookings::schedule().to_string())?;
    let stage = Stage {
        exchange: Exchange::new(Clock::Machine, "", 7, Unkindness::default()),
        stop: CancellationToken::new(),
    };
    let (stored, provider, letters, stage) = (&stored, &provider, &letters, &stage);
    let figures = std::thread::scope(|threads| {
        // A thread and a runtime for each role, as its process has.
        let seats = Seats { schedule, hold_limit: SignedDuration::from_mins(15) };
        let payment = move || Ok(PaymentRole(SimulatedGateway::new(provider()?, Duration::ZERO)));
        let receipt = move || Ok(ReceiptRole(letters()?));
        let roles = [
            threads.spawn(move || stage.run(RoleName::Seats, || Ok(SeatsRole(seats)), stored)),
            threads.spawn(move || stage.run(RoleName::Payment, payment, stored)),
            threads.spawn(move || stage.run(RoleName::Receipt, receipt, stored)),
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
    fn run<R: Role, S: booking::store::Store>(
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
            let limits = Limits {
                long_poll: Duration::from_secs(1),
                in_hand_max: IN_HAND_MAX,
                ..Limits::default()
            };
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
