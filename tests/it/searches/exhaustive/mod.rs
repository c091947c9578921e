//! Every order of deliveries, every duplicate, every crash: all the worlds that a few bookings can
//! get into, with the real worker, book, roles and rules.
//!
//! What can happen next in a world: a message is delivered (also one that was deleted before, any
//! number of times) and the worker deals with it to the end; or dies after any of its operations;
//! or an operation fails, done or not done; or the worker is suspended before any write, outside
//! effect or repeated read, and goes on at any later time, while others work on the same rows; the
//! holds expire; the gateway forgets its idempotency keys, repeats a failure until then, or does
//! not show a new charge yet. After each, the invariants of section H of `docs/FAILURE-MATRIX.md`
//! are checked, and at rest that every booking is at an ending of section G. H6 holds by the order
//! of the operations, which is the real worker's.
//!
//! `hand` runs one delivery, `ways` in all ways, `search` goes through the worlds, `known` and
//! `invariants` say what must hold.

mod attacks;
mod fingerprint;
pub mod hand;
pub mod hostile;
mod invariants;
pub mod known;
mod listeners;
pub mod model;
pub mod outside;
mod path;
mod scenarios;
mod search;
mod ways;

use std::{sync::Mutex, time::Instant};

use search::{Scenario, Size, explore};

use crate::harness::say;

/// As many as CI has.
const CORES: usize = 2;
/// How many states there must at least be: fewer would mean that something is not explored.
const STATES_MIN: usize = if cfg!(debug_assertions) { 1_000 } else { 1_000_000 };

#[test]
fn exhaustive_every_order_duplicate_and_crash_ends_well() {
    let begun = Instant::now();
    let mut waiting = scenarios::all();
    waiting.extend(attacks::all());
    waiting.reverse();
    let waiting = Mutex::new(waiting);
    let explored = Mutex::new(Vec::<(Scenario, Result<Size, String>)>::new());
    let work = || {
        while let Some(scenario) = { waiting.lock().unwrap().pop() } {
            let size = explore(&scenario);
            explored.lock().unwrap().push((scenario, size));
        }
    };
    std::thread::scope(|scope| (0..CORES).for_each(|_| drop(scope.spawn(work))));
    let (mut all, mut deliveries, mut violations) = (0, 0, Vec::new());
    for (scenario, size) in explored.into_inner().unwrap() {
        match size {
            Ok(size) => {
                let Size { states, transitions, .. } = size;
                say(&format!(
                    "{}: {states} states, {transitions} transitions, complete",
                    scenario.name
                ));
                all += states;
                deliveries += size.deliveries;
            }
            Err(violation) => violations.push(violation),
        }
    }
    let profile = if cfg!(debug_assertions) { ", debug profile: reduced scenarios" } else { "" };
    let seconds = begun.elapsed().as_secs();
    say(&format!("in all {all} states, {deliveries} different deliveries, {seconds} s{profile}"));
    assert!(violations.is_empty(), "{}", violations.join("\n\n"));
    assert!(all >= STATES_MIN, "only {all} states");
}

/// What is violated, without the name of the scenario and the way there.
fn first_line(violation: &str) -> String {
    let line = violation.lines().next().unwrap_or_default();
    line.splitn(3, ": ").last().unwrap_or(line).to_owned()
}

#[test]
fn exhaustive_every_lock_against_a_hostile_client_is_missed_when_it_is_opened() {
    let mut table = format!("{:<38}missed by\n", "lock opened");
    let mut unmissed = Vec::new();
    for (lock, scenario) in attacks::opened() {
        let missed = match explore(&scenario) {
            Err(violation) => first_line(&violation),
            Ok(_) => {
                unmissed.push(lock);
                "nothing".to_owned()
            }
        };
        table.push_str(&format!("{lock:<38}{missed}\n"));
    }
    say(&table);
    assert_eq!(unmissed, Vec::<&str>::new(), "locks that nothing misses");
}

/// Failure matrix: D20.
#[test]
fn exhaustive_a_charge_that_is_asked_for_again_without_a_look_up_is_made_twice() {
    let missed = explore(&scenarios::not_looked_up());
    let violation = missed.expect_err("the second charge is missed");
    say(&violation);
    assert!(first_line(&violation).starts_with("H2 2 charges, 0 refunds"), "{violation}");
}
