//! Lets the memory bus be used behind the same batching as the bus on AWS, for tests and benches.
//! It must never behave differently from the memory bus alone.

use std::time::Duration;

use super::{
    super::{Answer, BusError, DeadLetter, Delivery, Extension, Queue, ReceiptHandle, Requests},
    MemoryBus,
};
use crate::{domain::event::Kind, wire::Message};

/// Handles one entry after the other, so that each can fail alone, as in a batch of SNS or SQS.
impl Requests for MemoryBus {
    async fn publish(&self, _: Kind, messages: Vec<Message>) -> Vec<Answer> {
        let publish = |it: Message| {
            self.exchange.publish(&it);
            Ok(())
        };
        messages.into_iter().map(publish).collect()
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
    ) -> Result<Vec<Extension>, BusError> {
        Queue::extend(self, handles, visibility).await
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Answer {
        Queue::set_aside(self, delivery, why).await
    }
}
