//! What the metrics say of bookings: each ending once, and open ones as the store has them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use booking::{
    bus::{BusError, Outbox},
    clock::Clock,
    domain::event::{Event, Kind},
    http::{self, Census},
    metrics::Metrics,
    roles::StatusRole,
    runtime::{Attendant, Lease, UnitOfWork, Verdict},
    store::{
        Commit, Find, Page, Start, Store, StoreError, Tally, Versioned, Write, memory::Memory,
    },
    wire::{self, Incoming, Message},
};
use jiff::SignedDuration;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::harness::{Sketch, enveloped, eventually, intake};

const STUCK_AFTER: SignedDuration = SignedDuration::from_mins(2);

struct Silent;

impl Outbox for Silent {
    async fn send(&self, _: &Incoming, _: &Message) -> Result<(), BusError> {
        panic!("status announces nothing")
    }
}

/// A store that counts how often it is asked for a tally, and can be down.
#[derive(Clone, Default)]
struct Asked {
    inner: Memory,
    tallies: Arc<AtomicUsize>,
    down: Arc<AtomicBool>,
}

impl Store for Asked {
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.inner.read(keys).await
    }
    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        self.inner.commit(writes).await
    }
    async fn list(&self, find: Find, start: Start, limit: usize) -> Result<Page, StoreError> {
        self.inner.list(find, start, limit).await
    }
    async fn tally(&self, before_ms: i64, limit: usize) -> Result<Tally, StoreError> {
        self.tallies.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Closed);
        }
        self.inner.tally(before_ms, limit).await
    }
}

/// One replica of status.
struct Replica {
    attendant: Attendant<StatusRole, Asked, Silent>,
    metrics: Metrics,
    clock: Clock,
}

impl Replica {
    fn of(store: &Asked, clock: &Clock) -> Replica {
        let work = Arc::new(UnitOfWork::new(StatusRole, store.clone(), clock.clone()));
        let metrics = Metrics::default();
        Census::begin(&metrics, Arc::clone(&work), clock.clone(), STUCK_AFTER);
        let attendant = Attendant::new(work, Silent, intake(), metrics.clone());
        Replica { attendant, metrics, clock: clock.clone() }
    }

    async fn hear(&self, incoming: &Incoming) -> Verdict {
        self.attendant.attend(incoming, &Lease::endless(&self.clock)).await.verdict
    }

    /// The value of one series; `None` if it is not there.
    async fn says(&self, series: &str) -> Option<f64> {
        let text = self.metrics.scrape().await;
        let line = text.lines().find_map(|it| it.strip_prefix(&format!("{series} ")));
        line.map(|it| it.parse().unwrap())
    }

    async fn ended(&self, what: &str, ending: &str) -> f64 {
        let series = format!("booking_time_to_ending_seconds_{what}{{ending=\"{ending}\"}}");
        self.says(&series).await.expect("every ending is there from the start")
    }
}

fn message(event: &Event) -> Incoming {
    enveloped(event.kind(), &wire::encode(event).unwrap().body)
}

/// The messages that status hears of a booking that completes.
fn life(id: &str) -> Vec<Incoming> {
    let sketch = Sketch::new(id, &["12A"], "tok_visa");
    let outcomes =
        [Kind::SeatBooked, Kind::PaymentOk, Kind::ReceiptSent].map(|it| sketch.heard(it));
    [sketch.event()].iter().chain(&outcomes).map(message).collect()
}

fn status() -> (Asked, Clock) {
    (Asked::default(), Clock::manual("2027-02-01T10:00:00Z".parse().unwrap()))
}

#[tokio::test]
async fn a_booking_that_two_replicas_hear_of_again_and_again_ends_once() {
    let (store, clock) = status();
    let replicas = [Replica::of(&store, &clock), Replica::of(&store, &clock)];
    let malformed = enveloped(Kind::BookingRequested, "{}");
    let mut first = 0;
    for id in ["b-1", "b-2", "b-3"] {
        for incoming in life(id) {
            // Each replica gets it twice, and they take turns to be the first.
            for at in [first, first, 1 - first, 1 - first] {
                let verdict = replicas[at].hear(&incoming).await;
                assert!(matches!(verdict, Verdict::Done(_)), "{verdict:?}");
                let verdict = replicas[at].hear(&malformed).await;
                assert!(matches!(verdict, Verdict::Poison(_)), "{verdict:?}");
            }
            clock.advance(Duration::from_secs(1));
        }
        first = 1 - first;
    }
    for (ending, count) in [("completed", 3.0), ("rejected", 1.0), ("refunded", 0.0)] {
        let each =
            [replicas[0].ended("count", ending).await, replicas[1].ended("count", ending).await];
        assert_eq!(each[0] + each[1], count, "{ending}: {each:?}");
    }
    // Three seconds each, by the clock of status: the events say that they are of February.
    let took =
        [replicas[0].ended("sum", "completed").await, replicas[1].ended("sum", "completed").await];
    assert_eq!(took, [6.0, 3.0]);
}

#[tokio::test]
async fn every_replica_says_the_same_open_and_stuck_bookings_until_they_end() {
    let (store, clock) = status();
    let replicas = [Replica::of(&store, &clock), Replica::of(&store, &clock)];
    let says = async |series: &str| {
        // Counts are good for ten seconds.
        clock.advance(Duration::from_secs(11));
        let each = [replicas[0].says(series).await, replicas[1].says(series).await];
        assert_eq!(each[0], each[1], "{series}");
        each[0]
    };
    assert_eq!(says("booking_open_bookings").await, Some(0.0));
    assert_eq!(says("booking_newest_fact_timestamp_seconds").await, None, "there is no fact");
    let (one, other) = (life("b-1"), life("b-2"));
    replicas[0].hear(&one[0]).await;
    clock.advance(Duration::from_secs(121));
    replicas[1].hear(&other[0]).await;
    let heard = clock.now().as_millisecond() as f64 / 1000.0;
    assert_eq!(says("booking_open_bookings").await, Some(2.0));
    assert_eq!(says("booking_stuck_bookings").await, Some(1.0));
    assert_eq!(says("booking_newest_fact_timestamp_seconds").await, Some(heard));
    for incoming in &one[1..] {
        replicas[0].hear(incoming).await;
    }
    assert_eq!(says("booking_open_bookings").await, Some(1.0));
    assert_eq!(says("booking_stuck_bookings").await, Some(0.0));
}

/// The store is asked when somebody reads, once for many readers, and an old figure is never told
/// for a new one.
#[tokio::test]
async fn bookings_are_counted_when_somebody_reads_and_not_at_all_while_the_store_is_down() {
    let (store, clock) = status();
    let replica = Replica::of(&store, &clock);
    let asked = || store.tallies.load(Ordering::SeqCst);
    for incoming in life("b-1") {
        replica.hear(&incoming).await;
    }
    assert_eq!(asked(), 0, "nobody has read");
    for _ in 0..50 {
        assert_eq!(replica.says("booking_open_bookings").await, Some(0.0));
    }
    assert_eq!(asked(), 1);

    store.down.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(10));
    for _ in 0..50 {
        assert_eq!(replica.says("booking_open_bookings").await, None);
    }
    assert_eq!(asked(), 2, "a store that is down is not asked all the time");
    assert_eq!(replica.ended("count", "completed").await, 1.0, "the rest is there");

    store.down.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(10));
    assert_eq!(replica.says("booking_open_bookings").await, Some(0.0));
}

#[tokio::test]
async fn connections_are_counted_and_those_that_are_closed_to_make_room() {
    let metrics = Metrics::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, count) = (CancellationToken::new(), metrics.connections.clone());
    let serving = tokio::spawn(http::serve(listener, axum::Router::new(), count, stop.clone()));
    let open = async |wanted: i64, closed: u64| {
        eventually(&format!("{wanted} open and {closed} closed"), async || {
            let told = (metrics.connections.open.get(), metrics.connections.closed_for_room.get());
            (told == (wanted, closed)).then_some(())
        })
        .await;
    };
    let mut clients = Vec::new();
    for _ in 0..64 {
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    open(64, 0).await;
    for _ in 0..3 {
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    open(64, 3).await;
    assert_eq!(clients[0].read(&mut [0; 1]).await.unwrap(), 0, "the oldest was closed");
    drop(clients);
    open(0, 3).await;
    stop.cancel();
    serving.await.unwrap();
}
