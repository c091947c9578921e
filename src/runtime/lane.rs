//! A lane: the deliveries of one group of a FIFO queue that one receive brought. They are dealt
//! with one after the other, and if one of them has to come again, those behind it go back
//! unread: none may overtake it.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::{Ended, InFlight, Worker};
use crate::{
    bus::{Delivery, Outbox, Queue},
    roles::Role,
    store::Store,
};

impl<Q: Queue, R: Role, S: Store, O: Outbox> Worker<Q, R, S, O> {
    /// Attends to the deliveries of one group in their order, until one of them was not dealt with
    /// or `cut` is cancelled. Gives back the rest.
    pub(super) async fn attend_lane(
        self: Arc<Self>,
        lane: Vec<(Delivery, InFlight)>,
        cut: CancellationToken,
    ) {
        // All leases begin now: the visibility timeout of those that wait runs, too.
        let lease = |it: &(Delivery, InFlight)| self.hold(&it.0);
        let leases: Vec<_> = lane.iter().map(lease).collect();
        let mut waiting = lane.into_iter().zip(leases);
        for ((delivery, in_flight), lease) in waiting.by_ref() {
            let ended = self.attend_under(&delivery, &lease, &cut, &in_flight).await;
            drop((lease, in_flight));
            if !matches!(ended, Some(Ended::Done | Ended::Poison)) {
                break;
            }
        }
        join_all(waiting.map(|((delivery, in_flight), lease)| {
            let worker = &self;
            async move {
                worker.give_back(&delivery.receipt_handle, std::time::Duration::ZERO).await;
                drop((lease, in_flight));
            }
        }))
        .await;
    }
}
