//! The guard of one delivery in flight, from its receive to the end of its handler. Gauge, room,
//! joiners and poll health all follow this guard, and deliveries must never be counted in any other
//! way.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{PollHealth, Trial};
use crate::bus::{Delivery, Joiner};

/// The room of a worker for its deliveries: `--in-hand` of them are worked on, and as many may be
/// leaving, of which only the delete is left. A worker has drained when both are empty.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) worked_on: Arc<Semaphore>,
    leaving: Arc<Semaphore>,
    of_each: u32,
}

impl Room {
    pub(super) fn new(of_each: usize) -> Room {
        let semaphore = || Arc::new(Semaphore::new(of_each));
        let of_each = u32::try_from(of_each).unwrap_or(u32::MAX);
        Room { worked_on: semaphore(), leaving: semaphore(), of_each }
    }

    /// Returns when no delivery is in flight, if no further one comes.
    pub(super) async fn empty(&self) {
        // In this order, which is the way that a delivery takes.
        for part in [&self.worked_on, &self.leaving] {
            let _ = part.acquire_many(self.of_each).await;
        }
    }
}

/// One delivery is in flight for as long as this value lives, even if its handler is dropped or
/// panics. The delivery is counted in the metrics, may join a batch of the queue, and has a place
/// in the room of its worker.
#[derive(Debug)]
pub struct InFlight {
    gauge: Gauge,
    poll_health: PollHealth,
    in_flight_max: usize,
    /// The trial of the breaker, if this delivery is its trial.
    trial: Option<Trial>,
    joiner: Joiner,
    place: Mutex<Place>,
}

/// Where a delivery has its place.
#[derive(Debug)]
enum Place {
    /// Somebody else counts it.
    Elsewhere,
    /// Among those that are worked on, until it finds room among those that leave.
    WorkedOn { _permit: OwnedSemaphorePermit, leaving: Arc<Semaphore> },
    /// Among those that leave.
    Leaving { _permit: OwnedSemaphorePermit },
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
        let place = Mutex::new(Place::Elsewhere);
        InFlight { gauge, poll_health, in_flight_max, trial: None, joiner, place }
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
        self.joiner = joiner;
        self
    }

    /// The same guard, of a delivery that is worked on with this permit.
    pub(super) fn in_room(mut self, room: &Room, permit: OwnedSemaphorePermit) -> InFlight {
        let leaving = Arc::clone(&room.leaving);
        self.place = Mutex::new(Place::WorkedOn { _permit: permit, leaving });
        self
    }

    /// Only the delete is left, which takes a round trip and may wait for others: another delivery
    /// can be worked on, unless too many are leaving already.
    pub(super) fn leaves(&self) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let Place::WorkedOn { leaving, .. } = &*place else { return };
        if let Ok(permit) = Arc::clone(leaving).try_acquire_owned() {
            *place = Place::Leaving { _permit: permit };
            self.poll_health.ended(self.in_flight_max);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
        let place = self.place.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !matches!(place, Place::Leaving { .. }) {
            self.poll_health.ended(self.in_flight_max);
        }
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
