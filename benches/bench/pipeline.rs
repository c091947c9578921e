//! The whole pipeline in one process: the four real workers, rules, wire format and stores, over
//! the memory bus. It measures the cost of a booking without AWS. It must never replace a part by a
//! simpler one, except the bus and what is outside of the services.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, ensure};
use booking::{
    bus::{
        Batched,
        memory::{Exchange, Unkindness},
    },
    clock::Clock,
    domain::{RoleName, event::Kind, receipt::Receipt, schedule::Schedule, seats::Seats},
    durability::Durability,
    gateway::simulated::SimulatedGateway,
    mailer::{MailError, Mailer, folder::FolderMailer},
    metrics::Metrics,
    roles::{PaymentRole, ReceiptRole, Role, SeatsRole, StatusRole},
    runtime::{Attendant, Limits, PollHealth, UnitOfWork, Worker},
    store::{
        Store,
        memory::Memory,
        sqlite::{Engine, Sqlite},
    },
    telemetry::{self, LogFormat},
    wiring::{gateway_file, receipts_folder, store_file},
};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::{
    bookings::{self, Numbers},
    growth, place, proc,
    results::Figures,
    verify,
};

/// How many bookings are on their way at once. The queues are then as deep as they are when the
/// services keep up.
const UNDER_WAY_MAX: usize = 2_000;

/// The `--in-hand` of each role. The commits of all these messages share one flush to disk.
const IN_HAND_MAX: usize = 256;

/// Where the services, the payment provider and the mailer store their data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StoredRow {
    /// Everything in memory
    Memory,
    /// The services in SQLite; provider and mailer, which are not ours in production, in memory
    Sqlite,
    /// As sqlite, with a file for the provider too, and one for each receipt, which is not flushed
    Disk,
}

/// Runs this many bookings through the pipeline. Commits to SQLite are flushed, with
/// `synchronous=FULL`. With `logs`, each role writes its log lines to a file.
pub fn run(bookings: usize, kept: StoredRow, logs: bool) -> anyhow::Result<Figures> {
    let (data, numbers) = (place::fresh("pipeline")?, 0..bookings);
    let logs = logs.then_some(data.as_path());
    let (charges, outbox) = (Memory::default(), Outbox::default());
    let provider = || Ok(charges.clone());
    let letters = || Ok(outbox.clone());
    let figures = match kept {
        StoredRow::Memory => {
            let rows = RoleName::ALL.map(|_| Memory::default());
            let rows_of = |it: RoleName| Ok(rows[it as usize].clone());
            let figures = play(&numbers, logs, rows_of, provider, letters)?;
            verify::memories(&rows, &charges, outbox.sent(), &numbers)?;
            figures
        }
        StoredRow::Sqlite => {
            let rows = |it| open(&store_file(&data, it), it);
            let figures = play(&numbers, logs, rows, provider, letters)?;
            verify::stores(&data, &charges, outbox.sent(), &numbers)?;
            figures
        }
        StoredRow::Disk => {
            let figures = on_disk(&data, logs, &numbers)?;
            verify::files(&data, &numbers)?;
            figures
        }
    };
    place::spent(&data)?;
    Ok(figures)
}

/// The same with everything on disk, in files in which `stored` bookings are stored already.
pub fn behind(stored: usize, bookings: usize) -> anyhow::Result<Figures> {
    let (data, numbers) = growth::stored(stored, bookings)?;
    let figures = on_disk(&data, None, &numbers)?;
    verify::files_among_others(&data, &numbers)?;
    Ok(figures)
}

fn on_disk(data: &Path, logs: Option<&Path>, numbers: &Numbers) -> anyhow::Result<Figures> {
    let rows = |it| open(&store_file(data, it), it);
    let provider = || open(&gateway_file(data), RoleName::Payment);
    let letters = || {
        let (folder, kept) = (receipts_folder(data), Durability::ProcessDeath);
        Ok(FolderMailer::open(&folder, Arc::default(), kept)?)
    };
    play(numbers, logs, rows, provider, letters)
}

fn open(file: &Path, role: RoleName) -> anyhow::Result<Sqlite> {
    Ok(Sqlite::start(Engine::open(file, role, Durability::PowerFailure)?)?)
}

/// A mailer that only records the numbers of the receipts.
#[derive(Clone, Debug, Default)]
struct Outbox(Arc<Mutex<Vec<String>>>);

impl Outbox {
    fn sent(&self) -> Vec<String> {
        self.0.lock().expect("no code panics while it holds the lock").clone()
    }
}

impl Mailer for Outbox {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        self.0.lock().expect("no code panics while it holds the lock").push(receipt.number.clone());
        Ok(())
    }
}

fn play<S: Store, G: Store, M: Mailer>(
    numbers: &Numbers,
    logs: Option<&Path>,
    stored: impl Fn(RoleName) -> anyhow::Result<S> + Sync,
    provider: impl Fn() -> anyhow::Result<G> + Sync,
    letters: impl Fn() -> anyhow::Result<M> + Sync,
) -> anyhow::Result<Figures> {
    let texts: Vec<String> = numbers.clone().map(bookings::request).collect();
    let schedule = Schedule::parse(&bookings::schedule().to_string())?;
    let stage = Stage {
        exchange: Exchange::new(Clock::Machine, "", 7, Unkindness::default()),
        logs: logs.map(Path::to_owned),
        at_work: AtomicUsize::new(0),
        stop: CancellationToken::new(),
    };
    let (stored, provider, letters, stage) = (&stored, &provider, &letters, &stage);
    let figures = std::thread::scope(|threads| {
        // Each role has its own thread and runtime, as in a process of its own.
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
    // Forget which log events the subscribers of this run wanted, so that the next run does not
    // pay for them.
    tracing::callsite::rebuild_interest_cache();
    stage.verify(numbers.len())?;
    Ok(figures)
}

/// What the four services share.
struct Stage {
    exchange: Exchange,
    /// The folder for the logs of the roles, if they write any.
    logs: Option<PathBuf>,
    at_work: AtomicUsize,
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
        let log = self.log(name).map(File::create).transpose()?;
        let lines = log.map(|it| telemetry::lines(LogFormat::Text, false, it));
        let _logging = lines.map(tracing::subscriber::set_default);
        // If one role ends or cannot start, all end, so that the others do not wait for it forever.
        let _ended = self.stop.clone().drop_guard();
        runtime.block_on(async {
            let work = Arc::new(UnitOfWork::new(role()?, stored(name)?, Clock::Machine));
            let limits = Limits {
                long_poll: Duration::from_secs(1),
                in_flight_max: IN_HAND_MAX,
                ..Limits::default()
            };
            // Batched, as calls to AWS are.
            let (bus, drivers) = Batched::new(self.exchange.bus(name));
            drivers.into_iter().for_each(|it| drop(tokio::spawn(it)));
            let poll_health = PollHealth::new(&Clock::Machine, Duration::MAX);
            let intake = self.exchange.intake();
            let attendant = Attendant::new(work, bus.clone(), intake, Metrics::default());
            let worker = Worker::new(bus, attendant, limits, poll_health, 7);
            self.at_work.fetch_add(1, Ordering::Relaxed);
            Arc::new(worker).run(self.stop.clone()).await?;
            Ok(())
        })
    }

    fn log(&self, role: RoleName) -> Option<PathBuf> {
        Some(self.logs.as_ref()?.join(format!("{role}.log")))
    }

    fn measure(&self, texts: &[String]) -> anyhow::Result<Figures> {
        while self.at_work.load(Ordering::Relaxed) < RoleName::ALL.len() {
            self.wait()?;
        }
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

    /// Checks that there is one receipt for each booking, that no message was set aside, and that
    /// the logs are written, if they should be.
    fn verify(&self, bookings: usize) -> anyhow::Result<()> {
        let receipts = self.receipts()?;
        ensure!(receipts == bookings, "{receipts} receipts for {bookings} bookings");
        for role in RoleName::ALL {
            let dead = self.exchange.dead(role).len();
            ensure!(dead == 0, "{role} set {dead} messages aside");
            let Some(log) = self.log(role) else { continue };
            let lines = BufReader::new(File::open(log)?).lines().count();
            ensure!(lines >= bookings, "{role} wrote {lines} log lines: is RUST_LOG set?");
        }
        Ok(())
    }

    /// Publishes all requests, and returns when every queue is empty.
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
