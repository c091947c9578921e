//! What SNS and SQS do to one request of one process, and to each of its entries.

use std::time::Duration;

use booking::{
    bus::{
        Answer, BusError, DeadLetter, Delivery, ENTRIES_MAX, Extension, ReceiptHandle, Requests,
    },
    domain::{RoleName, event::Kind},
    wire::Message,
};

use super::{
    faults::Fault,
    guards::Guard,
    queues::{About, Dead},
    watch::cause_of,
    world::{Outage, Sim, World},
};

/// The most turns that an entry waits for others: often all are there before.
const LINGER_TURNS_MAX: usize = 6;

/// The requests of one process.
#[derive(Clone)]
pub struct SimRequests {
    pub sim: Sim,
    pub role: RoleName,
}

fn failed(operation: &'static str, why: impl Into<String>) -> BusError {
    BusError::Failed { operation, name: "sim".into(), source: why.into().into() }
}

fn refused(operation: &'static str) -> BusError {
    BusError::Refused { operation, name: "sim".into(), source: "AuthorizationError".into() }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("less than a day")
}

/// A request that failed has failed for each of its entries.
fn all(count: usize, error: &BusError) -> Vec<Answer> {
    let again = |_| match error {
        BusError::Failed { operation, source, .. } => Err(failed(operation, source.to_string())),
        BusError::Refused { operation, .. } => Err(refused(operation)),
    };
    (0..count).map(again).collect()
}

impl SimRequests {
    fn throttled(&self, world: &mut World, operation: &'static str) -> Result<(), BusError> {
        if world.down(Outage::Bus, Fault::Throttled, self.role, 3) {
            return Err(failed(operation, "Throttling: rate exceeded"));
        }
        Ok(())
    }

    /// One batch on its way there and back. Whoever asked may be dead before it is answered.
    async fn send<E>(
        &self,
        entries: Vec<E>,
        deal: impl FnOnce(&mut World, Vec<E>) -> Vec<Answer>,
    ) -> Vec<Answer> {
        self.sim.pass().await;
        let mut answers = {
            let world = &mut *self.sim.lock();
            world.sent.requests += 1;
            world.sent.entries += entries.len() as u64;
            world.sent.full += u64::from(entries.len() == ENTRIES_MAX);
            let answers = deal(world, entries);
            world.dies |= world.strikes(Fault::CrashUnanswered, self.role, 4);
            answers
        };
        self.sim.pass().await;
        let without = self.sim.lock().without;
        if without == Some(Guard::OwnAnswer) && answers.iter().any(Result::is_ok) {
            answers.iter_mut().for_each(|it| *it = Ok(()));
        }
        if without == Some(Guard::AnswerOrder) {
            answers.rotate_left(1);
        }
        answers
    }

    /// Deals with each entry by itself; now and then one of several fails, and the others are done.
    fn each<E>(
        &self,
        world: &mut World,
        operation: &'static str,
        part: (Fault, u32),
        entries: Vec<E>,
        deal: impl Fn(&mut World, E),
    ) -> Vec<Answer> {
        let count = entries.len();
        let unlucky = (count > 1 && world.strikes(part.0, self.role, part.1))
            .then(|| world.rng.usize(0..count));
        let each = |(at, entry)| {
            if Some(at) == unlucky {
                return Err(failed(operation, "one entry of several failed"));
            }
            deal(world, entry);
            Ok(())
        };
        entries.into_iter().enumerate().map(each).collect()
    }

    fn say(&self, world: &mut World, kind: Kind, body: &str) {
        let role = self.role;
        world.watch.publishes(role, body);
        let (booking, cause) = cause_of(body);
        world.note(format_args!("{role} says {kind} of {booking}"));
        let about = About { kind, booking, cause: Some(cause) };
        let id = world.uuid();
        world.publish(kind, body, &id, Some(about), None);
    }

    fn remove(&self, world: &mut World, handle: &ReceiptHandle) {
        let role = self.role;
        let expires = world.strikes(Fault::StaleHandle, role, 8);
        if expires && let Some(it) = world.queues.find(role, handle) {
            // Somebody else got it a moment ago.
            it.rot();
        }
        let Some(queued) = world.queues.remove(role, handle) else {
            if !expires && world.unkind {
                world.count(Fault::StaleHandle, role);
            }
            return;
        };
        world.note(format_args!("{role} deletes #{}", handle.0));
        world.watch.deletes(role, &queued);
        if world.strikes(Fault::AfterDelete, role, 10) {
            world.haunt(role, queued);
        }
    }

    fn show(&self, world: &mut World, handle: &ReceiptHandle, after: Duration) {
        let late = world.strikes(Fault::DelayHours, self.role, 40);
        let hours_ms = if late { world.rng.i64(1..7) * 3_600_000 } else { 0 };
        let visible_ms = world.now_ms + ms(after) + hours_ms;
        if let Some(it) = world.queues.find(self.role, handle) {
            it.visible_ms = visible_ms;
        }
    }
}

impl Requests for SimRequests {
    async fn publish(&self, kind: Kind, messages: Vec<Message>) -> Vec<Answer> {
        let (role, count, operation) = (self.role, messages.len(), "publish to");
        let deal = |world: &mut World, messages| {
            if let Err(it) = self.throttled(world, operation) {
                return all(count, &it);
            }
            if world.strikes(Fault::PublishRefused, role, 6) {
                return all(count, &refused(operation));
            }
            let say = |world: &mut World, it: Message| self.say(world, kind, &it.body);
            let answers = self.each(world, operation, (Fault::PublishPart, 40), messages, say);
            if world.strikes(Fault::PublishLost, role, 12) {
                return all(count, &failed(operation, "the reply was lost"));
            }
            answers
        };
        self.send(messages, deal).await
    }

    async fn delete(&self, handles: Vec<ReceiptHandle>) -> Vec<Answer> {
        let (role, count, operation) = (self.role, handles.len(), "delete from");
        let deal = |world: &mut World, handles| {
            if let Err(it) = self.throttled(world, operation) {
                return all(count, &it);
            }
            let remove = |world: &mut World, it| self.remove(world, &it);
            let answers = self.each(world, operation, (Fault::DeletePart, 30), handles, remove);
            if world.strikes(Fault::DeleteLost, role, 8) {
                return all(count, &failed(operation, "the reply was lost"));
            }
            answers
        };
        self.send(handles, deal).await
    }

    async fn give_back(&self, handles: Vec<(ReceiptHandle, Duration)>) -> Vec<Answer> {
        let (count, operation) = (handles.len(), "give back to");
        let deal = |world: &mut World, handles| {
            if let Err(it) = self.throttled(world, operation) {
                return all(count, &it);
            }
            let show = |world: &mut World, (handle, after)| self.show(world, &handle, after);
            self.each(world, operation, (Fault::GiveBackPart, 150), handles, show)
        };
        self.send(handles, deal).await
    }

    async fn receive(
        &self,
        max: usize,
        _: Duration,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
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

    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<Extension>, BusError> {
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
            good.push(if ours { Extension::Done } else { Extension::Stale });
        }
        Ok(good)
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Answer {
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

    async fn linger(&self) {
        let turns = self.sim.lock().rng.usize(0..=LINGER_TURNS_MAX);
        for _ in 0..turns {
            self.sim.pass().await;
        }
    }
}
