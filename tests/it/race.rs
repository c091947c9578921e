//! A thousand bookings want one seat at once.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Instant,
};

use booking::{
    clock::Clock,
    domain::{
        RoleName,
        event::{Event, Kind},
        schedule::Schedule,
        seats::{Row, Seats},
    },
    durability::Durability,
    roles::SeatsRole,
    runtime::{Book, BookError, Kept, Outcome},
    store::{
        Store,
        sqlite::{Engine, Sqlite},
    },
};
use jiff::SignedDuration;
use tokio::task::JoinSet;

use crate::harness::{Folder, Sketch, Tables, say, skipped};

const REQUESTS: usize = 1_000;
const WORKERS: usize = 4;
/// How many a worker has in hand at once: more, and an emulator on a busy machine answers too late.
const IN_HAND: usize = 16;

/// What it took.
#[derive(Clone, Copy, Default)]
struct Toll {
    conflicts: u32,
    given_back: usize,
}

/// Each worker has a store of its own, opened by itself.
async fn race<S: Store>(on: &str, stores: Vec<S>) {
    assert_eq!(stores.len(), WORKERS);
    let began = Instant::now();
    let requests = (0..REQUESTS).map(|it| Sketch::new(&format!("b-{it}"), &["12A"], "tok_visa"));
    let queue: VecDeque<Event> = requests.map(|it| it.event()).collect();
    let (queue, toll) = (Arc::new(Mutex::new(queue)), Arc::new(Mutex::new(Toll::default())));
    let said = Arc::new(Mutex::new(BTreeMap::<Kind, Vec<String>>::new()));
    let mut working = JoinSet::new();
    let mut last = None;
    for store in stores {
        let hold_limit = SignedDuration::from_mins(15);
        let role = SeatsRole(Seats { schedule: Schedule::sample(), hold_limit });
        let book = Arc::new(Book::new(role, store, Clock::Machine));
        last = Some(Arc::clone(&book));
        for _ in 0..IN_HAND {
            let (book, queue) = (Arc::clone(&book), Arc::clone(&queue));
            let (toll, said) = (Arc::clone(&toll), Arc::clone(&said));
            working.spawn(async move {
                loop {
                    let next = queue.lock().unwrap().pop_front();
                    let Some(event) = next else { return };
                    match book.attend(&event).await {
                        Ok(Outcome::Announce { messages, conflicts, .. }) => {
                            toll.lock().unwrap().conflicts += conflicts;
                            let mut said = said.lock().unwrap();
                            for it in messages {
                                said.entry(it.kind).or_default().push(event.booking.to_string());
                            }
                        }
                        // As SQS has it: given back, and delivered again.
                        Err(BookError::Contended | BookError::Store(_)) => {
                            toll.lock().unwrap().given_back += 1;
                            queue.lock().unwrap().push_back(event);
                        }
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    }
    working.join_all().await;
    let (toll, said) = (*toll.lock().unwrap(), said.lock().unwrap().clone());
    say(&format!(
        "race on {on}: {REQUESTS} requests for one seat, {WORKERS} workers of {IN_HAND}: 1 holder, \
         {} refused, {} conflicts, {} given back, {} ms",
        said[&Kind::SeatUnavailable].len(),
        toll.conflicts,
        toll.given_back,
        began.elapsed().as_millis(),
    ));
    assert_eq!(said[&Kind::SeatBooked].len(), 1, "{:?}", said[&Kind::SeatBooked]);
    assert_eq!(said[&Kind::SeatUnavailable].len(), REQUESTS - 1);
    let seat = "seat/WA117/2027-03-01/12A".to_owned();
    let row = last.unwrap().store().read(vec![seat]).await.unwrap().remove(0).unwrap();
    let kept: Kept<Row> = serde_json::from_str(&row.body).unwrap();
    let Row::Seat { holder: Some(holder) } = kept.row else { panic!("nobody has it") };
    assert_eq!(said[&Kind::SeatBooked], [holder.to_string()]);
    assert_eq!(row.version, 1, "the seat was written once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_for_one_seat_make_one_holder_in_sqlite() {
    let folder = Folder::new();
    let stores = (0..WORKERS).map(|_| {
        let file = folder.join("seats.db");
        let engine = Engine::open(&file, RoleName::Seats, Durability::PowerFailure).unwrap();
        Sqlite::start(engine).unwrap()
    });
    race("SQLite", stores.collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_for_one_seat_make_one_holder_in_dynamodb() {
    if skipped("dynamodb") {
        return;
    }
    let tables = Tables::make().await;
    let mut stores = Vec::new();
    for _ in 0..WORKERS {
        stores.push(tables.open(RoleName::Seats).await);
    }
    race("DynamoDB", stores).await;
}
