//! The messages of one booking on a FIFO queue, one after the other: the memory bus says to which
//! group each message belongs, and payment works from it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use booking::{
    bus::{
        BusError, DeadLetter, Delivery, Extension, Joiner, Outbox, Queue, ReceiptHandle,
        memory::{Exchange, MemoryBus, Unkindness},
    },
    clock::Clock,
    domain::{
        RoleName,
        event::{Charge, Kind, Refund},
        ids::BookingId,
        money::Money,
        payment::Payment,
        request::PaymentToken,
    },
    gateway::{Charged, Gateway, GatewayError},
    metrics::Metrics,
    roles::PaymentRole,
    runtime::{Attendant, BlockedGroups, Ended, Limits, PollHealth, UnitOfWork, Worker, look_up},
    store::memory::Memory,
    wire::{Incoming, Message},
};
use tokio_util::sync::CancellationToken;

use super::leases::no_seat;
use crate::harness::{Sketch, eventually};

/// A FIFO queue as the worker sees it: each message has its booking for a group.
#[derive(Clone)]
struct Grouped {
    bus: MemoryBus,
    /// Whether each message was deleted or given back, in this order.
    log: Arc<Mutex<Vec<String>>>,
    /// What was received, by its handle: its group and its name.
    received: Arc<Mutex<Vec<(ReceiptHandle, String, String)>>>,
    /// The message that a group waits for, since it was given back.
    waits_for: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Grouped {
    /// Notes it, and returns the group and the name.
    fn note(&self, word: &str, handle: &ReceiptHandle) -> (String, String) {
        let received = self.received.lock().unwrap();
        let (_, group, name) = received.iter().find(|it| it.0 == *handle).unwrap().clone();
        self.log.lock().unwrap().push(format!("{word} {name}"));
        (group, name)
    }
}

impl Queue for Grouped {
    fn joiner(&self) -> Joiner {
        self.bus.joiner()
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        let mut received = Vec::new();
        for mut delivery in self.bus.receive(max, wait, visibility).await? {
            let envelope: serde_json::Value =
                serde_json::from_str(&delivery.incoming.body).unwrap();
            let event: serde_json::Value =
                serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap_or_default();
            let text = |name: &str| event[name].as_str().unwrap_or("none").to_owned();
            let (group, handle) = (text("subject"), delivery.receipt_handle.clone());
            let name = format!("{} of {group}", text("type"));
            self.received.lock().unwrap().push((handle, group.clone(), name.clone()));
            delivery.group = Some(group);
            received.push((name, delivery));
        }
        // What a group waits for is first again, and nothing of the group comes without it.
        let awaited = self.waits_for.lock().unwrap().clone();
        received.sort_by_key(|(name, _)| !awaited.values().any(|it| it == name));
        let mut brought = Vec::new();
        for (name, delivery) in received {
            let group = delivery.group.clone().unwrap();
            let waits_for = self.waits_for.lock().unwrap().get(&group).cloned();
            if waits_for.as_ref().is_some_and(|it| *it != name) {
                self.bus.give_back(&delivery.receipt_handle, Duration::from_millis(20)).await?;
                continue;
            }
            self.waits_for.lock().unwrap().remove(&group);
            brought.push(delivery);
        }
        Ok(brought)
    }

    async fn delete(&self, handle: &ReceiptHandle) -> Result<(), BusError> {
        self.note("deleted", handle);
        self.bus.delete(handle).await
    }

    async fn give_back(&self, handle: &ReceiptHandle, after: Duration) -> Result<(), BusError> {
        if after.is_zero() {
            self.note("given back at once", handle);
        } else {
            let (group, name) = self.note("given back", handle);
            self.waits_for.lock().unwrap().insert(group, name);
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
        let group = why.attributes.iter().find(|it| it.0 == "group").unwrap();
        assert_eq!(Some(&group.1), delivery.group.as_ref());
        self.bus.set_aside(delivery, why).await
    }
}

/// A gateway that answers for all bookings but one.
#[derive(Clone)]
struct SilentFor(&'static str);

impl Gateway for SilentFor {
    async fn find(&self, _: &BookingId) -> Result<Option<Charged>, GatewayError> {
        Ok(None)
    }

    async fn charge(
        &self,
        booking: &BookingId,
        _: &PaymentToken,
        amount: Money,
    ) -> Result<Charged, GatewayError> {
        if booking.as_str() == self.0 {
            return Err(GatewayError::Unreachable("no route to the gateway".into()));
        }
        Ok(Charged::Yes(Charge { charge: "ch".into(), amount }))
    }

    async fn refund(&self, _: &BookingId, _: &Charge) -> Result<Refund, GatewayError> {
        Err(GatewayError::Refused("nothing is refunded here"))
    }

    async fn undo(&self, _: &BookingId, _: &str) -> Result<(), GatewayError> {
        Err(GatewayError::Refused("nothing is refunded here"))
    }
}

struct Bench {
    exchange: Exchange,
    queue: Grouped,
    poll_health: PollHealth,
    metrics: Metrics,
    store: Memory,
    worker: Arc<Worker<Grouped, PaymentRole<SilentFor>, Memory, AnyBus>>,
}

struct AnyBus(MemoryBus);

impl Outbox for AnyBus {
    async fn send(&self, cause: &Incoming, message: &Message) -> Result<(), BusError> {
        self.0.send(cause, message).await
    }
}

fn bench(clock: Clock) -> Bench {
    let exchange = Exchange::new(clock.clone(), "", 1, Unkindness::default());
    let bus = exchange.bus(RoleName::Payment);
    let queue = Grouped {
        bus: bus.clone(),
        log: Arc::default(),
        received: Arc::default(),
        waits_for: Arc::default(),
    };
    let (store, metrics) = (Memory::default(), Metrics::default());
    let work = UnitOfWork::new(PaymentRole(SilentFor("b-1")), store.clone(), clock.clone());
    let attendant = Attendant::new(Arc::new(work), AnyBus(bus), exchange.intake(), metrics.clone());
    let poll_health = PollHealth::new(&clock, Duration::from_secs(60));
    let limits = Limits { long_poll: Duration::from_millis(50), ..Limits::default() };
    let worker = Worker::new(queue.clone(), attendant, limits, poll_health.clone(), 1);
    Bench { exchange, queue, poll_health, metrics, store, worker: Arc::new(worker) }
}

impl Bench {
    /// A booking that the gateway does not answer for, what came after it, and another booking.
    fn publish_three(&self) {
        let request = |id| Sketch::new(id, &["12A"], "tok_visa").cloud_event();
        self.exchange.publish_text(Kind::BookingRequested, &request("b-1"));
        self.exchange.publish_text(Kind::SeatUnavailable, &no_seat("b-1"));
        self.exchange.publish_text(Kind::BookingRequested, &request("b-2"));
    }

    /// A request that can never be dealt with, and another one of the same booking.
    fn publish_broken_and_honest(&self) {
        let request = Sketch::new("b-2", &["12A"], "tok_visa").cloud_event();
        let mut broken: serde_json::Value = serde_json::from_str(&request).unwrap();
        broken["data"].as_object_mut().unwrap().remove("flight");
        self.exchange.publish_text(Kind::BookingRequested, &broken.to_string());
        self.exchange.publish_text(Kind::BookingRequested, &request);
    }

    fn log(&self) -> Vec<String> {
        self.queue.log.lock().unwrap().clone()
    }

    async fn payment(&self, id: &str) -> Option<Payment> {
        let booking = BookingId::parse(id).unwrap();
        let row = look_up::<Payment>(&self.store, &booking).await.unwrap();
        row.map(|it| it.row)
    }
}

/// Failure matrix: L1, L5.
#[tokio::test]
async fn nothing_of_a_booking_overtakes_what_has_to_come_again() {
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    let bench = bench(clock);
    bench.publish_three();
    let ended = bench.worker.step(10).await.unwrap();
    assert_eq!(ended, [Ended::Retry, Ended::Retry, Ended::Done]);
    assert_eq!(bench.log(), THREE);
    let blocked = bench.poll_health.health().blocked_groups;
    assert_eq!(blocked, Some(BlockedGroups { count: 1, longest_s: 0.0 }));
    assert!(bench.metrics.render().contains("booking_blocked_groups 1\n"));
    assert!(bench.payment("b-2").await.is_some());
    let claimed = bench.payment("b-1").await;
    let unread = matches!(claimed, Some(Payment::Claimed { seat_unavailable: false, .. }));
    assert!(unread, "{claimed:?}");
}

const THREE: [&str; 3] = [
    "given back booking-requested of b-1",
    "given back at once seat-unavailable of b-1",
    "deleted booking-requested of b-2",
];

/// Failure matrix: L1, L5.
#[tokio::test]
async fn a_worker_at_work_lets_nothing_of_a_booking_overtake_and_other_bookings_go_on() {
    let bench = bench(Clock::Machine);
    bench.publish_three();
    let stop = CancellationToken::new();
    let working = tokio::spawn(Arc::clone(&bench.worker).run(stop.clone()));
    eventually("the other booking to be paid", async || bench.payment("b-2").await).await;
    eventually("the first one to be given back, and what was behind it", async || {
        let log = bench.log();
        let first = log.iter().position(|it| it == THREE[0])?;
        log[first..].iter().any(|it| it == THREE[1]).then_some(())
    })
    .await;
    assert_eq!(bench.poll_health.health().blocked_groups.unwrap().count, 1);
    stop.cancel();
    working.await.unwrap().unwrap();
    let log = bench.log();
    let deleted: Vec<_> = log.iter().filter(|it| it.starts_with("deleted")).collect();
    assert_eq!(deleted, [THREE[2]], "{log:?}");
}

/// Failure matrix: L2.
#[tokio::test]
async fn what_can_never_be_dealt_with_holds_up_nothing_of_its_booking() {
    let bench = bench(Clock::manual("2027-02-01T09:30:00Z".parse().unwrap()));
    bench.publish_broken_and_honest();
    let ended = bench.worker.step(10).await.unwrap();
    assert_eq!(ended, [Ended::Poison, Ended::Done]);
    assert_eq!(bench.poll_health.health().blocked_groups, None);
    assert!(bench.payment("b-2").await.is_some());
}

/// Failure matrix: L2.
#[tokio::test]
async fn at_work_too_what_can_never_be_dealt_with_holds_up_nothing() {
    let bench = bench(Clock::Machine);
    bench.publish_broken_and_honest();
    let stop = CancellationToken::new();
    let working = tokio::spawn(Arc::clone(&bench.worker).run(stop.clone()));
    eventually("the honest one to be paid", async || bench.payment("b-2").await).await;
    stop.cancel();
    working.await.unwrap().unwrap();
    let log = bench.log();
    assert!(log.iter().all(|it| it.starts_with("deleted")), "{log:?}");
}

/// Failure matrix: L1.
///
/// Each receive counts, and SQS would move it to the dead letters although nobody has read it.
#[tokio::test]
async fn what_waits_too_often_is_dealt_with_out_of_turn() {
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    let bench = bench(clock.clone());
    bench.publish_three();
    for attempt in 1..=3 {
        let ended = bench.worker.step(10).await.unwrap();
        assert_eq!(ended[..2], [Ended::Retry, Ended::Retry], "attempt {attempt}");
        clock.advance(Duration::from_secs(900));
    }
    assert_eq!(bench.worker.step(10).await.unwrap(), [Ended::Retry, Ended::Done]);
    let claimed = bench.payment("b-1").await;
    let read = matches!(claimed, Some(Payment::Claimed { seat_unavailable: true, .. }));
    assert!(read, "{claimed:?}");
}
