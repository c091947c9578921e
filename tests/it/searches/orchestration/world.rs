//! The world of an orchestrated booking in numbers: what each role wrote down, where each execution
//! is, and which messages are on which queue. Each different one is kept once.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use booking::{
    domain::{
        RoleName,
        ids::BookingId,
        schedule::Schedule,
        seats::{Hold, Seats},
    },
    wire::{self, SealKey, TaskAnswer},
};
use serde_json::{Value, json};

use super::{
    asl::{At, Execution, Machine, Sent},
    scenarios::{Guard, Scenario},
};
use crate::searches::exhaustive::{hand::Cell, model::HOLD_LIMIT};

/// The most executions of a scenario.
pub const EXECUTIONS_MAX: usize = 2;
/// Seats has one cell, since there bookings meet; of the other roles each booking has its own.
pub const CELLS: usize = 1 + 3 * EXECUTIONS_MAX;

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub written: [u16; CELLS],
    /// By execution: where it is, and how often it has timed out.
    pub machines: [(u16, u8); EXECUTIONS_MAX],
    /// The messages that were sent, and those that were deleted. Each of them may be delivered
    /// again, at any time and any number of times.
    pub sent: u128,
    pub gone: u128,
    /// Whether the holds that there were have expired.
    pub late: bool,
}

/// One way in which a delivery can go.
pub struct Effect {
    pub written: u16,
    pub sent: u128,
    /// The answers that somebody waited for, by number.
    pub answered: Vec<usize>,
    pub gone: bool,
    pub words: String,
}

pub struct Letter {
    pub role: RoleName,
    pub cell: usize,
    pub token: Option<String>,
    pub body: String,
    words: String,
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub enum Move {
    /// A delivery, and the way in which it goes.
    Delivered(Delivery, usize),
    TimesOut(usize),
    Aborted(usize),
    Late,
}

/// What decides what a delivery does: the cell and what is written in it, whether the holds have
/// expired, whether somebody waits for the answer, and the message.
pub type Delivery = (usize, u16, bool, bool, usize);

/// What is explored.
pub struct Model {
    machine: Machine,
    pub guard: Option<Guard>,
    pub key: SealKey,
    pub bookings: Vec<BookingId>,
    pub seats: Seats,
    /// How often each execution can time out, at any moment.
    timeouts_max: u8,
    /// Whether the holds can expire.
    expiry: bool,
    /// Whether the first execution can be aborted, at any moment.
    aborts: bool,
    pub failing: &'static [RoleName],
    pub cells: [Vec<Cell>; CELLS],
    cell_numbers: [HashMap<String, u16>; CELLS],
    pub executions: Vec<Execution>,
    pub letters: Vec<Letter>,
    pub effects: HashMap<Delivery, Rc<[Effect]>>,
    pub answers: Vec<TaskAnswer>,
    /// Where an execution goes with an answer, a time-out or its end, and what it sends then.
    steps: HashMap<(u16, Step), (u16, u128)>,
    /// By what seats has written: whether a hold can expire.
    held: HashMap<u16, bool>,
    /// What is written down, and keeps to what must hold.
    pub checked: HashSet<[u16; CELLS]>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Answer(usize),
    TimeOut,
    Abort,
}

const ABORTED: &str = "aborted";
/// The name of an execution that is none.
pub const IDLE: &str = "none";

impl Model {
    /// The model of a scenario, and the world in which it begins.
    pub fn new(scenario: &Scenario) -> (Model, World) {
        let mut machine = Machine::read();
        if scenario.guard == Some(Guard::TimeOutIsNoAnswer) {
            let catchers = &mut machine.definition["States"]["TakePayment"]["Catch"];
            catchers.as_array_mut().unwrap().retain(|it| it["Next"] != "TakePaymentAgain");
        }
        let mut bookings: Vec<BookingId> = Vec::new();
        for request in &scenario.requests {
            if !bookings.contains(&request.booking) {
                bookings.push(request.booking.clone());
            }
        }
        let mut model = Model {
            machine,
            guard: scenario.guard,
            key: SealKey::parse(&"k".repeat(32)).unwrap(),
            bookings,
            seats: Seats { schedule: Schedule::sample(), hold_limit: HOLD_LIMIT },
            timeouts_max: scenario.timeouts_max,
            expiry: scenario.expiry,
            aborts: scenario.aborts,
            failing: scenario.failing,
            cells: Default::default(),
            cell_numbers: Default::default(),
            executions: Vec::new(),
            letters: Vec::new(),
            effects: HashMap::new(),
            answers: Vec::new(),
            steps: HashMap::new(),
            held: HashMap::new(),
            checked: HashSet::new(),
        };
        for cell in 0..CELLS {
            model.write_down(cell, Cell::default());
        }
        let idle = model.machine.start(IDLE, json!({ "request": "" })).0.at(At::Succeeded);
        let idle = model.execution(idle);
        let mut world = World {
            written: [0; CELLS],
            machines: [(idle, 0); EXECUTIONS_MAX],
            sent: 0,
            gone: 0,
            late: false,
        };
        let mut names = Vec::new();
        for (at, request) in scenario.requests.iter().enumerate() {
            let mut name = request.booking.as_str().to_owned();
            if names.contains(&name) {
                // Step Functions starts no second execution of a name.
                if scenario.guard != Some(Guard::NameAsId) {
                    continue;
                }
                name = format!("a-name-of-its-own-{at}");
            }
            let text = wire::encode(request).unwrap().body;
            let sealed = model.key.seal(&request.booking, &text);
            let (execution, sent) = model.machine.start(&name, json!({ "request": sealed }));
            names.push(name);
            world.machines[at].0 = model.execution(execution);
            world.sent |= model.put(&sent);
        }
        (model, world)
    }

    pub fn cell_of(role: RoleName, booking: usize) -> usize {
        if role == RoleName::Seats { 0 } else { role as usize + 3 * booking }
    }

    /// What a role has written down of a booking.
    pub fn cell(&self, world: &World, role: RoleName, booking: usize) -> &Cell {
        let cell = Model::cell_of(role, booking);
        &self.cells[cell][usize::from(world.written[cell])]
    }

    pub fn write_down(&mut self, at: usize, cell: Cell) -> u16 {
        let text = format!("{cell:?}");
        if let Some(number) = self.cell_numbers[at].get(&text) {
            return *number;
        }
        let number = u16::try_from(self.cells[at].len()).expect("as many as a scenario has");
        self.cells[at].push(cell);
        self.cell_numbers[at].insert(text, number);
        number
    }

    fn execution(&mut self, execution: Execution) -> u16 {
        let known = self.executions.iter().position(|it| *it == execution);
        let number = known.unwrap_or_else(|| {
            self.executions.push(execution);
            self.executions.len() - 1
        });
        u16::try_from(number).expect("as many as a scenario has")
    }

    /// What the machine has sent, as messages on their queues.
    fn put(&mut self, sent: &[Sent]) -> u128 {
        let role = |it: &Sent| {
            let named = it.queue.strip_prefix("${").and_then(|it| it.strip_suffix("_queue}"));
            named.and_then(RoleName::of_name).expect("the queue of a role")
        };
        sent.iter().fold(0, |bits, it| bits | self.letter(role(it), &it.body))
    }

    pub fn letter(&mut self, role: RoleName, body: &str) -> u128 {
        let known = self.letters.iter().position(|it| it.role == role && it.body == body);
        let number = known.unwrap_or_else(|| {
            let task: Value = serde_json::from_str(body).expect("a task is JSON");
            let heard = task["heard"].as_array().cloned().unwrap_or_default();
            let said: Vec<&str> = heard.iter().filter_map(|it| it["said"].as_str()).collect();
            let token = task["token"].as_str();
            let words = format!(
                "{role}: {} [{}] of {}",
                token.unwrap_or("told"),
                said.join(" "),
                task["booking"].as_str().unwrap_or_default(),
            );
            let booking = self.bookings.iter().position(|it| task["booking"] == it.as_str());
            // One for which nothing was sealed is refused, wherever it comes.
            let cell = Model::cell_of(role, booking.unwrap_or(0));
            let (token, body) = (token.map(str::to_owned), body.to_owned());
            self.letters.push(Letter { role, cell, token, body, words });
            self.letters.len() - 1
        });
        assert!(number < 128, "more different messages than bits");
        1 << number
    }

    /// The letters of these bits that are for anybody but status. Status says nothing to anybody,
    /// and what it makes of what it hears does not depend on the order (F1): it hears everything
    /// when all else is at rest.
    fn places(&self, bits: u128) -> impl Iterator<Item = usize> + use<> {
        let (mut left, status) = (bits, self.of_status());
        std::iter::from_fn(move || {
            left &= !status;
            let place = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            (place < 128).then_some(place)
        })
    }

    pub fn of_status(&self) -> u128 {
        let of_status = |it: &(usize, &Letter)| it.1.role == RoleName::Status;
        self.letters.iter().enumerate().filter(of_status).fold(0, |bits, (at, _)| bits | 1 << at)
    }

    /// All worlds that come next, each with what happened.
    ///
    /// # Errors
    /// When one of them breaks what must hold.
    pub fn next(&mut self, world: &World) -> Result<Vec<(World, Move)>, String> {
        let mut next = Vec::new();
        for number in self.places(world.sent) {
            let (delivery, effects) = self.effects(world, number)?;
            for (way, effect) in effects.iter().enumerate() {
                let mut after = world.clone();
                after.written[delivery.0] = effect.written;
                after.sent |= effect.sent;
                // What is there again that was gone is a duplicate, which may come at any time.
                after.gone |= if effect.gone { 1 << number } else { 0 };
                for answer in &effect.answered {
                    let token = self.letters[number].token.clone().expect("it was answered");
                    let waits = |it: &(u16, u8)| self.waits(it.0, &token);
                    if let Some(at) = world.machines.iter().position(waits) {
                        self.step(&mut after, at, Step::Answer(*answer));
                    }
                }
                if after != *world {
                    next.push((after, Move::Delivered(delivery, way)));
                }
            }
        }
        for at in 0..EXECUTIONS_MAX {
            let (number, timeouts) = world.machines[at];
            if !matches!(self.executions[usize::from(number)].at, At::Waits { .. }) {
                continue;
            }
            if timeouts < self.timeouts_max {
                let mut after = world.clone();
                self.step(&mut after, at, Step::TimeOut);
                after.machines[at].1 += 1;
                next.push((after, Move::TimesOut(at)));
            }
            if self.aborts && at == 0 {
                let mut after = world.clone();
                self.step(&mut after, at, Step::Abort);
                next.push((after, Move::Aborted(at)));
            }
        }
        if self.expiry && !world.late && self.can_expire(world) {
            next.push((World { late: true, ..world.clone() }, Move::Late));
        }
        Ok(next)
    }

    /// What happened, for a person.
    pub fn words(&self, step: Move) -> String {
        match step {
            Move::Delivered(delivery, way) => {
                let effect = &self.effects[&delivery][way];
                format!("{}, {}", self.letters[delivery.4].words, effect.words)
            }
            Move::TimesOut(at) => format!("execution {at} times out"),
            Move::Aborted(at) => format!("execution {at} is aborted"),
            Move::Late => "the holds expire".to_owned(),
        }
    }

    pub fn waits(&self, execution: u16, token: &str) -> bool {
        let at = &self.executions[usize::from(execution)].at;
        matches!(at, At::Waits { token: it, .. } if it == token)
    }

    fn can_expire(&mut self, world: &World) -> bool {
        if let Some(known) = self.held.get(&world.written[0]) {
            return *known;
        }
        let held = self.holds(world).iter().flatten().any(|it| matches!(it, Hold::Held(_)));
        self.held.insert(world.written[0], held);
        held
    }

    /// Lets an execution go on.
    fn step(&mut self, world: &mut World, at: usize, step: Step) {
        let number = world.machines[at].0;
        let (after, sent) = match self.steps.get(&(number, step)) {
            Some(known) => *known,
            None => {
                let mut execution = self.executions[usize::from(number)].clone();
                let sent = match step {
                    Step::TimeOut => self.machine.fail(&mut execution, "States.Timeout", ""),
                    Step::Abort => {
                        execution = execution.at(At::Failed(ABORTED.to_owned()));
                        Vec::new()
                    }
                    Step::Answer(answer) => {
                        let answer = self.answers[answer].clone();
                        let text = answer.text();
                        match answer.error() {
                            None => {
                                let output = serde_json::from_str(&text).expect("it is JSON");
                                self.machine.succeed(&mut execution, output)
                            }
                            Some(error) => self.machine.fail(&mut execution, error, &text),
                        }
                    }
                };
                let after = (self.execution(execution), self.put(&sent));
                self.steps.insert((number, step), after);
                after
            }
        };
        world.sent |= sent;
        world.machines[at].0 = after;
    }
}
