//! The memory bus behind the batching that the real one has, for tests and benches.

use std::time::Duration;

use super::{
    super::{Answer, BusError, DeadLetter, Delivery, Queue, ReceiptHandle, Requests},
    MemoryBus,
};
use crate::domain::event::Kind;

/// One entry after the other: each fails alone, as it does in a request of SNS or SQS.
impl Requests for MemoryBus {
    async fn publish(&self, kind: Kind, bodies: Vec<String>) -> Vec<Answer> {
        let publish = |body: String| {
            self.exchange.publish_text(kind, &body);
            Ok(())
        };
        bodies.into_iter().map(publish).collect()
    }

    async fn delete(&self, handles: Vec<ReceiptHandle>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(handles.len());
        for it in handles {
            answers.push(Queue::delete(self, &it).await);
        }
        answers
    }

    async fn give_back(&self, handles: Vec<(ReceiptHandle, Duration)>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(handles.len());
        for (it, after) in handles {
            answers.push(Queue::give_back(self, &it, after).await);
        }
        answers
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        Queue::receive(self, max, wait, visibility).await
    }

    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<bool>, BusError> {
        Queue::extend(self, handles, visibility).await
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Answer {
        Queue::set_aside(self, delivery, why).await
    }
}
