//! Where processes run: started, paused, killed, and with a clock that may be wrong.

use std::sync::{Arc, atomic::Ordering};

use booking::{
    clock::{Clock, Hands},
    domain::RoleName,
};

use super::{
    driver::Run,
    faults::Fault,
    guards::Guard,
    hand::{Hand, Work},
    process::{Process, VISIBILITY_MS, start},
    world::{Op, Place, World},
};

/// How often a process extends what it has in hand.
const BEAT_MS: i64 = VISIBILITY_MS / 4;

const YEAR_MS: i64 = 365 * 24 * 3_600_000;

/// The steps of clocks: what they are, where they strike, which way, and how often in a thousand.
const STEPS: [(Fault, Where, i64, u32); 6] = [
    (Fault::ClockBackOpen, Where::BreakerOpen, -1, 500),
    (Fault::ClockBackInHand, Where::InHand, -1, 100),
    (Fault::ClockBackAtRest, Where::AtRest, -1, 100),
    (Fault::ClockOnOpen, Where::BreakerOpen, 1, 500),
    (Fault::ClockOnInHand, Where::InHand, 1, 100),
    (Fault::ClockOnAtRest, Where::AtRest, 1, 100),
];

/// Where time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// Polling has stopped for a while.
    BreakerOpen,
    /// A lease runs.
    InHand,
    /// A poller waits for its next receive.
    AtRest,
}

/// A place where one process of a role runs at a time.
pub struct Slot {
    pub role: RoleName,
    pub process: Option<Box<dyn Process>>,
    /// When it starts, if it is down.
    up_ms: i64,
    pub paused_until_ms: i64,
    paused: bool,
    clock: Arc<Hands>,
    /// How far its wall clock is from the right time.
    skew_ms: i64,
    beat_ms: i64,
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
        }
    }

    /// Up, awake, and with the right time.
    pub fn mend(&mut self) {
        (self.up_ms, self.paused_until_ms, self.skew_ms) = (0, 0, 0);
    }

    /// A poller that is wanted, and neither rests nor has a receive open.
    pub fn poller(&self, at: usize, hands: &[Hand], now_ms: i64) -> Option<usize> {
        let process = self.process.as_ref().filter(|_| self.paused_until_ms <= now_ms)?;
        let at_it = |number| hands.iter().any(|it| it.slot == at && it.poller() == Some(number));
        (0..process.pollers_wanted()).find(|it| !at_it(*it))
    }

    fn has_stopped(&self) -> bool {
        self.process.as_ref().is_some_and(|it| it.has_stopped())
    }

    fn is_where(&self, place: Where, at: usize, hands: &[Hand], now_ms: i64) -> bool {
        let mut mine = hands.iter().filter(|it| it.slot == at);
        match place {
            Where::BreakerOpen => self.has_stopped(),
            Where::InHand => mine.any(Hand::attends),
            Where::AtRest => mine.any(|it| it.rests_until_ms() > Some(now_ms)),
        }
    }

    /// When something may happen here by itself.
    pub fn next_ms(&self, busy: bool) -> impl Iterator<Item = i64> {
        let up = self.process.is_some();
        let start = (!up).then_some(self.up_ms);
        let beat = (up && busy).then_some(self.beat_ms);
        start.into_iter().chain(beat.map(|it| it.max(self.paused_until_ms)))
    }
}

/// The named place in the unit of work where a hand is, and how often in a thousand it dies there.
pub fn cut(role: RoleName, place: Place) -> Option<(Fault, u32)> {
    let cut = match (place.done, place.next?) {
        (_, Op::Claim) => (Fault::CrashBeforeClaim, 10),
        (Some(Op::Claim), Op::Effect) => (Fault::CrashAfterClaim, 10),
        // Payment and receipt settle right after an effect: that place has this name.
        (Some(Op::Effect), Op::Settle | Op::Effect) => (Fault::CrashAfterEffect, 15),
        // Payment seldom settles anything else.
        (_, Op::Settle) if role == RoleName::Payment => (Fault::CrashBeforeSettle, 40),
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
        let mut started = Vec::new();
        let mut world = self.sim.lock();
        let later_ms = world.rng.i64(0..6);
        world.now_ms += later_ms;
        let now_ms = world.now_ms;
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let wall_ms = now_ms + slot.skew_ms;
            let follows = world.without == Some(Guard::SteadyClock);
            slot.clock.wall_ms.store(wall_ms, Ordering::SeqCst);
            slot.clock.steady_ms.store(if follows { wall_ms } else { now_ms }, Ordering::SeqCst);
            if slot.paused && slot.paused_until_ms <= now_ms {
                slot.paused = false;
                if world.unkind {
                    world.count(Fault::Zombie, slot.role);
                }
            }
            if slot.process.is_none() && slot.up_ms <= now_ms {
                let clock = Clock::Manual(Arc::clone(&slot.clock));
                let rows = &self.stores[&slot.role];
                let (process, sends) = start(&self.sim, slot.role, rows, clock, &mut world);
                slot.process = Some(process);
                slot.beat_ms = now_ms + BEAT_MS;
                started.extend(sends.into_iter().map(|it| (at, it)));
            }
        }
        self.look_at_rests(&mut world);
        drop(world);
        for (at, task) in started {
            self.take_on(at, task, Work::Sends);
        }
    }

    /// Whoever has rested long enough wakes, and nobody goes on resting for a breaker that is
    /// closed.
    fn look_at_rests(&self, world: &mut World) {
        for hand in &self.hands {
            let Work::Rests { until_ms, stopped, .. } = hand.work else { continue };
            let slot = &self.slots[hand.slot];
            if until_ms <= world.now_ms {
                hand.wake();
            } else if stopped && !hand.is_woken() && !slot.has_stopped() {
                let found = format!("{} rests on for {} ms", slot.role, until_ms - world.now_ms);
                world.watch.violates("A21 a breaker that closes wakes everybody", found);
            }
        }
    }

    /// Now and then something happens to a process.
    pub fn mishap(&mut self) {
        self.step_clock();
        if let Some(at) = self.stumble() {
            self.kill(at);
        }
    }

    /// A wall clock steps, by seconds to a year, where somebody measures time.
    fn step_clock(&mut self) {
        let world = &mut *self.sim.lock();
        if !world.unkind || world.rng.u8(0..50) > 0 {
            return;
        }
        let (fault, place, way, permille) = world.rng.choice(STEPS).expect("there are six");
        let all = self.slots.iter().enumerate();
        let there = all.filter(|(at, it)| it.is_where(place, *at, &self.hands, world.now_ms));
        let there: Vec<usize> = there.map(|it| it.0).collect();
        let Some(at) = world.rng.choice(there) else { return };
        let slot = &mut self.slots[at];
        if !world.strikes(fault, slot.role, permille) {
            return;
        }
        // Each order of magnitude as often; and what is wrong may be set right.
        let least_ms = 1_000_i64 << world.rng.u32(0..25);
        let far_ms = world.rng.i64(least_ms..2 * least_ms).min(YEAR_MS);
        let is_right = slot.skew_ms * way < 0 && world.rng.bool();
        slot.skew_ms = if is_right { 0 } else { slot.skew_ms + way * far_ms };
        world.note(format_args!("{}/{at} is {} ms from the right time", slot.role, slot.skew_ms));
    }

    /// Whom it kills, if anybody.
    fn stumble(&mut self) -> Option<usize> {
        let world = &mut *self.sim.lock();
        if !world.unkind || world.rng.u8(0..50) > 0 {
            return None;
        }
        // Whoever has something in hand, where there is such a one: that is where it hurts.
        let busy: Vec<usize> =
            self.hands.iter().filter(|it| it.attends()).map(|it| it.slot).collect();
        let anybody = world.rng.usize(0..self.slots.len());
        let at = world.rng.choice(busy).unwrap_or(anybody);
        let busy = self.hands.iter().any(|it| it.slot == at && it.attends());
        let slot = &mut self.slots[at];
        slot.process.as_ref()?;
        if busy && !slot.paused && world.threatens(Fault::Zombie, 120) {
            let long_ms = world.rng.i64(VISIBILITY_MS + 1..20 * VISIBILITY_MS);
            (slot.paused, slot.paused_until_ms) = (true, world.now_ms + long_ms);
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
            if self.hands.iter().any(|it| it.slot == at && it.attends()) {
                let task = process.heartbeat();
                self.take_on(at, task, Work::Beats);
            }
        }
    }
}
