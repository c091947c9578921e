//! The unit of work: what one event does to a role's rows, done once and kept for good.
//!
//! A booking's row holds its memos: what each cause announced, complete with ids and times. State
//! and memo are committed together, so a redelivery finds the memo and announces the same events
//! without deciding again. SQS redelivery is the relay; there is no second loop.
//!
//! Whoever claimed an effect may die, and another event may be the one that settles it. The event
//! that settles may be a late duplicate whose message is gone, so the memo is kept under the
//! claiming event too: that one's message is on its queue until the outcome was published.

use super::{
    Lease, LeaseLost,
    kept::{Change, Claimant, Seen, recall, see, see_more},
};
use crate::{
    bus::{
        Message,
        wire::{self, TooLarge},
    },
    clock::Clock,
    domain::{
        decision::{Decision, Key, Rules, Step},
        event::Event,
        ids::BookingId,
        status::Rejection,
    },
    roles::{EffectError, Role},
    store::{Commit, Store, StoreError},
};

/// How often a version conflict is answered by deciding again before the event is given back.
pub(super) const CONFLICTS_MAX: u32 = 16;
/// How often a decision may ask for more rows or an effect: more than any rule does.
pub(super) const STEPS_MAX: u32 = 16;

/// A role's rules over its rows.
#[derive(Debug)]
pub struct Book<R, S> {
    role: R,
    store: S,
    clock: Clock,
}

/// How an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is committed, now or long ago: these are to be published.
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

/// Why an event could not be dealt with this time.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The store failed.
    #[error("could not use the store")]
    Store(#[from] StoreError),
    /// An outside effect had no answer.
    #[error("could not finish the outside effect")]
    Effect(#[from] EffectError),
    /// The delivery is not ours any more.
    #[error("stopped before the next commit")]
    Lease(#[from] LeaseLost),
    /// Others kept changing the same rows.
    #[error("gave up after {CONFLICTS_MAX} version conflicts")]
    Contended,
    /// A stored row is not what this binary writes.
    #[error("the row `{key}` cannot be read")]
    Row {
        /// Which.
        key: String,
        /// Where; serde's own words could quote what somebody's row says.
        #[source]
        source: Unreadable,
    },
    /// An outcome is larger than SNS takes: nothing was committed.
    #[error("could not announce the outcome")]
    TooLarge(#[from] TooLarge),
    /// The rules asked for more than they ever should.
    #[error("the rules did not come to an end after {STEPS_MAX} steps")]
    Endless,
}

/// Where a row stopped being readable.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{category:?} error at line {line} column {column}")]
pub struct Unreadable {
    category: serde_json::error::Category,
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for Unreadable {
    fn from(it: serde_json::Error) -> Unreadable {
        Unreadable { category: it.classify(), line: it.line(), column: it.column() }
    }
}

type State<R> = <<R as Role>::Rules as Rules>::State;

impl<R: Role, S: Store> Book<R, S> {
    /// The rules of `role` over the rows of `store`.
    pub fn new(role: R, store: S, clock: Clock) -> Self {
        Book { role, store, clock }
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The store.
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
    pub async fn attend(&self, event: &Event) -> Result<Outcome, BookError> {
        self.attend_under(event, &Lease::endless(&self.clock)).await
    }

    /// As [`Book::attend`], and commits nothing once the lease is over.
    ///
    /// # Errors
    /// Also when the lease is over.
    pub async fn attend_under(&self, event: &Event, lease: &Lease) -> Result<Outcome, BookError> {
        let own = Key::Booking(event.booking.clone());
        let mut answers = Vec::new();
        let mut conflicts = 0;
        let mut steps = 0;
        'read: loop {
            if conflicts > CONFLICTS_MAX {
                return Err(BookError::Contended);
            }
            let mut seen = see(&self.store, own.clone()).await?;
            if let Some(outcome) = recall(&seen, &own, event, conflicts) {
                return Ok(outcome);
            }
            loop {
                steps += 1;
                if steps > STEPS_MAX + conflicts * STEPS_MAX {
                    return Err(BookError::Endless);
                }
                let now = self.clock.now();
                match self.role.rules().decide(&seen.rows, event, &answers, now) {
                    Step::Read(keys) => see_more(&self.store, &mut seen, keys).await?,
                    Step::Ask { claim, effect } => {
                        lease.check()?;
                        if let Some(claim) = claim {
                            let by = Change::Claim(Claimant::of(event));
                            let writes = vec![seen.write::<R::Rules>(claim, by)?];
                            if self.store.commit(writes).await? == Commit::Conflict {
                                conflicts += 1;
                                continue 'read;
                            }
                        }
                        // What changed meanwhile is found out when this is settled.
                        answers.push(self.role.perform(&effect).await?);
                    }
                    Step::Settle(decision) if decision.writes.is_empty() => {
                        let (messages, answers) = (Vec::new(), answers.len());
                        return Ok(Outcome::Announce {
                            messages,
                            recalled: false,
                            conflicts,
                            answers,
                        });
                    }
                    Step::Settle(decision) => {
                        lease.check()?;
                        let Some(messages) = self.settle(&mut seen, &own, event, decision).await?
                        else {
                            conflicts += 1;
                            continue 'read;
                        };
                        let answers = answers.len();
                        return Ok(Outcome::Announce {
                            messages,
                            recalled: false,
                            conflicts,
                            answers,
                        });
                    }
                    Step::SetAside(reason) => return Ok(Outcome::SetAside(reason)),
                }
            }
        }
    }

    /// Commits a decision and its memo in one transaction; none when a row had changed meanwhile.
    async fn settle(
        &self,
        seen: &mut Seen<State<R>>,
        own: &Key,
        event: &Event,
        decision: Decision<State<R>>,
    ) -> Result<Option<Vec<Message>>, BookError> {
        let messages: Vec<Message> =
            decision.announce.iter().map(wire::encode).collect::<Result<_, _>>()?;
        let write = |row: (Key, State<R>)| {
            let announces = row.0 == *own && !messages.is_empty();
            let change = if announces { Change::Settle(event, &messages) } else { Change::State };
            seen.write::<R::Rules>(row, change)
        };
        let writes = decision.writes.into_iter().map(write).collect::<Result<Vec<_>, _>>()?;
        Ok(match self.store.commit(writes).await? {
            Commit::Done => Some(messages),
            Commit::Conflict => None,
        })
    }

    /// Remembers a request that the parser refused, if this role keeps such things.
    ///
    /// # Errors
    /// When the store failed, or others kept changing the row.
    pub async fn reject(
        &self,
        booking: &BookingId,
        rejection: &Rejection,
    ) -> Result<(), BookError> {
        let own = Key::Booking(booking.clone());
        for _ in 0..=CONFLICTS_MAX {
            let mut seen = see(&self.store, own.clone()).await?;
            let Some(row) = self.role.rejected(seen.rows.get(&own), rejection.clone()) else {
                return Ok(());
            };
            let writes = vec![seen.write::<R::Rules>((own.clone(), row), Change::State)?];
            if self.store.commit(writes).await? == Commit::Done {
                return Ok(());
            }
        }
        Err(BookError::Contended)
    }
}
