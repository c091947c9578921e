//! The bus of one process: what SNS and SQS do to it.

use std::time::Duration;

use booking::{
    bus::{Bus, BusError, DeadLetter, Delivery, Message, ReceiptHandle},
    domain::RoleName,
};

use super::{
    faults::Fault,
    guards::Guard,
    queues::{About, Dead},
    watch::cause_of,
    world::{Op, Outage, Sim, World},
};

/// The bus as one role sees it.
#[derive(Clone)]
pub struct SimBus {
    pub sim: Sim,
    pub role: RoleName,
}

fn failed(operation: &'static str, why: &'static str) -> BusError {
    BusError::Failed { operation, name: "sim".into(), source: why.into() }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("less than a day")
}

impl SimBus {
    fn throttled(&self, world: &mut World, operation: &'static str) -> Result<(), BusError> {
        if world.down(Outage::Bus, Fault::Throttled, self.role, 3) {
            return Err(failed(operation, "Throttling: rate exceeded"));
        }
        Ok(())
    }
}

impl Bus for SimBus {
    async fn publish(&self, message: &Message) -> Result<(), BusError> {
        self.sim.turn(Op::Publish).await;
        let world = &mut *self.sim.lock();
        let role = self.role;
        self.throttled(world, "publish to")?;
        if world.strikes(Fault::PublishRefused, role, 6) {
            let source = "AuthorizationError".into();
            return Err(BusError::Refused { operation: "publish to", name: "sim".into(), source });
        }
        if world.in_company(Op::Publish) && world.strikes(Fault::PublishPart, role, 40) {
            return Err(failed("publish to", "one entry of several failed"));
        }
        world.watch.publishes(role, &message.body);
        let (booking, cause) = cause_of(&message.body);
        let about = About { kind: message.kind, booking, cause: Some(cause) };
        let booking = about.booking.clone();
        world.note(format_args!("{role} says {} of {booking}", message.kind));
        let id = world.uuid();
        world.publish(message.kind, &message.body, &id, Some(about), None);
        if world.strikes(Fault::PublishLost, role, 12) {
            return Err(failed("publish to", "the reply was lost"));
        }
        Ok(())
    }

    async fn receive(
        &self,
        max: usize,
        _: Duration,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        self.sim.turn(Op::Receive).await;
        let world = &mut *self.sim.lock();
        self.throttled(world, "receive from")?;
        if world.queues.backlog(self.role, world.now_ms)
            && world.strikes(Fault::EmptyReceive, self.role, 20)
        {
            return Ok(Vec::new());
        }
        let deliveries = world.take(self.role, max, ms(visibility));
        if world.without == Some(Guard::PublishBeforeDelete) {
            for it in &deliveries {
                world.queues.remove(self.role, &it.receipt_handle);
            }
        }
        Ok(deliveries)
    }

    async fn delete(&self, handle: &ReceiptHandle) -> Result<(), BusError> {
        self.sim.turn(Op::Delete).await;
        let world = &mut *self.sim.lock();
        let role = self.role;
        self.throttled(world, "delete from")?;
        if world.in_company(Op::Delete) && world.strikes(Fault::DeletePart, role, 30) {
            return Err(failed("delete from", "one entry of several failed"));
        }
        let expires = world.strikes(Fault::StaleHandle, role, 8);
        if expires && let Some(it) = world.queues.find(role, handle) {
            // Somebody else got it a moment ago.
            it.rot();
        }
        let Some(queued) = world.queues.remove(role, handle) else {
            if !expires && world.unkind {
                world.count(Fault::StaleHandle, role);
            }
            return Ok(());
        };
        world.watch.deletes(role, &queued);
        if world.strikes(Fault::AfterDelete, role, 10) {
            world.haunt(role, queued);
        }
        Ok(())
    }

    async fn give_back(&self, handle: &ReceiptHandle, after: Duration) -> Result<(), BusError> {
        self.sim.turn(Op::GiveBack).await;
        let world = &mut *self.sim.lock();
        self.throttled(world, "give back to")?;
        let late = world.strikes(Fault::DelayHours, self.role, 40);
        let hours_ms = if late { world.rng.i64(1..7) * 3_600_000 } else { 0 };
        let visible_ms = world.now_ms + ms(after) + hours_ms;
        if let Some(it) = world.queues.find(self.role, handle) {
            it.visible_ms = visible_ms;
        }
        Ok(())
    }

    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<bool>, BusError> {
        self.sim.turn(Op::Extend).await;
        let world = &mut *self.sim.lock();
        self.throttled(world, "extend in")?;
        if world.strikes(Fault::Heartbeat, self.role, 150) {
            return Err(failed("extend in", "connection reset"));
        }
        let now_ms = world.now_ms;
        let mut good = Vec::with_capacity(handles.len());
        for handle in handles {
            let found = world.queues.find(self.role, handle).filter(|it| it.visible_ms > now_ms);
            let ours = found.map(|it| it.visible_ms = now_ms + ms(visibility)).is_some();
            if !ours && world.unkind {
                world.count(Fault::StaleHandle, self.role);
            }
            good.push(ours);
        }
        Ok(good)
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Result<(), BusError> {
        self.sim.turn(Op::SetAside).await;
        let world = &mut *self.sim.lock();
        let role = self.role;
        self.throttled(world, "set aside from")?;
        let said = |name: &str| {
            let found = why.attributes.iter().find(|(it, _)| *it == name);
            found.map(|(_, it)| it.clone()).unwrap_or_default()
        };
        let (class, reason) = (said("class"), said("reason"));
        world.note(format_args!("{role} sets #{} aside: {class}", delivery.message_id));
        let Some(it) = world.queues.find(role, &delivery.receipt_handle) else {
            // Somebody else has it, and will set it aside too.
            return Ok(());
        };
        it.copied = true;
        let dead = Dead { letter: it.letter.clone(), why: Some((class, reason)) };
        if let Some(junk) = dead.letter.junk {
            world.tally.count(junk, role);
        }
        world.queues.dead.entry(role).or_default().push(dead);
        Ok(())
    }
}
