//! A provider that asks to wait. Payment must never ask it again before that time is over.

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
    runtime::{Attendant, Ended, Limits, Pulse, UnitOfWork, Worker},
    store::memory::Memory,
};

use crate::harness::Sketch;

/// How long the provider asks to wait: longer than the delay after a first delivery.
const AFTER: Duration = Duration::from_mins(10);

/// A gateway that answers its first request with a rate limit.
#[derive(Clone, Default)]
struct Busy(Arc<AtomicUsize>);

impl Gateway for Busy {
    async fn find(&self, _: &BookingId) -> Result<Option<Charge>, GatewayError> {
        Ok(None)
    }

    async fn charge(
        &self,
        _: &BookingId,
        _: &PaymentToken,
        amount: Money,
    ) -> Result<Charged, GatewayError> {
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(GatewayError::NotNow { why: "it is asked too much", after: Some(AFTER) });
        }
        Ok(Charged::Yes(Charge { charge: "ch".into(), amount }))
    }

    async fn refund(&self, _: &BookingId, _: &Charge) -> Result<Refund, GatewayError> {
        Err(GatewayError::Refused("nothing is refunded here"))
    }
}

type Payment = Worker<MemoryBus, PaymentRole<Busy>, Memory, MemoryBus>;

#[tokio::test]
async fn a_provider_that_asks_to_wait_is_not_asked_before() {
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    let exchange = Exchange::new(clock.clone(), "", 1, Unkindness::default());
    let bus = exchange.bus(RoleName::Payment);
    let work = UnitOfWork::new(PaymentRole(Busy::default()), Memory::default(), clock.clone());
    let attendant =
        Attendant::new(Arc::new(work), bus.clone(), exchange.intake(), Metrics::default());
    let pulse = Pulse::new(&clock, Duration::MAX);
    let worker: Payment = Worker::new(bus, attendant, Limits::default(), pulse, 1);

    let request = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    exchange.publish_text(Kind::BookingRequested, &request);
    assert_eq!(worker.step(10).await.unwrap(), [Ended::Retry]);
    clock.advance(AFTER - Duration::from_secs(1));
    assert_eq!(worker.step(10).await.unwrap(), [], "it is still hidden");
    clock.advance(Duration::from_secs(2));
    assert_eq!(worker.step(10).await.unwrap(), [Ended::Done]);
    assert_eq!(exchange.published(Kind::PaymentOk), 1);
}
