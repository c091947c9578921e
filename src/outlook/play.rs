//! One booking among the real rules of seats, payment and receipt: which message is delivered next,
//! and what follows. Every message is delivered once; a repetition adds no event.
//!
//! An effect is asked for and settled in one go. What comes between the two changes the order of
//! the events of a booking, and not which events these are.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{World, ours};
use crate::{
    domain::{
        RoleName,
        decision::Key,
        event::{Event, Kind},
        payment::{self, Payments},
        receipt::{Join, Receipts, Sent},
        rehearsal::ends,
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
        let told = |mut play: Play, said: Result<Vec<Event>, String>| {
            said.into_iter().flatten().for_each(|it| play.announce(it));
            play
        };
        match to {
            RoleName::Seats => ends(world.rules(), &self.seats, &event, at, &|it| match *it {})
                .into_iter()
                .map(|it| told(Play { seats: it.rows, ..rest.clone() }, it.said))
                .collect(),
            RoleName::Payment => {
                ends(&Payments, &self.payment, &event, at, &|it| world.answers(it))
                    .into_iter()
                    .map(|it| told(Play { payment: it.rows, ..rest.clone() }, it.said))
                    .collect()
            }
            RoleName::Receipt => ends(&Receipts, &self.receipt, &event, at, &|_| vec![Sent])
                .into_iter()
                .map(|it| told(Play { receipt: it.rows, ..rest.clone() }, it.said))
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
