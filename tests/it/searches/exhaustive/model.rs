//! The world in numbers: what a role wrote down, a suspended worker, a message: each different one
//! is kept once and has a number.

use std::{collections::HashMap, rc::Rc};

use booking::{
    domain::{
        RoleName,
        event::{Event, Kind},
        ids::{BookingId, Cause, Digest},
        schedule::Schedule,
        seats::Seats,
    },
    topics,
    wire::{self, Incoming, Message},
};
use jiff::SignedDuration;

use crate::harness::enveloped;

use super::{
    hand::{Cell, Provider, Step},
    hostile::{self, Hostile, Lock, Stranger},
    known::Known,
    ways::Effect,
};

/// The most bookings of a scenario.
pub const BOOKINGS_MAX: usize = 2;
/// Seats has one cell, since there bookings meet. Of the other roles each booking has its own: they
/// read and write no row but the booking's own (`Known::of` fails if one does), so that no booking
/// sees another's.
pub const CELLS: usize = 1 + 3 * BOOKINGS_MAX;
/// In a debug build one of so many strangers is tried in each world.
const DEBUG_STRANGERS: usize = 7;
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
    /// A look-up shows the charge from now on.
    CatchUp,
}

pub struct Letter {
    pub message: Message,
    /// The message as it comes from its topic.
    pub incoming: Incoming,
    pub event: Event,
    pub booking: usize,
}

pub struct Suspended {
    pub message: u8,
    pub steps: Vec<Step>,
}

#[derive(Default)]
pub struct Drawer {
    pub written: Vec<(Cell, Known)>,
    numbers: HashMap<String, u16>,
    pub suspended: Vec<Suspended>,
    suspended_numbers: HashMap<String, u16>,
}

/// What a memo finds an event by.
type Identity = (Option<Kind>, Cause, Digest);

pub struct Model {
    pub bookings: Vec<BookingId>,
    /// Whether requests contradict each other, so that messages may be set aside.
    pub conflicts: bool,
    pub letters: Vec<Letter>,
    /// Which messages are the same event as far as a memo can tell: their bodies may differ, when
    /// the same was said for another reason or at another time.
    pub causes: Vec<(Identity, u64)>,
    /// By role: the messages it subscribes to.
    pub heard: [u64; 4],
    subscriptions: [Vec<Kind>; 4],
    numbers: HashMap<String, u8>,
    pub drawers: [Drawer; CELLS],
    pub turns: HashMap<(u8, u16, bool, Turn), Rc<[Effect]>>,
    pub seats: Seats,
    pub hostile: Hostile,
    pub provider: Provider,
    strangers: Vec<Stranger>,
}

pub const HOLD_LIMIT: SignedDuration = SignedDuration::from_mins(15);

impl Model {
    pub fn new(
        bookings: Vec<BookingId>,
        conflicts: bool,
        hostile: Hostile,
        provider: Provider,
    ) -> Model {
        let strangers = hostile.strangers(&bookings);
        Model {
            strangers,
            hostile,
            provider,
            bookings,
            conflicts,
            letters: Vec::new(),
            causes: Vec::new(),
            heard: [0; 4],
            subscriptions: RoleName::ALL.map(topics::subscriptions),
            numbers: HashMap::new(),
            drawers: Default::default(),
            turns: HashMap::new(),
            seats: Seats { schedule: Schedule::sample(), hold_limit: HOLD_LIMIT },
        }
    }

    /// Nothing is written, and clients have published these.
    pub fn start(&mut self, requests: &[Message]) -> Result<World, String> {
        let published = self.bits(requests);
        for cell in 0..CELLS {
            self.write_down(cell, Cell::default())?;
        }
        let (written, suspended) = ([0; CELLS], [0; CELLS]);
        Ok(World { written, suspended, published, gone: [0; 4], late: false })
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

    /// What is written down, for a person.
    pub fn describe(&self, world: &World) -> String {
        let facts = |it: usize| {
            format!("{:?}", self.drawers[it].written[usize::from(world.written[it])].1.facts)
        };
        (0..CELLS).map(|it| format!("\n  {} {}", Model::role_of(it), facts(it))).collect()
    }

    pub fn write_down(&mut self, at: usize, cell: Cell) -> Result<u16, String> {
        let text = format!("{cell:?}");
        if let Some(number) = self.drawers[at].numbers.get(&text) {
            return Ok(*number);
        }
        let known = Known::of(self, Model::role_of(at), at.saturating_sub(1) / 3, &cell)?;
        self.check_strangers(at, &cell)?;
        let drawer = &mut self.drawers[at];
        let number = u16::try_from(drawer.written.len()).expect("as many as a scenario has");
        drawer.written.push((cell, known));
        drawer.numbers.insert(text, number);
        Ok(number)
    }

    /// I3: whatever a role has written down, what must be refused is refused and changes nothing.
    fn check_strangers(&self, at: usize, cell: &Cell) -> Result<(), String> {
        let role = Model::role_of(at);
        // Of the other roles each booking has a cell of its own.
        let here = self.bookings.get(at.saturating_sub(1) / 3);
        let comes = |it: &&Stranger| role == RoleName::Seats || here == Some(&it.booking);
        // In a debug build a part of them in each world, all of them in all worlds.
        let (first, every) = if cfg!(debug_assertions) {
            (self.drawers[at].written.len() % DEBUG_STRANGERS, DEBUG_STRANGERS)
        } else {
            (0, 1)
        };
        for stranger in self.strangers.iter().filter(comes).skip(first).step_by(every) {
            let run = self.deliver(at, cell, false, &stranger.incoming, &[], usize::MAX, None);
            hostile::check(stranger, role, cell, &run)?;
        }
        Ok(())
    }

    pub fn suspend(&mut self, cell: usize, message: u8, steps: &[Step]) -> u16 {
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

    /// Those of the messages that are about this booking.
    pub fn about(&self, messages: u64, booking: usize) -> u64 {
        let about = |it: &u8| self.letters[usize::from(*it)].booking == booking;
        places(messages).filter(about).fold(0, |bits, it| bits | 1 << it)
    }

    /// The booking that the first of these messages is about.
    pub fn booking_of(&self, messages: u64) -> usize {
        places(messages).next().map_or(0, |it| self.letters[usize::from(it)].booking)
    }

    /// The place of a memo's cause among `causes`.
    pub fn cause(&self, kind: Option<Kind>, cause: &Cause, digest: Digest) -> Option<usize> {
        let same = |(of, it, request): &Identity| *of == kind && it == cause && *request == digest;
        self.causes.iter().position(|(it, _)| same(it))
    }

    /// These messages as bits.
    pub fn bits(&mut self, messages: &[Message]) -> u64 {
        messages.iter().fold(0, |bits, it| bits | 1 << self.number(it))
    }

    fn number(&mut self, message: &Message) -> u8 {
        if let Some(number) = self.numbers.get(&message.body) {
            return *number;
        }
        let incoming = enveloped(message.kind, &message.body);
        let event = wire::decode(&incoming, &self.hostile.intake());
        let mut event = event.expect("what is published can be read");
        event.cause = self.hostile.cause(&event.cause);
        let booking = self.bookings.iter().position(|it| *it == event.booking);
        let booking = booking.expect("every message is about one of the bookings");
        let number = self.letters.len();
        assert!(number < MESSAGES_MAX, "more different messages than bits");
        for (heard, subscriptions) in self.heard.iter_mut().zip(&self.subscriptions) {
            if subscriptions.contains(&message.kind) {
                *heard |= 1 << number;
            }
        }
        let kind = (!self.hostile.opens(Lock::MemoKind)).then_some(message.kind);
        let cause = (kind, event.cause.clone(), event.digest);
        match self.causes.iter_mut().find(|(it, _)| *it == cause) {
            Some((_, bits)) => *bits |= 1 << number,
            None => self.causes.push((cause, 1 << number)),
        }
        self.letters.push(Letter { message: message.clone(), incoming, event, booking });
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
