//! Files that an earlier version wrote are read, and what it left half-done is finished.
//!
//! `fixtures/earlier` was made by the binary of commit 5dd992f (schema version 3, no identities):
//! `booking demo --bookings 14 --seed 7`, killed in the middle, the write-ahead logs written into
//! the files. One charge is claimed, three bookings are held, two receipts are out, several
//! decisions have been announced to nobody. `requests.json` has the 14 requests as the demo
//! published them.

use std::{collections::BTreeMap, fs};

use booking::{
    audit::Evidence,
    bus::memory::Unkindness,
    clock::Clock,
    demo::Stage,
    domain::{
        RoleName,
        decision::Rules,
        event::{Event, Kind},
        ids::{BookingId, Cause},
        schedule::Schedule,
        seats::Seats,
        status::{Phase, Record, Statuses},
    },
    durability::Durability,
    gateway::simulated::movements,
    roles::SeatsRole,
    runtime::{Amended, Outcome, StoredRow, UnitOfWork, amend, look_up},
    store::{
        Commit, Find, Start, Write,
        sqlite::{Engine, Inline},
    },
    wiring::{gateway_file, store_file},
};
use jiff::SignedDuration;
use serde_json::Value;

use crate::harness::{Folder, Sketch, root};

/// What was announced, by event id; and the requests.
pub struct Before {
    announced: BTreeMap<String, String>,
    requests: Vec<Value>,
}

/// A copy of the files.
pub fn earlier() -> (Folder, Before) {
    let (from, folder) = (root().join("tests/it/fixtures/earlier"), Folder::new());
    let requests = fs::read_to_string(from.join("requests.json")).unwrap();
    fs::create_dir(folder.join("receipts")).unwrap();
    for at in [from.clone(), from.join("receipts")] {
        for file in fs::read_dir(&at).unwrap().map(|it| it.unwrap().path()) {
            let to = folder.path().join(file.strip_prefix(&from).unwrap());
            if file.extension().is_some_and(|it| it == "db" || it == "eml") {
                fs::copy(&file, to).unwrap();
            }
        }
    }
    let before = Before {
        announced: announced(&folder),
        requests: serde_json::from_str(&requests).unwrap(),
    };
    (folder, before)
}

/// The text of every event that a memo has, by its id.
fn announced(folder: &Folder) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for role in RoleName::ALL {
        let file = store_file(folder.path(), role);
        let engine = Engine::open_existing(&file, role, Durability::ProcessDeath).unwrap();
        for (_, body) in engine.all().unwrap() {
            let kept: StoredRow<Value> = serde_json::from_str(&body).unwrap();
            for message in kept.memos.iter().flat_map(|it| it.messages()) {
                let event: Value = serde_json::from_str(&message.body).unwrap();
                found.insert(event["id"].as_str().unwrap().to_owned(), message.body);
            }
        }
    }
    found
}

#[test]
fn every_row_of_an_earlier_version_is_read() {
    let (folder, before) = earlier();
    assert_eq!(before.requests.len(), 14);
    assert!(before.announced.len() > 20, "{}", before.announced.len());
    // Reading a row is what each of these does first; what is half-done is no violation of theirs.
    let evidence = Evidence::read(folder.path()).unwrap();
    assert_eq!(evidence.records().count(), 14);
    let (endings, open) = evidence.endings();
    assert!(open > 0 && endings[&Phase::Completed] == 1, "{endings:?}, {open} open");
    let ledger = Engine::open_existing(
        &gateway_file(folder.path()),
        RoleName::Payment,
        Durability::ProcessDeath,
    );
    let moved = movements(ledger.unwrap().all().unwrap()).unwrap();
    assert!(moved.len() >= 12, "{moved:?}");
    for it in &before.requests {
        let id = BookingId::parse(it["subject"].as_str().unwrap()).unwrap();
        let (_, record) = evidence.records().find(|(known, _)| **known == id).unwrap();
        assert!(!record.timeline().is_empty(), "{id}");
    }
}

/// The files are of version 3, which had no lists by flight and day. A store never looks inside a
/// row, so it cannot know the departures of old rows.
#[test]
fn a_row_of_an_earlier_version_is_listed_by_flight_and_day_once_it_is_written_again() {
    let (folder, _) = earlier();
    let file = store_file(folder.path(), RoleName::Status);
    let mut engine =
        Engine::open_existing(&file, RoleName::Status, Durability::ProcessDeath).unwrap();
    let newest = engine.list(&Find::Newest { phase: None }, &Start::First, 99).unwrap();
    assert_eq!(newest.rows.len(), 14);
    let (key, body) = newest.rows[0].clone();
    let kept: StoredRow<Record> = serde_json::from_str(&body).unwrap();
    let listing = Statuses::listing(&kept.row);
    let departure = listing.as_ref().unwrap().departure.clone().unwrap();
    let lists = [
        Find::Flight { flight: departure.flight.clone(), day: None },
        Find::Flight { flight: departure.flight, day: Some(departure.day.clone()) },
        Find::Day { day: departure.day },
    ];
    for it in &lists {
        assert_eq!(engine.list(it, &Start::First, 99).unwrap().rows, [], "{it:?}");
    }
    let read_version = engine.read(std::slice::from_ref(&key)).unwrap()[0].clone().unwrap().version;
    let write = Write { key: key.clone(), read_version, body: body.clone(), listing };
    assert_eq!(engine.commit_all(&[&[write]]).unwrap(), [Commit::Done]);
    for it in &lists {
        let rows = engine.list(it, &Start::First, 99).unwrap().rows;
        assert_eq!(rows, [(key.clone(), body.clone())], "{it:?}");
    }
}

#[tokio::test]
async fn a_request_that_an_earlier_version_answered_is_answered_with_the_same_words() {
    let (folder, before) = earlier();
    let hold_limit = SignedDuration::from_mins(15);
    let role = SeatsRole(Seats { schedule: Schedule::sample(), hold_limit });
    let file = store_file(folder.path(), RoleName::Seats);
    let engine = Engine::open_existing(&file, RoleName::Seats, Durability::ProcessDeath).unwrap();
    let work = UnitOfWork::new(role, Inline::new(engine), Clock::Machine);
    let mut answered = 0;
    for request in &before.requests {
        let id = BookingId::parse(request["subject"].as_str().unwrap()).unwrap();
        let kept = look_up::<<Seats as Rules>::State>(work.store(), &id).await.unwrap();
        let Some(kept) = kept else { continue };
        let asked = |it: &&booking::runtime::Memo| it.cause.source == "/booking/client";
        let Some(memo) = kept.memos.iter().find(asked) else { continue };
        let again = Event {
            // As it is read now.
            cause: Cause::of_client(&memo.cause.source, &memo.cause.id),
            digest: memo.digest,
            booking: id.clone(),
            ..Sketch::new(id.as_str(), &["12A"], "tok_visa").event()
        };
        let outcome = work.attend(&again).await.unwrap();
        let Outcome::Announce { messages, recalled, .. } = outcome else { panic!("{id}") };
        let said = |it: Vec<booking::wire::Message>| -> Vec<(Kind, String)> {
            it.into_iter().map(|it| (it.kind, it.body)).collect()
        };
        assert!(recalled, "{id}");
        assert_eq!(said(messages), said(memo.messages()), "{id}");
        answered += 1;
    }
    assert!(answered >= 7, "{answered}");
}

/// Rows of that time have a client's source and id in plain text. Those of seats have most; what
/// erases in receipt's does the same.
#[tokio::test]
async fn a_row_that_is_changed_by_hand_forgets_a_clients_source_and_id() {
    let (folder, before) = earlier();
    let file = store_file(folder.path(), RoleName::Seats);
    let engine = Engine::open_existing(&file, RoleName::Seats, Durability::ProcessDeath).unwrap();
    let store = Inline::new(engine);
    let mut hidden = 0;
    for request in &before.requests {
        let id = BookingId::parse(request["subject"].as_str().unwrap()).unwrap();
        let look = async || look_up::<<Seats as Rules>::State>(&store, &id).await.unwrap();
        let memos = async || look().await.map(|it| it.memos);
        let Some(plain) = memos().await else { continue };
        let same = amend::<Seats>(&store, &id, |it| Some(it.clone())).await.unwrap();
        assert!(matches!(same, Amended::Done(_)), "{id}");
        for (before, after) in plain.iter().zip(memos().await.unwrap()) {
            let by_client = before.cause.source == "/booking/client";
            let cause = &before.cause;
            let wanted = match by_client {
                true => Cause::of_client(&cause.source, &cause.id),
                false => cause.clone(),
            };
            assert_eq!(after.cause, wanted, "{id}");
            hidden += usize::from(by_client);
        }
    }
    assert!(hidden >= 7, "{hidden}");
}

#[tokio::test]
async fn what_an_earlier_version_left_half_done_is_finished_and_nothing_is_said_otherwise() {
    let (folder, before) = earlier();
    let kind = Unkindness { duplicates_percent: 10, shuffle: true };
    let mut stage = Stage::new(folder.path(), 7, kind).unwrap();
    for request in &before.requests {
        stage.exchange().publish_text(Kind::BookingRequested, &request.to_string());
    }
    while stage.step().await.unwrap() {}
    for role in RoleName::ALL {
        assert!(stage.exchange().dead(role).is_empty(), "{role} set a request aside");
    }
    drop(stage);
    let evidence = Evidence::read(folder.path()).unwrap();
    assert_eq!(evidence.violations(), []);
    let (endings, open) = evidence.endings();
    assert_eq!((endings.values().sum::<usize>(), open), (14, 0), "{endings:?}");
    let after = announced(&folder);
    assert!(after.len() > before.announced.len());
    for (id, text) in &before.announced {
        assert_eq!(after.get(id), Some(text));
    }
}
