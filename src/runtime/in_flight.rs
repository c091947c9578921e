//! The guard of one delivery in flight, from its receive to the end of its handler. Gauge, permits,
//! joiners and poll health all follow this guard, and deliveries must never be counted in any other
//! way.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::OwnedSemaphorePermit;

use super::{PollHealth, Trial};
use crate::bus::{Delivery, Joiner};

/// One delivery is in flight for as long as this value lives, even if its handler is dropped or
/// panics. The delivery is counted in the metrics, may join a batch of the queue, and holds one of
/// the permits of `--in-hand`. The worker has drained when all permits are back.
#[derive(Debug)]
pub struct InFlight {
    gauge: Gauge,
    poll_health: PollHealth,
    in_flight_max: usize,
    /// The trial of the breaker, if this delivery is its trial.
    trial: Option<Trial>,
    /// Kept only to be dropped together with this value.
    held: (Joiner, Option<OwnedSemaphorePermit>),
}

impl InFlight {
    /// The guard for one more delivery, of at most `in_flight_max`, which is counted in `gauge`.
    pub(super) fn new(
        gauge: Gauge,
        poll_health: PollHealth,
        in_flight_max: usize,
        joiner: Joiner,
    ) -> InFlight {
        gauge.inc();
        poll_health.took(in_flight_max);
        InFlight { gauge, poll_health, in_flight_max, trial: None, held: (joiner, None) }
    }

    /// The same guard, of a delivery that belongs to this trial.
    pub(super) fn trying(mut self, trial: Option<Trial>) -> InFlight {
        self.trial = trial;
        self
    }

    /// The trial that the delivery belongs to, if any.
    pub(super) fn trial(&self) -> Option<&Trial> {
        self.trial.as_ref()
    }

    /// The same guard, of a delivery that waits for another one and can join no batch.
    pub(super) fn waiting(self) -> InFlight {
        self.joining(Joiner::default())
    }

    /// The same guard, of a delivery that may join a batch from now on.
    pub(super) fn joining(mut self, joiner: Joiner) -> InFlight {
        self.held.0 = joiner;
        self
    }

    /// The same guard, holding a permit too.
    pub(super) fn with(mut self, permit: OwnedSemaphorePermit) -> InFlight {
        self.held.1 = Some(permit);
        self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
        self.poll_health.ended(self.in_flight_max);
    }
}

/// The result of one receive.
#[derive(Debug)]
pub struct Received {
    /// Each delivery with the guard that counts it as in flight.
    pub deliveries: Vec<(Delivery, InFlight)>,
    /// How long to rest before the next receive.
    pub rest: Duration,
}
