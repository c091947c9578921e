//! Polls one future at a time; which one, and what befalls it, follows from the seed.

use std::{
    collections::BTreeMap,
    path::Path,
    task::{Context, Poll, Waker},
};

use booking::{
    bus::Delivery,
    domain::RoleName,
    durability::Durability,
    runtime::Ended,
    store::sqlite::{Engine, Inline},
};

use super::{
    faults::Fault,
    guards::Guard,
    process::{Came, Task},
    queues::Letter,
    requests::{Plan, plan},
    slots::{Slot, cut},
    world::{Place, Sim},
};

/// The most deliveries a process works on at once.
const IN_HAND_MAX: usize = 8;
/// A run that takes more steps than this for each booking does not come to rest.
const STEPS_PER_BOOKING_MAX: u64 = 5_000;

/// What a process does at the moment.
pub struct Hand {
    id: u64,
    pub slot: usize,
    /// Whether it attends to a delivery; else it receives or beats.
    pub attends: bool,
    receives: bool,
    task: Task,
    asleep_until_ms: i64,
}

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
        self.sim.lock().unkind = false;
        self.slots.iter_mut().for_each(Slot::mend);
        while self.unspoiled() {
            self.redrive();
            if self.at_rest() {
                return;
            }
            self.step();
            if self.steps > steps_max {
                let found = format!("{} in hand after {} steps", self.hands.len(), self.steps);
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
        said && self.hands.is_empty() && world.queues.is_empty()
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
            let slot = receivers[choice % receivers.len()];
            let max = 1 + choice % IN_HAND_MAX.saturating_sub(self.in_hand(slot)).max(1);
            if let Some(process) = &self.slots[slot].process {
                let task = process.receive(max);
                self.take_on(slot, task, false, true);
            }
        } else if !awake.is_empty() {
            self.poll(awake[choice % awake.len()]);
        } else {
            self.wait();
        }
    }

    /// Who may receive, who may go on, and a number to choose by.
    fn choices(&self) -> (Vec<usize>, Vec<usize>, usize) {
        let world = &mut *self.sim.lock();
        let now_ms = world.now_ms;
        let awake: Vec<usize> =
            (0..self.hands.len()).filter(|it| self.wakes_ms(&self.hands[*it]) <= now_ms).collect();
        let mut receivers = Vec::new();
        if awake.is_empty() || world.rng.u8(0..100) < 25 {
            let may = |it: &usize| {
                let slot = &self.slots[*it];
                slot.may_receive(now_ms)
                    && self.in_hand(*it) < IN_HAND_MAX
                    && !self.hands.iter().any(|hand| hand.slot == *it && hand.receives)
                    && world.queues.backlog(slot.role, now_ms)
            };
            receivers = (0..self.slots.len()).filter(may).collect();
        }
        (receivers, awake, world.rng.usize(..))
    }

    fn wakes_ms(&self, hand: &Hand) -> i64 {
        hand.asleep_until_ms.max(self.slots[hand.slot].paused_until_ms)
    }

    fn in_hand(&self, slot: usize) -> usize {
        self.hands.iter().filter(|it| it.slot == slot && it.attends).count()
    }

    /// Publishes what is due.
    fn say(&mut self) {
        let world = &mut *self.sim.lock();
        let now_ms = world.now_ms;
        while let Some(say) = self.plan.says.get(self.said).filter(|it| it.at_ms <= now_ms) {
            self.said += 1;
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

    pub fn take_on(&mut self, slot: usize, task: Task, attends: bool, receives: bool) {
        self.hands_made += 1;
        let id = self.hands_made;
        let place = Place { process: slot, ..Place::default() };
        self.sim.lock().places.insert(id, place);
        self.hands.push(Hand { id, slot, attends, receives, task, asleep_until_ms: 0 });
    }

    /// Lets one hand do one thing.
    fn poll(&mut self, at: usize) {
        let hand = &mut self.hands[at];
        let (id, slot) = (hand.id, hand.slot);
        let role = self.slots[slot].role;
        self.sim.lock().running = id;
        let polled = hand.task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(came) = polled {
            self.hands.swap_remove(at);
            return self.came(id, slot, came);
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
            cut(role, place).is_some_and(|(fault, permille)| world.strikes(fault, role, permille))
        };
        if dies {
            self.kill(slot);
        }
    }

    /// A hand is through.
    fn came(&mut self, id: u64, slot: usize, came: Came) {
        let role = self.slots[slot].role;
        {
            let world = &mut *self.sim.lock();
            world.places.remove(&id);
            world.note(format_args!("{role}/{slot} hand {id}: {came}"));
            match came {
                Came::Attended(Ended::Lost) if world.unkind => world.count(Fault::Expiry, role),
                Came::Received(Err(_)) => {
                    self.slots[slot].rest_until_ms = world.now_ms + world.rng.i64(200..20_000);
                }
                _ => {}
            }
        }
        if let Came::Received(Ok(deliveries)) = came {
            self.attend(slot, deliveries);
        }
    }

    fn attend(&mut self, slot: usize, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            let Some(process) = &self.slots[slot].process else { return };
            let task = process.attend(delivery);
            self.take_on(slot, task, true, false);
        }
    }

    /// Nothing can be done now: on to when something can.
    fn wait(&mut self) {
        let world = &mut *self.sim.lock();
        let hands = self.hands.iter().map(|it| self.wakes_ms(it));
        let slots = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(at, slot)| slot.next_ms(self.in_hand(at) > 0));
        let said = self.plan.says.get(self.said).map(|it| it.at_ms);
        let lost = world.queues.lost.iter().map(|it| it.0);
        let visible = world.queues.live.values().flatten().map(|it| it.visible_ms);
        let next = hands.chain(slots).chain(said).chain(lost).chain(visible);
        let next = next.filter(|it| *it > world.now_ms).min();
        world.now_ms = next.unwrap_or(world.now_ms + 1_000);
    }
}
