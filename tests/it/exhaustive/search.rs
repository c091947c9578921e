//! Breadth first through all the worlds that can be reached, so that the path to a violation is a
//! shortest one.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    hash::{BuildHasherDefault, Hasher},
};

use booking::{
    bus::Message,
    domain::{RoleName, ids::BookingId, seats::Hold, status::Phase},
};

use super::{
    invariants::{self, Facts},
    model::{CELLS, Effect, Model, Turn, World, places},
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
    /// Whether the gateway can forget its idempotency keys.
    pub forgetting: bool,
    /// How many workers can stand suspended at once, at most one a cell.
    pub suspended_max: usize,
    /// Explore status by itself, for every set of messages that the others may have said at rest.
    /// Sound: it publishes nothing and its rows are its own, so that its deliveries commute with
    /// everything else; and every message that is ever published is published at rest.
    pub status_apart: bool,
    /// All the endings there are, one text a booking.
    pub endings: BTreeSet<String>,
}

/// How large it was.
#[derive(Clone, Debug, Default)]
pub struct Size {
    pub states: usize,
    pub transitions: usize,
    pub units: usize,
}

/// The most states of a search: one that is cut short has failed.
const STATES_MAX: usize = 60_000_000;

/// What a search has found, besides its size.
#[derive(Default)]
struct Found {
    size: Size,
    endings: BTreeSet<String>,
}

/// A step of a path: in which cell, whose turn, and which of the ways it can go.
#[derive(Clone, Copy)]
enum Move {
    Turn { cell: u8, turn: Turn, way: u16 },
    Late,
}

struct Search<'a> {
    scenario: &'a Scenario,
    model: Model,
    /// By booking and what was said about it: how status tells the end.
    ends: HashMap<(usize, u64), (Phase, bool)>,
    status: Size,
}

/// Explores all of it.
///
/// # Errors
/// The first violation, with the path to it.
pub fn explore(scenario: &Scenario) -> Result<Size, String> {
    let model = Model::new(scenario.bookings.clone(), scenario.conflicts);
    let mut search = Search { scenario, model, ends: HashMap::new(), status: Size::default() };
    let start = search.model.start(&scenario.requests);
    let roles = if scenario.status_apart { &RoleName::ALL[..3] } else { &RoleName::ALL[..] };
    let found = search.walk(start, roles, Search::rest)?;
    if found.endings != scenario.endings {
        return Err(format!(
            "{}: H9 the endings are {:#?}, expected {:#?}",
            scenario.name, found.endings, scenario.endings
        ));
    }
    let Size { states, transitions, .. } = found.size;
    Ok(Size {
        states: states + search.status.states,
        transitions: transitions + search.status.transitions,
        units: search.model.units(),
    })
}

type AtRest<'a> = fn(&mut Search<'a>, &World) -> Result<String, String>;

impl<'a> Search<'a> {
    fn walk(&mut self, start: World, roles: &[RoleName], at_rest: AtRest<'a>) -> Result<Found, String> {
        let mut found = Found::default();
        let mut seen = HashSet::<u128, BuildHasherDefault<AsIs>>::default();
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
                    Ok(ending) => found.endings.insert(ending),
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
                if roles.len() > 1
                    && let Err(problem) = invariants::check(&self.model, &after)
                {
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
        let standing = world.suspended.iter().filter(|it| **it != 0).count();
        for role in roles {
            // Also what is gone: a queue may always deliver once more.
            for message in places(world.published & self.model.heard[*role as usize]) {
                let booking = self.model.letters[usize::from(message)].booking;
                let cell = Model::cell_of(*role, booking);
                let room = standing < self.scenario.suspended_max && world.suspended[cell] == 0;
                self.turn(world, cell, Turn::Deliver(message), room, next)?;
            }
            for booking in 0..self.model.bookings.len() {
                let cell = Model::cell_of(*role, booking);
                let number = world.suspended[cell];
                if number != 0 && (cell != 0 || booking == 0) {
                    self.turn(world, cell, Turn::Resume(number), true, next)?;
                }
                // Keys live longer than any worker is let work on one delivery.
                if self.scenario.forgetting && *role == RoleName::Payment && number == 0 {
                    self.turn(world, cell, Turn::Forget, false, next)?;
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

    fn after(&self, world: &World, cell: usize, turn: Turn, effect: &Effect) -> World {
        let mut after = *world;
        after.written[cell] = effect.written;
        after.published |= effect.published;
        let message = match turn {
            Turn::Forget => return after,
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
            // A duplicate that died half-way is on its queue again. If it had no effect, that it was
            // there makes no difference: another may come at any time.
            let died_idle = effect.written == world.written[cell]
                && after.published == world.published
                && effect.suspended == 0;
            if !died_idle {
                *gone &= !(1 << message);
            }
        }
        after
    }

    /// The ending of each booking of a world at rest.
    fn rest(&mut self, world: &World) -> Result<String, String> {
        let mut endings = Vec::new();
        for booking in 0..self.model.bookings.len() {
            let end = if self.scenario.status_apart {
                self.end_apart(world, booking)?
            } else {
                invariants::end_of(&self.model, world, booking)?
            };
            endings.push(invariants::ending(&self.model, world, booking, end)?);
        }
        Ok(endings.join(" | "))
    }

    /// How status tells the end of what was said about a booking, in whatever order it hears it.
    fn end_apart(&mut self, world: &World, booking: usize) -> Result<(Phase, bool), String> {
        let about = |it: &u8| self.model.letters[usize::from(*it)].booking == booking;
        let said = places(world.published).filter(about).fold(0, |bits, it| bits | 1 << it);
        if let Some(end) = self.ends.get(&(booking, said)) {
            return Ok(*end);
        }
        let start = World {
            written: [0; CELLS],
            suspended: [0; CELLS],
            published: said,
            gone: [0; 4],
            late: false,
        };
        let found = self.walk(start, &[RoleName::Status], |search, world| {
            let booking = places(world.published)
                .next()
                .map(|it| search.model.letters[usize::from(it)].booking);
            let (phase, conflict) =
                invariants::end_of(&search.model, world, booking.unwrap_or_default())?;
            search.ends.insert((booking.unwrap_or_default(), world.published), (phase, conflict));
            Ok(format!("{phase} {conflict}"))
        })?;
        self.status.states += found.size.states;
        self.status.transitions += found.size.transitions;
        if found.endings.len() != 1 {
            return Err(format!("F1 order changes what status says: {:?}", found.endings));
        }
        Ok(self.ends[&(booking, said)])
    }

    /// A violation and the whole way to it.
    fn told(
        &self,
        start: World,
        parents: &[(u32, Move)],
        last: u32,
        more: Option<String>,
        problem: String,
    ) -> String {
        let mut moves = Vec::new();
        let mut at = last;
        while at != 0 {
            let (before, step) = parents[at as usize];
            moves.push(step);
            at = before;
        }
        let mut world = start;
        let mut text = format!("{}: {problem}\n", self.scenario.name);
        for step in moves.into_iter().rev() {
            match step {
                Move::Late => {
                    world.late = true;
                    text.push_str("  the holds expire\n");
                }
                Move::Turn { cell, turn, way } => {
                    let cell = usize::from(cell);
                    let effects =
                        self.model.remembered(cell, world.written[cell], world.late, turn);
                    let effect = &effects[usize::from(way)];
                    text.push_str(&format!("  {}\n", self.words(cell, turn, Some(effect))));
                    world = self.after(&world, cell, turn, effect);
                }
            }
        }
        if let Some(more) = more {
            text.push_str(&format!("  {more}\n"));
        }
        text.push_str(&format!("then: {}", self.model.describe(&world)));
        text
    }

    fn words(&self, cell: usize, turn: Turn, effect: Option<&Effect>) -> String {
        let role = Model::role_of(cell);
        let letter = |it: u8| {
            let letter = &self.model.letters[usize::from(it)];
            format!(
                "{} of {} ({})",
                letter.message.kind, letter.event.booking, letter.event.cause.id
            )
        };
        let turn = match turn {
            Turn::Deliver(message) => format!("deliver {} to {role}", letter(message)),
            Turn::Resume(number) => {
                format!("{role} goes on with {}", letter(self.model.held_by(cell, number)))
            }
            Turn::Forget => "the gateway forgets".to_owned(),
        };
        effect.map_or_else(|| turn.clone(), |it| format!("{turn}: {}", it.words))
    }
}

/// 128 bits of a world: two worlds among a thousand million with the same are not to be expected
/// (one chance in 10^20).
fn fingerprint(world: &World) -> u128 {
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let (mut one, mut other) = (0x9e37_79b9_7f4a_7c15_u64, 0xc2b2_ae3d_27d4_eb4f_u64);
    let mut mix = |word: u64| {
        one = fold(one ^ word, 0xff51_afd7_ed55_8ccd).wrapping_add(0x2545_f491_4f6c_dd1d);
        other = fold(other ^ word.rotate_left(32), 0xbf58_476d_1ce4_e5b9).wrapping_add(word);
    };
    for cell in 0..CELLS {
        mix(u64::from(world.written[cell]) << 16
            | u64::from(world.suspended[cell])
            | (cell as u64) << 40);
    }
    mix(world.published);
    world.gone.into_iter().for_each(&mut mix);
    mix(u64::from(world.late));
    u128::from(one) << 64 | u128::from(other)
}

/// A fingerprint is its own hash.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed");
    }
    fn write_u128(&mut self, it: u128) {
        self.0 = it as u64 ^ (it >> 64) as u64;
    }
}
