//! Every order of deliveries, every duplicate, every crash: all the worlds that a few bookings can
//! get into, with the real worker, book, roles and rules.

mod hand;
mod invariants;
mod model;
mod search;

use std::{collections::BTreeSet, sync::Mutex, time::Instant};

use booking::bus::wire;
use search::{Scenario, Size, explore};

use crate::harness::Sketch;

fn scenario(name: &str, sketches: &[Sketch], endings: &[&str]) -> Scenario {
    let mut bookings: Vec<_> = sketches.iter().map(Sketch::booking).collect();
    bookings.dedup();
    let requests = sketches.iter().map(|it| wire::encode(&it.event()).unwrap()).collect();
    Scenario {
        name: name.to_owned(),
        bookings,
        requests,
        conflicts: false,
        expiry: false,
        forgetting: false,
        suspended_max: 0,
        status_apart: false,
        endings: endings.iter().map(|it| (*it).to_owned()).collect(),
    }
}

fn scenarios() -> Vec<Scenario> {
    let one = |name: &str, token, ending| {
        let booking = [Sketch::new("ada", &["12A"], token)];
        scenario(name, &booking, &[ending])
    };
    let all = vec![
        one("one booking, charged", "tok_visa", "completed"),
        one("one booking, declined", "tok_declined", "payment_failed"),
        one("one booking, late answer", "tok_timeout_then_ok", "completed"),
    ];
    all
}

#[test]
fn exhaustive_try() {
    let get = |name: &str, default: usize| {
        std::env::var(name).ok().map_or(default, |it| it.parse().unwrap())
    };
    let mut all = scenarios();
    for it in &mut all {
        it.suspended_max = get("SUSP", 1);
        it.forgetting = get("FORGET", 1) == 1;
        it.status_apart = get("APART", 0) == 1;
        it.expiry = get("EXP", 0) == 1;
    }
    let two = |a, b| [Sketch::new("ada", &["12A", "12B"], a), Sketch::new("bob", &["12B"], b)];
    let mut push = |name: &str, sketches: &[Sketch], susp: usize, conflicts: bool| {
        let mut it = scenario(name, sketches, &[]);
        it.suspended_max = susp;
        it.status_apart = true;
        it.expiry = !conflicts;
        it.conflicts = conflicts;
        all.push(it);
    };
    if get("B", 0) == 1 {
        push("two ok ok", &two("tok_visa", "tok_visa"), get("SUSPB", 0), false);
        push("two ok declined", &two("tok_visa", "tok_declined"), get("SUSPB", 0), false);
        push("two declined ok", &two("tok_declined", "tok_visa"), get("SUSPB", 0), false);
    }
    if get("C", 0) == 1 {
        push(
            "same id ok ok",
            &[Sketch::new("ada", &["12A"], "tok_visa"), Sketch::new("ada", &["12B"], "tok_visa")],
            get("SUSPC", 1),
            true,
        );
        push(
            "same id ok declined",
            &[
                Sketch::new("ada", &["12A"], "tok_visa"),
                Sketch::new("ada", &["12B"], "tok_declined"),
            ],
            get("SUSPC", 1),
            true,
        );
    }
    for it in &all {
        if let Ok(only) = std::env::var("ONLY")
            && !it.name.contains(&only)
        {
            continue;
        }
        let begun = Instant::now();
        let size = explore(it);
        println!("{}: {size:?} {:?}", it.name, begun.elapsed());
        if let Err(e) = size {
            println!("{e}");
        }
    }
}
