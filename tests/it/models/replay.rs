//! Every message of a booking again, after its memos were wiped: what is stored alone must make all
//! of them no-ops (A24, A25).

use booking::{
    audit::Evidence,
    bus::memory::Unkindness,
    demo::Stage,
    domain::{RoleName, event::Kind, ids::BookingId, status::Phase},
    durability::Durability,
    store::sqlite::Engine,
    wiring::store_file,
};
use serde_json::Value;

use crate::harness::{Folder, Sketch};

/// What a booking's rows announced, as it was published; and the rows without their memos.
fn wipe_memos(folder: &Folder) -> Vec<(Kind, String)> {
    let mut said = Vec::new();
    for role in RoleName::ALL {
        let file = store_file(folder.path(), role);
        let rows = Engine::open(&file, role, Durability::ProcessDeath).unwrap().all().unwrap();
        let connection = rusqlite::Connection::open(&file).unwrap();
        for (key, body) in rows {
            let mut kept: Value = serde_json::from_str(&body).unwrap();
            let memos = kept.as_object_mut().unwrap().remove("memos").unwrap_or_default();
            for it in memos.as_array().into_iter().flatten() {
                for it in it["announced"].as_array().unwrap() {
                    let kind = Kind::of_topic(it["kind"].as_str().unwrap()).unwrap();
                    said.push((kind, it["event"].to_string()));
                }
            }
            let wiped = kept.to_string();
            connection.execute("UPDATE rows SET body = ?1 WHERE key = ?2", [wiped, key]).unwrap();
        }
    }
    said
}

async fn replayed(token: &'static str, wanted: Phase, moves: usize, letters: usize) {
    let folder = Folder::new();
    let kind = Unkindness { duplicates_percent: 0, shuffle: true };
    let mut stage = Stage::new(folder.path(), 3, kind).unwrap();
    let sketch = Sketch::new("b-1", &["12A", "12B"], token);
    stage.exchange().publish_text(Kind::BookingRequested, &sketch.cloud_event());
    while stage.step().await.unwrap() {}

    let before = told(&folder);
    assert_eq!((before.0, before.1, before.2), (wanted, moves, letters));
    let mut said = wipe_memos(&folder);
    assert!(said.len() >= 2, "{said:?}");
    said.push((Kind::BookingRequested, sketch.cloud_event()));
    for _ in 0..2 {
        for (kind, text) in &said {
            stage.exchange().publish_text(*kind, text);
        }
        while stage.step().await.unwrap() {}
    }
    assert_eq!(told(&folder), before);
    for role in RoleName::ALL {
        assert!(stage.exchange().dead(role).is_empty(), "{role} set a known message aside");
    }
    // And no role had anything to say about it.
    assert_eq!(wipe_memos(&folder), []);
}

/// Phase, movements of money, receipts, and who holds the seat.
fn told(folder: &Folder) -> (Phase, usize, usize, String) {
    let evidence = Evidence::read(folder.path()).unwrap();
    let id = BookingId::parse("b-1").unwrap();
    let (_, record) = evidence.records().next().unwrap();
    let letters = std::fs::read_dir(folder.join("receipts")).unwrap().count();
    let seats = Engine::open(
        &store_file(folder.path(), RoleName::Seats),
        RoleName::Seats,
        Durability::ProcessDeath,
    );
    let rows: Vec<String> = seats.unwrap().all().unwrap().into_iter().map(|it| it.1).collect();
    let rows = rows.iter().filter(|it| !it.contains("memos")).cloned().collect::<Vec<_>>();
    let holders = rows.into_iter().filter(|it| it.contains("holder")).collect();
    (record.standing().phase, evidence.movements(&id).count(), letters, holders)
}

/// Failure matrix: A24, A25.
#[tokio::test]
async fn a_completed_booking_replayed_without_memos_moves_nothing() {
    replayed("tok_visa", Phase::Completed, 1, 1).await;
}

/// Failure matrix: A24, A25.
#[tokio::test]
async fn a_declined_booking_replayed_without_memos_moves_nothing() {
    replayed("tok_declined", Phase::PaymentFailed, 0, 0).await;
}
