//! Where processes run: started, paused, killed, and with a clock that may be wrong.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use booking::{clock::Clock, domain::RoleName};

use super::{
    driver::Run,
    faults::Fault,
    process::{Process, VISIBILITY_MS, start},
    world::{Op, Place},
};

/// How often a process extends what it has in hand.
const BEAT_MS: i64 = VISIBILITY_MS / 4;

/// A place where one process of a role runs at a time.
pub struct Slot {
    pub role: RoleName,
    pub process: Option<Box<dyn Process>>,
    /// When it starts, if it is down.
    up_ms: i64,
    pub paused_until_ms: i64,
    paused: bool,
    clock: Arc<AtomicI64>,
    skew_ms: i64,
    beat_ms: i64,
    /// When it receives again, after a receive that failed.
    pub rest_until_ms: i64,
}

impl Slot {
    pub fn new(role: RoleName) -> Slot {
        Slot {
            role,
            process: None,
            up_ms: 0,
            paused_until_ms: 0,
            paused: false,
            clock: Arc::default(),
            skew_ms: 0,
            beat_ms: 0,
            rest_until_ms: 0,
        }
    }

    /// Up, awake, and with the right time.
    pub fn mend(&mut self) {
        (self.up_ms, self.paused_until_ms, self.skew_ms) = (0, 0, 0);
    }

    pub fn may_receive(&self, now_ms: i64) -> bool {
        let waits = self.paused_until_ms > now_ms || self.rest_until_ms > now_ms;
        self.process.is_some() && !waits
    }

    /// When something happens here by itself.
    pub fn next_ms(&self, busy: bool) -> Option<i64> {
        match self.process {
            None => Some(self.up_ms),
            Some(_) if busy => Some(self.beat_ms.max(self.paused_until_ms)),
            Some(_) => Some(self.rest_until_ms.max(self.paused_until_ms)),
        }
    }
}

/// The named place in the unit of work where a hand is, and how often in a thousand it dies there.
pub fn cut(role: RoleName, place: Place) -> Option<(Fault, u32)> {
    let cut = match (place.done, place.next?) {
        (_, Op::Claim) => (Fault::CrashBeforeClaim, 10),
        (Some(Op::Claim), Op::Effect) => (Fault::CrashAfterClaim, 10),
        (Some(Op::Effect), Op::Read) => (Fault::CrashAfterEffect, 15),
        (_, Op::Settle) => (Fault::CrashBeforeSettle, 4),
        (Some(Op::Settle), _) => (Fault::CrashAfterSettle, 6),
        (Some(Op::Publish), Op::Publish) => (Fault::CrashBetween, 80),
        (Some(Op::Publish), Op::Delete) => (Fault::CrashBeforeDelete, 8),
        _ => return None,
    };
    cut.0.roles().contains(&role).then_some(cut)
}

impl Run {
    /// Time passes, on all clocks; whoever is due wakes or starts.
    pub fn tick(&mut self) {
        let world = &mut *self.sim.lock();
        world.now_ms += world.rng.i64(0..6);
        let now_ms = world.now_ms;
        for slot in &mut self.slots {
            slot.clock.store(now_ms + slot.skew_ms, Ordering::SeqCst);
            if slot.paused && slot.paused_until_ms <= now_ms {
                slot.paused = false;
                if world.unkind {
                    world.count(Fault::Zombie, slot.role);
                }
            }
            if slot.process.is_none() && slot.up_ms <= now_ms {
                let clock = Clock::Manual(Arc::clone(&slot.clock));
                let rows = &self.stores[&slot.role];
                slot.process = Some(start(&self.sim, slot.role, rows, clock, world));
                slot.beat_ms = now_ms + BEAT_MS;
            }
        }
    }

    /// Now and then something happens to a process.
    pub fn mishap(&mut self) {
        if let Some(at) = self.stumble() {
            self.kill(at);
        }
    }

    /// Whom it kills, if anybody.
    fn stumble(&mut self) -> Option<usize> {
        let world = &mut *self.sim.lock();
        if !world.unkind || world.rng.u8(0..50) > 0 {
            return None;
        }
        // Whoever has something in hand, where there is such a one: that is where it hurts.
        let busy: Vec<usize> =
            self.hands.iter().filter(|it| it.attends).map(|it| it.slot).collect();
        let anybody = world.rng.usize(0..self.slots.len());
        let at = world.rng.choice(busy).unwrap_or(anybody);
        let busy = self.hands.iter().any(|it| it.slot == at && it.attends);
        let slot = &mut self.slots[at];
        slot.process.as_ref()?;
        if busy && !slot.paused && world.threatens(Fault::Zombie, 120) {
            let long_ms = world.rng.i64(VISIBILITY_MS + 1..20 * VISIBILITY_MS);
            (slot.paused, slot.paused_until_ms) = (true, world.now_ms + long_ms);
        }
        if world.strikes(Fault::ClockJump, slot.role, 40) {
            let far_ms = if world.rng.u8(0..3) == 0 { 20 * 60_000 } else { 30_000 };
            slot.skew_ms = if world.rng.bool() { 0 } else { world.rng.i64(-far_ms..far_ms) };
        }
        world.strikes(Fault::CrashAnywhere, slot.role, 60).then_some(at)
    }

    /// The process is gone with all it had in hand; another starts in its place, at once or later.
    pub fn kill(&mut self, at: usize) {
        let dead: Vec<_> = self.hands.extract_if(.., |it| it.slot == at).collect();
        let slot = &mut self.slots[at];
        (slot.process, slot.paused, slot.paused_until_ms) = (None, false, 0);
        drop(dead);
        let world = &mut *self.sim.lock();
        world.places.retain(|_, it| it.process != at);
        let long_ms = if world.rng.u8(0..4) == 0 { 1_800_000 } else { 2_000 };
        slot.up_ms = world.now_ms + world.rng.i64(0..long_ms);
        world.note(format_args!("{}/{at} is dead", slot.role));
    }

    /// Heartbeats, of those who have something in hand.
    pub fn beat(&mut self) {
        let now_ms = self.sim.lock().now_ms;
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            let due = slot.beat_ms <= now_ms && slot.paused_until_ms <= now_ms;
            let Some(process) = slot.process.as_ref().filter(|_| due) else { continue };
            slot.beat_ms = now_ms + BEAT_MS;
            if self.hands.iter().any(|it| it.slot == at && it.attends) {
                let task = process.heartbeat();
                self.take_on(at, task, false, false);
            }
        }
    }
}
