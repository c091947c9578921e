//! A queue that an event source mapping of Lambda receives from, and deletes from: a function is
//! handed its messages, and says which of them have failed. It must never receive.

use std::time::Duration;

use tracing::warn;

use super::AwsBus;
use crate::bus::{BusError, DeadLetter, Delivery, Extension, Joiner, Queue, ReceiptHandle};

/// The queue of a function.
#[derive(Clone, Debug)]
pub struct MappedQueue(pub AwsBus);

impl Queue for MappedQueue {
    fn joiner(&self) -> Joiner {
        self.0.joiner()
    }

    fn no_more(&self) {
        self.0.no_more();
    }

    /// There is never anything to receive.
    async fn receive(&self, _: usize, _: Duration, _: Duration) -> Result<Vec<Delivery>, BusError> {
        Ok(Vec::new())
    }

    /// Lambda deletes what the function does not report as failed.
    async fn delete(&self, _: &ReceiptHandle) -> Result<(), BusError> {
        Ok(())
    }

    async fn give_back(&self, handle: &ReceiptHandle, after: Duration) -> Result<(), BusError> {
        self.0.give_back(handle, after).await
    }

    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<Extension>, BusError> {
        self.0.extend(handles, visibility).await
    }

    /// Deletes the message as well, since the function reports it as failed: Lambda counts it then,
    /// and there is nothing left that could come again.
    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Result<(), BusError> {
        self.0.set_aside(delivery, why).await?;
        // It is set aside, whatever becomes of this: at worst it is copied once more.
        if let Err(error) = self.0.delete(&delivery.receipt_handle).await {
            warn!(%error, "a message that was set aside is not deleted, and comes again");
        }
        Ok(())
    }
}
