//! `booking check --canary`: a marked event through every subscription of a real account.

use std::collections::BTreeSet;

use booking::{
    bus::memory::Unkindness,
    clock::Clock,
    demo::Stage,
    domain::{
        RoleName,
        canary::{CANARIES_MAX, CanaryId, Hop, Sighting},
        event::Kind,
    },
    durability::Durability,
    roles::StatusRole,
    runtime::{UnitOfWork, sightings},
    store::sqlite::{Engine, Inline},
    topics,
    wire::{self, CanaryKey},
    wiring::store_file,
};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::harness::{Account, CANARY_KEY, Folder, Service, all_four, eventually};

use super::check::{json, run, unsubscribe};

/// Failure matrix: A13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_goes_through_all_subscriptions_and_touches_no_booking() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let services = all_four(&account.prefix, folder.path()).await;
    let status = &services[3];
    let url = format!("http://{}", status.address);
    let canary = ["--canary", "--status-url", &url];

    let report = json(&account, &canary);
    assert_eq!(report["findings"], serde_json::json!([]), "{report:#}");
    assert_eq!(arrived(&report), hops());
    let times = report["canary"]["hops"].as_array().unwrap().iter().map(|it| &it["after_s"]);
    assert!(
        times.map(|it| it.as_f64().unwrap()).all(|it| (-1.0..60.0).contains(&it)),
        "{report:#}"
    );
    let (code, text, _) = run(&account, &canary);
    let last = "all as topics/ says; canary: 17 of 17 hops\n";
    assert!(code == Some(0) && text.ends_with(last), "{text}");

    // One subscription less: that hop is missing, and its finding is the account's.
    unsubscribe(&account, Kind::SeatBooked, RoleName::Status).await;
    let report = json(&account, &canary);
    let lost: BTreeSet<(String, String)> = hops().difference(&arrived(&report)).cloned().collect();
    assert_eq!(lost, [("seat-booked".to_owned(), "status".to_owned())].into());
    assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report:#}");

    // Nothing of it is a booking, or a dead letter, or left on a queue.
    assert_eq!(status.get("/bookings").await.1, serde_json::json!({"bookings": []}));
    for role in RoleName::ALL {
        for queue in [account.names.dead_letter_queue(role), account.names.undelivered_queue(role)]
        {
            assert_eq!(account.depth_of(&queue).await, (0, 0), "{queue}");
        }
        eventually("the answers to be dropped", async || {
            (account.depth(role).await == (0, 0)).then_some(())
        })
        .await;
    }
    let seats = services[0].metrics().await;
    let counted = r#"booking_deliveries_total{event="canary",verdict="done"}"#;
    assert!(seats.contains(counted), "{seats}");
    drop(services);
    let evidence = booking::audit::Evidence::read(folder.path()).unwrap();
    assert_eq!((evidence.violations(), evidence.records().count()), (vec![], 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_run_is_named_by_the_canary_alone() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let mut running = Vec::new();
    for role in [RoleName::Seats, RoleName::Receipt, RoleName::Status] {
        running.push(Service::start(role, &account.prefix, folder.path(), &[]).await);
    }
    let url = format!("http://{}", running[2].address);
    let report = json(&account, &["--canary", "--timeout", "6s", "--status-url", &url]);
    let findings = report["findings"].as_array().unwrap();
    assert_eq!((findings.len(), &findings[0]["subject"]), (1, &"service payment".into()));
    let lost: BTreeSet<String> =
        hops().difference(&arrived(&report)).map(|it| it.1.clone()).collect();
    assert_eq!(lost, ["payment".to_owned()].into(), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_is_not_sent_when_nobody_can_be_asked_about_it() {
    let account = Account::make(false).await;
    let (code, text, said) = run(&account, &["--canary", "--status-url", "http://127.0.0.1:9"]);
    assert_eq!((code, text.as_str()), (Some(75), ""), "{said}");
    assert!(said.contains("cannot ask the status service at"), "{said}");

    // One that is older than canaries has no such path.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async { axum::serve(listener, axum::Router::new()).await });
    let (code, text, said) = run(&account, &["--canary", "--status-url", &url]);
    serving.abort();
    assert_eq!((code, text.as_str()), (Some(78), ""), "{said}");
    assert!(said.contains("knows no canaries"), "{said}");
    for role in RoleName::ALL {
        assert_eq!(account.depth(role).await, (0, 0), "{role}");
    }
}

#[tokio::test]
async fn a_canary_through_the_real_consumers_is_kept_by_status_and_by_no_rule() {
    let folder = Folder::new();
    let unkindness = Unkindness { duplicates_percent: 40, shuffle: true };
    let key = CanaryKey::parse(CANARY_KEY).unwrap();
    let mut stage = Stage::new(folder.path(), 7, unkindness).unwrap().with_canaries(&key);
    let canary = at(stage.now(), 1);
    for topic in Kind::ALL {
        let message = wire::canary(canary, topic, stage.now(), &key);
        stage.exchange().publish_text(topic, &message.body);
    }
    while stage.step().await.unwrap() {}
    for role in RoleName::ALL {
        assert_eq!(stage.exchange().dead(role).len(), 0, "{role}");
    }
    drop(stage);
    for role in RoleName::ALL {
        let engine = Engine::open_read_only(&store_file(folder.path(), role), role).unwrap();
        let keys: Vec<String> = engine.all().unwrap().into_iter().map(|it| it.0).collect();
        if role == RoleName::Status {
            assert_eq!(keys.len(), 17, "{keys:?}");
            let seen = sightings(&Inline::new(engine), canary).await.unwrap();
            let seen = seen.iter().map(|it| it.hop).map(named).collect::<BTreeSet<_>>();
            assert_eq!(seen, hops());
        } else {
            assert!(keys.is_empty(), "{role}: {keys:?}");
        }
    }
}

#[tokio::test]
async fn a_newer_canary_takes_the_place_of_an_older_one_and_never_the_other_way() {
    let folder = Folder::new();
    let file = store_file(folder.path(), RoleName::Status);
    let engine = Engine::open(&file, RoleName::Status, Durability::ProcessDeath).unwrap();
    let store = Inline::new(engine);
    let work = UnitOfWork::new(StatusRole, store.clone(), Clock::Machine);
    let hop = Hop { topic: Kind::SeatBooked, role: RoleName::Receipt };
    let seen = |ms| Sighting { hop, at: Timestamp::from_millisecond(ms).unwrap() };

    let canary = |ms: u128, chance: u128| {
        at(Timestamp::from_millisecond(i64::try_from(ms).unwrap()).unwrap(), chance)
    };
    for ms in 1..=5 * CANARIES_MAX {
        work.keep_sighting(canary(ms, ms), seen(1)).await.unwrap();
    }
    let rows = store.engine().all().unwrap();
    assert_eq!(rows.len(), usize::try_from(CANARIES_MAX).unwrap());

    let (older, newest) = (canary(1000, 3), canary(1001, 3));
    for (canary, ms) in [(older, 2), (newest, 3), (older, 4), (newest, 5)] {
        work.keep_sighting(canary, seen(ms)).await.unwrap();
    }
    assert_eq!(sightings(&store, older).await.unwrap(), []);
    assert_eq!(sightings(&store, newest).await.unwrap(), [seen(3)], "the first word counts");
    // But who claims to be from the future keeps no place from those that come.
    let ahead = canary(u128::from(u32::MAX) << 10, 3);
    work.keep_sighting(ahead, seen(6)).await.unwrap();
    work.keep_sighting(newest, seen(7)).await.unwrap();
    assert_eq!(sightings(&store, newest).await.unwrap(), [seen(7)]);
}

/// A canary made at a time: as of version 7 the time, the version, the variant, and what chance
/// would say.
pub fn at(time: Timestamp, chance: u128) -> CanaryId {
    let ms = u128::try_from(time.as_millisecond()).unwrap();
    CanaryId::new(Uuid::from_u128(ms << 80 | 7 << 76 | 8 << 60 | chance)).unwrap()
}

pub fn named(hop: Hop) -> (String, String) {
    (hop.topic.to_string(), hop.role.to_string())
}

/// Every hop of `topics/`.
pub fn hops() -> BTreeSet<(String, String)> {
    let of = |it: topics::Topic| {
        let topic = it.topic;
        it.subscribers.into_iter().map(move |it| named(Hop { topic, role: it.role }))
    };
    topics::all().into_iter().flat_map(of).collect()
}

/// The hops a canary made.
fn arrived(report: &Value) -> BTreeSet<(String, String)> {
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let hops = report["canary"]["hops"].as_array().unwrap();
    let made = hops.iter().filter(|it| it["state"] == "arrived");
    made.map(|it| (text(&it["topic"]), text(&it["role"]))).collect()
}
