//! A guest on the runtime of the four: the rules of `examples/loyalty`, as they stand there.

#[path = "../../../examples/loyalty/points.rs"]
mod points;

use std::{sync::Arc, time::Duration};

use booking::{
    bus::memory::{Exchange, MemoryBus, Unkindness},
    clock::Clock,
    domain::{decision::Rules, event::Kind},
    metrics::Metrics,
    runtime::{Attendant, Limits, PollHealth, UnitOfWork, Worker, look_up},
    store::memory::Memory,
    wire::{self, CanaryKey},
};
use jiff::Timestamp;

use self::points::{Booking, Loyalty};
use crate::{
    commands::check_canary::at,
    harness::{CANARY_KEY, Sketch},
};

const BOOKINGS: usize = 60;
const SEEDS: u64 = 20;

/// Loyalty at work in memory, on a bus that is as unkind as it may be.
fn loyalty(seed: u64) -> (Exchange, Memory, Worker<MemoryBus, Loyalty, Memory, MemoryBus>) {
    let (clock, rows) = (Clock::manual(Timestamp::UNIX_EPOCH), Memory::default());
    let unkind = Unkindness { duplicates_percent: 40, shuffle: true };
    let exchange = Exchange::new(clock.clone(), "", seed, unkind);
    let exchange =
        exchange.with_guest(Loyalty::SERVICE, &[Kind::PaymentRefunded, Kind::ReceiptSent]);
    let work = UnitOfWork::new(Loyalty, rows.clone(), clock.clone());
    let bus = exchange.bus(Loyalty::SERVICE);
    let attendant =
        Attendant::new(Arc::new(work), bus.clone(), exchange.intake(), Metrics::default());
    let health = PollHealth::new(&clock, Duration::MAX);
    let worker = Worker::new(bus, attendant, Limits::default(), health, seed);
    (exchange, rows, worker)
}

#[tokio::test]
async fn a_guest_counts_each_completed_booking_once_under_duplicates_in_any_order() {
    let mut duplicates = 0;
    for seed in 0..SEEDS {
        let (exchange, rows, worker) = loyalty(seed);
        let sketches = (0..BOOKINGS).map(|it| Sketch::new(&format!("b-{it}"), &["1A"], "tok_visa"));
        let sketches: Vec<Sketch> = sketches.collect();
        for (at, it) in sketches.iter().enumerate() {
            // A third is refunded, every second of these before the receipt is heard of.
            let mut kinds = vec![Kind::ReceiptSent, Kind::PaymentOk];
            if at % 3 == 0 {
                kinds.insert(at % 2, Kind::PaymentRefunded);
            }
            for kind in kinds {
                exchange.publish_text(kind, &wire::encode(&it.heard(kind)).unwrap().body);
            }
        }
        while exchange.depth(Loyalty::SERVICE) > 0 {
            worker.step(10).await.unwrap();
        }
        for (at, it) in sketches.iter().enumerate() {
            let row = look_up::<Booking>(&rows, &it.booking()).await.unwrap().unwrap();
            assert_eq!(row.row.points(), u64::from(at % 3 != 0), "seed {seed}, {}", it.id);
            assert!(row.memos.is_empty(), "it announces nothing");
        }
        assert!(exchange.dead(Loyalty::SERVICE).is_empty());
        duplicates += exchange.duplicates();
    }
    assert!(duplicates > 100, "the bus repeated {duplicates} messages");
}

/// With a key or without, a guest answers no canary: it may publish nowhere.
#[tokio::test]
async fn a_guest_sets_poison_aside_and_answers_no_canary() {
    let key = CanaryKey::parse(CANARY_KEY).unwrap();
    for knows in [false, true] {
        let (exchange, rows, worker) = loyalty(1);
        let worker = if knows { worker.with_canaries(key.clone()) } else { worker };
        let now = worker.work().clock().now();
        let canary = wire::canary(at(now, 1), Kind::ReceiptSent, now, &key);
        exchange.publish_text(Kind::ReceiptSent, &canary.body);
        let refund = Sketch::new("b-1", &["1A"], "tok_visa").heard(Kind::PaymentRefunded);
        // The text of payment on the topic of receipt.
        exchange.publish_text(Kind::ReceiptSent, &wire::encode(&refund).unwrap().body);
        let published: u64 = Kind::ALL.iter().map(|it| exchange.published(*it)).sum();
        while exchange.depth(Loyalty::SERVICE) > 0 {
            worker.step(10).await.unwrap();
        }
        let after: u64 = Kind::ALL.iter().map(|it| exchange.published(*it)).sum();
        assert_eq!(after, published, "a guest announces nothing");
        assert!(!exchange.dead(Loyalty::SERVICE).is_empty());
        let row = look_up::<Booking>(&rows, &refund.booking).await.unwrap();
        assert!(row.is_none(), "nothing is remembered of poison");
    }
}
