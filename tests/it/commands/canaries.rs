//! Canaries that no operator sent: nothing comes of them, and they are in nobody's way.

use std::{collections::BTreeSet, process::Output, sync::Arc, time::Duration};

use booking::{
    bus::memory::{Exchange, Unkindness},
    clock::Clock,
    demo::Stage,
    domain::{
        RoleName,
        canary::{CANARIES_MAX, CanaryId, Hop, Sighting},
        event::Kind,
    },
    durability::Durability,
    metrics::Metrics,
    roles::StatusRole,
    runtime::{Attendant, Limits, PollHealth, UnitOfWork, Worker, sightings},
    store::sqlite::{Engine, Inline},
    wire::{self, CanaryKey},
    wiring::store_file,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    commands::check_canary::{at, hops, named},
    harness::{CANARY_KEY, Folder, binary},
};

fn key() -> CanaryKey {
    CanaryKey::parse(CANARY_KEY).unwrap()
}

/// What a client can make of a canary: the whole event, without the code, with one of another key,
/// with one that another canary had.
fn forged(canary: CanaryId, topic: Kind, now: jiff::Timestamp) -> Vec<String> {
    let other = CanaryKey::parse(&"x".repeat(32)).unwrap();
    let real = wire::canary(at(now, 999), topic, now, &key());
    let real: Value = serde_json::from_str(&real.body).unwrap();
    let hop = Hop { topic: Kind::SeatBooked, role: RoleName::Receipt };
    let mut texts = vec![wire::canary(canary, topic, now, &other).body];
    let answers = wire::canary_heard(canary, &Sighting { hop, at: now }, &other);
    texts.extend(answers.into_iter().map(|it| it.body));
    for code in [Value::Null, json!(""), json!("00"), real["canarycode"].clone()] {
        let mut event: Value = serde_json::from_str(&texts[0]).unwrap();
        event["canarycode"] = code;
        texts.push(event.to_string());
    }
    texts
}

fn published(stage: &Stage) -> u64 {
    Kind::ALL.into_iter().map(|it| stage.exchange().published(it)).sum()
}

/// The hops that status knows of.
async fn seen(folder: &Folder, canary: CanaryId) -> BTreeSet<(String, String)> {
    let file = store_file(folder.path(), RoleName::Status);
    let engine = Engine::open_read_only(&file, RoleName::Status).unwrap();
    let seen = sightings(&Inline::new(engine), canary).await.unwrap();
    seen.into_iter().map(|it| named(it.hop)).collect()
}

#[tokio::test]
async fn a_clients_canary_causes_no_publish_and_does_not_disturb_an_operators() {
    let folder = Folder::new();
    let unkindness = Unkindness { duplicates_percent: 40, shuffle: true };
    let mut stage = Stage::new(folder.path(), 3, unkindness).unwrap().with_canaries(&key());
    let now = stage.now();
    let operators = at(now, 1);
    for topic in Kind::ALL {
        stage.exchange().publish_text(topic, &wire::canary(operators, topic, now, &key()).body);
    }
    // Later ones, in every place that canaries have: they would take the operator's over.
    for chance in 0..CANARIES_MAX {
        let later = at(now + SignedDuration::from_secs(60), chance);
        for text in forged(later, Kind::BookingRequested, now) {
            stage.exchange().publish_text(Kind::BookingRequested, &text);
        }
    }
    let before = published(&stage);
    while stage.step().await.unwrap() {}
    let caused = published(&stage) - before;
    for role in RoleName::ALL {
        assert_eq!(stage.exchange().dead(role).len(), 0, "{role}");
    }
    drop(stage);
    assert_eq!(seen(&folder, operators).await, hops());

    // What the operator's alone causes.
    let folder = Folder::new();
    let mut stage = Stage::new(folder.path(), 3, Unkindness::default()).unwrap();
    stage = stage.with_canaries(&key());
    for topic in Kind::ALL {
        stage.exchange().publish_text(topic, &wire::canary(operators, topic, now, &key()).body);
    }
    let before = published(&stage);
    while stage.step().await.unwrap() {}
    let alone = published(&stage) - before;
    assert!(alone > 0 && caused <= 2 * alone, "{caused} publishes, and {alone} alone");
}

#[tokio::test]
async fn without_a_key_every_canary_is_dropped() {
    let folder = Folder::new();
    let mut stage = Stage::new(folder.path(), 5, Unkindness::default()).unwrap();
    let now = stage.now();
    let canary = at(now, 1);
    for topic in Kind::ALL {
        stage.exchange().publish_text(topic, &wire::canary(canary, topic, now, &key()).body);
    }
    let before = published(&stage);
    while stage.step().await.unwrap() {}
    assert_eq!(published(&stage), before);
    for role in RoleName::ALL {
        assert_eq!(stage.exchange().dead(role).len(), 0, "{role}");
    }
    drop(stage);
    assert_eq!(seen(&folder, canary).await, BTreeSet::new());
    let file = store_file(folder.path(), RoleName::Status);
    let engine = Engine::open_read_only(&file, RoleName::Status).unwrap();
    assert_eq!(engine.all().unwrap().len(), 0, "nothing is kept");
}

#[tokio::test]
async fn canaries_that_are_dropped_are_counted() {
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    let exchange = Exchange::new(clock.clone(), "", 1, Unkindness::default());
    let engine = Engine::open(":memory:".as_ref(), RoleName::Status, Durability::ProcessDeath);
    let work = UnitOfWork::new(StatusRole, Inline::new(engine.unwrap()), clock.clone());
    let (poll_health, metrics) = (PollHealth::new(&clock, Duration::MAX), Metrics::default());
    let (bus, intake, limits) =
        (exchange.bus(RoleName::Status), exchange.intake(), Limits::default());
    let attendant = Attendant::new(Arc::new(work), bus.clone(), intake, metrics.clone());
    let worker = Worker::new(bus, attendant, limits, poll_health, 1);
    let worker = worker.with_canaries(key());
    let now = clock.now();
    let texts = forged(at(now, 1), Kind::BookingRequested, now);
    for text in &texts {
        exchange.publish_text(Kind::BookingRequested, text);
    }
    while exchange.next_visible().is_some() && !worker.step(10).await.unwrap().is_empty() {}
    let counted = format!("booking_canaries_dropped_total {}\n", texts.len());
    assert!(metrics.render().contains(&counted), "{}", metrics.render());
}

fn run(args: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = binary();
    command.env_remove("BOOKING_CANARY_KEY").args(args).envs(settings.iter().copied());
    command.output().unwrap()
}

#[test]
fn a_key_that_is_missing_unreadable_or_too_short_is_said_and_never_shown() {
    let folder = Folder::new();
    let (short, long) = (folder.join("short"), folder.join("long"));
    std::fs::write(&short, "too-short-secret\n").unwrap();
    std::fs::write(&long, format!("{CANARY_KEY}\n")).unwrap();
    let (short, long) = (short.to_str().unwrap(), long.to_str().unwrap());
    let check = ["check", "--canary"];
    let status = ["status"];
    for (args, settings, says) in [
        (&check[..], &[][..], "set BOOKING_CANARY_KEY_FILE"),
        (&check, &[("BOOKING_CANARY_KEY", "")], "set BOOKING_CANARY_KEY_FILE"),
        (&check, &[("BOOKING_CANARY_KEY", "too-short-secret")], "of 32 to 4096 bytes"),
        (&check, &[("BOOKING_CANARY_KEY_FILE", short)], "of 32 to 4096 bytes"),
        (&check, &[("BOOKING_CANARY_KEY_FILE", "/no/such/key")], "/no/such/key"),
        (
            &check,
            &[("BOOKING_CANARY_KEY_FILE", long), ("BOOKING_CANARY_KEY", CANARY_KEY)],
            "both set",
        ),
        // With a key, the next thing is missing.
        (&check, &[("BOOKING_CANARY_KEY_FILE", long)], "set AWS_REGION"),
        (&check, &[("BOOKING_CANARY_KEY", CANARY_KEY)], "set AWS_REGION"),
        (&status, &[("BOOKING_CANARY_KEY", "too-short-secret")], "of 32 to 4096 bytes"),
        (&status, &[("BOOKING_CANARY_KEY_FILE", "/no/such/key")], "/no/such/key"),
    ] {
        let output = run(args, settings);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(78), "{text}");
        assert!(text.contains(says), "{settings:?}: {text:?} does not say {says:?}");
        for secret in ["too-short-secret", CANARY_KEY] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let help = run(&["status", "--help"], &[("BOOKING_CANARY_KEY", CANARY_KEY)]);
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("BOOKING_CANARY_KEY_FILE") && !help.contains(CANARY_KEY), "{help}");
}
