//! The lease on a delivery, the heartbeat, and the breaker: on the memory bus with a hand-turned
//! clock, and a gateway that answers when it is told to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use booking::{
    bus::{
        Queue,
        memory::{Exchange, MemoryBus, Unkindness},
    },
    clock::Clock,
    domain::{
        RoleName,
        event::{Charge, Data, Event, Kind, NoSeat, Refund},
        ids::BookingId,
        money::Money,
        payment::Payment,
        request::PaymentToken,
    },
    durability::Durability,
    gateway::{Charged, Gateway, GatewayError},
    metrics::Metrics,
    roles::PaymentRole,
    runtime::{Attendant, Beat, Ended, Lease, Limits, PollHealth, UnitOfWork, Worker, look_up},
    store::sqlite::{Engine, Inline},
    wire,
};
use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::harness::{Folder, Sketch, eventually};

/// A gateway that says when it was asked, and answers when it is let.
#[derive(Default)]
pub struct Told {
    pub asked: AtomicUsize,
    pub let_go: Notify,
    pub at_once: AtomicBool,
    pub down: AtomicBool,
    pub broken: AtomicBool,
}

#[derive(Clone)]
pub struct ToldGateway(pub Arc<Told>);

impl Gateway for ToldGateway {
    async fn find(&self, _: &BookingId) -> Result<Option<Charged>, GatewayError> {
        Ok(None)
    }

    async fn charge(
        &self,
        _: &BookingId,
        _: &PaymentToken,
        amount: Money,
    ) -> Result<Charged, GatewayError> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        assert!(!self.0.broken.load(Ordering::SeqCst), "as a test wants it");
        if self.0.down.load(Ordering::SeqCst) {
            return Err(GatewayError::Unreachable("no route to the gateway".into()));
        }
        if !self.0.at_once.load(Ordering::SeqCst) {
            self.0.let_go.notified().await;
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

type Payments = Worker<MemoryBus, PaymentRole<ToldGateway>, Inline, MemoryBus>;

pub struct Bench {
    pub exchange: Exchange,
    pub clock: Clock,
    pub gateway: Arc<Told>,
    pub worker: Arc<Payments>,
    pub poll_health: PollHealth,
    pub metrics: Metrics,
    pub _folder: Folder,
}

pub fn bench(clock: Clock, limits: Limits) -> Bench {
    let folder = Folder::new();
    let exchange = Exchange::new(clock.clone(), "", 1, Unkindness::default());
    let file = folder.join("payment.db");
    let engine = Engine::open(&file, RoleName::Payment, Durability::PowerFailure).unwrap();
    let gateway = Arc::new(Told::default());
    let role = PaymentRole(ToldGateway(Arc::clone(&gateway)));
    let work = UnitOfWork::new(role, Inline::new(engine), clock.clone());
    let poll_health = PollHealth::new(&clock, Duration::from_secs(60));
    let bus = exchange.bus(RoleName::Payment);
    let (metrics, intake) = (Metrics::default(), exchange.intake());
    let attendant = Attendant::new(Arc::new(work), bus.clone(), intake, metrics.clone());
    let worker = Worker::new(bus, attendant, limits, poll_health.clone(), 1);
    Bench {
        exchange,
        clock,
        gateway,
        worker: Arc::new(worker),
        poll_health,
        metrics,
        _folder: folder,
    }
}

pub fn manual() -> Bench {
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    bench(clock, Limits { heartbeat_cap: Duration::from_secs(300), ..Limits::default() })
}

impl Bench {
    pub fn request(&self, id: &str) {
        let text = Sketch::new(id, &["12A"], "tok_visa").cloud_event();
        self.exchange.publish_text(Kind::BookingRequested, &text);
    }

    /// A worker that has got the message and waits for the gateway.
    pub async fn in_mid_handler(&self) -> tokio::task::JoinHandle<Vec<Ended>> {
        self.request("b-1");
        let worker = Arc::clone(&self.worker);
        let working = tokio::spawn(async move { worker.step(1).await.unwrap() });
        eventually("the gateway to be asked", async || {
            (self.gateway.asked.load(Ordering::SeqCst) > 0).then_some(())
        })
        .await;
        working
    }

    pub async fn is_visible(&self) -> bool {
        let bus = self.exchange.bus(RoleName::Payment);
        let received = bus.receive(1, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
        !received.is_empty()
    }

    pub async fn row(&self) -> Payment {
        let id = BookingId::parse("b-1").unwrap();
        look_up(self.worker.work().store(), &id).await.unwrap().unwrap().row
    }
}

/// Failure matrix: A4.
#[tokio::test]
async fn the_heartbeat_keeps_a_slow_delivery_from_others() {
    let bench = manual();
    let working = bench.in_mid_handler().await;
    assert_eq!(bench.worker.heartbeat().await, Beat::default(), "nothing is due yet");
    // Twice the visibility timeout of 60 s, with a heartbeat every 30 s.
    for _ in 0..4 {
        bench.clock.advance(Duration::from_secs(30));
        assert_eq!(bench.worker.heartbeat().await, Beat { extended: 1, lost: 0 });
        assert!(!bench.is_visible().await);
    }
    bench.gateway.let_go.notify_one();
    assert_eq!(working.await.unwrap(), [Ended::Done]);
    assert_eq!(bench.exchange.published(Kind::PaymentOk), 1);
    assert_eq!(bench.exchange.depth(RoleName::Payment), 0);
}

/// Failure matrix: A4.
#[tokio::test]
async fn past_the_cap_the_handler_is_dropped_and_the_message_given_back() {
    let bench = manual();
    let working = bench.in_mid_handler().await;
    for _ in 0..9 {
        bench.clock.advance(Duration::from_secs(30));
        assert_eq!(bench.worker.heartbeat().await, Beat { extended: 1, lost: 0 });
    }
    bench.clock.advance(Duration::from_secs(30));
    assert_eq!(bench.worker.heartbeat().await, Beat { extended: 0, lost: 1 });
    assert_eq!(working.await.unwrap(), [Ended::Lost]);
    assert!(matches!(bench.row().await, Payment::Claimed { .. }), "nothing was settled");
    assert_eq!(bench.exchange.published(Kind::PaymentOk), 0);
    bench.clock.advance(Duration::from_secs(3));
    assert!(bench.is_visible().await, "given back, not left to run out");
}

/// Failure matrix: A5.
#[tokio::test]
async fn who_lost_the_message_neither_commits_nor_announces() {
    let bench = manual();
    let working = bench.in_mid_handler().await;
    // No heartbeat came in time, and somebody else has received it.
    bench.clock.advance(Duration::from_secs(61));
    assert!(bench.is_visible().await);
    bench.gateway.let_go.notify_one();
    assert_eq!(working.await.unwrap(), [Ended::Lost]);
    assert!(matches!(bench.row().await, Payment::Claimed { .. }), "nothing was settled");
    assert_eq!(bench.exchange.published(Kind::PaymentOk), 0);
    assert_eq!(bench.exchange.depth(RoleName::Payment), 1, "and nothing was deleted");
}

/// Failure matrix: A5.
#[tokio::test]
async fn a_heartbeat_that_hears_that_the_message_is_gone_drops_the_handler() {
    let bench = manual();
    let working = bench.in_mid_handler().await;
    // By the clock of the queue it is over, by ours it is not.
    bench.clock.advance(Duration::from_secs(41));
    bench.clock.step(SignedDuration::from_secs(20));
    assert!(bench.is_visible().await);
    assert_eq!(bench.worker.heartbeat().await, Beat { extended: 0, lost: 1 });
    assert_eq!(working.await.unwrap(), [Ended::Lost], "without waiting for the gateway");
}

/// Failure matrix: D13.
#[tokio::test]
async fn a_refund_that_is_refused_for_good_is_set_aside_for_a_person() {
    let bench = manual();
    bench.gateway.at_once.store(true, Ordering::SeqCst);
    bench.request("b-1");
    assert_eq!(bench.worker.step(1).await.unwrap(), [Ended::Done]);
    bench.exchange.publish_text(Kind::SeatUnavailable, &no_seat("b-1"));
    assert_eq!(bench.worker.step(1).await.unwrap(), [Ended::Poison]);
    let dead = bench.exchange.dead(RoleName::Payment).remove(0);
    let attribute = |name: &str| dead.attributes.iter().find(|it| it.0 == name).unwrap().1.clone();
    assert_eq!((attribute("class").as_str(), attribute("booking").as_str()), ("refused", "b-1"));
    assert!(attribute("reason").contains("nothing is refunded here"), "{}", attribute("reason"));
    assert!(
        matches!(bench.row().await, Payment::Ok { .. }),
        "the money is still known to be taken"
    );
}

/// Seats says that there is none, for the request of that id.
pub fn no_seat(id: &str) -> String {
    let request = Sketch::new(id, &["12A"], "tok_visa").event();
    let seating = Sketch::new(id, &["12A"], "tok_visa").request().seating;
    let data = Data::SeatUnavailable { reason: NoSeat::Taken, seating };
    let said = Event::outcome(RoleName::Seats, &request.about(), request.time, data);
    wire::encode(&said).unwrap().body
}

/// Failure matrix: A19, A20.
#[tokio::test]
async fn no_more_is_received_than_can_be_worked_on_and_a_slow_one_holds_up_nobody() {
    let limits =
        Limits { long_poll: Duration::from_millis(50), in_flight_max: 3, ..Limits::default() };
    let bench = bench(Clock::Machine, limits);
    for at in 0..10 {
        bench.request(&format!("slow-{at}"));
    }
    let stop = CancellationToken::new();
    let working = tokio::spawn(Arc::clone(&bench.worker).run(stop.clone()));
    let asked = || bench.gateway.asked.load(Ordering::SeqCst);
    eventually("three to be in hand", async || (asked() == 3).then_some(())).await;
    // The rest is not hidden: another replica could have it.
    let bus = bench.exchange.bus(RoleName::Payment);
    let others = bus.receive(10, Duration::ZERO, Duration::ZERO).await.unwrap();
    assert_eq!(others.len(), 7);
    // One goes through: its place is taken by the next, while two are still slow.
    bench.gateway.let_go.notify_one();
    eventually("the next one to begin", async || (asked() == 4).then_some(())).await;
    assert_eq!(bench.exchange.published(Kind::PaymentOk), 1);
    bench.gateway.at_once.store(true, Ordering::SeqCst);
    bench.gateway.let_go.notify_waiters();
    eventually("all to be paid", async || {
        bench.gateway.let_go.notify_waiters();
        (bench.exchange.published(Kind::PaymentOk) == 10).then_some(())
    })
    .await;
    stop.cancel();
    working.await.unwrap().unwrap();
}

/// A bug that one message meets is no end of the worker, and not of the message.
#[tokio::test]
async fn a_handler_that_panics_gives_its_message_back_and_is_counted() {
    let bench = manual();
    bench.gateway.at_once.store(true, Ordering::SeqCst);
    bench.gateway.broken.store(true, Ordering::SeqCst);
    bench.request("ada");
    assert_eq!(bench.worker.step(10).await.unwrap(), [Ended::Retry]);
    let text = bench.metrics.render();
    assert!(text.contains("booking_handler_panics_total 1\n"), "{text}");
    bench.gateway.broken.store(false, Ordering::SeqCst);
    bench.clock.advance(Duration::from_mins(10));
    assert_eq!(bench.worker.step(10).await.unwrap(), [Ended::Done]);
    assert_eq!(bench.exchange.published(Kind::PaymentOk), 1);
}

/// The wall clock may step back by a year while the breaker is open, or a lease runs.
/// Failure matrix: A40.
#[tokio::test]
async fn a_clock_that_steps_makes_no_breaker_wait_longer_and_no_lease_last_longer() {
    for step in [-1, 1].map(|it| SignedDuration::from_hours(it * 24 * 365)) {
        let bench = manual();
        bench.gateway.at_once.store(true, Ordering::SeqCst);
        bench.gateway.down.store(true, Ordering::SeqCst);
        for at in 0..6 {
            bench.request(&format!("down-{at}"));
        }
        for _ in 0..5 {
            for (delivery, in_flight) in bench.worker.receive(1).await.deliveries {
                bench.worker.attend(delivery, &in_flight).await;
            }
        }
        bench.clock.step(step);
        let wait = bench.worker.receive(1).await.rest;
        assert!(wait <= Duration::from_mins(1), "{step:?}: it waits for {wait:?}");
        assert!(bench.poll_health.health().paused.is_some());
        bench.clock.advance(Duration::from_mins(1));
        // It is tried, whatever the wall clock says; the queue's own clock stepped as well.
        bench.clock.step(SignedDuration::ZERO - step);
        assert_eq!(bench.worker.receive(1).await.deliveries.len(), 1, "{step:?}");

        let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
        let lease = Lease::new(&clock, Duration::from_secs(60), Duration::from_secs(300));
        clock.step(step);
        assert!(lease.check().is_ok() && !lease.at_cap(), "{step:?}");
        clock.advance(Duration::from_secs(61));
        assert!(lease.check().is_err(), "{step:?}");
        clock.advance(Duration::from_secs(240));
        assert!(lease.at_cap(), "{step:?}");
    }
}

/// Some emulators and proxies know no long poll.
#[tokio::test]
async fn a_receive_that_brings_nothing_too_soon_rests() {
    let bench = manual();
    let rest = bench.worker.receive(10).await.rest;
    assert_eq!(rest, Duration::from_secs(1), "it came back at once");
    bench.request("ada");
    assert_eq!(bench.worker.receive(10).await.deliveries.len(), 1);
}
