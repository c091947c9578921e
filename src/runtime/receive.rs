//! One receive: whether it may begin, what it brings, and how long to rest after it.

use std::time::Duration;

use tracing::warn;

use super::{Chain, Gate, Worker, delay::pause};
use crate::{
    bus::{Delivery, InHand, Outbox, Queue},
    roles::Role,
    store::Store,
};

/// A receive that brings nothing takes a long poll, or there is none where it goes: some emulators
/// and proxies answer at once. Then the next one waits until this time has passed, however often
/// SQS ends a long poll early.
const EMPTY_MIN: Duration = Duration::from_secs(1);

/// What one receive brought.
#[derive(Debug)]
pub struct Received {
    /// Each counted as in hand, until what is beside it is dropped.
    pub deliveries: Vec<(Delivery, InHand)>,
    /// How long to rest before the next receive.
    pub rest: Duration,
}

impl<Q: Queue, R: Role, S: Store, O: Outbox> Worker<Q, R, S, O> {
    /// One receive of at most `max`, if the breaker lets it; and how long to rest before the next
    /// one. For whoever is in charge of the order of things and yet wants the worker's own pace.
    pub async fn receive(&self, max: usize) -> Received {
        let (max, trial) = match self.breaker.gate(self.work().clock().steady()) {
            Gate::Closed => (max, false),
            Gate::Trial { .. } => (1, true),
            Gate::Open { wait, why } => {
                self.pulse.rest(why);
                return Received { deliveries: Vec::new(), rest: wait };
            }
        };
        let limits = &self.limits;
        let asked = self.work().clock().steady();
        let received = self.queue.receive(max, limits.long_poll, limits.visibility).await;
        if trial && !received.as_ref().is_ok_and(|it| !it.is_empty()) {
            self.breaker.untried();
        }
        match received {
            Ok(deliveries) => {
                // The loop lives, also when nothing comes to be tried. The breaker may have opened
                // or closed since this receive began: how it is now is what counts.
                self.pulse.beat_while(self.breaker.open().map(|(_, why)| why));
                let now = self.work().clock().steady();
                let rest = match deliveries.len() {
                    0 => limits.long_poll.min(EMPTY_MIN).saturating_sub(now.saturating_sub(asked)),
                    _ => Duration::ZERO,
                };
                let waited = self.ages.waited(&deliveries, now);
                let rest = rest.max(self.pace.after(max, deliveries.len(), waited));
                let deliveries = deliveries.into_iter().map(|it| (it, self.queue.in_hand()));
                // All of the hands, before the first begins: whoever batches waits for all.
                Received { deliveries: deliveries.collect(), rest }
            }
            Err(error) => {
                let failures = self.pulse.miss(Chain(&error).to_string());
                self.metrics().receive_failed();
                warn!(error = %Chain(&error), failures, "could not receive, trying again");
                Received { deliveries: Vec::new(), rest: pause(failures, &mut self.jitter()) }
            }
        }
    }

    /// Waits for `pause`, as long as a receive said. If polling has stopped, it stops waiting as
    /// soon as polling goes on.
    pub async fn rest(&self, pause: impl Future<Output = ()>) {
        self.breaker.rest(pause).await;
    }

    /// How many receives may be open at once, as the queue is now.
    pub fn pollers_wanted(&self) -> usize {
        self.pace.wanted()
    }
}
