//! The world in numbers, and what one delivery does to it.
//!
//! What a role wrote down, a suspended worker, a message: each different one is kept once and has a
//! number, so that a world is a few numbers. A delivery depends on nothing but its message, its
//! role's rows and the role's clock: the real worker is run once for each different combination, in
//! all the ways it can go, and what came of it is remembered.

use std::{collections::HashMap, rc::Rc};

use booking::{
    bus::{Delivery, Message, ReceiptHandle, wire},
    domain::{RoleName, event::Event, ids::BookingId, schedule::Schedule, seats::Seats},
    roles::{PaymentRole, ReceiptRole, SeatsRole, StatusRole},
    topics,
};
use jiff::{SignedDuration, Timestamp};

use super::{
    hand::{self, Cell, Fault, Operation, Run, Step},
    invariants::{self, Known},
};

/// The most bookings of a scenario.
pub const BOOKINGS_MAX: usize = 2;
/// Seats has one cell, since there bookings meet. Of the other roles each booking has its own: they
/// read and write no row but the booking's own (`Known::of` fails if one does), so that no booking
/// sees another's.
pub const CELLS: usize = 1 + 3 * BOOKINGS_MAX;
/// The most different messages of a scenario: they are bits.
const MESSAGES_MAX: usize = 64;

/// One state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    /// What each cell has written down.
    pub written: [u16; CELLS],
    /// The worker that is suspended in each cell; 0 when there is none.
    pub suspended: [u16; CELLS],
    /// The messages that were published at least once.
    pub published: u64,
    /// By role: those that were deleted from its queue. Each may still be delivered again, at any
    /// time and any number of times; what is published again is such a duplicate.
    pub gone: [u64; 4],
    /// Whether the holds that there were have expired. Only the clock of seats tells: no rule
    /// compares clocks of two roles (A34).
    pub late: bool,
}

impl World {
    pub fn pending(&self, model: &Model, role: RoleName) -> u64 {
        self.published & model.heard[role as usize] & !self.gone[role as usize]
    }
}

/// What can be done next in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turn {
    Deliver(u8),
    Resume(u16),
    /// The gateway forgets its idempotency keys.
    Forget,
}

/// One way in which a turn can go.
#[derive(Clone, Debug)]
pub struct Effect {
    pub written: u16,
    pub suspended: u16,
    pub published: u64,
    pub gone: bool,
    /// How it went, as a violation's path tells it.
    pub words: String,
}

pub struct Letter {
    pub message: Message,
    pub event: Event,
    pub booking: usize,
}

struct Suspended {
    message: u8,
    steps: Vec<Step>,
}

#[derive(Default)]
struct Drawer {
    written: Vec<(Cell, Known)>,
    numbers: HashMap<String, u16>,
    suspended: Vec<Suspended>,
    suspended_numbers: HashMap<String, u16>,
}

pub struct Model {
    pub bookings: Vec<BookingId>,
    /// Whether requests contradict each other, so that messages may be set aside.
    pub conflicts: bool,
    pub letters: Vec<Letter>,
    /// By role: the messages it subscribes to.
    pub heard: [u64; 4],
    subscriptions: [Vec<booking::domain::event::Kind>; 4],
    numbers: HashMap<String, u8>,
    drawers: [Drawer; CELLS],
    turns: HashMap<(u8, u16, bool, Turn), Rc<[Effect]>>,
    seats: Seats,
}

const HOLD_LIMIT: SignedDuration = SignedDuration::from_mins(15);

fn now_ms(role: RoleName, late: bool) -> i64 {
    let start: Timestamp = "2027-02-01T09:30:00Z".parse().unwrap();
    let later = late && role == RoleName::Seats;
    start.as_millisecond() + if later { 2 * HOLD_LIMIT.as_millis() as i64 } else { 0 }
}

impl Model {
    pub fn new(bookings: Vec<BookingId>, conflicts: bool) -> Model {
        Model {
            bookings,
            conflicts,
            letters: Vec::new(),
            heard: [0; 4],
            subscriptions: RoleName::ALL.map(topics::subscriptions),
            numbers: HashMap::new(),
            drawers: Default::default(),
            turns: HashMap::new(),
            seats: Seats { schedule: Schedule::sample(), hold_limit: HOLD_LIMIT },
        }
    }

    /// Nothing is written, and clients have published these.
    pub fn start(&mut self, requests: &[Message]) -> World {
        for cell in 0..CELLS {
            self.write_down(cell, Cell::default()).unwrap();
        }
        let published = self.bits(requests);
        let (written, suspended) = ([0; CELLS], [0; CELLS]);
        World { written, suspended, published, gone: [0; 4], late: false }
    }

    pub fn role_of(cell: usize) -> RoleName {
        if cell == 0 { RoleName::Seats } else { RoleName::ALL[1 + (cell - 1) % 3] }
    }

    pub fn cell_of(role: RoleName, booking: usize) -> usize {
        if role == RoleName::Seats { 0 } else { role as usize + 3 * booking }
    }

    pub fn known(&self, world: &World, role: RoleName, booking: usize) -> &Known {
        let cell = Model::cell_of(role, booking);
        &self.drawers[cell].written[usize::from(world.written[cell])].1
    }

    /// Whose message a suspended worker holds.
    pub fn held_by(&self, cell: usize, suspended: u16) -> u8 {
        self.drawers[cell].suspended[usize::from(suspended) - 1].message
    }

    /// The ways of a turn that was looked at before.
    pub fn remembered(&self, cell: usize, written: u16, late: bool, turn: Turn) -> Rc<[Effect]> {
        Rc::clone(&self.turns[&(cell as u8, written, late && cell == 0, turn)])
    }

    /// How often the worker was run for real, by what was different about it.
    pub fn units(&self) -> usize {
        self.turns.len()
    }

    /// What is written down, for a person.
    pub fn describe(&self, world: &World) -> String {
        let facts = |it: usize| {
            format!("{:?}", self.drawers[it].written[usize::from(world.written[it])].1.facts)
        };
        (0..CELLS).map(|it| format!("\n  {} {}", Model::role_of(it), facts(it))).collect()
    }

    /// All the ways in which this turn can go.
    ///
    /// # Errors
    /// When one of them breaks an invariant.
    pub fn effects(
        &mut self,
        cell: usize,
        written: u16,
        late: bool,
        turn: Turn,
    ) -> Result<Rc<[Effect]>, String> {
        // Nobody but seats looks at the time.
        let late = late && cell == 0;
        let key = (cell as u8, written, late, turn);
        if let Some(effects) = self.turns.get(&key) {
            return Ok(Rc::clone(effects));
        }
        let mut effects = match turn {
            Turn::Forget => self.forgotten(cell, written)?,
            Turn::Deliver(message) => self.ways(cell, written, late, message, &[])?,
            Turn::Resume(number) => {
                let it = &self.drawers[cell].suspended[usize::from(number) - 1];
                let (message, steps) = (it.message, it.steps.clone());
                self.ways(cell, written, late, message, &steps)?
            }
        };
        let mut different: Vec<Effect> = Vec::new();
        for effect in effects.drain(..) {
            let same = |it: &Effect| {
                (it.written, it.suspended, it.published, it.gone)
                    == (effect.written, effect.suspended, effect.published, effect.gone)
            };
            if !different.iter().any(same) {
                different.push(effect);
            }
        }
        let different: Rc<[Effect]> = different.into();
        self.turns.insert(key, Rc::clone(&different));
        Ok(different)
    }

    /// Lets the worker finish; stops it after each operation; suspends it where somebody could come
    /// in between; and lets each operation fail, done and not done.
    fn ways(
        &mut self,
        cell: usize,
        written: u16,
        late: bool,
        message: u8,
        before: &[Step],
    ) -> Result<Vec<Effect>, String> {
        let run = |model: &Model, stop_at, fault| {
            let from = &model.drawers[cell].written[usize::from(written)].0;
            model.run(cell, from, late, message, before, stop_at, fault)
        };
        let whole = run(self, usize::MAX, None);
        if before.is_empty() {
            self.check_ends(cell, late, message, &whole)?;
        }
        let named = |at: usize| -> String {
            let operation = whole.steps[at].operation;
            let of_kind = |it: &&Step| it.operation == operation;
            let nth = whole.steps[..=at].iter().filter(of_kind).count();
            match operation {
                Operation::Publish => format!("publish {}", whole.published[nth - 1].kind),
                Operation::Effect(name) => name.to_owned(),
                Operation::Read | Operation::Commit if nth > 1 => {
                    format!("{operation:?} no. {nth}")
                }
                _ => format!("{operation:?}"),
            }
            .to_lowercase()
        };
        let mut effects = Vec::new();
        for stop_at in before.len() + 1..whole.steps.len() {
            let stopped = run(self, stop_at, None);
            let (last, next) = (named(stop_at - 1), named(stop_at));
            if stopped.can_be_overtaken() {
                let suspended = self.suspend(cell, message, &stopped.steps);
                let words = format!("suspended after {last}, before {next}");
                effects.push(self.effect(cell, written, message, &stopped, suspended, words)?);
            }
            let words = format!("dies after {last}, before {next}");
            effects.push(self.effect(cell, written, message, &stopped, 0, words)?);
        }
        for at in before.len()..whole.steps.len() {
            for done in [false, true] {
                let failed = run(self, usize::MAX, Some(Fault { at, done }));
                let how = if done { "is done, but its answer lost" } else { "fails" };
                let words = format!("{} {how}", named(at));
                effects.push(self.effect(cell, written, message, &failed, 0, words)?);
            }
        }
        effects.insert(0, self.effect(cell, written, message, &whole, 0, "to the end".into())?);
        Ok(effects)
    }

    /// H10, A1: a delivery that is let finish comes to its end within a few tries, and the same
    /// message again is then a no-op that says nothing new.
    fn check_ends(&self, cell: usize, late: bool, message: u8, whole: &Run) -> Result<(), String> {
        let again = |from: &Cell| self.run(cell, from, late, message, &[], usize::MAX, None);
        let mut last = again(&whole.cell);
        for _ in 0..2 {
            if last.deleted && whole.deleted {
                break;
            }
            last = again(&last.cell);
        }
        if !last.deleted {
            return Err("H10 it is never dealt with, however often it is tried".to_owned());
        }
        let repeated = again(&last.cell);
        if format!("{:?}", repeated.cell.rows) != format!("{:?}", last.cell.rows)
            || repeated.published != last.published
        {
            return Err("A1 the second delivery is not a no-op".to_owned());
        }
        Ok(())
    }

    fn forgotten(&mut self, cell: usize, written: u16) -> Result<Vec<Effect>, String> {
        let mut after = self.drawers[cell].written[usize::from(written)].0.clone();
        after.keys.clear();
        let written = self.write_down(cell, after)?;
        let words = "its keys are too old".to_owned();
        Ok(vec![Effect { written, suspended: 0, published: 0, gone: false, words }])
    }

    #[expect(clippy::too_many_arguments, reason = "a delivery and how it goes")]
    fn run(
        &self,
        cell: usize,
        from: &Cell,
        late: bool,
        message: u8,
        steps: &[Step],
        stop_at: usize,
        fault: Option<Fault>,
    ) -> Run {
        let role = Model::role_of(cell);
        let from = (from, now_ms(role, late));
        let message = &self.letters[usize::from(message)].message;
        match role {
            RoleName::Seats => {
                let seats = |_| SeatsRole(self.seats.clone());
                hand::run(seats, from, message, steps, stop_at, fault)
            }
            RoleName::Payment => hand::run(PaymentRole, from, message, steps, stop_at, fault),
            RoleName::Receipt => hand::run(ReceiptRole, from, message, steps, stop_at, fault),
            RoleName::Status => hand::run(|_| StatusRole, from, message, steps, stop_at, fault),
        }
    }

    fn effect(
        &mut self,
        cell: usize,
        before: u16,
        message: u8,
        run: &Run,
        suspended: u16,
        words: String,
    ) -> Result<Effect, String> {
        let written =
            self.write_down(cell, run.cell.clone()).map_err(|it| format!("{it} ({words})"))?;
        let drawer = &self.drawers[cell].written;
        let (before, after) = (&drawer[usize::from(before)].1, &drawer[usize::from(written)].1);
        let letter = &self.letters[usize::from(message)];
        invariants::check_step(self.conflicts, before, after, letter, run)
            .map_err(|it| format!("{it} ({words})"))?;
        let published = self.bits(&run.published);
        Ok(Effect { written, suspended, published, gone: run.deleted, words })
    }

    fn write_down(&mut self, at: usize, cell: Cell) -> Result<u16, String> {
        let text = format!("{cell:?}");
        if let Some(number) = self.drawers[at].numbers.get(&text) {
            return Ok(*number);
        }
        let known = Known::of(self, Model::role_of(at), at.saturating_sub(1) / 3, &cell)?;
        let drawer = &mut self.drawers[at];
        let number = u16::try_from(drawer.written.len()).expect("as many as a scenario has");
        drawer.written.push((cell, known));
        drawer.numbers.insert(text, number);
        Ok(number)
    }

    fn suspend(&mut self, cell: usize, message: u8, steps: &[Step]) -> u16 {
        let drawer = &mut self.drawers[cell];
        let text = format!("{message} {steps:?}");
        if let Some(number) = drawer.suspended_numbers.get(&text) {
            return *number;
        }
        drawer.suspended.push(Suspended { message, steps: steps.to_vec() });
        let number = u16::try_from(drawer.suspended.len()).expect("as many as a scenario has");
        drawer.suspended_numbers.insert(text, number);
        number
    }

    /// These messages as bits.
    pub fn bits(&mut self, messages: &[Message]) -> u64 {
        messages.iter().fold(0, |bits, it| bits | 1 << self.number(it))
    }

    fn number(&mut self, message: &Message) -> u8 {
        if let Some(number) = self.numbers.get(&message.body) {
            return *number;
        }
        let delivery = Delivery {
            body: message.body.clone(),
            message_id: "m".to_owned(),
            attempt: 1,
            sent_at: Timestamp::UNIX_EPOCH,
            kind_attribute: None,
            receipt_handle: ReceiptHandle("h".to_owned()),
        };
        let event = wire::decode(&delivery, "").expect("what is published can be read");
        let booking = self.bookings.iter().position(|it| *it == event.booking);
        let booking = booking.expect("every message is about one of the bookings");
        let number = self.letters.len();
        assert!(number < MESSAGES_MAX, "more different messages than bits");
        for (heard, subscriptions) in self.heard.iter_mut().zip(&self.subscriptions) {
            if subscriptions.contains(&message.kind) {
                *heard |= 1 << number;
            }
        }
        self.letters.push(Letter { message: message.clone(), event, booking });
        self.numbers.insert(message.body.clone(), number as u8);
        number as u8
    }
}

/// The places of the bits that are set.
pub fn places(bits: u64) -> impl Iterator<Item = u8> {
    let mut left = bits;
    std::iter::from_fn(move || {
        let place = left.trailing_zeros();
        left &= left.wrapping_sub(1);
        (place < 64).then_some(place as u8)
    })
}
