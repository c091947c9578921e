//! The unit of work: what one event does to a role's rows, done once and kept for good.
//!
//! A booking's row holds its memos: what each cause announced, complete with ids and times. State
//! and memo are committed together, so a redelivery finds the memo and announces the same events
//! without deciding again. SQS redelivery is the relay; there is no second loop.
//!
//! The task that claimed an effect may die, and another event may be the one that settles it. The
//! event that settles may be a late duplicate whose message is gone, so the memo is kept under the
//! claiming event too: the message of the claiming event is on its queue until the outcome was
//! published.

use super::{
    Lease, WorkError,
    error::{CONFLICTS_MAX, STEPS_MAX},
    view::{Recalled, View},
};
use crate::{
    clock::Clock,
    domain::{
        decision::{Decision, Key, Rules, Step},
        event::Event,
        ids::BookingId,
        status::Rejection,
    },
    roles::Role,
    store::{Commit, Store},
    wire::{self, Message},
};

/// What is set aside when an event comes with the id of another one.
pub(super) const OTHER_REQUEST: &str = "the same event id with different content";

/// A role's rules over its rows.
#[derive(Debug)]
pub struct UnitOfWork<R, S> {
    role: R,
    store: S,
    clock: Clock,
}

/// How an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The event is committed, now or by an earlier delivery, and these messages are to be
    /// published.
    Announce {
        /// In the order in which they were decided.
        messages: Vec<Message>,
        /// Whether they come from the memo of an earlier delivery.
        recalled: bool,
        /// How many version conflicts were met on the way.
        conflicts: u32,
        /// How many answers the outside gave on the way.
        answers: usize,
    },
    /// Nothing was changed; a person should look.
    SetAside(String),
}

type State<R> = <<R as Role>::Rules as Rules>::State;

impl<R: Role, S: Store> UnitOfWork<R, S> {
    /// The rules of `role` over the rows of `store`.
    pub fn new(role: R, store: S, clock: Clock) -> Self {
        UnitOfWork { role, store, clock }
    }

    /// The clock that decisions and leases go by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The store of the role's rows.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Deals with one event: once it returns what to announce, all of it is committed.
    ///
    /// May be called for the same event any number of times, also at once: it is decided once, and
    /// every later call announces what the first one decided.
    ///
    /// # Errors
    /// When it could not be dealt with this time. What was claimed stays claimed; the same event
    /// must come again.
    pub async fn attend(&self, event: &Event) -> Result<Outcome, WorkError> {
        self.attend_under(event, &Lease::endless(&self.clock)).await
    }

    /// As [`UnitOfWork::attend`], and commits nothing once the lease is over.
    ///
    /// # Errors
    /// Also when the lease is over.
    pub async fn attend_under(&self, event: &Event, lease: &Lease) -> Result<Outcome, WorkError> {
        let mut answers = Vec::new();
        let mut conflicts = 0;
        let mut steps = 0;
        'read: loop {
            if conflicts > CONFLICTS_MAX {
                return Err(WorkError::Contended);
            }
            let own = Key::Booking(event.booking.clone());
            let mut view = View::<State<R>>::read(&self.store, own).await?;
            match view.recall(event) {
                Some(Recalled::Messages(messages)) => {
                    return Ok(Outcome::Announce { messages, recalled: true, conflicts, answers: 0 });
                }
                Some(Recalled::OtherRequest) => {
                    return Ok(Outcome::SetAside(OTHER_REQUEST.to_owned()));
                }
                None => {}
            }
            loop {
                steps += 1;
                if steps > STEPS_MAX + conflicts * STEPS_MAX {
                    return Err(WorkError::Endless);
                }
                let now = self.clock.now();
                let messages = match self.role.rules().decide(&view.rows, event, &answers, now) {
                    Step::Read(keys) => {
                        view.read_more(&self.store, keys).await?;
                        continue;
                    }
                    Step::Ask { claim, effect } => {
                        lease.check()?;
                        if let Some(claim) = claim {
                            let writes = vec![view.claim::<R::Rules>(claim, event)?];
                            if self.store.commit(writes).await? == Commit::Conflict {
                                conflicts += 1;
                                continue 'read;
                            }
                        }
                        // What changed meanwhile is found out when this is settled.
                        answers.push(self.role.perform(&effect).await?);
                        continue;
                    }
                    Step::Nothing => Vec::new(),
                    Step::Settle(decision) => {
                        lease.check()?;
                        match self.settle(&mut view, event, decision).await? {
                            Some(messages) => messages,
                            None => {
                                conflicts += 1;
                                continue 'read;
                            }
                        }
                    }
                    Step::SetAside(reason) => return Ok(Outcome::SetAside(reason)),
                };
                let answers = answers.len();
                return Ok(Outcome::Announce { messages, recalled: false, conflicts, answers });
            }
        }
    }

    /// Commits a decision and its memo in one transaction; none when a row had changed meanwhile.
    async fn settle(
        &self,
        view: &mut View<State<R>>,
        event: &Event,
        decision: Decision<State<R>>,
    ) -> Result<Option<Vec<Message>>, WorkError> {
        let Decision { own, others, announce } = decision;
        let messages: Vec<Message> =
            announce.iter().map(wire::encode).collect::<Result<_, _>>()?;
        let mut writes = vec![view.settle::<R::Rules>(own, event, &messages)?];
        for (key, state) in others {
            writes.push(view.write::<R::Rules>(key, state)?);
        }
        Ok(match self.store.commit(writes).await? {
            Commit::Done => Some(messages),
            Commit::Conflict => None,
        })
    }

    /// Remembers a request that the parser refused, if this role's rules keep such things.
    ///
    /// # Errors
    /// When the store failed, or other deliveries kept changing the row.
    pub async fn reject(
        &self,
        booking: &BookingId,
        rejection: &Rejection,
    ) -> Result<(), WorkError> {
        let own = Key::Booking(booking.clone());
        for _ in 0..=CONFLICTS_MAX {
            let mut view = View::<State<R>>::read(&self.store, own.clone()).await?;
            let Some(row) = R::Rules::rejected(view.own(), rejection.clone()) else {
                return Ok(());
            };
            let writes = vec![view.write::<R::Rules>(own.clone(), row)?];
            if self.store.commit(writes).await? == Commit::Done {
                return Ok(());
            }
        }
        Err(WorkError::Contended)
    }
}
