//! The same bookings over each road, on the same emulators: `just compare` measures one road after
//! the other and writes docs/COMPARISON.md. Nothing here may be invented: each figure was counted,
//! or is computed from what was counted and from `prices.json`.
//!
//! BOOKING_COMPARE_ROAD, _BOOKINGS and _SEED say what is measured. The tests of every run send a
//! few bookings over each road, without the document.

mod asked;
mod bill;
mod client;
mod door;
mod report;
mod results;
mod road;
mod run;
mod stage;
mod step;
mod tally;

use std::time::Duration;

#[cfg(feature = "compare")]
use self::results::Measured;
use self::{
    bill::Prices,
    road::Road,
    run::{Plan, measure},
};
#[cfg(feature = "compare")]
use crate::harness::say;
use crate::harness::{root, skipped};

/// The seed of the document.
const SEED: u64 = 11;
/// How many bookings of the mix the document is about.
const BOOKINGS: usize = 500;

/// One road, as `just compare` asks for one after the other. Its figures are kept for the document.
#[cfg(feature = "compare")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measures_a_road() {
    let Some(road) = set::<Road>("ROAD") else { return };
    let mix = set("BOOKINGS").unwrap_or(BOOKINGS);
    let whole = mix >= BOOKINGS;
    let plan = Plan {
        seed: set("SEED").unwrap_or(SEED),
        mix,
        happy: if whole { 60 } else { 10 },
        slow: if whole { 30 } else { 10 },
        outage: set("OUTAGE").unwrap_or(if whole { 100 } else { 0 }),
        idle: Duration::from_secs(if whole { 60 } else { 5 }),
        // The emulator of the state machine keeps up with four a second on an idle core, and with
        // fewer beside the services. What waits for the emulator says nothing of a road.
        every_happy: Duration::from_secs(1),
        every_mixed: Duration::from_millis(if road.is_choreographed() { 500 } else { 1000 }),
        every: Duration::from_millis(500),
    };
    let measured = measure(road, plan).await;
    measured.write();
    say(&format!("compare {}: {:.0} s", road.as_str(), measured.took_s));
}

/// docs/COMPARISON.md and the short form in README.md, if everything was measured; else what they
/// would be is printed.
#[cfg(feature = "compare")]
#[test]
fn writes_the_document() {
    if set::<String>("WRITE").is_none() {
        return;
    }
    let bookings = set("BOOKINGS").unwrap_or(BOOKINGS);
    let read = |road| Measured::read(road, bookings);
    let all: Vec<Measured> = Road::MEASURED.into_iter().filter_map(read).collect();
    let first = all.first().expect("a road was measured with so many bookings");
    assert!(all.iter().all(|it| it.seed == first.seed), "roads were measured with several seeds");
    let whole = |it: &Measured| it.mix.bookings >= BOOKINGS && it.outages.len() == 5;
    if all.len() == Road::MEASURED.len() && all.iter().all(whole) {
        report::write(&all);
        say("compare: docs/COMPARISON.md and the table of README.md are written");
    } else {
        say(&format!(
            "{}\ncompare: not all was measured, so nothing is written",
            report::text(&all)
        ));
    }
}

#[cfg(feature = "compare")]
fn set<T: std::str::FromStr<Err: std::fmt::Debug>>(name: &str) -> Option<T> {
    let set = std::env::var(format!("BOOKING_COMPARE_{name}")).ok();
    set.filter(|it| !it.is_empty()).map(|it| it.parse().expect("BOOKING_COMPARE_… is readable"))
}

/// A few bookings with every ending, over one road: they end as they must, and the audit finds
/// nothing. That they end alike on all roads, but for races, follows from that.
async fn a_few_bookings(road: Road) {
    if skipped("dynamodb") {
        return;
    }
    let every = Duration::from_millis(250);
    let plan = Plan {
        seed: 3,
        mix: 16,
        happy: 3,
        slow: 0,
        outage: 0,
        idle: Duration::ZERO,
        every_happy: every,
        every_mixed: every,
        every,
    };
    let measured = measure(road, plan).await;
    assert_eq!((measured.audited, measured.mix.endings.len()), (24, 16));
    let happy = &measured.happy;
    assert_eq!(happy.transitions.len(), if road.is_choreographed() { 0 } else { 3 });
    assert!(happy.transitions.values().all(|it| (it.states, it.sent) == (8, 8)), "{happy:?}");
    let events: u64 = happy.tally.published.values().sum();
    assert_eq!(events, if road.is_choreographed() { 3 * 4 } else { 0 }, "{happy:?}");
    // docs/DYNAMODB.md has the formula.
    let units = |it: f64, from: f64, to: f64| (3.0 * from..=3.0 * to).contains(&it);
    assert!(units(happy.tally.read_units, 8.0, 20.0), "{happy:?}");
    let asked = happy.tally.to("sqs") + happy.tally.invoked();
    assert!(asked > 0 && (happy.tally.invoked() > 0) == (road == Road::Lambda), "{happy:?}");
    assert!(units(happy.tally.write_units, 31.0, 38.0), "{happy:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_bookings_end_as_they_must_on_topics() {
    a_few_bookings(Road::Sns).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_bookings_end_as_they_must_on_an_event_bus() {
    a_few_bookings(Road::EventBridge).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_bookings_end_as_they_must_by_functions() {
    a_few_bookings(Road::Lambda).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_bookings_end_as_they_must_on_fifo_topics_and_queues() {
    a_few_bookings(Road::Fifo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_bookings_end_as_they_must_under_a_state_machine() {
    a_few_bookings(Road::StepFunctions).await;
}

#[test]
fn the_document_has_the_prices_of_the_list_and_the_readme_has_its_short_form() {
    let read = |it: &str| std::fs::read_to_string(root().join(it)).unwrap();
    let document = read("docs/COMPARISON.md");
    assert!(document.contains(&report::prices(&Prices::read())), "run `just compare` again");
    let readme = read("README.md");
    let short = report::short_form(&readme);
    let rows: Vec<&str> = short.lines().filter(|it| it.starts_with('|')).collect();
    assert!(rows.len() > 5, "{short}");
    for row in rows {
        assert!(document.contains(row), "docs/COMPARISON.md does not have this row: {row}");
    }
}
