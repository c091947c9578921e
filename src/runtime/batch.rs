//! A batch that somebody else has received, as Lambda does for a function. It must never receive,
//! and never work on a message for longer than it was told.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::{
    Ended, InFlight, Lease, Permission, Worker,
    delay::{give_back_delay, held_back_delay},
};
use crate::{
    bus::{Delivery, Outbox, Queue},
    roles::Role,
    store::Store,
};

/// How long giving back what was cut may take. Lambda hides the message anyway, but for longer.
const GIVE_BACK_WITHIN: Duration = Duration::from_millis(500);

impl<Q: Queue, R: Role, S: Store, O: Outbox> Worker<Q, R, S, O> {
    /// Attends to all deliveries, to at most `in_flight_max` at the same time, and returns how each
    /// of them ended, in their order. After `time` those that have not ended are dropped before
    /// their next step and given back, for which half a second more may pass. `None` means that a
    /// message has no verdict: there was no time left for it, or the breaker is open.
    ///
    /// Lambda goes on delivering while the breaker is open. So the first delivery of a batch is the
    /// trial, and the others wait for it: if it closes the breaker they follow, if it fails they
    /// are given back untried, and if it says nothing about the dependency the next one is tried.
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
        let is_open = loop {
            // What is left goes back side by side then, and not one after the other.
            if cut.is_cancelled() {
                break true;
            }
            match self.breaker.permission(self.work().clock().steady()) {
                Permission::Closed => break false,
                Permission::Open { .. } => break true,
                Permission::Trial(trial) => {
                    let Some((delivery, in_flight)) = waiting.next() else { break false };
                    let in_flight = in_flight.trying(Some(trial));
                    ended.push(self.attend_for(&delivery, in_flight, time, cut).await);
                }
            }
        };
        let others = stream::iter(waiting).map(async |(delivery, in_flight)| {
            if is_open {
                let after = held_back_delay(delivery.incoming.attempt);
                self.give_back_quickly(&delivery, after).await;
                None
            } else {
                self.attend_for(&delivery, in_flight, time, cut).await
            }
        });
        let others: Vec<_> = others.buffered(self.limits.in_flight_max.max(1)).collect().await;
        ended.extend(others);
        ended
    }

    /// Attends to one delivery until `cut`, and gives it back then.
    async fn attend_for(
        &self,
        delivery: &Delivery,
        in_flight: InFlight,
        time: Duration,
        cut: &CancellationToken,
    ) -> Option<Ended> {
        // Nobody extends it: the queue hides the message for much longer than that.
        let lease = Lease::new(self.work().clock(), time, time);
        if !cut.is_cancelled() {
            tokio::select! {
                biased;
                ended = self.attend_held(delivery, &lease, &in_flight) => return Some(ended),
                () = cut.cancelled() => {}
            }
        }
        let after = give_back_delay(delivery.incoming.attempt, &mut self.jitter());
        self.give_back_quickly(delivery, after).await;
        None
    }

    async fn give_back_quickly(&self, delivery: &Delivery, after: Duration) {
        let giving = self.give_back(&delivery.receipt_handle, after);
        let _ = tokio::time::timeout(GIVE_BACK_WITHIN, giving).await;
    }
}
