//! The shape of a decision: rows in, one step out.
//!
//! The rules of a role are one pure function. Its arguments are the rows read so far, the event,
//! and the answers that this delivery already got from outside; its result is the next [`Step`].
//! The runtime reads, asks or commits what the step says, and calls again until the step is final.
//! Nothing may be decided anywhere else.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    ServiceName,
    event::Event,
    ids::BookingId,
    request::Rejection,
    seat::{SeatId, Seating},
};

/// The rules of one service: of a role, or of a guest that only listens.
pub trait Rules: Send + Sync + 'static {
    /// One stored row.
    type State: Clone + Send + Sync + Serialize + DeserializeOwned + 'static;
    /// Something to be done outside: a charge, a refund, a mail.
    type Effect: Clone + Send + Sync + std::fmt::Debug;
    /// The answer to an effect: that it was done, or that it was refused for good.
    type Answer: Clone + Send + Sync;

    /// The service that these rules belong to.
    const SERVICE: ServiceName;

    /// The next step for `event`.
    ///
    /// `rows` always has the row of the event's booking. `answers` are the answers that this
    /// delivery got to the effects of earlier steps, in that order. `now` is used for the limits
    /// that the rules name and for the time of what is announced, and for nothing else.
    fn decide(
        &self,
        rows: &Rows<Self::State>,
        event: &Event,
        answers: &[Self::Answer],
        now: Timestamp,
    ) -> Step<Self::State, Self::Effect>;

    /// The booking's row after the parser refused a request for it. `None` when this role does not
    /// record refused requests, or has recorded this one already.
    fn rejected(_row: Option<&Self::State>, _rejection: Rejection) -> Option<Self::State> {
        None
    }

    /// The index entry of a row that can be found by its phase; `None` for all other rows.
    fn listing(_state: &Self::State) -> Option<Listing> {
        None
    }

    /// The booking whose request ended this one, if one did. What was announced of that is in the
    /// memo of its row.
    fn ended_by(_state: &Self::State) -> Option<&BookingId> {
        None
    }

    /// How the booking ended by the change of its row from `before` to `after`, if it did. `now` is
    /// when that change was decided. At most one change of a row is its end, so whoever counts
    /// committed changes counts each ending once. `None` from a role that does not know endings.
    fn ending(
        _before: Option<&Self::State>,
        _after: &Self::State,
        _now: Timestamp,
    ) -> Option<Ending> {
        None
    }
}

/// What the runtime has to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<S, E> {
    /// Read these rows too, then decide again.
    Read(Vec<Key>),
    /// Commit the claim, if there is one, then ask for the effect, then decide again with its
    /// answer. If the rows change meanwhile, the commit of that decision is a conflict. The effect
    /// is idempotent, with the booking as its key.
    Ask {
        /// The booking's row, which says that the effect may have been asked for. A claim announces
        /// nothing and is not a memo.
        claim: Option<S>,
        effect: E,
    },
    /// Change nothing and announce nothing. A final step.
    Nothing,
    /// Commit this decision in one transaction, then announce it. A final step.
    Settle(Decision<S>),
    /// Change nothing and move the message to the dead-letter queue, with this reason, for a person
    /// to look at. A final step.
    SetAside(String),
}

impl<S, E> Step<S, E> {
    /// Settles: the booking's row becomes `state`, and nothing is announced.
    #[must_use]
    pub fn become_row(state: S) -> Self {
        Step::announcing(state, Vec::new())
    }

    /// Settles: the booking's row becomes `state`, and `announce` is announced.
    #[must_use]
    pub fn announcing(state: S, announce: Vec<Event>) -> Self {
        Step::Settle(Decision { own: state, others: Vec::new(), announce })
    }
}

/// What is committed in one transaction, and announced afterwards.
///
/// The row of the event's booking is always written, since it holds the memo of what is announced.
/// A decision that announces something and leaves no memo is therefore impossible.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<S> {
    /// The new state of the row of the event's booking.
    pub own: S,
    /// Other rows that change, each at most once.
    pub others: Vec<(Key, S)>,
    pub announce: Vec<Event>,
}

/// The key of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Booking(BookingId),
    /// One seat on one departure, as `flight/date/seat`.
    Seat(String),
}

impl Key {
    /// The key of one seat on the departure of `seating`.
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

/// The rows that a decision is made from. A row was read, or is known not to exist, or is unread.
#[derive(Clone, Debug)]
pub struct Rows<S>(BTreeMap<Key, Option<S>>);

impl<S> Default for Rows<S> {
    fn default() -> Self {
        Rows(BTreeMap::new())
    }
}

impl<S> Rows<S> {
    /// Adds the row that was read under `key`; `None` when there is no such row.
    pub fn insert(&mut self, key: Key, row: Option<S>) {
        self.0.insert(key, row);
    }

    /// The row under `key`, if it was read and exists.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&S> {
        self.0.get(key).and_then(Option::as_ref)
    }

    /// The row of booking `id`, if it was read and exists.
    #[must_use]
    pub fn booking(&self, id: &BookingId) -> Option<&S> {
        self.get(&Key::Booking(id.clone()))
    }

    /// Those of `keys` that have not been read, sorted and each once.
    #[must_use]
    pub fn unread(&self, keys: impl IntoIterator<Item = Key>) -> Vec<Key> {
        let mut keys: Vec<Key> = keys.into_iter().filter(|it| !self.0.contains_key(it)).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

/// How a booking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The phase at which it ended: one of few names, whatever a client sends.
    pub phase: &'static str,
    /// From when the role first heard of the booking until it heard of its end. Never negative.
    pub took: SignedDuration,
}

/// The index entry of a row: rows are listed by phase, newest first, and open rows by age. Those
/// whose departure is known are also listed by flight and by day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub phase: String,
    /// When the role heard the newest fact, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether the booking still waits for something.
    pub open: bool,
    /// `None` while no departure is known.
    pub departure: Option<Departure>,
}

/// The departure that a row is about. It must not change from fact to fact: a store writes its
/// index entry once, and again only when it has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    pub flight: String,
    /// The local day of the departure, as `YYYY-MM-DD`.
    pub day: String,
    /// When the role first heard of the booking, in milliseconds since 1970.
    pub since_ms: i64,
}
