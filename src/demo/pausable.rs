//! A queue whose service can stand still for a while, as happens to every service. What is in
//! flight meanwhile goes on.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

use crate::bus::{
    BusError, DeadLetter, Delivery, Extension, Queue, ReceiptHandle, memory::MemoryBus,
};

/// A queue that brings nothing while its service stands still.
#[derive(Debug)]
pub(super) struct Pausable {
    pub(super) bus: MemoryBus,
    /// Whether the service stands still.
    pub(super) stands_still: watch::Receiver<bool>,
}

impl Queue for Pausable {
    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        let mut still = self.stands_still.clone();
        let goes_on = timeout(wait, still.wait_for(|it| !it)).await.is_ok();
        if goes_on { self.bus.receive(max, wait, visibility).await } else { Ok(Vec::new()) }
    }

    async fn delete(&self, handle: &ReceiptHandle) -> Result<(), BusError> {
        self.bus.delete(handle).await
    }

    async fn give_back(&self, handle: &ReceiptHandle, after: Duration) -> Result<(), BusError> {
        self.bus.give_back(handle, after).await
    }

    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<Extension>, BusError> {
        self.bus.extend(handles, visibility).await
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Result<(), BusError> {
        self.bus.set_aside(delivery, why).await
    }
}
