//! `bench fifo`: the same bookings on standard and on FIFO topics and queues, in turn. It prints
//! the table of docs/FIFO.md, and must never write a report.

use std::time::Duration;

use booking::topics;

use crate::{
    backend,
    proxy::Manner,
    results::{Results, Spread},
    run::run,
    services::{Consumer, Store},
    setting::{Load, Setting},
};

/// USD for a million requests of up to 64 KiB to FIFO queues.
const SQS_USD_PER_MILLION: f64 = 0.50;
/// USD for a million messages that are published on FIFO topics.
const PUBLISHED_USD_PER_MILLION: f64 = 0.30;
/// USD for a million messages that FIFO topics deliver to queues.
const DELIVERED_USD_PER_MILLION: f64 = 0.01;
/// The events of a booking that completes.
const EVENTS: [&str; 4] = ["booking-requested", "seat-booked", "payment-ok", "receipt-sent"];

/// How often it measures.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Runs of each setting
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// The loads, each with a number of bookings.
const LOADS: [(&str, Load, usize); 3] = [
    ("a backlog", Load::Backlog, 3000),
    ("50 a second", Load::Steady { per_s: 50.0 }, 1500),
    ("5 a second", Load::Steady { per_s: 5.0 }, 200),
];

/// The figures of the table, and whether they are those of a steady load alone.
const FIGURES: [(&str, &str, bool); 5] = [
    ("requests_per_booking", "requests a booking", false),
    (USD, "USD a million bookings for SNS and SQS", false),
    ("cpu_s_per_1000", "CPU seconds a thousand bookings", false),
    ("p50_ms", "ms to the receipt, p50", true),
    ("p99_ms", "ms to the receipt, p99", true),
];

const USD: &str = "usd_per_million";

pub fn print(args: &Args) -> anyhow::Result<()> {
    backend::install()?;
    let mut results = Results::default();
    for _ in 0..args.runs {
        for (name, load, bookings) in LOADS {
            for fifo in [false, true] {
                let mut figures = run(&setting(load, bookings, fifo))?;
                if fifo {
                    let sqs = figures.iter().filter(|it| it.0.starts_with("requests.sqs."));
                    let usd = sqs.map(|it| it.1).sum::<f64>() * SQS_USD_PER_MILLION + sns_usd();
                    figures.insert(USD.to_owned(), usd);
                }
                results.add(&of(name, fifo), figures);
            }
        }
    }
    println!("| load | | standard | FIFO | FIFO ÷ standard |\n|---|---|---|---|---|");
    for (name, load, _) in LOADS {
        for (figure, words, steady) in FIGURES {
            if steady && load == Load::Backlog {
                continue;
            }
            let [standard, fifo] = [false, true].map(|it| results.get(&of(name, it), figure));
            let ratio = results.ratio((&of(name, true), figure), (&of(name, false), figure));
            let [standard, fifo, ratio] = [standard, fifo, ratio].map(told);
            println!("| {name} | {words} | {standard} | {fifo} | {ratio} |");
        }
    }
    Ok(())
}

fn setting(load: Load, bookings: usize, fifo: bool) -> Setting {
    Setting {
        consumer: Consumer::Booking { store: Store::Sqlite, target: Duration::from_millis(100) },
        load,
        manner: Manner { latency: Duration::from_millis(10), ragged: false },
        numbers: 0..bookings,
        stored: None,
        traced: false,
        watched: false,
        fifo,
    }
}

fn of(load: &str, fifo: bool) -> String {
    format!("{load}{}", if fifo { ", fifo" } else { "" })
}

fn told(it: Option<Spread>) -> String {
    it.map_or_else(|| "–".to_owned(), |Spread { median, .. }| format!("{median:.2}"))
}

/// What FIFO topics charge for a million bookings. They charge a message, batched or not; what they
/// charge a GB is left out.
fn sns_usd() -> f64 {
    let all = topics::all();
    let events = all.iter().filter(|it| EVENTS.contains(&it.topic.topic()));
    let delivered: usize = events.map(|it| it.subscribers.len()).sum();
    EVENTS.len() as f64 * PUBLISHED_USD_PER_MILLION + delivered as f64 * DELIVERED_USD_PER_MILLION
}
