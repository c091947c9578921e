//! A flight that everybody wants at once, on DynamoDB: how many get a seat, and what each request
//! costs. `docs/SCALE.md` has the figures.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use booking::{
    clock::Clock,
    domain::{RoleName, event::Kind, schedule::Schedule, seats::Seats},
    metrics::RequestCount,
    roles::SeatsRole,
    runtime::{Lease, Outcome, UnitOfWork},
    traces::Span,
};
use jiff::SignedDuration;
use serde_json::json;
use tokio::task::JoinSet;

use super::capacity::{READS, Tally, WRITES};
use crate::harness::{Sketch, Tables, say, skipped};

/// As many as a run of all tests has the time for. BOOKING_HOT_FLIGHT sets another number:
/// docs/SCALE.md has the figures of 10,000.
const REQUESTS: usize = 2_000;
const WORKERS: usize = 8;
const ROWS: usize = 30;
const LETTERS: &str = "ABCDEF";

/// What came of all requests of one worker.
#[derive(Default)]
struct Toll {
    held: Vec<&'static str>,
    refused: usize,
    conflicts: u32,
}

fn seats() -> Vec<&'static str> {
    let row = |row| LETTERS.chars().map(move |it| &*format!("{row}{it}").leak());
    (1..=ROWS).flat_map(row).collect()
}

fn role() -> SeatsRole {
    let flight = json!({"flight": "WA117", "from": "LIS", "to": "FRA", "departs": "07:25",
                        "cabin": {"rows": ROWS, "letters": LETTERS}});
    let text = json!({"sells": "any_day", "flights": [flight]}).to_string();
    let schedule = Schedule::parse(&text).unwrap();
    SeatsRole(Seats { schedule, hold_limit: SignedDuration::from_mins(15) })
}

/// Failure matrix: A37.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_too_late_for_a_hot_flight_is_refused_and_costs_a_few_units() {
    if skipped("dynamodb") {
        return;
    }
    let requests = std::env::var("BOOKING_HOT_FLIGHT");
    let requests = requests.map_or(REQUESTS, |it| it.parse().unwrap());
    let (tables, seats) = (Tables::make().await, Arc::new(seats()));
    let tally = Tally { role: RoleName::Seats, count: RequestCount::default() };
    let next = Arc::new(AtomicUsize::new(0));
    let (mut working, began) = (JoinSet::new(), Instant::now());
    for _ in 0..WORKERS {
        let store = tables.open_counted(RoleName::Seats, tally.count.clone()).await;
        let work = UnitOfWork::new(role(), store, Clock::Machine);
        let (seats, next) = (Arc::clone(&seats), Arc::clone(&next));
        working.spawn(async move {
            let (mut toll, lease) = (Toll::default(), Lease::endless(&Clock::Machine));
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= requests {
                    return toll;
                }
                // All workers want the same seat at the same time, and then the next one.
                let seat = seats[number / WORKERS % seats.len()];
                let request = Sketch::new(&format!("b-{number}"), &[seat], "tok_visa").event();
                let outcome = work.attend_under(&request, true, &lease, &Span::default()).await;
                let Outcome::Announce { messages, conflicts, .. } = outcome.unwrap() else {
                    panic!("{number} is set aside")
                };
                toll.conflicts += conflicts;
                match messages.iter().map(|it| it.kind).collect::<Vec<_>>()[..] {
                    [Kind::SeatBooked] => toll.held.push(seat),
                    [Kind::SeatUnavailable] => toll.refused += 1,
                    ref other => panic!("{other:?}"),
                }
            }
        });
    }
    let tolls = working.join_all().await;
    let held: Vec<&str> = tolls.iter().flat_map(|it| it.held.iter().copied()).collect();
    let refused: usize = tolls.iter().map(|it| it.refused).sum();
    let conflicts: u32 = tolls.iter().map(|it| it.conflicts).sum();
    let a_request = |operations: &[&str]| tally.units(operations) / requests as f64;
    let (reads, writes) = (a_request(&READS), a_request(&WRITES));
    say(&format!(
        "hot flight on DynamoDB: {requests} requests for {} seats, {WORKERS} workers: {} held, \
         {refused} refused, {conflicts} conflicts, {reads:.2} read and {writes:.2} write units a \
         request, {} s",
        seats.len(),
        held.len(),
        began.elapsed().as_secs(),
    ));
    assert_eq!(held.iter().collect::<BTreeSet<_>>().len(), held.len(), "a seat was held twice");
    assert_eq!((held.len(), refused), (seats.len(), requests - seats.len()));
    // Who comes too late reads the seat and who has it, and writes that there is none.
    assert!(reads <= 3.0 && writes <= 2.0, "{reads} read and {writes} write units a request");
    // Only who wants a seat that is still free can meet another one. At most one conflict for each
    // of the others that are there at the same time.
    assert!(conflicts as usize <= seats.len() * (WORKERS - 1) * 2, "{conflicts} conflicts");
}
