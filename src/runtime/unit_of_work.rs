//! The unit of work: decides one event over a role's rows, once, and commits the decision. It must
//! never publish, and never commit an announcement without its memo.
//!
//! A booking's row holds its memos: for each event that caused something, the messages that it
//! announced, complete with ids and times. State and memo are committed together. A redelivery
//! finds the memo and announces the same messages without deciding again. So the memos are an
//! outbox whose relay is the redelivery of SQS, and there is no second loop that publishes.
//!
//! The process may die after it claimed an effect, and then another event may be the one that
//! settles the effect. The message of that other event may be gone already, so no redelivery of it
//! would publish the memo. But the message of the claiming event stays on its queue until the
//! outcome is published. Therefore the memo can be found under the claiming event too.
//!
//! The first delivery of a request is nearly always the first that a role hears of its booking. So
//! its row is not read, but taken to be missing: the commit finds out, and costs no more than it
//! would anyway. Only a commit may confirm this. A decision that commits nothing, or asks for an
//! effect without a claim, is made again with the row. If the row is there after all, the refused
//! write was for nothing, so a process guesses once for each booking that it remembers.

use super::{
    Lease, WorkError,
    error::{CONFLICTS_MAX, STEPS_MAX},
    guesses::Guesses,
    view::{Recalled, View},
};
use crate::{
    clock::Clock,
    domain::{
        decision::{Decision, Ending, Key, Rules, Step},
        event::{Event, Kind},
        ids::BookingId,
        status::Rejection,
    },
    roles::Role,
    store::{Commit, Store},
    traces::Span,
    wire::{self, Message},
};

/// The reason for setting aside an event that has the id of another event.
pub(super) const OTHER_REQUEST: &str = "the same event id with different content";

/// The rules and effects of one role, over the rows in its store.
#[derive(Debug)]
pub struct UnitOfWork<R, S> {
    role: R,
    store: S,
    clock: Clock,
    guesses: Guesses,
}

/// How dealing with an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The event is committed, now or by an earlier delivery, and these messages are to be
    /// published.
    Announce {
        /// In the order in which they were decided.
        messages: Vec<Message>,
        /// Whether they come from the memo of an earlier delivery.
        recalled: bool,
        /// How many version conflicts this delivery met.
        conflicts: u32,
        /// How many outside effects this delivery asked for and got an answer to.
        answers: usize,
        /// Whether this delivery committed a decision. If not, and if it recalled nothing, the
        /// event came too late to matter, or said again what was known.
        changed: bool,
        /// How the booking ended, if what this delivery committed was its end.
        ending: Option<Ending>,
        /// The phase in which the booking is now, if it has come to an end, or left one, by what
        /// this delivery committed. Only of a role that lists its rows by phase.
        phase: Option<String>,
    },
    /// Nothing was changed, for this reason. A person should look at the message.
    SetAside(String),
}

type State<R> = <<R as Role>::Rules as Rules>::State;

impl<R: Role, S: Store> UnitOfWork<R, S> {
    /// A unit of work over the rows in `store`. `clock` is used for decisions and for leases.
    pub fn new(role: R, store: S, clock: Clock) -> Self {
        UnitOfWork { role, store, clock, guesses: Guesses::default() }
    }

    /// The clock of decisions and leases.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The store of the role's rows.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Deals with one event. When this returns [`Outcome::Announce`], the decision is committed.
    ///
    /// This may be called for the same event any number of times, and concurrently. The event is
    /// decided once, and every call announces what was decided then.
    ///
    /// # Errors
    /// When the event could not be dealt with this time. A claim that was committed stays, and the
    /// event must be dealt with again.
    pub async fn attend(&self, event: &Event) -> Result<Outcome, WorkError> {
        self.attend_under(event, false, &Lease::endless(&self.clock), &Span::default()).await
    }

    /// As [`UnitOfWork::attend`], but commits nothing once the lease is over. Its effects and its
    /// commit are told as parts of the span `traced`. `is_first` says that the event came with the
    /// first delivery of its message: then it is probably new, and a store is asked less often. The
    /// outcome is the same.
    ///
    /// # Errors
    /// As [`UnitOfWork::attend`], and when the lease is over.
    pub async fn attend_under(
        &self,
        event: &Event,
        is_first: bool,
        lease: &Lease,
        traced: &Span,
    ) -> Result<Outcome, WorkError> {
        let mut answers = Vec::new();
        let mut conflicts = 0;
        let mut steps = 0;
        // Whether the booking's own row is taken to be missing without having been read.
        let mut guessed =
            is_first && event.kind() == Kind::BookingRequested && self.guesses.may(&event.booking);
        // Whether a commit over that guess was refused. Only the row itself says why.
        let mut refused = false;
        'read: loop {
            if conflicts > CONFLICTS_MAX {
                return Err(WorkError::Contended);
            }
            let own = Key::Booking(event.booking.clone());
            let mut view = if guessed {
                View::<State<R>>::of_missing(own)
            } else {
                View::read(&self.store, own).await?
            };
            if std::mem::take(&mut refused) && view.own().is_none() {
                // The guess was right: another delivery has changed another row.
                conflicts += 1;
            }
            match view.recall(event) {
                Some(Recalled::Messages(messages)) => {
                    return Ok(Outcome::Announce {
                        messages,
                        recalled: true,
                        conflicts,
                        answers: 0,
                        changed: false,
                        ending: None,
                        phase: None,
                    });
                }
                Some(Recalled::OtherRequest) => {
                    return Ok(Outcome::SetAside(OTHER_REQUEST.to_owned()));
                }
                None => {}
            }
            loop {
                steps += 1;
                // A guess may be wrong once.
                if steps > STEPS_MAX * (2 + conflicts) {
                    return Err(WorkError::Endless);
                }
                let now = self.clock.now();
                let (mut changed, mut ending, mut phase) = (false, None, None);
                let step = self.role.rules().decide(&view.rows, event, &answers, now);
                if guessed && !view.is_confirmed_by(&step) {
                    guessed = false;
                    continue 'read;
                }
                let messages = match step {
                    Step::Read(keys) => {
                        view.read_more(&self.store, keys).await?;
                        continue;
                    }
                    Step::Ask { claim, effect } => {
                        lease.check()?;
                        if let Some(claim) = claim {
                            let writes = vec![view.claim::<R::Rules>(claim, event)?];
                            if self.store.commit(writes).await? == Commit::Conflict {
                                conflicts += u32::from(!guessed);
                                refused = std::mem::take(&mut guessed);
                                continue 'read;
                            }
                            guessed = false;
                        }
                        // If a row changes meanwhile, the commit that settles this is a conflict.
                        let mut asking = traced.effect(self.role.asks(&effect));
                        let asked = self.role.perform(&effect).await;
                        answers.push(asked.inspect_err(|it| asking.fail(it.class()))?);
                        continue;
                    }
                    Step::Nothing => Vec::new(),
                    Step::Settle(decision) => {
                        lease.check()?;
                        changed = true;
                        ending = R::Rules::ending(view.own(), &decision.own, now);
                        phase = phase_at_an_end::<R::Rules>(view.own(), &decision.own);
                        let mut settling = traced.settle();
                        let settled = self.settle(&mut view, event, decision).await;
                        match settled.inspect_err(|_| settling.fail("store"))? {
                            Some(messages) => messages,
                            None => {
                                settling.note("booking.conflict", true);
                                conflicts += u32::from(!guessed);
                                refused = std::mem::take(&mut guessed);
                                continue 'read;
                            }
                        }
                    }
                    Step::SetAside(reason) => return Ok(Outcome::SetAside(reason)),
                };
                let answers = answers.len();
                return Ok(Outcome::Announce {
                    messages,
                    recalled: false,
                    conflicts,
                    answers,
                    changed,
                    ending,
                    phase,
                });
            }
        }
    }

    /// Commits a decision and its memo in one transaction. `None` when another commit has changed
    /// one of the rows since they were read.
    async fn settle(
        &self,
        view: &mut View<State<R>>,
        event: &Event,
        decision: Decision<State<R>>,
    ) -> Result<Option<Vec<Message>>, WorkError> {
        let Decision { own, others, announce } = decision;
        let messages: Vec<Message> = announce.iter().map(wire::encode).collect::<Result<_, _>>()?;
        let mut writes = vec![view.settle::<R::Rules>(own, event, &messages)?];
        for (key, state) in others {
            writes.push(view.write::<R::Rules>(key, state)?);
        }
        Ok(match self.store.commit(writes).await? {
            Commit::Done => Some(messages),
            Commit::Conflict => None,
        })
    }

    /// Records a request that the parser refused, if this role's rules record such requests.
    /// Returns how the booking ended, if this was its end.
    ///
    /// # Errors
    /// When the store failed, or other deliveries kept changing the row.
    pub async fn reject(
        &self,
        booking: &BookingId,
        rejection: &Rejection,
    ) -> Result<Option<Ending>, WorkError> {
        let own = Key::Booking(booking.clone());
        for _ in 0..=CONFLICTS_MAX {
            let mut view = View::<State<R>>::read(&self.store, own.clone()).await?;
            let Some(row) = R::Rules::rejected(view.own(), rejection.clone()) else {
                return Ok(None);
            };
            let ending = R::Rules::ending(view.own(), &row, self.clock.now());
            let writes = vec![view.write::<R::Rules>(own.clone(), row)?];
            if self.store.commit(writes).await? == Commit::Done {
                return Ok(ending);
            }
        }
        Err(WorkError::Contended)
    }
}

/// The phase after a change of a booking's row, if the booking has come to an end by it, or has
/// left one.
fn phase_at_an_end<R: Rules>(before: Option<&R::State>, after: &R::State) -> Option<String> {
    let after = R::listing(after)?;
    let before = before.and_then(R::listing);
    let has_moved = before.as_ref().is_none_or(|it| it.phase != after.phase);
    let had_ended = before.is_some_and(|it| !it.open);
    (has_moved && (had_ended || !after.open)).then_some(after.phase)
}
