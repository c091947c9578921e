//! Requests for many entries over a bus that takes one at a time: the memory bus, to work behind
//! the batching that the real one has, in tests and benches.

use std::time::Duration;

use super::{Answer, Bus, BusError, DeadLetter, Delivery, Message, ReceiptHandle, Requests};
use crate::domain::event::Kind;

/// Any bus, to be [`Batched`](super::Batched): an entry fails alone, as it does in a request of SNS
/// or SQS.
#[derive(Clone, Debug)]
pub struct OneByOne<B>(pub B);

impl<B: Bus + Clone> Requests for OneByOne<B> {
    async fn publish(&self, kind: Kind, bodies: Vec<String>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(bodies.len());
        for body in bodies {
            answers.push(self.0.publish(&Message { kind, body }).await);
        }
        answers
    }

    async fn delete(&self, handles: Vec<ReceiptHandle>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(handles.len());
        for it in handles {
            answers.push(self.0.delete(&it).await);
        }
        answers
    }

    async fn give_back(&self, handles: Vec<(ReceiptHandle, Duration)>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(handles.len());
        for (it, after) in handles {
            answers.push(self.0.give_back(&it, after).await);
        }
        answers
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        self.0.receive(max, wait, visibility).await
    }

    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<bool>, BusError> {
        self.0.extend(handles, visibility).await
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Answer {
        self.0.set_aside(delivery, why).await
    }
}
