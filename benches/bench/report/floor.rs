//! The fewest requests that a booking can take at a steady rate, if no message may wait for longer
//! than the latency target to be received together with others. Nobody measures this.

/// The messages of a booking on the queue of each role.
const ON_A_QUEUE: [f64; 4] = [2.0, 1.0, 3.0, 4.0];
/// The topics that the services publish on, once a booking each.
const TOPICS: f64 = 3.0;
/// The messages that share a request at most.
const BATCH: f64 = 10.0;

/// The requests of a booking, by kind.
pub struct Floor {
    /// The client publishes each booking by itself.
    pub client: f64,
    pub publishes: f64,
    pub receives: f64,
    /// No work waits for a delete, so all leave by tens.
    pub deletes: f64,
}

impl Floor {
    /// For so many bookings a second and a latency target in seconds.
    pub fn of(rate: f64, target: f64) -> Floor {
        let receives = |messages: &f64| messages / together(messages * rate * target);
        Floor {
            client: 1.0,
            publishes: TOPICS / together(rate * target),
            receives: ON_A_QUEUE.iter().map(receives).sum(),
            deletes: ON_A_QUEUE.iter().sum::<f64>() / BATCH,
        }
    }

    pub fn all(&self) -> f64 {
        self.client + self.publishes + self.receives + self.deletes
    }
}

/// How many messages share a request, if so many come during the target on average: those that came
/// during a pause as long as the target, or the first one after it, which ends the long poll.
fn together(come: f64) -> f64 {
    (come + (-come).exp()).min(BATCH)
}
