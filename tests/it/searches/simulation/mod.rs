//! The real runtime under everything that can go wrong, seed by seed: real workers with their
//! batches, breakers and pace, rules, wire format and SQLite; a bus, a disk, a gateway, a mailer
//! and clocks at their worst. One thread polls one future at a time, so that a seed is one run,
//! whenever and wherever.

mod bus;
mod cases;
mod driver;
mod faults;
mod guards;
mod hand;
mod hostile;
mod outside;
mod process;
mod queues;
mod requests;
mod sent;
mod slots;
mod store;
mod verdict;
mod watch;
mod world;

use std::{collections::BTreeMap, time::Instant};

use faults::Tally;
use guards::Guard;
use verdict::{Verdict, judge};

use crate::harness::say;

/// How many bookings one seed has.
const BOOKINGS: usize = 100;
/// How often each fault must at least have happened to each role it applies to, in 2,000 seeds.
const TIMES_MIN: u64 = 100;
/// The seed before the first.
const SEEDS_FROM: u64 = 1;
/// A guard that is taken out is missed within so many seeds.
const SEEDS_TO_MISS_MAX: u64 = 300;
/// The look-up of a charge, which needs a gateway that forgets its keys, is missed within so many.
const LOOK_UP_SEEDS_MAX: u64 = 20;

/// How many seeds there are: `BOOKING_SIM_SEEDS`, else what fits in CI.
fn seeds() -> u64 {
    let wanted = std::env::var("BOOKING_SIM_SEEDS").ok();
    let default = if cfg!(debug_assertions) { 20 } else { 2_000 };
    wanted.map_or(default, |it| it.parse().expect("BOOKING_SIM_SEEDS is a number"))
}

/// The one seed that is asked for by name: `BOOKING_SIM_SEED`.
fn one_seed() -> Option<u64> {
    let wanted = std::env::var("BOOKING_SIM_SEED").ok()?;
    Some(wanted.parse().expect("BOOKING_SIM_SEED is a number"))
}

/// Plays seeds on two threads, in order, until one fails.
fn play(seeds: std::ops::Range<u64>, without: Option<Guard>) -> Vec<Verdict> {
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let failed = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::SeqCst;
    let work = || {
        let mut verdicts = Vec::new();
        while !failed.load(order) {
            let seed = next.fetch_add(1, order);
            if seed >= seeds.end {
                break;
            }
            let verdict = judge(seed, BOOKINGS, without, false);
            failed.fetch_or(!verdict.violations.is_empty(), order);
            verdicts.push(verdict);
        }
        verdicts
    };
    let mut verdicts = std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().flat_map(|it| it.join().expect("a seed panicked")).collect::<Vec<_>>()
    });
    verdicts.sort_by_key(|it| it.seed);
    verdicts
}

fn replay(seed: u64) -> String {
    let profile = if cfg!(debug_assertions) { "" } else { " --release --features searches" };
    format!("BOOKING_SIM_SEED={seed} cargo test{profile} --test it simulation::one -- --nocapture")
}

#[test]
fn simulation() {
    if one_seed().is_some() {
        return;
    }
    let began = Instant::now();
    let verdicts = play(SEEDS_FROM..SEEDS_FROM + seeds(), None);
    let (mut tally, mut endings) = (Tally::default(), BTreeMap::new());
    for verdict in &verdicts {
        tally.add(&verdict.tally);
        for (phase, count) in &verdict.endings {
            *endings.entry(*phase).or_insert(0) += count;
        }
    }
    say(&tally.table());
    say(&format!("endings: {endings:?}"));
    let sum = |what: fn(&Verdict) -> u64| verdicts.iter().map(what).sum::<u64>();
    let violations = sum(|it| it.violations.len() as u64);
    say(&format!(
        "simulation: {} seeds, {} bookings, {} deliveries, {} faults, {violations} violations ({:.0} s)",
        verdicts.len(),
        sum(|it| it.bookings),
        sum(|it| it.deliveries),
        tally.sum(),
        began.elapsed().as_secs_f64(),
    ));
    let (requests, entries) = (sum(|it| it.sent.requests), sum(|it| it.sent.entries));
    let (full, rests) = (sum(|it| it.sent.full), sum(|it| it.sent.rests));
    say(&format!(
        "{entries} entries in {requests} requests, {full} of them full; {rests} rests between receives"
    ));
    if let Some(it) = verdicts.iter().find(|it| !it.violations.is_empty()) {
        panic!("seed {}: {:#?}\nreplay: {}", it.seed, it.violations, replay(it.seed));
    }
    assert!(full > 0 && rests > 0, "no batch was ever full, or nobody ever rested");
    let least = if seeds() >= 2_000 { TIMES_MIN } else { 1 };
    assert_eq!(tally.rarer_than(least), Vec::<String>::new(), "faults that happened too rarely");
}

#[test]
fn one_seed_by_name_tells_its_story() {
    let Some(seed) = one_seed() else { return };
    let verdict = judge(seed, BOOKINGS, None, true);
    say(&verdict.trace.join("\n"));
    assert_eq!(verdict.violations, Vec::<String>::new(), "seed {seed}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [3, 8, 16] {
        let hash = judge(seed, 30, None, false).hash;
        assert_eq!(judge(seed, 30, None, false).hash, hash, "seed {seed}");
        assert_ne!(judge(seed + 1, 30, None, false).hash, hash, "seed {seed}");
    }
}

#[test]
fn every_guard_is_missed_when_it_is_taken_out() {
    let mut table = format!("{:<32}{:>6}  caught by\n", "guard taken out", "seeds");
    let mut unmissed = Vec::new();
    for guard in Guard::ALL {
        let most = if guard == Guard::LookUp { LOOK_UP_SEEDS_MAX } else { SEEDS_TO_MISS_MAX };
        let verdicts = play(SEEDS_FROM..SEEDS_FROM + most, Some(guard));
        let caught = verdicts.iter().find_map(|it| Some((it.seed, it.violations.first()?)));
        let (seeds, by) = match caught {
            Some((seed, by)) => ((seed + 1 - SEEDS_FROM).to_string(), by.clone()),
            None => {
                unmissed.push(guard.words());
                ("-".to_owned(), "nothing".to_owned())
            }
        };
        table.push_str(&format!("{:<32}{seeds:>6}  {by}\n", guard.words()));
    }
    say(&table);
    assert_eq!(unmissed, Vec::<&str>::new(), "guards that nothing misses");
}
