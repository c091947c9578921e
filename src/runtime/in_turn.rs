//! The deliveries of one lane, in turn. If one of them has to come again, those behind it go back
//! unread, so that none overtakes it.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{Ended, InFlight, Worker, lane::goes_back_unread};
use crate::{
    bus::{Delivery, Outbox, Queue},
    roles::Role,
    store::Store,
};

impl<Q: Queue, R: Role, S: Store, O: Outbox> Worker<Q, R, S, O> {
    /// Attends to the deliveries of a lane in their order. Begins no more once `stop` is cancelled,
    /// and drops the one that it attends to once `cut` is. What it does not deal with, it gives
    /// back.
    pub(super) async fn attend_lane(
        self: Arc<Self>,
        lane: Vec<(Delivery, InFlight)>,
        permit: OwnedSemaphorePermit,
        stop: CancellationToken,
        cut: CancellationToken,
    ) {
        // All leases begin now: the visibility timeout of those that wait runs, too.
        let leases: Vec<_> = lane.iter().map(|it| self.hold(&it.0)).collect();
        let (mut held_up, mut unread) = (false, Vec::new());
        for (number, ((delivery, in_flight), lease)) in lane.into_iter().zip(leases).enumerate() {
            let waited = number > 0;
            // What could not begin in its time goes back at once: its handler was not slow.
            let late = waited && (lease.at_cap() || lease.check().is_err());
            if late || stop.is_cancelled() || held_up && goes_back_unread(&delivery) {
                unread.push((delivery, in_flight, lease));
                continue;
            }
            let in_flight = if waited { in_flight.joining(self.queue.joiner()) } else { in_flight };
            let ended = self.attend_under(&delivery, &lease, &cut, &in_flight).await;
            held_up |= !ended.is_some_and(Ended::is_dealt_with);
        }
        if !unread.is_empty() {
            info!(messages = unread.len(), "given back unread: they wait for one of their booking");
        }
        join_all(unread.into_iter().map(async |(delivery, in_flight, lease)| {
            self.give_back(&delivery.receipt_handle, Duration::ZERO).await;
            drop((lease, in_flight));
        }))
        .await;
        // Not before: a worker has drained when every permit is back.
        drop(permit);
    }
}
