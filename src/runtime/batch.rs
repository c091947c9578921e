//! A batch that somebody else has received, as Lambda does for a function. It must never receive,
//! and never work on a message for longer than it was told.

use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::{
    Ended, InFlight, Lease, Permission, Worker,
    delay::{give_back_delay, not_before},
};
use crate::{
    bus::{Delivery, Outbox, Queue},
    roles::Role,
    store::Store,
};

impl<Q: Queue, R: Role, S: Store, O: Outbox> Worker<Q, R, S, O> {
    /// Attends to all deliveries at the same time, for at most `time`, and returns how each of them
    /// ended, in their order. `None` means that the message was given back without a verdict:
    /// there was no time left for it, or the breaker is open.
    ///
    /// A queue of Lambda goes on delivering while the breaker is open. So the batch is the trial:
    /// its first delivery goes alone, and only if it succeeds do the others follow.
    pub async fn attend_all(
        &self,
        deliveries: Vec<Delivery>,
        time: Duration,
    ) -> Vec<Option<Ended>> {
        let cut = CancellationToken::new();
        let cutting = async {
            tokio::time::sleep(time).await;
            cut.cancel();
            std::future::pending().await
        };
        tokio::select! {
            biased;
            ended = self.attend_until_cut(deliveries, time, &cut) => ended,
            never = cutting => never,
        }
    }

    async fn attend_until_cut(
        &self,
        deliveries: Vec<Delivery>,
        time: Duration,
        cut: &CancellationToken,
    ) -> Vec<Option<Ended>> {
        // Count all of them before the first handler begins: the first message to leave has to
        // know how many others could join its batch.
        let waiting: Vec<_> = deliveries.into_iter().map(|it| (it, self.in_flight())).collect();
        let mut waiting = waiting.into_iter();
        let mut ended = Vec::with_capacity(waiting.len());
        let open_for = match self.breaker.permission(self.work().clock().steady()) {
            Permission::Closed => None,
            Permission::Open { wait, .. } => Some(wait),
            Permission::Trial(trial) => {
                if let Some((delivery, in_flight)) = waiting.next() {
                    let in_flight = in_flight.trying(Some(trial));
                    ended.push(self.attend_for(&delivery, in_flight, time, cut).await);
                }
                self.breaker.open().map(|_| Duration::ZERO)
            }
        };
        let others = waiting.map(async |(delivery, in_flight)| match open_for {
            None => self.attend_for(&delivery, in_flight, time, cut).await,
            Some(wait) => {
                let delay = give_back_delay(delivery.incoming.attempt, &mut self.jitter());
                self.give_back(&delivery.receipt_handle, not_before(delay, Some(wait))).await;
                None
            }
        });
        ended.extend(join_all(others).await);
        ended
    }

    async fn attend_for(
        &self,
        delivery: &Delivery,
        in_flight: InFlight,
        time: Duration,
        cut: &CancellationToken,
    ) -> Option<Ended> {
        // Nobody extends it: the queue hides the message for much longer than that.
        let lease = Lease::new(self.work().clock(), time, time);
        self.attend_under(delivery, &lease, cut, &in_flight).await
    }
}
