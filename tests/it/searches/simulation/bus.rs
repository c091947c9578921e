//! The bus of one process: the real batching over requests at their worst. It knows what each hand
//! is about to do.

use std::time::Duration;

use booking::{
    bus::{
        Batched, BusError, DeadLetter, Delivery, Driver, Extension, Joiner, Outbox, Queue,
        ReceiptHandle,
    },
    domain::RoleName,
    wire::{Incoming, Message},
};

use super::{
    sent::SimRequests,
    world::{Op, Sim},
};

/// The bus as one process sees it.
#[derive(Clone)]
pub struct SimBus {
    sim: Sim,
    batched: Batched<SimRequests>,
}

impl SimBus {
    pub fn new(sim: &Sim, role: RoleName) -> (SimBus, Vec<Driver>) {
        let (batched, drivers) = Batched::new(SimRequests { sim: sim.clone(), role });
        (SimBus { sim: sim.clone(), batched }, drivers)
    }
}

impl Outbox for SimBus {
    async fn send(&self, cause: &Incoming, message: &Message) -> Result<(), BusError> {
        self.sim.about_to(Op::Publish).await;
        let answer = self.batched.send(cause, message).await;
        self.sim.did(Op::Publish);
        answer
    }
}

impl Queue for SimBus {
    fn joiner(&self) -> Joiner {
        self.batched.joiner()
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        self.sim.turn(Op::Receive).await;
        self.batched.receive(max, wait, visibility).await
    }

    async fn delete(&self, handle: &ReceiptHandle) -> Result<(), BusError> {
        self.sim.about_to(Op::Delete).await;
        let answer = self.batched.delete(handle).await;
        self.sim.did(Op::Delete);
        answer
    }

    async fn give_back(&self, handle: &ReceiptHandle, after: Duration) -> Result<(), BusError> {
        self.sim.about_to(Op::GiveBack).await;
        let answer = self.batched.give_back(handle, after).await;
        self.sim.did(Op::GiveBack);
        answer
    }

    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<Extension>, BusError> {
        self.sim.turn(Op::Extend).await;
        self.batched.extend(handles, visibility).await
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Result<(), BusError> {
        self.sim.turn(Op::SetAside).await;
        self.batched.set_aside(delivery, why).await
    }
}
