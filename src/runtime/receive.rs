//! One receive: whether the breaker allows it, what it brings, and how long to rest afterwards. It
//! must never begin a receive that the breaker forbids.

use std::time::Duration;

use tracing::warn;

use super::{Chain, Permission, Received, Worker, delay::pause, spans};
use crate::{
    bus::{BusError, Delivery, Outbox, Queue},
    roles::Role,
    store::Store,
};

/// The shortest time from one receive that brings nothing to the next receive. An empty long poll
/// takes longer by itself, but some emulators and proxies answer at once.
const EMPTY_MIN: Duration = Duration::from_secs(1);

impl<Q: Queue, R: Role, S: Store, O: Outbox> Worker<Q, R, S, O> {
    /// Receives at most `max` messages, if the breaker allows it, and says how long to rest before
    /// the next receive. Public for tests that control the order of events and still need the pace
    /// of the worker.
    pub async fn receive(&self, max: usize) -> Received {
        let (max, mut trial) = match self.breaker.permission(self.work().clock().steady()) {
            Permission::Closed => (max, None),
            Permission::Trial(it) => (1, Some(it)),
            Permission::Open { wait, why } => {
                self.poll_health.rest(why);
                return Received { deliveries: Vec::new(), rest: wait };
            }
        };
        let limits = &self.limits;
        let asked = self.work().clock().steady();
        let received = self.bring(max, limits.long_poll).await;
        match received {
            Ok(deliveries) => {
                // The loop is alive even if no message came. The breaker may have opened or closed
                // since this receive began, so ask it again.
                self.poll_health.beat_while(self.breaker.open().map(|(_, why)| why));
                let now = self.work().clock().steady();
                let rest = match deliveries.len() {
                    0 => limits.long_poll.min(EMPTY_MIN).saturating_sub(now.saturating_sub(asked)),
                    _ => Duration::ZERO,
                };
                let waited = self.ages.waited(&deliveries, now);
                let rest = rest.max(self.pace.after(max, deliveries.len(), waited));
                // A trial that brought no message ends here.
                let mut guard = || self.in_flight().trying(trial.take());
                let deliveries = deliveries.into_iter().map(|it| (it, guard()));
                // Count all of them before the first handler begins: the first message to leave has
                // to know how many others could join its batch.
                Received { deliveries: deliveries.collect(), rest }
            }
            Err(error) => {
                let failures = self.poll_health.miss(Chain(&error).to_string());
                self.metrics().receive_failed();
                warn!(error = %Chain(&error), failures, "could not receive, trying again");
                Received { deliveries: Vec::new(), rest: pause(failures, &mut self.jitter()) }
            }
        }
    }

    /// One receive, which is told as a span if it brings messages and traces are on.
    pub(super) async fn bring(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        let traces = self.attendant.traces();
        let begun = traces.now();
        let mut deliveries = self.queue.receive(max, wait, self.limits.visibility).await?;
        spans::receive(traces, begun, &mut deliveries);
        Ok(deliveries)
    }

    /// Waits for `pause`, which should be as long as [`Received::rest`] says. If the breaker is
    /// open, this returns as soon as the breaker closes.
    pub async fn rest(&self, pause: impl Future<Output = ()>) {
        self.breaker.rest(pause).await;
    }

    /// How many pollers the present backlog needs.
    pub fn pollers_wanted(&self) -> usize {
        self.pace.wanted()
    }
}
