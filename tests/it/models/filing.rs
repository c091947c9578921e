//! What the worker does with a verdict when the bus fails: nothing is lost, and everything is
//! announced later.

use std::{sync::Arc, time::Duration};

use booking::{
    bus::{
        BusError, DeadLetter, Delivery, Extension, Outbox, Queue, ReceiptHandle,
        memory::{Exchange, MemoryBus, Unkindness},
    },
    clock::Clock,
    domain::{
        RoleName,
        event::{Event, Kind},
        ids::{BookingId, Cause},
        seats::Row,
    },
    metrics::Metrics,
    roles::SeatsRole,
    runtime::{Attendant, Ended, Limits, PollHealth, UnitOfWork, Worker, look_up},
    store::sqlite::Inline,
    wire::{Incoming, Message},
};

use tokio_util::sync::CancellationToken;

use crate::harness::{Folder, Sketch, eventually};

use super::unit_of_work::{clock, said, seats_book, seats_role, store};

/// A bus that fails where it is told to.
#[derive(Clone)]
pub struct Failing {
    pub bus: MemoryBus,
    pub fail: &'static str,
}

fn down(operation: &'static str) -> Result<(), BusError> {
    Err(BusError::Failed { operation, name: "test".into(), source: "down".into() })
}

impl Outbox for Failing {
    async fn send(&self, cause: &Incoming, message: &Message) -> Result<(), BusError> {
        if self.fail == "hang" {
            std::future::pending().await
        } else if self.fail == "publish" {
            down("publish to")
        } else {
            self.bus.send(cause, message).await
        }
    }
}

impl Queue for Failing {
    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        hidden: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        assert_ne!(self.fail, "receive", "as a test wants it");
        let max = if self.fail == "greedy" { 10 } else { max };
        self.bus.receive(max, wait, hidden).await
    }
    async fn delete(&self, handle: &ReceiptHandle) -> Result<(), BusError> {
        match self.fail {
            "delete" => down("delete from"),
            "delete hangs" => std::future::pending().await,
            _ => self.bus.delete(handle).await,
        }
    }
    async fn give_back(&self, handle: &ReceiptHandle, after: Duration) -> Result<(), BusError> {
        if self.fail == "hang" {
            // As long as a request over the network may take.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        self.bus.give_back(handle, after).await
    }
    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<Extension>, BusError> {
        self.bus.extend(handles, visibility).await
    }
    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Result<(), BusError> {
        if self.fail == "set aside" {
            down("set aside from")
        } else {
            self.bus.set_aside(delivery, why).await
        }
    }
}

struct Bench {
    exchange: Exchange,
    clock: Clock,
    folder: Folder,
}

impl Bench {
    fn new() -> Bench {
        let clock = clock();
        let exchange = Exchange::new(clock.clone(), "", 1, Unkindness::default());
        Bench { exchange, clock, folder: Folder::new() }
    }

    fn worker(&self, fail: &'static str) -> Worker<Failing, SeatsRole, Inline, Failing> {
        self.worker_with(fail, Limits::default())
    }

    fn worker_with(
        &self,
        fail: &'static str,
        limits: Limits,
    ) -> Worker<Failing, SeatsRole, Inline, Failing> {
        let bus = Failing { bus: self.exchange.bus(RoleName::Seats), fail };
        let work =
            UnitOfWork::new(seats_role(), store(&self.folder, RoleName::Seats), self.clock.clone());
        let poll_health = PollHealth::new(&self.clock, Duration::MAX);
        let (intake, metrics) = (self.exchange.intake(), Metrics::default());
        let attendant = Attendant::new(Arc::new(work), bus.clone(), intake, metrics);
        Worker::new(bus, attendant, limits, poll_health, 1)
    }

    fn later(&self) {
        self.clock.advance(Duration::from_mins(20));
    }
}

/// Failure matrix: A11.
#[tokio::test]
async fn what_is_committed_and_cannot_be_published_is_given_back_and_said_later() {
    let bench = Bench::new();
    let request = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    bench.exchange.publish_text(Kind::BookingRequested, &request);
    assert_eq!(bench.worker("publish").step(10).await.unwrap(), [Ended::Retry]);
    assert_eq!(bench.exchange.published(Kind::SeatBooked), 0);
    assert_eq!(bench.exchange.depth(RoleName::Seats), 1, "still on its queue");
    bench.later();
    assert_eq!(bench.worker("").step(10).await.unwrap(), [Ended::Done]);
    assert_eq!(bench.exchange.published(Kind::SeatBooked), 1);
    assert_eq!(bench.exchange.depth(RoleName::Seats), 0);
}

/// Failure matrix: A9, A10.
#[tokio::test]
async fn what_cannot_be_deleted_comes_again_and_is_said_again() {
    let bench = Bench::new();
    let request = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    bench.exchange.publish_text(Kind::BookingRequested, &request);
    // The verdict, and not what became of it: the log says that it was not deleted.
    assert_eq!(bench.worker("delete").step(10).await.unwrap(), [Ended::Done]);
    assert_eq!(bench.exchange.depth(RoleName::Seats), 1);
    bench.later();
    assert_eq!(bench.worker("").step(10).await.unwrap(), [Ended::Done]);
    assert_eq!(bench.exchange.published(Kind::SeatBooked), 2, "the same event, twice");
    assert_eq!(bench.exchange.depth(RoleName::Seats), 0);
}

/// Failure matrix: A14.
#[tokio::test]
async fn poison_is_copied_before_it_is_deleted_and_hurts_nobody_else() {
    let bench = Bench::new();
    bench.exchange.put_raw(RoleName::Seats, "{not json");
    bench.exchange.publish_text(
        Kind::BookingRequested,
        &Sketch::new("b-1", &["12A"], "tok_visa").cloud_event(),
    );
    bench.worker("set aside").step(10).await.unwrap();
    assert_eq!(bench.exchange.depth(RoleName::Seats), 1, "not copied, so not deleted");
    assert_eq!(bench.exchange.published(Kind::SeatBooked), 1, "its neighbour went through");
    bench.later();
    assert_eq!(bench.worker("").step(10).await.unwrap(), [Ended::Poison]);
    let dead = bench.exchange.dead(RoleName::Seats);
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].body, "{not json");
    assert!(dead[0].attributes.contains(&("class", "malformed".to_owned())));
    assert!(dead[0].attributes.len() <= 10);
}

/// Failure matrix: A24.
#[tokio::test]
async fn a_message_that_comes_days_late_never_undoes_an_ending() {
    let bench = Bench::new();
    let (a, b) = (Sketch::new("a", &["12A"], "tok_visa"), Sketch::new("b", &["12A"], "tok_visa"));
    let work = seats_book(&bench.folder);
    work.attend(&a.event()).await.unwrap();
    let decline = a.heard(Kind::PaymentFailed);
    assert_eq!(said(&work.attend(&decline).await.unwrap()), [Kind::SeatReleased]);
    assert_eq!(said(&work.attend(&b.event()).await.unwrap()), [Kind::SeatBooked]);
    // C8: the decline comes again under another event id, as a redrive days later would bring it.
    let again =
        Event { cause: Cause { id: "redriven".into(), ..decline.cause.clone() }, ..decline };
    assert_eq!(said(&work.attend(&again).await.unwrap()), []);
    let paid = b.heard(Kind::PaymentOk);
    work.attend(&paid).await.unwrap();
    let kept = look_up::<Row>(work.store(), &b.booking()).await.unwrap().unwrap();
    assert!(format!("{:?}", kept.row).contains("Confirmed"), "{:?}", kept.row);
}

/// A worker that has lost a part must not fail silently: it ends, and says which part it was.
#[tokio::test]
async fn a_worker_whose_receive_panics_ends_and_says_what_ended() {
    let worker = Arc::new(Bench::new().worker("receive"));
    let ended = worker.run(tokio_util::sync::CancellationToken::new()).await;
    let said = ended.unwrap_err().to_string();
    assert!(said.contains("a receive of the worker ended by itself"), "{said}");
}

/// Failure matrix: A3.
#[tokio::test]
async fn the_same_event_published_twice_is_one_event() {
    let bench = Bench::new();
    let request = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    // Two SNS MessageIds, as after a retry whose first reply was lost.
    let first = bench.exchange.publish_text(Kind::BookingRequested, &request);
    assert_ne!(bench.exchange.publish_text(Kind::BookingRequested, &request), first);
    assert_eq!(bench.worker("").step(10).await.unwrap(), [Ended::Done, Ended::Done]);
    let rows = store(&bench.folder, RoleName::Seats).engine().all().unwrap();
    assert_eq!(rows.len(), 2, "one booking, one seat");
}

/// Failure matrix: A28.
#[tokio::test(start_paused = true)]
async fn a_handler_cut_at_the_drain_limit_has_its_message_given_back_before_the_worker_ends() {
    let bench = Bench::new();
    bench.exchange.publish_text(
        Kind::BookingRequested,
        &Sketch::new("b-1", &["12A"], "tok_visa").cloud_event(),
    );
    let (worker, stop) = (Arc::new(bench.worker("hang")), CancellationToken::new());
    let running = tokio::spawn(worker.run(stop.clone()));
    let queue = bench.exchange.bus(RoleName::Seats);
    let hidden = Duration::from_secs(60);
    // The message is in flight once its row is there: what comes then, hangs.
    eventually("the request is decided", async || {
        let work = seats_book(&bench.folder);
        let booking = BookingId::parse("b-1").unwrap();
        look_up::<Row>(work.store(), &booking).await.unwrap().map(|_| ())
    })
    .await;
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(queue.receive(1, Duration::ZERO, hidden).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_brings_more_than_was_asked_for_has_all_of_it_dealt_with() {
    let bench = Bench::new();
    for seat in ["12A", "12B", "12C"] {
        let request = Sketch::new(&format!("b-{seat}"), &[seat], "tok_visa").cloud_event();
        bench.exchange.publish_text(Kind::BookingRequested, &request);
    }
    let limits = Limits { in_flight_max: 1, ..Limits::default() };
    let (worker, stop) = (Arc::new(bench.worker_with("greedy", limits)), CancellationToken::new());
    let running = tokio::spawn(worker.run(stop.clone()));
    eventually("all seats are booked", async || {
        (bench.exchange.published(Kind::SeatBooked) == 3).then_some(())
    })
    .await;
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(bench.exchange.depth(RoleName::Seats), 0);
}

/// Failure matrix: A19.
#[tokio::test(start_paused = true)]
async fn as_many_as_are_worked_on_may_wait_for_their_delete_and_all_of_them_are_waited_for() {
    let bench = Bench::new();
    for seat in ["1A", "2A", "3A", "4A", "5A", "6A"] {
        let request = Sketch::new(&format!("b-{seat}"), &[seat], "tok_visa").cloud_event();
        bench.exchange.publish_text(Kind::BookingRequested, &request);
    }
    let limits = Limits { in_flight_max: 2, ..Limits::default() };
    let worker = Arc::new(bench.worker_with("delete hangs", limits));
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker.run(stop.clone()));
    let booked = || bench.exchange.published(Kind::SeatBooked);
    eventually("two to leave, and two to be worked on", async || (booked() == 4).then_some(()))
        .await;
    let bus = bench.exchange.bus(RoleName::Seats);
    let others = bus.receive(10, Duration::ZERO, Duration::ZERO).await.unwrap();
    assert_eq!(others.len(), 2, "the rest is not hidden");
    let stopped = tokio::time::Instant::now();
    stop.cancel();
    running.await.unwrap().unwrap();
    assert!(stopped.elapsed() >= limits.drain, "it did not wait for deletes on their way");
    assert_eq!(bench.exchange.depth(RoleName::Seats), 6);
    bench.later();
    assert_eq!(bench.worker("").step(10).await.unwrap().len(), 6, "all of them come again");
}
