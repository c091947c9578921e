//! A thousand bookings want one seat at once: two processes of two workers each, over one store.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
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
    metrics::RequestCount,
    roles::SeatsRole,
    runtime::{Outcome, StoredRow, UnitOfWork, WorkError},
    store::{
        Store,
        dynamodb::DynamoDb,
        sqlite::{Engine, Sqlite},
    },
    wiring::{AnyStore, store_file},
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::harness::{DynamoDbLocal, Folder, Sketch, Tables, emulator::config, say, skipped};

const REQUESTS: usize = 1_000;
const PROCESSES: usize = 2;
/// Of one process, each with a store that it opened itself.
const WORKERS: usize = 2;
/// How many a worker has in hand at once: more, and an emulator on a busy machine answers too late.
const IN_HAND: usize = 16;

/// In the environment of a process that takes part: which one it is, and where the rows are.
const PART: &str = "BOOKING_TEST_RACE";
const FOLDER: &str = "BOOKING_TEST_RACE_FOLDER";
const TABLE: &str = "BOOKING_TEST_RACE_TABLE";
const ENDPOINT: &str = "BOOKING_TEST_RACE_ENDPOINT";

/// What one process has to say at the end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Toll {
    conflicts: u32,
    /// Deliveries that had to come again.
    given_back: usize,
    booked: Vec<String>,
    unavailable: usize,
}

/// Opens the rows as this process was told to.
async fn rows() -> AnyStore {
    let set = |name| std::env::var(name);
    if let Ok(table) = set(TABLE) {
        let config = config(&set(ENDPOINT).unwrap()).await;
        let count = RequestCount::default();
        let opened = DynamoDb::open(&config, &table, RoleName::Seats, count).await;
        return AnyStore::Table(opened.unwrap());
    }
    let file = store_file(Path::new(&set(FOLDER).unwrap()), RoleName::Seats);
    let engine = Engine::open(&file, RoleName::Seats, Durability::PowerFailure).unwrap();
    AnyStore::File(Sqlite::start(engine).unwrap())
}

/// No test of its own: one process of a race, when a race has started it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contender() {
    let Ok(part) = std::env::var(PART) else { return };
    let part: usize = part.parse().unwrap();
    let mine = (0..REQUESTS).filter(|it| it % PROCESSES == part);
    let sketch = |it| Sketch::new(&format!("b-{it}"), &["12A"], "tok_visa");
    let queue: VecDeque<Event> = mine.map(|it| sketch(it).event()).collect();
    let (queue, toll) = (Arc::new(Mutex::new(queue)), Arc::new(Mutex::new(Toll::default())));
    let mut works = Vec::new();
    for _ in 0..WORKERS {
        let hold_limit = SignedDuration::from_mins(15);
        let role = SeatsRole(Seats { schedule: Schedule::sample(), hold_limit });
        works.push(Arc::new(UnitOfWork::new(role, rows().await, Clock::Machine)));
    }
    println!("\nready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let mut working = JoinSet::new();
    for work in works.iter().flat_map(|it| std::iter::repeat_n(it, IN_HAND)) {
        let (work, queue, toll) = (Arc::clone(work), Arc::clone(&queue), Arc::clone(&toll));
        working.spawn(async move { contend(&work, &queue, &toll).await });
    }
    working.join_all().await;
    println!("\ntoll {}", serde_json::to_string(&*toll.lock().unwrap()).unwrap());
}

async fn contend(
    work: &UnitOfWork<SeatsRole, AnyStore>,
    queue: &Mutex<VecDeque<Event>>,
    toll: &Mutex<Toll>,
) {
    loop {
        let next = queue.lock().unwrap().pop_front();
        let Some(event) = next else { return };
        let attended = work.attend(&event).await;
        let mut toll = toll.lock().unwrap();
        match attended {
            Ok(Outcome::Announce { messages, conflicts, .. }) => {
                toll.conflicts += conflicts;
                match messages.iter().map(|it| it.kind).collect::<Vec<_>>()[..] {
                    [Kind::SeatBooked] => toll.booked.push(event.booking.to_string()),
                    [Kind::SeatUnavailable] => toll.unavailable += 1,
                    ref other => panic!("{other:?}"),
                }
            }
            // As SQS has it: given back, and delivered again.
            Err(WorkError::Contended | WorkError::Store(_)) => {
                toll.given_back += 1;
                queue.lock().unwrap().push_back(event);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A process of its own, which waits for the start.
struct Contender(Child, BufReader<std::process::ChildStdout>);

impl Contender {
    fn new(part: usize, place: &[(&str, String)]) -> Contender {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::race::contender", "--nocapture"])
            .env(PART, part.to_string())
            .envs(place.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut contender = Contender(child, said);
        contender.says("ready");
        contender
    }

    /// The rest of the line that begins so.
    fn says(&mut self, word: &str) -> String {
        let mut lines = self.1.by_ref().lines().map(Result::unwrap);
        lines.find_map(|it| it.strip_prefix(word).map(str::to_owned)).expect("it ended before")
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        // Both fail harmlessly when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn race(on: &str, place: &[(&str, String)], store: impl Store) {
    let mut contenders: Vec<Contender> =
        (0..PROCESSES).map(|part| Contender::new(part, place)).collect();
    let began = Instant::now();
    for it in &mut contenders {
        it.0.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let tolls = contenders.iter_mut().map(|it| it.says("toll "));
    let tolls: Vec<Toll> = tolls.map(|it| serde_json::from_str(&it).unwrap()).collect();
    let booked: Vec<&String> = tolls.iter().flat_map(|it| &it.booked).collect();
    say(&format!(
        "race on {on}: {REQUESTS} requests for one seat, {PROCESSES} processes of {WORKERS} workers \
         of {IN_HAND}: {} holder, {} refused, {} conflicts, {} given back, {} ms",
        booked.len(),
        tolls.iter().map(|it| it.unavailable).sum::<usize>(),
        tolls.iter().map(|it| it.conflicts).sum::<u32>(),
        tolls.iter().map(|it| it.given_back).sum::<usize>(),
        began.elapsed().as_millis(),
    ));
    assert_eq!(booked.len(), 1, "{booked:?}");
    assert_eq!(tolls.iter().map(|it| it.unavailable).sum::<usize>(), REQUESTS - 1);
    let seat = "seat/WA117/2027-03-01/12A".to_owned();
    let row = store.read(vec![seat]).await.unwrap().remove(0).unwrap();
    let kept: StoredRow<Row> = serde_json::from_str(&row.body).unwrap();
    let Row::Seat { holder: Some(holder) } = kept.row else { panic!("nobody has it") };
    assert_eq!(*booked[0], holder.to_string());
    assert_eq!(row.version, 1, "the seat was written once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_for_one_seat_make_one_holder_in_sqlite() {
    let folder = Folder::new();
    let file = store_file(folder.path(), RoleName::Seats);
    let engine = Engine::open(&file, RoleName::Seats, Durability::PowerFailure).unwrap();
    let place = [(FOLDER, folder.path().display().to_string())];
    race("SQLite", &place, Sqlite::start(engine).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_for_one_seat_make_one_holder_in_dynamodb() {
    if skipped("dynamodb") {
        return;
    }
    let tables = Tables::make().await;
    let endpoint = DynamoDbLocal::running().endpoint.clone();
    let place = [(TABLE, tables.names.table(RoleName::Seats)), (ENDPOINT, endpoint)];
    race("DynamoDB", &place, tables.open(RoleName::Seats).await).await;
}
