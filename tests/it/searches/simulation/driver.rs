//! Polls one future at a time; which one, and what befalls it, follows from the seed.

use std::{collections::BTreeMap, path::Path, task::Poll, time::Duration};

use booking::{
    bus::RECEIVE_MAX,
    domain::RoleName,
    durability::Durability,
    runtime::{Ended, Received},
    store::sqlite::{Engine, Inline},
};

use super::{
    faults::Fault,
    guards::Guard,
    hand::{Hand, Work},
    process::{Came, Task},
    queues::Letter,
    requests::{Plan, plan},
    slots::{Slot, cut},
    world::{Place, Sim},
};

/// The most deliveries a process works on at once: more than one batch takes.
const IN_HAND_MAX: usize = 16;
/// A run that takes more steps than this for each booking does not come to rest.
const STEPS_PER_BOOKING_MAX: u64 = 5_000;
/// The longest that an open breaker, or a receive that fails, makes a poller rest. A clock that
/// steps by a year makes it no longer.
const REST_MS_MAX: i64 = 20_000;
/// A run without faults is over within the longest delays, one after another.
const SETTLES_MS_MAX: i64 = 24 * 3_600_000;

/// One run.
pub struct Run {
    pub sim: Sim,
    pub plan: Plan,
    pub stores: BTreeMap<RoleName, Inline>,
    said: usize,
    pub slots: Vec<Slot>,
    pub hands: Vec<Hand>,
    hands_made: u64,
    pub steps: u64,
}

impl Run {
    /// `told`: whether the trace is kept as text.
    pub fn new(seed: u64, bookings: usize, without: Option<Guard>, told: bool) -> Run {
        let sim = Sim::new(seed, without, told);
        let engine = |role| {
            let engine = Engine::open(Path::new(":memory:"), role, Durability::ProcessDeath);
            Inline::new(engine.expect("memory can be opened"))
        };
        let plan = plan(bookings, seed);
        sim.lock().queues.slow.clone_from(&plan.slow);
        Run {
            stores: RoleName::ALL.into_iter().map(|it| (it, engine(it))).collect(),
            // Two replicas of each role.
            slots: RoleName::ALL
                .into_iter()
                .flat_map(|it| [Slot::new(it), Slot::new(it)])
                .collect(),
            sim,
            plan,
            said: 0,
            hands: Vec::new(),
            hands_made: 0,
            steps: 0,
        }
    }

    /// Everything, to the end; what is wrong stands in the watch.
    pub fn play(&mut self) {
        let steps_max = self.plan.bookings.len() as u64 * STEPS_PER_BOOKING_MAX;
        while self.unspoiled() && !self.at_rest() && self.steps < steps_max / 2 {
            self.step();
        }
        self.settle_down(steps_max);
    }

    /// Faults stop, everybody is up, what was lost is said again, and time passes.
    pub fn settle_down(&mut self, steps_more: u64) {
        let steps_max = self.steps + steps_more;
        let settles_ms = {
            let world = &mut *self.sim.lock();
            world.unkind = false;
            world.now_ms + SETTLES_MS_MAX
        };
        self.slots.iter_mut().for_each(Slot::mend);
        while self.unspoiled() {
            self.redrive();
            if self.at_rest() {
                return;
            }
            self.step();
            let late = self.sim.lock().now_ms > settles_ms;
            if self.steps > steps_max || late {
                let busy = self.hands.iter().filter(|it| !it.is_idle()).count();
                let when = if late { "a day" } else { "all its steps" };
                let found = format!("{busy} in hand after {when}");
                self.sim.lock().watch.violates("H8 it comes to rest", found);
            }
        }
    }

    fn unspoiled(&self) -> bool {
        self.sim.lock().watch.violations.is_empty()
    }

    fn at_rest(&self) -> bool {
        let world = self.sim.lock();
        let said = self.said == self.plan.says.len() && world.queues.lost.is_empty();
        said && self.hands.iter().all(Hand::is_idle) && world.queues.is_empty()
    }

    /// What was received too often comes back from the dead-letter queue.
    fn redrive(&self) {
        let world = &mut *self.sim.lock();
        for role in RoleName::ALL {
            let dead = world.queues.dead.entry(role).or_default();
            let again: Vec<Letter> =
                dead.extract_if(.., |it| it.why.is_none()).map(|it| it.letter).collect();
            again.into_iter().for_each(|it| world.put(role, it));
        }
    }

    fn step(&mut self) {
        self.steps += 1;
        self.tick();
        self.say();
        self.mishap();
        self.beat();
        let (receivers, awake, choice) = self.choices();
        if !receivers.is_empty() {
            let (slot, poller) = receivers[choice % receivers.len()];
            let room = IN_HAND_MAX.saturating_sub(self.holds(slot)).clamp(1, RECEIVE_MAX);
            let max = 1 + choice % room;
            if let Some(process) = &self.slots[slot].process {
                let task = process.receive(max);
                self.take_on(slot, task, Work::Receives { poller, max });
            }
        } else if !awake.is_empty() {
            self.poll(awake[choice % awake.len()]);
        } else {
            self.wait();
        }
    }

    /// Which slots may receive, and as which poller; who may go on; and a number to choose by.
    fn choices(&self) -> (Vec<(usize, usize)>, Vec<usize>, usize) {
        let world = &mut *self.sim.lock();
        let now_ms = world.now_ms;
        let awake = |it: &usize| {
            let hand = &self.hands[*it];
            hand.is_woken() && self.wakes_ms(hand) <= now_ms
        };
        let awake: Vec<usize> = (0..self.hands.len()).filter(awake).collect();
        let mut receivers = Vec::new();
        if awake.is_empty() || world.rng.u8(0..100) < 25 {
            let may = |at: usize| {
                let slot = &self.slots[at];
                let room = self.holds(at) < IN_HAND_MAX;
                let wanted = room && world.queues.backlog(slot.role, now_ms);
                let poller = wanted.then(|| slot.poller(at, &self.hands, now_ms));
                Some((at, poller.flatten()?))
            };
            receivers = (0..self.slots.len()).filter_map(may).collect();
        }
        (receivers, awake, world.rng.usize(..))
    }

    fn wakes_ms(&self, hand: &Hand) -> i64 {
        hand.asleep_until_ms.max(self.slots[hand.slot].paused_until_ms)
    }

    /// How many deliveries a slot has in hand, or may be about to get.
    fn holds(&self, slot: usize) -> usize {
        self.hands.iter().filter(|it| it.slot == slot).map(Hand::holds).sum()
    }

    fn is_busy(&self, slot: usize) -> bool {
        self.hands.iter().any(|it| it.slot == slot && it.attends())
    }

    /// Publishes what is due.
    fn say(&mut self) {
        let world = &mut *self.sim.lock();
        let now_ms = world.now_ms;
        while let Some(say) = self.plan.says.get(self.said).filter(|it| it.at_ms <= now_ms) {
            self.said += 1;
            if let Some((kind, text)) = &say.wants_to_be
                && world.without == Some(Guard::Names)
            {
                world.publish(*kind, text, &say.id, None, None);
                continue;
            }
            if let Some(role) = say.only {
                let (body, junk) = (say.text.clone(), say.junk);
                world.put(role, Letter { body, attribute: None, about: None, junk });
                continue;
            }
            world.queues.lose_at = say.lost_at;
            world.publish(say.kind, &say.text, &say.id, say.about.clone(), say.junk);
        }
        let found: Vec<_> = world.queues.lost.extract_if(.., |it| it.0 <= now_ms).collect();
        found.into_iter().for_each(|(_, role, letter)| world.put(role, letter));
    }

    pub fn take_on(&mut self, slot: usize, task: Task, work: Work) {
        self.hands_made += 1;
        let id = self.hands_made;
        let place = Place { process: slot, ..Place::default() };
        self.sim.lock().places.insert(id, place);
        self.hands.push(Hand::new(id, slot, work, task));
    }

    /// Lets one hand do one thing.
    fn poll(&mut self, at: usize) {
        let hand = &mut self.hands[at];
        let (id, slot) = (hand.id, hand.slot);
        let role = self.slots[slot].role;
        self.sim.lock().running = id;
        if let Poll::Ready(came) = hand.poll() {
            let work = self.hands.swap_remove(at).work;
            return self.came(id, slot, work, came);
        }
        let dies = {
            let world = &mut *self.sim.lock();
            let place = world.places[&id];
            world.note(format_args!("{role}/{slot} hand {id}: next {:?}", place.next));
            if world.unkind && world.rng.u32(0..120) == 0 {
                let long_ms = [2_000, 2_000, 2_000, 30_000, 120_000, 900_000];
                let long_ms = world.rng.choice(long_ms).expect("there are some");
                self.hands[at].asleep_until_ms = world.now_ms + world.rng.i64(0..long_ms);
            }
            let cut = cut(role, place);
            let cut = cut.is_some_and(|(fault, permille)| world.strikes(fault, role, permille));
            std::mem::take(&mut world.dies) || cut
        };
        if dies {
            self.kill(slot);
        }
    }

    /// A hand is through.
    fn came(&mut self, id: u64, slot: usize, work: Work, came: Came) {
        let role = self.slots[slot].role;
        {
            let world = &mut *self.sim.lock();
            world.places.remove(&id);
            world.note(format_args!("{role}/{slot} hand {id}: {came}"));
            if matches!(came, Came::Attended(Ended::Lost)) && world.unkind {
                world.count(Fault::Expiry, role);
            }
        }
        if let (Work::Receives { poller, .. }, Came::Received(it)) = (work, came) {
            self.received(slot, poller, it);
        }
    }

    fn received(&mut self, slot: usize, poller: usize, received: Received) {
        if !received.rest.is_zero() {
            self.rest(slot, poller, received.rest);
        }
        for (delivery, hand) in received.deliveries {
            let Some(process) = &self.slots[slot].process else { return };
            let task = process.attend(delivery, hand);
            self.take_on(slot, task, Work::Attends);
        }
    }

    fn rest(&mut self, slot: usize, poller: usize, rest: Duration) {
        let rest_ms = i64::try_from(rest.as_millis()).unwrap_or(i64::MAX);
        let until_ms = {
            let world = &mut *self.sim.lock();
            world.sent.rests += 1;
            if rest_ms > REST_MS_MAX {
                let found = format!("{} rests for {rest:?}", self.slots[slot].role);
                world.watch.violates("A40 no step of a clock stops anybody", found);
            }
            world.now_ms.saturating_add(rest_ms.max(1))
        };
        let Some(process) = &self.slots[slot].process else { return };
        let (task, stopped) = (process.rest(until_ms), process.has_stopped());
        self.take_on(slot, task, Work::Rests { poller, until_ms, stopped });
        // It waits before anything else happens, as a poller does.
        let began = self.hands.last_mut().map(Hand::poll);
        assert!(began.is_some_and(|it| it.is_pending()), "it rests for a while");
    }

    /// Nothing can be done now: on to when something can.
    fn wait(&mut self) {
        let world = &mut *self.sim.lock();
        let hands = self.hands.iter().map(|it| self.wakes_ms(it));
        let slots =
            self.slots.iter().enumerate().flat_map(|(at, slot)| slot.next_ms(self.is_busy(at)));
        let said = self.plan.says.get(self.said).map(|it| it.at_ms);
        let lost = world.queues.lost.iter().map(|it| it.0);
        let visible = world.queues.live.values().flatten().map(|it| it.visible_ms);
        let rests = self.hands.iter().filter_map(Hand::rests_until_ms);
        let next = hands.chain(slots).chain(rests).chain(said).chain(lost).chain(visible);
        let next = next.filter(|it| *it > world.now_ms).min();
        world.now_ms = next.unwrap_or(world.now_ms + 1_000);
    }
}
