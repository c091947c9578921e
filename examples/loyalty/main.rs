//! A fifth service on the runtime of the four (docs/ADD-A-SERVICE.md). `points.rs` beside this file
//! has its rules and its row; this file puts it together, from what the library has.
//!
//! `cargo run --example loyalty` hears what its queue brings, until SIGTERM; with `points`, it
//! prints how many points there are. Its rows are in loyalty-rows.db, or in the file of LOYALTY_DB.

#![allow(clippy::print_stdout, reason = "it answers on stdout")]

mod points;

use std::{
    env::{args, var},
    io::{IsTerminal, stderr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use booking::{
    aws::{Clients, Names},
    bus::aws::AwsBus,
    clock::Clock,
    domain::decision::Rules,
    durability::Durability,
    metrics::{Metrics, RequestCount},
    runtime::{Attendant, Limits, PollHealth, StoredRow, UnitOfWork, Worker},
    store::sqlite::{Engine, Sqlite},
    wire::Intake,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::points::{Booking, Loyalty};

/// The visibility timeout in seconds, unless LOYALTY_VISIBILITY_S has another.
const VISIBILITY_S: u64 = 60;
/// How long the decision about one event may take. Nothing outside is asked.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(1);
/// After this long without a receive, the service would count as dead.
const SILENCE_MAX: Duration = Duration::from_secs(90);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let file = var("LOYALTY_DB").unwrap_or_else(|_| "loyalty-rows.db".to_owned());
    match args().nth(1).as_deref() {
        None => serve(file.as_ref()).await,
        Some("points") => {
            println!("{}", points(file.as_ref())?);
            Ok(())
        }
        Some(_) => bail!("usage: loyalty [points]"),
    }
}

/// Works on the queue of loyalty until SIGTERM, and finishes what is in flight.
async fn serve(file: &Path) -> anyhow::Result<()> {
    let coloured = stderr().is_terminal();
    tracing_subscriber::fmt().with_writer(stderr).with_ansi(coloured).init();
    let mut told = signal(SignalKind::terminate())?;
    let names = Names::new(&var("BOOKING_PREFIX").unwrap_or_default());
    let seconds = var("LOYALTY_VISIBILITY_S").map_or(Ok(VISIBILITY_S), |it| it.parse());
    let visibility = Duration::from_secs(seconds.context("LOYALTY_VISIBILITY_S")?);
    let limits = Limits { visibility, effect_timeout: EFFECT_TIMEOUT, ..Limits::default() };
    limits.check()?;

    // The bus: a queue to work from. The drivers send its batches, and end with it.
    let requests = RequestCount::default();
    let clients = Clients::load(requests.clone()).await?;
    let linger = limits.deletes_linger();
    let (bus, home, mut drivers) =
        AwsBus::connect(&clients, &names, Loyalty::SERVICE, linger).await?;
    let intake = Intake::enveloped(home.topic_arns(&names));

    // The store: a file of its own, that no other service opens.
    let engine = Engine::open(file, Loyalty::SERVICE, Durability::PowerFailure)?;
    let work = UnitOfWork::new(Loyalty, Sqlite::start(engine)?, Clock::Machine);

    let attendant =
        Attendant::new(Arc::new(work), bus.clone(), intake, Metrics::new(requests.clone()));
    let health = PollHealth::new(&Clock::Machine, SILENCE_MAX);
    let worker = Arc::new(Worker::new(bus, attendant, limits, health, fastrand::u64(..)));
    let stop = CancellationToken::new();
    let mut working = tokio::spawn(worker.run(stop.clone()));
    println!("loyalty hears {}", names.queue(Loyalty::SERVICE));
    tokio::select! {
        _ = told.recv() => {}
        ended = &mut working => return Ok(ended??),
        Some(_) = drivers.join_next() => bail!("a sender of batches ended by itself"),
    }
    stop.cancel();
    Ok(working.await??)
}

/// The sum of all points, read while the service runs or after it.
fn points(file: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for (_, body) in Engine::open_read_only(file, Loyalty::SERVICE)?.all()? {
        sum += serde_json::from_str::<StoredRow<Booking>>(&body)?.row.points();
    }
    Ok(sum)
}
