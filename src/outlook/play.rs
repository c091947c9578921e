//! One booking among the real rules of seats, payment and receipt: which message is delivered next,
//! and what follows. Every message is delivered once; a repetition adds no event.
//!
//! An effect is asked for and settled in one go. What comes between the two changes the order of
//! the events of a booking, and not which events these are.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::world::{World, ours};
use crate::{
    domain::{
        RoleName,
        decision::{Key, Rows, Rules, Step},
        event::{Event, Kind},
        payment::{self, Payments},
        receipt::{Join, Receipts, Sent},
        seats,
        status::Fact,
    },
    topics,
};

/// An event that a booking has, as far as it tells courses apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Said {
    pub kind: Kind,
    /// The reason, if the event has one.
    pub reason: Option<String>,
}

impl Said {
    pub(super) fn of(fact: &Fact) -> Said {
        Said { kind: fact.kind, reason: fact.reason.clone() }
    }
}

/// A course: all events that a booking has in the end.
pub(super) type Course = BTreeSet<Said>;

type Table<S> = BTreeMap<Key, S>;

/// A message on its way.
#[derive(Clone, Debug)]
struct Delivery {
    to: RoleName,
    event: Event,
}

/// The rows of the three services, and what is on its way.
#[derive(Clone, Debug)]
pub(super) struct Play {
    seats: Table<seats::Row>,
    payment: Table<payment::Payment>,
    receipt: Table<Join>,
    under_way: Vec<Delivery>,
    said: Course,
}

impl Play {
    /// Everything was requested, and nothing was delivered.
    pub(super) fn begin(world: &World) -> Play {
        let mut play = Play {
            seats: Table::new(),
            payment: Table::new(),
            receipt: Table::new(),
            under_way: Vec::new(),
            said: Course::new(),
        };
        play.announce(world.request());
        if let Some(event) = world.rival() {
            play.under_way.push(Delivery { to: RoleName::Seats, event });
        }
        play
    }

    /// What tells this from other states.
    pub(super) fn key(&self) -> String {
        let mut under_way: Vec<String> = self
            .under_way
            .iter()
            .map(|it| {
                format!("{} {} {} {:?}", it.to, it.event.kind(), it.event.booking, it.event.digest)
            })
            .collect();
        under_way.sort();
        format!(
            "{:?} {:?} {:?} {under_way:?} {:?}",
            self.seats, self.payment, self.receipt, self.said
        )
    }

    /// The events that the booking has.
    pub(super) fn course(&self) -> Course {
        self.said.clone()
    }

    /// Everything that can follow from the delivery of one message.
    pub(super) fn next(&self, world: &World) -> Vec<Play> {
        (0..self.under_way.len()).flat_map(|it| self.deliver(it, world)).collect()
    }

    fn deliver(&self, number: usize, world: &World) -> Vec<Play> {
        let mut rest = self.clone();
        let Delivery { to, event } = rest.under_way.swap_remove(number);
        let at = event.time;
        let told = |(play, events): (Play, Vec<Event>)| {
            let mut play = play;
            events.into_iter().for_each(|it| play.announce(it));
            play
        };
        match to {
            RoleName::Seats => ends(world.rules(), &self.seats, &event, at, &|it| match *it {})
                .into_iter()
                .map(|(seats, events)| told((Play { seats, ..rest.clone() }, events)))
                .collect(),
            RoleName::Payment => {
                ends(&Payments, &self.payment, &event, at, &|it| world.answers(it))
                    .into_iter()
                    .map(|(payment, events)| told((Play { payment, ..rest.clone() }, events)))
                    .collect()
            }
            RoleName::Receipt => ends(&Receipts, &self.receipt, &event, at, &|_| vec![Sent])
                .into_iter()
                .map(|(receipt, events)| told((Play { receipt, ..rest.clone() }, events)))
                .collect(),
            RoleName::Status => vec![rest],
        }
    }

    /// Sends an event of the booking to its subscribers. Status only listens, so it gets none.
    fn announce(&mut self, event: Event) {
        if event.booking != ours() {
            return;
        }
        self.said.insert(Said::of(&Fact::of(&event, event.time)));
        let roles = RoleName::ALL.into_iter().filter(|it| *it != RoleName::Status);
        let hears = |role: &RoleName| topics::subscriptions(*role).contains(&event.kind());
        for to in roles.filter(hears) {
            self.under_way.push(Delivery { to, event: event.clone() });
        }
    }
}

/// Each way in which the rules can end with this event, by the answers that `ask` gives.
fn ends<R: Rules>(
    rules: &R,
    table: &Table<R::State>,
    event: &Event,
    now: Timestamp,
    ask: &dyn Fn(&R::Effect) -> Vec<R::Answer>,
) -> Vec<(Table<R::State>, Vec<Event>)> {
    let own = Key::Booking(event.booking.clone());
    let mut rows = Rows::default();
    rows.insert(own.clone(), table.get(&own).cloned());
    let (mut open, mut ends) = (vec![(table.clone(), rows, Vec::new())], Vec::new());
    while let Some((mut table, mut rows, answers)) = open.pop() {
        match rules.decide(&rows, event, &answers, now) {
            Step::Read(keys) => {
                for key in keys {
                    let row = table.get(&key).cloned();
                    rows.insert(key, row);
                }
                open.push((table, rows, answers));
            }
            Step::Ask { claim, effect } => {
                if let Some(claim) = claim {
                    rows.insert(own.clone(), Some(claim.clone()));
                    table.insert(own.clone(), claim);
                }
                for answer in ask(&effect) {
                    let answers = answers.iter().cloned().chain([answer]).collect();
                    open.push((table.clone(), rows.clone(), answers));
                }
            }
            Step::Nothing | Step::SetAside(_) => ends.push((table, Vec::new())),
            Step::Settle(decision) => {
                table.insert(own.clone(), decision.own);
                table.extend(decision.others);
                ends.push((table, decision.announce));
            }
        }
    }
    ends
}
