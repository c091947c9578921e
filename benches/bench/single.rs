//! `bench one`: runs one setting and prints its figures, for tuning. It must never write a report.

use std::time::Duration;

use booking::config::Span;
use clap::ValueEnum;

use crate::{
    backend, growth, loops,
    proxy::Manner,
    results::{Results, Spread},
    run::run,
    services::{Consumer, Store},
    setting::{Load, Setting},
};

/// The setting to run.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The program that works on the queues
    #[arg(long, value_enum, default_value = "booking")]
    consumer: Who,
    #[arg(long, value_enum, default_value = "sqlite")]
    store: Store,
    /// The --latency-target of the services
    #[arg(long, default_value = "100ms")]
    target: Span,
    /// Delay of each request
    #[arg(long, default_value = "0ms")]
    latency: Span,
    /// Limit receives to 1, 2, … 10 messages in turn
    #[arg(long)]
    ragged: bool,
    /// Bookings per second. Without this, all are published before the services start
    #[arg(long)]
    rate: Option<f64>,
    #[arg(long, default_value_t = 5000)]
    bookings: usize,
    /// Publish no bookings, and measure for this long
    #[arg(long, conflicts_with = "rate")]
    idle: Option<Span>,
    /// Pause of a careful loop after a receive that was not full
    #[arg(long, default_value = "0ms")]
    pause: Span,
    #[arg(long, default_value_t = 1)]
    runs: usize,
    /// Send traces to a collector that hangs
    #[arg(long)]
    traced: bool,
    /// Open 200 streams of the page of status, and ask for its pages all the time
    #[arg(long)]
    watched: bool,
    /// Number of bookings that are stored before the run, for booking on SQLite
    #[arg(long, conflicts_with = "idle")]
    stored: Option<usize>,
    /// Use FIFO topics and queues
    #[arg(long, conflicts_with = "stored")]
    fifo: bool,
    /// Print every figure, not only the main ones
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Who {
    Booking,
    Plain,
    Careful,
}

pub fn print(args: &Args) -> anyhow::Result<()> {
    backend::install()?;
    let mut results = Results::default();
    for _ in 0..args.runs {
        results.add("one", run(&setting(args)?)?);
    }
    for (_, figures) in results.settings() {
        for (name, values) in figures {
            let main = !name.contains('.') || args.idle.is_some();
            if let Some(Spread { median, min, max }) = Spread::of(values)
                && (args.all || main)
            {
                println!("{name:32} {median:10.2}  [{min:.2}–{max:.2}]");
            }
        }
    }
    Ok(())
}

fn setting(args: &Args) -> anyhow::Result<Setting> {
    let consumer = match args.consumer {
        Who::Booking => Consumer::Booking { store: args.store, target: args.target.0 },
        Who::Plain => Consumer::Loop(loops::Style::Plain),
        Who::Careful => Consumer::Loop(loops::Style::Careful { pause: args.pause.0 }),
    };
    let (load, bookings) = match (args.idle, args.rate) {
        (Some(during), _) => (Load::Idle { during: during.0 }, 0),
        (None, Some(per_s)) => (Load::Steady { per_s }, args.bookings),
        (None, None) => (Load::Backlog, args.bookings),
    };
    let latency: Duration = args.latency.0;
    let manner = Manner { latency, ragged: args.ragged };
    let is_on_sqlite = matches!(consumer, Consumer::Booking { store: Store::Sqlite, .. });
    anyhow::ensure!(args.stored.is_none() || is_on_sqlite, "--stored needs booking on SQLite");
    let (stored, numbers) = match args.stored {
        Some(size) => {
            let (folder, numbers) = growth::stored(size, bookings)?;
            (Some(folder), numbers)
        }
        None => (None, 0..bookings),
    };
    let Args { traced, watched, fifo, .. } = *args;
    anyhow::ensure!(!fifo || matches!(args.consumer, Who::Booking), "--fifo needs booking");
    Ok(Setting { consumer, load, manner, numbers, stored, traced, watched, fifo })
}
