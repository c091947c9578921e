//! However many ask for rates, the store is asked once a second.

use axum::body::to_bytes;

use super::*;
use crate::{
    domain::{decision::Rules, status::Statuses},
    store::{Commit, Write, memory::Memory},
};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
}

/// Writes a booking that was requested at a time.
async fn keep(store: &Memory, id: &str, time: Timestamp) {
    let fact = json!({"kind": "booking-requested", "digest": "a".repeat(64), "time": time,
                      "source": "client", "id": "", "heard": time});
    let record: Record = serde_json::from_value(json!({"facts": [fact]})).unwrap();
    let body = json!({ "row": record }).to_string();
    let (key, listing) = (format!("booking/{id}"), Statuses::listing(&record));
    let write = Write { key, read_version: 0, body, listing };
    assert_eq!(store.commit(vec![write]).await.unwrap(), Commit::Done);
}

#[tokio::test]
async fn the_store_is_read_once_a_second_and_the_answer_says_up_to_when() {
    let (store, clock) = (Memory::default(), Clock::manual(at(0)));
    let work = Arc::new(UnitOfWork::new(StatusRole, store.clone(), clock.clone()));
    let last = Fresh::new(clock.clone(), FRESH);
    let recent = Arc::new(Recent { work, last, clock: clock.clone() });
    let asked = async || {
        let answer = now(State(Arc::clone(&recent))).await;
        let body = to_bytes(answer.into_body(), 10_000).await.unwrap();
        let view: RatesView = serde_json::from_slice(&body).unwrap();
        (view.as_of, view.events[0].count)
    };
    keep(&store, "b-1", at(-10)).await;
    assert_eq!(asked().await, (at(0), 1));
    keep(&store, "b-2", at(0)).await;
    clock.advance(FRESH - Duration::from_millis(1));
    assert_eq!(asked().await, (at(0), 1), "the store was read again");
    clock.advance(Duration::from_millis(1));
    assert_eq!(asked().await, (at(1_000), 2));
}
