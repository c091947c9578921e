//! Breadth first through all the worlds that can be reached, so that the path to a violation is a
//! shortest one.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    rc::Rc,
};

use booking::{
    domain::{RoleName, ids::BookingId, seats::Hold},
    wire::Message,
};

use super::{
    fingerprint::{Seen, fingerprint},
    hand::Provider,
    hostile::Hostile,
    invariants::{self, ReceiptEnd},
    known::Facts,
    listeners::End,
    model::{CELLS, Model, Turn, World, places},
    ways::Effect,
};

/// What is explored.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: String,
    pub bookings: Vec<BookingId>,
    /// What clients publish, all of it at the beginning: a delivery may come as late as it likes.
    pub requests: Vec<Message>,
    /// Whether the requests contradict each other, so that a message may be set aside.
    pub conflicts: bool,
    /// Whether holds can expire.
    pub expiry: bool,
    /// What the gateway can do.
    pub provider: Provider,
    /// How many workers can stand suspended at once, at most one a cell; and when receipt and
    /// status are explored apart, how many there.
    pub suspended_max: Suspended,
    /// Explore receipt by itself, for every set of messages that seats and payment may have said at
    /// rest, and then status by itself, for every set that receipt can make of it. Sound: what they
    /// say is heard by nobody before them, and their rows are their own, so that their deliveries
    /// commute with everything else; and every message that is ever published is published at rest.
    pub listeners_apart: bool,
    /// What a hostile client does, and what keeps it out.
    pub hostile: Hostile,
    /// All the endings there are, one text a booking.
    pub endings: BTreeSet<String>,
}

/// How many workers can stand suspended at once, by what is explored.
#[derive(Clone, Copy, Debug)]
pub struct Suspended {
    pub together: usize,
    pub receipt: usize,
    pub status: usize,
}

/// How large it was.
#[derive(Clone, Debug, Default)]
pub struct Size {
    pub states: usize,
    pub transitions: usize,
    /// How many different deliveries were handed to the real worker, each in all the ways it can
    /// go.
    pub deliveries: usize,
}

/// The most states of a search: one that is cut short has failed.
const STATES_MAX: usize = 60_000_000;

/// What a search has found, besides its size.
#[derive(Default)]
pub struct Found {
    pub size: Size,
    pub endings: BTreeSet<String>,
}

/// A step of a path: in which cell, whose turn, and which of the ways it can go.
#[derive(Clone, Copy)]
pub enum Move {
    Turn { cell: u8, turn: Turn, way: u16 },
    Late,
}

pub struct Search<'a> {
    pub scenario: &'a Scenario,
    pub model: Model,
    /// By booking and what seats and payment said about it: all that receipt and status can make of
    /// it.
    pub ends: HashMap<(usize, u64), Rc<[End]>>,
    /// What the walk through the listeners has found so far.
    pub met: Vec<(World, ReceiptEnd)>,
    pub apart: Size,
}

/// Explores all of it.
///
/// # Errors
/// The first violation, with the path to it.
pub fn explore(scenario: &Scenario) -> Result<Size, String> {
    let hostile = scenario.hostile.clone();
    let bookings = scenario.bookings.clone();
    let model = Model::new(bookings, scenario.conflicts, hostile, scenario.provider);
    let (ends, met, apart) = (HashMap::new(), Vec::new(), Size::default());
    let mut search = Search { scenario, model, ends, met, apart };
    let start = search.model.start(&scenario.requests)?;
    let together = if scenario.listeners_apart { 2 } else { 4 };
    let roles = &RoleName::ALL[..together];
    let found = search.walk(start, roles, Search::rest)?;
    if found.endings != scenario.endings {
        return Err(format!(
            "{}: H9 the endings are {:#?}, expected {:#?}",
            scenario.name, found.endings, scenario.endings
        ));
    }
    let Size { states, transitions, .. } = found.size;
    Ok(Size {
        states: states + search.apart.states,
        transitions: transitions + search.apart.transitions,
        deliveries: search.model.turns.len(),
    })
}

/// What to do with a world at rest: its endings, or what is wrong with it.
pub type AtRest<'a> = fn(&mut Search<'a>, &World) -> Result<Vec<String>, String>;

impl<'a> Search<'a> {
    pub fn walk(
        &mut self,
        start: World,
        roles: &[RoleName],
        at_rest: AtRest<'a>,
    ) -> Result<Found, String> {
        let mut found = Found::default();
        let mut seen = Seen::default();
        let mut parents: Vec<(u32, Move)> = vec![(0, Move::Late)];
        let mut waiting = VecDeque::from([(start, 0u32)]);
        seen.insert(fingerprint(&start));
        let mut next = Vec::new();
        while let Some((world, number)) = waiting.pop_front() {
            let told =
                |search: &Self, problem, more| search.told(start, &parents, number, more, problem);
            next.clear();
            if let Err((problem, more)) = self.moves(&world, roles, &mut next) {
                return Err(told(self, problem, Some(more)));
            }
            let pending = roles.iter().any(|it| world.pending(&self.model, *it) != 0);
            if !pending && world.suspended == [0; CELLS] {
                match at_rest(self, &world) {
                    Ok(endings) => found.endings.extend(endings),
                    Err(problem) => return Err(told(self, problem, None)),
                };
            }
            found.size.transitions += next.len();
            for (after, step) in next.drain(..) {
                if !seen.insert(fingerprint(&after)) {
                    continue;
                }
                let index = u32::try_from(parents.len()).expect("fewer than STATES_MAX");
                parents.push((number, step));
                if let Err(problem) = invariants::check(&self.model, &after, roles) {
                    return Err(self.told(start, &parents, index, None, problem));
                }
                assert!(parents.len() < STATES_MAX, "{}: cut short", self.scenario.name);
                waiting.push_back((after, index));
            }
        }
        found.size.states = parents.len();
        Ok(found)
    }

    /// Every world that comes next. An error says in which turn.
    fn moves(
        &mut self,
        world: &World,
        roles: &[RoleName],
        next: &mut Vec<(World, Move)>,
    ) -> Result<(), (String, String)> {
        let suspended_max = match roles {
            [RoleName::Receipt] => self.scenario.suspended_max.receipt,
            [RoleName::Status] => self.scenario.suspended_max.status,
            _ => self.scenario.suspended_max.together,
        };
        let standing = world.suspended.iter().filter(|it| **it != 0).count();
        for role in roles {
            // Also what is gone: a queue may always deliver once more.
            for message in places(world.published & self.model.heard[*role as usize]) {
                let booking = self.model.letters[usize::from(message)].booking;
                let cell = Model::cell_of(*role, booking);
                let room = standing < suspended_max && world.suspended[cell] == 0;
                self.turn(world, cell, Turn::Deliver(message), room, next)?;
            }
            for booking in 0..self.model.bookings.len() {
                let cell = Model::cell_of(*role, booking);
                let number = world.suspended[cell];
                if number != 0 && (cell != 0 || booking == 0) {
                    self.turn(world, cell, Turn::Resume(number), true, next)?;
                }
                let Provider { forgets, lags, .. } = self.scenario.provider;
                // Keys live longer than any worker is let work on one delivery.
                if forgets && *role == RoleName::Payment && number == 0 {
                    self.turn(world, cell, Turn::Forget, false, next)?;
                }
                if lags && *role == RoleName::Payment {
                    self.turn(world, cell, Turn::CatchUp, false, next)?;
                }
            }
        }
        let facts = &self.model.known(world, RoleName::Seats, 0).facts;
        let held = matches!(facts, Facts::Seats { holds }
            if holds.iter().any(|it| matches!(it, Some(Hold::Held(_)))));
        if self.scenario.expiry && !world.late && held && roles.contains(&RoleName::Seats) {
            next.push((World { late: true, ..*world }, Move::Late));
        }
        Ok(())
    }

    /// Every way in which one turn can go; `room` for a worker that is suspended.
    fn turn(
        &mut self,
        world: &World,
        cell: usize,
        turn: Turn,
        room: bool,
        next: &mut Vec<(World, Move)>,
    ) -> Result<(), (String, String)> {
        let effects = self.model.effects(cell, world.written[cell], world.late, turn);
        let effects = effects.map_err(|it| (it, self.words(cell, turn, None)))?;
        for (way, effect) in effects.iter().enumerate() {
            if effect.suspended != 0 && !room {
                continue;
            }
            let after = self.after(world, cell, turn, effect);
            if after != *world {
                let (cell, way) = (cell as u8, way as u16);
                next.push((after, Move::Turn { cell, turn, way }));
            }
        }
        Ok(())
    }

    pub fn after(&self, world: &World, cell: usize, turn: Turn, effect: &Effect) -> World {
        let mut after = *world;
        after.written[cell] = effect.written;
        after.published |= effect.published;
        let message = match turn {
            Turn::Forget | Turn::CatchUp => return after,
            Turn::Deliver(message) => {
                if effect.suspended != 0 {
                    after.suspended[cell] = effect.suspended;
                }
                message
            }
            Turn::Resume(number) => {
                after.suspended[cell] = effect.suspended;
                self.model.held_by(cell, number)
            }
        };
        let gone = &mut after.gone[Model::role_of(cell) as usize];
        if effect.gone {
            *gone |= 1 << message;
        } else if matches!(turn, Turn::Deliver(_)) {
            // A duplicate that died half-way is on its queue again. If it had no effect, that it
            // was there makes no difference: another may come at any time.
            let died_idle = effect.written == world.written[cell]
                && after.published == world.published
                && effect.suspended == 0;
            if !died_idle {
                *gone &= !(1 << message);
            }
        }
        after
    }
}
