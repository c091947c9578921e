//! The shape of a decision: rows in, one step out.
//!
//! A role's rules are one pure function from the rows read so far, the event, and the answers that
//! this delivery already got from outside, to the next [`Step`]. Whoever calls it reads, asks or
//! commits what the step says, and calls again until the step is final. Nothing else is decided
//! anywhere.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    RoleName,
    event::Event,
    ids::BookingId,
    seat::{SeatId, Seating},
    status::Rejection,
};

/// The rules of one role.
pub trait Rules: Send + Sync + 'static {
    /// One stored row.
    type State: Clone + Send + Sync + Serialize + DeserializeOwned + 'static;
    /// Something to be done outside: a charge, a refund, a mail.
    type Effect: Clone + Send + Sync + std::fmt::Debug;
    /// What the outside answered.
    type Answer: Clone + Send + Sync;

    /// Whose rules they are.
    const ROLE: RoleName;

    /// The next step for `event`.
    ///
    /// `rows` always has the row of the event's booking. `answers` are those that this delivery got
    /// for the effects it was told to ask for, in that order. `now` is used for the limits the
    /// rules name and for the time of what is announced, for nothing else.
    fn decide(
        &self,
        rows: &Rows<Self::State>,
        event: &Event,
        answers: &[Self::Answer],
        now: Timestamp,
    ) -> Step<Self::State, Self::Effect>;

    /// The booking's row after the parser refused a request for it. `None` when this role keeps no
    /// such thing, or has it already.
    fn rejected(_row: Option<&Self::State>, _rejection: Rejection) -> Option<Self::State> {
        None
    }

    /// How a row is found other than by its key.
    fn listing(_state: &Self::State) -> Option<Listing> {
        None
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<S, E> {
    /// Read these rows too, then decide again.
    Read(Vec<Key>),
    /// Keep the claim, if there is one to keep, then ask outside, then decide with the answer: what
    /// changed meanwhile is a conflict when that is settled. The effect is keyed by the booking:
    /// asking twice does it once.
    Ask {
        /// The booking's row, which says that the effect may have been asked for. It announces
        /// nothing and is no memo.
        claim: Option<S>,
        /// What to ask.
        effect: E,
    },
    /// Change nothing and announce nothing. The end.
    Nothing,
    /// Commit this, in one transaction, and announce it. The end.
    Settle(Decision<S>),
    /// Change nothing; a person should look at this event. The end.
    SetAside(String),
}

impl<S, E> Step<S, E> {
    /// The booking's row becomes `state`, and nothing is announced.
    #[must_use]
    pub fn become_row(state: S) -> Self {
        Step::announcing(state, Vec::new())
    }

    /// The booking's row becomes `state`, and `announce` is announced.
    #[must_use]
    pub fn announcing(state: S, announce: Vec<Event>) -> Self {
        Step::Settle(Decision { own: state, others: Vec::new(), announce })
    }
}

/// What is committed in one transaction, and announced afterwards.
///
/// The row of the event's booking is always written, since the memo of what is announced is kept in
/// it: a decision that announces and leaves no memo cannot be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<S> {
    /// The new state of the row of the event's booking.
    pub own: S,
    /// Other rows that change, each at most once.
    pub others: Vec<(Key, S)>,
    /// The events that are announced.
    pub announce: Vec<Event>,
}

/// The name of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The row of a booking.
    Booking(BookingId),
    /// The row of one seat on one departure.
    Seat(String),
}

impl Key {
    /// The row of one seat.
    #[must_use]
    pub fn seat(seating: &Seating, seat: SeatId) -> Key {
        Key::Seat(format!("{}/{}/{seat}", seating.flight, seating.date))
    }
}

impl std::fmt::Display for Key {
    /// `booking/7f3c…`, `seat/WA117/2027-03-01/12A`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::Booking(id) => write!(f, "booking/{id}"),
            Key::Seat(place) => write!(f, "seat/{place}"),
        }
    }
}

/// The rows a decision has been given. A row can be there, be known to be absent, or be unread.
#[derive(Clone, Debug)]
pub struct Rows<S>(BTreeMap<Key, Option<S>>);

impl<S> Default for Rows<S> {
    fn default() -> Self {
        Rows(BTreeMap::new())
    }
}

impl<S> Rows<S> {
    /// Adds what was read under `key`; `None` when there is no such row.
    pub fn insert(&mut self, key: Key, row: Option<S>) {
        self.0.insert(key, row);
    }

    /// The row, if it was read and exists.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&S> {
        self.0.get(key).and_then(Option::as_ref)
    }

    /// The row of a booking, if it was read and exists.
    #[must_use]
    pub fn booking(&self, id: &BookingId) -> Option<&S> {
        self.get(&Key::Booking(id.clone()))
    }

    /// Those of `keys` that have not been read.
    #[must_use]
    pub fn unread(&self, keys: impl IntoIterator<Item = Key>) -> Vec<Key> {
        let mut keys: Vec<Key> = keys.into_iter().filter(|it| !self.0.contains_key(it)).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

/// How a row can be found: by phase newest first, and while it is open by age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The phase.
    pub phase: String,
    /// When the newest fact was heard, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether the booking still waits for something.
    pub open: bool,
}
