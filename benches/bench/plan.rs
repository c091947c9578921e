//! The list of runs. A round runs every setting once, and there are as many rounds as `--runs`
//! says. Settings that are compared must never be measured in separate rounds, since a machine may
//! become slower over time.

use std::time::{Duration, Instant};

use crate::{
    backend, growth,
    loops::Style,
    pipeline::{self, StoredRow},
    place,
    proxy::Manner,
    report,
    results::{Figures, Results},
    run::run,
    services::{Consumer, Store},
    setting::{Load, Setting},
    sizes::{FULL, QUICK, Sizes},
};

/// How much to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Number of runs of each setting. With less than 5, the report is printed instead of written
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// One short run of each setting. The report is printed instead of written
    #[arg(long)]
    quick: bool,
    /// Only these sections: a,b,c,d,e,f,g,h,i. The report is printed instead of written
    #[arg(long, value_delimiter = ',')]
    only: Vec<char>,
}

/// With fewer runs of each setting, the report is not written to its file.
const RUNS_MIN: usize = 5;

/// A setting with its name. `letters` are the sections of the report that need it.
struct Step {
    name: String,
    letters: &'static str,
    what: What,
}

enum What {
    Run(Setting),
    /// A load, where this many bookings are stored already.
    Stored {
        size: usize,
        load: Load,
        bookings: usize,
        watched: bool,
    },
    /// The pipeline, where this many bookings are stored already.
    PipelineStored(usize),
}

pub fn measure(args: &Args) -> anyhow::Result<()> {
    backend::install()?;
    let sizes = if args.quick { &QUICK } else { &FULL };
    let runs = if args.quick { 1 } else { args.runs };
    let wanted =
        |letters: &str| args.only.is_empty() || letters.chars().any(|it| args.only.contains(&it));
    let (mut results, began) = (Results::default(), Instant::now());
    for round in 0..runs {
        for (name, kept, logs) in [
            ("pipeline sqlite", StoredRow::Sqlite, false),
            ("pipeline memory", StoredRow::Memory, false),
            ("pipeline sqlite, outside on disk", StoredRow::Disk, false),
            ("pipeline sqlite, with log lines", StoredRow::Sqlite, true),
        ] {
            if wanted("c") {
                let took = began.elapsed().as_secs();
                println!("{took:5} s  round {} of {runs}: {name}", round + 1);
                results.add(name, pipeline::run(sizes.pipeline, kept, logs)?);
            }
        }
        for group in groups(sizes) {
            let group: Vec<Step> = group.into_iter().filter(|it| wanted(it.letters)).collect();
            let names: Vec<&str> = group.iter().map(|it| it.name.as_str()).collect();
            if !names.is_empty() {
                let took = began.elapsed().as_secs();
                println!("{took:5} s  round {} of {runs}: {}", round + 1, names.join(" | "));
            }
            together(&mut results, &group, sizes)?;
        }
    }
    if wanted("ae") {
        println!("{:5} s  idle", began.elapsed().as_secs());
        let idle = || booking("idle", "ae", Load::Idle { during: sizes.idle }, 0);
        let side_by_side: Vec<Step> = (0..runs).map(|_| idle()).collect();
        together(&mut results, &side_by_side, sizes)?;
    }
    let whole = args.only.is_empty() && runs >= RUNS_MIN;
    report::write(&results, sizes, runs, began.elapsed(), whole)?;
    place::clear()
}

/// Runs the settings of a group in parallel, each on its own backend.
fn together(results: &mut Results, group: &[Step], sizes: &Sizes) -> anyhow::Result<()> {
    let ended: Vec<anyhow::Result<Figures>> = std::thread::scope(|scope| {
        let running: Vec<_> = group.iter().map(|it| scope.spawn(|| one(&it.what, sizes))).collect();
        let panicked = |_| Err(anyhow::anyhow!("a run panicked"));
        running.into_iter().map(|it| it.join().unwrap_or_else(panicked)).collect()
    });
    for (step, figures) in group.iter().zip(ended) {
        results.add(&step.name, figures.map_err(|it| it.context(step.name.clone()))?);
    }
    Ok(())
}

fn one(what: &What, sizes: &Sizes) -> anyhow::Result<Figures> {
    match what {
        What::Run(setting) => run(setting),
        &What::Stored { size, load, bookings, watched } => {
            let (folder, numbers) = growth::stored(size, bookings)?;
            let consumer = Consumer::Booking { store: Store::Sqlite, target: DEFAULT_TARGET };
            let (manner, stored, traced) = (Manner::default(), Some(folder), false);
            run(&Setting { consumer, load, manner, numbers, stored, traced, watched, fifo: false })
        }
        What::PipelineStored(size) => pipeline::behind(*size, sizes.pipeline_stored),
    }
}

/// The default of `--latency-target`.
const DEFAULT_TARGET: Duration = Duration::from_millis(100);
const TEN_MS: Manner = Manner { latency: Duration::from_millis(10), ragged: false };
const RAGGED: Manner = Manner { latency: Duration::ZERO, ragged: true };

/// The groups of one round. The settings of a group run in parallel, since they leave the machine
/// mostly idle.
fn groups(sizes: &Sizes) -> Vec<Vec<Step>> {
    let mut groups = Vec::new();
    for (delay, manner) in [("0 ms", Manner::default()), ("10 ms", TEN_MS)] {
        for store in [Store::Sqlite, Store::Memory] {
            let letters = if store == Store::Sqlite { "abeh" } else { "b" };
            let mut step = booking(
                &format!("backlog {} {delay}", store.as_str()),
                letters,
                Load::Backlog,
                sizes.backlog,
            );
            step.adapt(|it| {
                it.manner = manner;
                it.consumer = Consumer::Booking { store, target: DEFAULT_TARGET };
            });
            groups.push(vec![step]);
        }
        for (name, style, bookings) in [
            ("plain", Style::Plain, sizes.plain),
            ("careful", Style::Careful { pause: Duration::ZERO }, sizes.backlog),
        ] {
            let mut step =
                booking(&format!("backlog {name} {delay}"), "b", Load::Backlog, bookings);
            step.adapt(|it| {
                it.manner = manner;
                it.consumer = Consumer::Loop(style);
            });
            groups.push(vec![step]);
        }
    }
    let mut traced = booking("backlog traced 0 ms", "h", Load::Backlog, sizes.backlog);
    traced.adapt(|it| it.traced = true);
    groups.push(vec![traced]);
    let mut ragged = booking("backlog ragged", "a", Load::Backlog, sizes.backlog);
    ragged.adapt(|it| it.manner = RAGGED);
    groups.push(vec![ragged]);
    let target = |target_ms| Consumer::Booking {
        store: Store::Sqlite,
        target: Duration::from_millis(target_ms),
    };
    let mut slow = Vec::new();
    for target_ms in [0, 100, 500] {
        for (per_s, bookings) in [(50.0, sizes.steady_50), (5.0, sizes.steady_5)] {
            let name = format!("{per_s}/s target {target_ms} ms");
            let mut step = booking(&name, "ad", Load::Steady { per_s }, bookings);
            step.adapt(|it| it.consumer = target(target_ms));
            if per_s < 10.0 {
                slow.push(step);
            } else {
                groups.push(vec![step]);
            }
        }
    }
    groups.push(slow);
    let mut eager =
        booking("5/s target 0 ms, 10 ms", "d", Load::Steady { per_s: 5.0 }, sizes.steady_5);
    eager.adapt(|it| {
        it.consumer = target(0);
        it.manner = TEN_MS;
    });
    groups.push(vec![eager]);
    for pause_ms in [0, 50, 100] {
        let name = format!("50/s careful pause {pause_ms} ms");
        let mut step = booking(&name, "g", Load::Steady { per_s: 50.0 }, sizes.steady_50 / 2);
        let style = Style::Careful { pause: Duration::from_millis(pause_ms) };
        step.adapt(|it| it.consumer = Consumer::Loop(style));
        groups.push(vec![step]);
    }
    for size in sizes.stored {
        let name = format!("backlog behind {size}");
        groups.push(vec![behind(name, "f", size, Load::Backlog, sizes.backlog, false)]);
        let name = format!("pipeline behind {size}");
        groups.push(vec![Step { name, letters: "f", what: What::PipelineStored(size) }]);
    }
    for (load, what, bookings) in [
        (Load::Backlog, "backlog", sizes.backlog_watched),
        (Load::Steady { per_s: 200.0 }, "200/s", sizes.steady_200),
    ] {
        for (watched, how) in [(false, "unwatched"), (true, "watched")] {
            let name = format!("{what} {how}");
            groups.push(vec![behind(name, "i", sizes.watched, load, bookings, watched)]);
        }
    }
    groups
}

/// The services with SQLite and default settings, where `size` bookings are stored already.
fn behind(
    name: String,
    letters: &'static str,
    size: usize,
    load: Load,
    bookings: usize,
    watched: bool,
) -> Step {
    Step { name, letters, what: What::Stored { size, load, bookings, watched } }
}

/// The services with SQLite and default settings, on a backend without delays.
fn booking(name: &str, letters: &'static str, load: Load, bookings: usize) -> Step {
    let consumer = Consumer::Booking { store: Store::Sqlite, target: DEFAULT_TARGET };
    let (manner, numbers) = (Manner::default(), 0..bookings);
    let setting = Setting {
        consumer,
        load,
        manner,
        numbers,
        stored: None,
        traced: false,
        watched: false,
        fifo: false,
    };
    Step { name: name.to_owned(), letters, what: What::Run(setting) }
}

impl Step {
    fn adapt(&mut self, change: impl FnOnce(&mut Setting)) {
        if let What::Run(setting) = &mut self.what {
            change(setting);
        }
    }
}
