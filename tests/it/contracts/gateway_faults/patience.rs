//! A provider that asks to wait, or that cannot decide about one booking. Payment must never ask it
//! again before the time is over, and one booking must never stop the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use booking::{
    bus::memory::{Exchange, MemoryBus, Unkindness},
    clock::Clock,
    domain::{
        RoleName,
        event::{Charge, Kind, Refund},
        ids::BookingId,
        money::Money,
        request::PaymentToken,
    },
    gateway::{Charged, Gateway, GatewayError},
    metrics::Metrics,
    roles::PaymentRole,
    runtime::{Attendant, Ended, Limits, PollHealth, UnitOfWork, Worker},
    store::memory::Memory,
};

use crate::{
    contracts::gateway::booking,
    harness::{Sketch, Stripe, skipped},
};

/// How long the provider asks to wait: longer than the delay after a first delivery.
const AFTER: Duration = Duration::from_mins(10);

/// How many bookings must fail, with no answer in between, before the breaker opens.
const FAILURES_MAX: usize = 5;

/// A gateway that answers its first request with this error.
#[derive(Clone)]
struct Busy(fn() -> GatewayError, Arc<AtomicUsize>);

impl Gateway for Busy {
    async fn find(&self, _: &BookingId) -> Result<Option<Charged>, GatewayError> {
        Ok(None)
    }

    async fn charge(
        &self,
        _: &BookingId,
        _: &PaymentToken,
        amount: Money,
    ) -> Result<Charged, GatewayError> {
        if self.1.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(self.0());
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

/// A worker of payment over queues in memory, and the clock of both.
struct Bench<G> {
    clock: Clock,
    exchange: Exchange,
    metrics: Metrics,
    worker: Worker<MemoryBus, PaymentRole<G>, Memory, MemoryBus>,
}

impl<G: Gateway> Bench<G> {
    fn new(gateway: G) -> Bench<G> {
        let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
        let exchange = Exchange::new(clock.clone(), "", 1, Unkindness::default());
        let (bus, metrics) = (exchange.bus(RoleName::Payment), Metrics::default());
        let work = UnitOfWork::new(PaymentRole(gateway), Memory::default(), clock.clone());
        let attendant =
            Attendant::new(Arc::new(work), bus.clone(), exchange.intake(), metrics.clone());
        let poll_health = PollHealth::new(&clock, Duration::MAX);
        let worker = Worker::new(bus, attendant, Limits::default(), poll_health, 1);
        Bench { clock, exchange, metrics, worker }
    }

    fn request(&self, booking: &BookingId, token: &'static str) {
        let request = Sketch::new(booking.as_str(), &["12A"], token).cloud_event();
        self.exchange.publish_text(Kind::BookingRequested, &request);
    }

    fn breaker_is_open(&self) -> bool {
        self.metrics.render().contains("booking_breaker_open{on=\"outside\"} 1\n")
    }
}

#[tokio::test]
async fn a_provider_that_asks_to_wait_is_not_asked_before() {
    let busy: [fn() -> GatewayError; 3] = [
        || GatewayError::NotNow { why: "it is asked too much", after: Some(AFTER) },
        || GatewayError::Failed { status: 503, after: Some(AFTER) },
        || GatewayError::Undecided { why: "it has not decided yet", after: Some(AFTER) },
    ];
    for busy in busy {
        let bench = Bench::new(Busy(busy, Arc::default()));
        bench.request(&booking("a"), "tok_visa");
        assert_eq!(bench.worker.step(10).await.unwrap(), [Ended::Retry]);
        bench.clock.advance(AFTER - Duration::from_secs(1));
        assert_eq!(bench.worker.step(10).await.unwrap(), [], "it is still hidden");
        bench.clock.advance(Duration::from_secs(2));
        assert_eq!(bench.worker.step(10).await.unwrap(), [Ended::Done]);
        assert_eq!(bench.exchange.published(Kind::PaymentOk), 1);
    }
}

/// Failure matrix: D22.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_booking_that_stays_undecided_opens_no_breaker() {
    const DELIVERIES: usize = 10;
    if skipped("stripe") {
        return;
    }
    let stripe = Stripe::running();
    let undecided = &["undecided"; 2 * DELIVERIES][..];
    for (token, plan) in [
        ("tok_visa", vec![("charge", &["failure_kept"][..])]),
        ("tok_visa", vec![("charge", &["locked"; DELIVERIES][..])]),
        ("tok_visa", vec![("charge", &["undecided"][..]), ("look", undecided)]),
        ("tok_in_use", vec![]),
    ] {
        let (bench, id) = (Bench::new(stripe.gateway()), booking("undecided"));
        stripe.plan(&id, &plan).await;
        bench.request(&id, token);
        for _ in 0..DELIVERIES {
            assert_eq!(bench.worker.step(10).await.unwrap(), [Ended::Retry], "{token} {plan:?}");
            assert!(!bench.breaker_is_open(), "{token} {plan:?}");
            bench.clock.advance(Duration::from_mins(15));
        }
    }
}

/// Failure matrix: D16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_of_several_bookings_in_a_row_open_the_breaker() {
    if skipped("stripe") {
        return;
    }
    let stripe = Stripe::running();
    let bench = Bench::new(stripe.gateway());
    for number in 1..=FAILURES_MAX {
        let id = booking("down");
        stripe.plan(&id, &[("charge", &["down"])]).await;
        bench.request(&id, "tok_visa");
        assert_eq!(bench.worker.step(1).await.unwrap(), [Ended::Retry]);
        assert_eq!(bench.breaker_is_open(), number == FAILURES_MAX, "after {number}");
    }
}
