//! `booking demo`: what a newcomer sees first. It must not use the data of a real service, and its
//! printed text stands in README.md, where a test compares it.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;

use super::{
    Fault, out, out_json,
    progress::Progress,
    serve::{self, ServeArgs},
    timeline,
};
use crate::{
    audit::{Evidence, Violation},
    bus::memory::Unkindness,
    clock::Clock,
    demo::{Stage, wishes},
    domain::{RoleName, event::Kind, status::Phase},
    durability::Durability,
    http::view::BookingView,
    wiring::{begin, new_deployment},
};

/// How many of a hundred messages are delivered twice.
const DUPLICATES_PERCENT: u8 = 10;

/// The most bookings of one demo.
const BOOKINGS_MAX: i64 = 1_000_000;
/// How many violations are printed in full.
const VIOLATIONS_SHOWN: usize = 5;

/// `booking demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Number of bookings
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=BOOKINGS_MAX))]
    bookings: u32,
    /// Seed of everything that is random: the same seed gives the same endings
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for stores and receipts, without any in it yet [default: a new temporary folder]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    serve: ServeArgs,
}

struct Report {
    args: DemoArgs,
    data: PathBuf,
    evidence: Evidence,
    violations: Vec<Violation>,
    published: u64,
    duplicates: u64,
    seconds: f64,
}

/// Plays the bookings and prints the report. Exit code 0 only if every booking has ended and no
/// invariant is violated.
pub(super) async fn run(args: DemoArgs) -> Result<(), Fault> {
    if args.serve.wanted() {
        return serve::run(args.serve, args.seed).await;
    }
    let data = folder(args.data.clone())?;
    let began = Instant::now();
    let wishes = wishes(args.bookings as usize, args.seed);
    let unkindness = Unkindness { duplicates_percent: DUPLICATES_PERCENT, shuffle: true };
    begin(&data, &RoleName::ALL, new_deployment(), Durability::ProcessDeath)
        .map_err(|it| taken(&data, &it))?;
    let mut stage = Stage::new(&data, args.seed, unkindness)?;
    let progress = Progress::new("demo", args.json);
    progress.during(stage.play(&wishes, |it| progress.measured(it, wishes.len()))).await?;

    progress.at(|| "checks what was stored, charged and sent".to_owned());
    let exchange = stage.exchange();
    let published = Kind::ALL.into_iter().map(|it| exchange.published(it)).sum();
    let duplicates = exchange.duplicates();
    let dead: usize = RoleName::ALL.into_iter().map(|it| exchange.dead(it).len()).sum();
    drop(stage);
    let evidence = Evidence::read(&data)?;
    let mut violations = evidence.violations();
    if dead > 0 {
        violations.push(Violation {
            invariant: "H10 nothing disappears",
            about: "dead-letter queues".to_owned(),
            found: format!("{dead} messages were set aside"),
        });
    }
    let seen = evidence.records().count();
    if seen != wishes.len() {
        violations.push(Violation {
            invariant: "H10 nothing disappears",
            about: "status".to_owned(),
            found: format!("{} bookings were requested, {seen} are known", wishes.len()),
        });
    }
    let seconds = began.elapsed().as_secs_f64();
    progress.clear();
    let report = Report { args, data, evidence, violations, published, duplicates, seconds };
    let well = report.violations.is_empty() && report.evidence.endings().1 == 0;
    if report.args.json {
        out_json(&report.json())?;
        // With --json nobody opens the receipts, so the temporary folder goes. A person may want to
        // open one, so there it stays.
        if report.args.data.is_none() {
            let _ = std::fs::remove_dir_all(&report.data);
        }
    } else {
        out(&report.text())?;
    }
    if well { Ok(()) } else { Err(Fault::No("the demo did not end well: see above".to_owned())) }
}

/// The folder for the demo's data: the given one, or a new temporary one.
fn folder(wanted: Option<PathBuf>) -> Result<PathBuf, Fault> {
    let Some(folder) = wanted else {
        let made = tempfile::Builder::new().prefix("booking-demo-").tempdir();
        let made =
            made.map_err(|it| Fault::Config(format!("cannot create a temporary folder: {it}")))?;
        return Ok(made.keep());
    };
    Ok(folder)
}

/// The fault if the folder has stores already, which belong to a service or to another demo.
fn taken(folder: &Path, fault: &Fault) -> Fault {
    match fault {
        Fault::No(_) => {
            let folder = folder.display();
            Fault::Config(format!("{folder} has a service's data: give the demo an empty --data"))
        }
        Fault::Usage(_)
        | Fault::Internal(_)
        | Fault::Unreachable(_)
        | Fault::Config(_)
        | Fault::Interrupted => fault.clone(),
    }
}

impl Report {
    fn json(&self) -> serde_json::Value {
        let (endings, open) = self.evidence.endings();
        let mut named = serde_json::Map::new();
        for phase in
            [Phase::Completed, Phase::PaymentFailed, Phase::SeatUnavailable, Phase::Refunded]
        {
            named.insert(phase.to_string(), 0.into());
        }
        for (phase, count) in endings {
            named.insert(phase.to_string(), count.into());
        }
        serde_json::json!({
            "bookings": self.args.bookings,
            "endings": named,
            "open": open,
            "violations": self.violations,
            "seconds": self.seconds,
            "seed": self.args.seed,
            "published": self.published,
            "duplicates": self.duplicates,
            "data": self.args.data,
        })
    }

    fn text(&self) -> String {
        let (endings, open) = self.evidence.endings();
        let DemoArgs { bookings, seed, .. } = self.args;
        let mut text = format!(
            "{bookings} bookings went through seats, payment, receipt and status (seed {seed}): four\n\
             services that never call each other and only hear each other's events. {} events were\n\
             published; {} messages came twice, all in any order.\n\n",
            self.published, self.duplicates
        );
        text.push_str(&format!("  {:<24} {:>8}  what it means\n", "ENDING", "BOOKINGS"));
        for (phase, count) in endings {
            let line = format!(
                "  {:<24} {count:>8}  {}\n",
                phase.as_str(),
                timeline::meaning(phase, true)
            );
            text.push_str(&line);
        }
        text.push_str(&format!("  {:<24} {open:>8}  still waits for something\n", "(open)"));
        for (phase, title) in [
            (Phase::Completed, "One that completed"),
            (Phase::Refunded, "One that was charged while its seat went to somebody else"),
        ] {
            let found = self.evidence.records().find(|(_, it)| it.standing().phase == phase);
            if let Some((id, record)) = found {
                let now = Clock::Machine.now();
                let view = BookingView::of(id, record, now, jiff::SignedDuration::MAX);
                text.push_str(&format!("\n{title}, {id}:\n{}", timeline::lines(&view.timeline)));
            }
        }
        text.push_str(&format!(
            "\nChecked: at most one holder for each seat and one charge for each booking; no money kept without\n\
             a seat; receipts only for bookings that are booked and paid; every booking ended in a known way:\n\
             {} violations.\n",
            self.violations.len()
        ));
        for it in self.violations.iter().take(VIOLATIONS_SHOWN) {
            text.push_str(&format!("  VIOLATED {}: {}: {}\n", it.invariant, it.about, it.found));
        }
        text.push_str(&format!(
            "\nThe receipts are in {}\n\
             Next: booking topics (who says what to whom), booking --help, README.md\n",
            crate::wiring::receipts_folder(&self.data).display()
        ));
        text
    }
}
