//! One delivery in the hands of the real worker, stopped wherever one likes.
//!
//! The worker, the book, the roles and their rules are the real ones. What they talk to is
//! `outside`: a store, a gateway, a mailer and a bus that do one *operation* at a time.
//! Every operation is a point where the worker can be stopped (its future is dropped) or suspended.
//! A future cannot be copied, so what is kept of a suspended worker is the list of the answers that
//! it has got: it is a deterministic function of these, and going on means doing it again with the
//! same answers, at the same times, up to the point where it stood.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use booking::{
    clock::{Clock, Hands},
    domain::{
        event::{Charge, Event, Refund},
        ids::BookingId,
        money::Money,
    },
    gateway::Charged,
    metrics::Metrics,
    roles::Role,
    runtime::{Attendant, Ended, Limits, PollHealth, UnitOfWork, Worker},
    store::{Commit, Versioned},
    wire::{self, Incoming, Intake, Message, SealKey, TaskAnswer},
};

use super::hostile::Hostile;
use crate::harness::delivery;

/// What one role has written down about the bookings it knows, and what the outside keeps for it.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// Rows by key.
    pub rows: BTreeMap<String, (u64, String)>,
    /// The questions that the gateway has not forgotten, by idempotency key.
    pub keys: BTreeMap<String, Asked>,
    /// Whether a look-up does not show the charge yet.
    pub unseen: bool,
    /// Every movement of money, in order.
    pub ledger: Vec<Movement>,
    /// Every different receipt. How often it was sent is nobody's promise.
    pub mails: BTreeSet<String>,
    /// Every different mail that says that a receipt is void.
    pub voids: BTreeSet<String>,
}

/// What the gateway keeps under an idempotency key.
#[derive(Clone, Debug)]
pub struct Asked {
    pub question: String,
    /// Whether it failed, and repeats that failure, whatever it has done.
    pub failed: bool,
}

/// What a gateway does within its promises, and whether payment is prepared for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Provider {
    /// It forgets its idempotency keys, which live longer than a look-up lags behind.
    pub forgets: bool,
    /// A look-up does not show a new charge at once.
    pub lags: bool,
    /// It keeps a failure under the key, and repeats it until the key is forgotten.
    pub repeats_failures: bool,
    /// A charge that may have been asked for is asked for again without a look-up.
    pub is_not_looked_up: bool,
}

/// A line of the gateway's ledger.
#[derive(Clone, Debug)]
pub struct Movement {
    pub refund: bool,
    pub booking: BookingId,
    pub amount: Money,
}

/// What a worker does to the world, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Read,
    Commit,
    Effect(&'static str),
    Publish,
    Answer,
    SetAside,
    Delete,
}

#[derive(Clone, Debug)]
pub enum Reply {
    Rows(Vec<Option<Versioned>>),
    Committed(Commit),
    Found(Option<Charge>),
    Charged(Charged),
    TimedOut,
    FailedAsBefore,
    KeyMisused,
    Refunded(Refund),
    Done,
    NobodyWaits,
    Failed,
}

/// One operation that was done, what it answered, and when.
#[derive(Clone, Debug)]
pub struct Step {
    pub operation: Operation,
    reply: Reply,
    at_ms: i64,
}

/// What goes wrong with an operation, by its place.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub at: usize,
    /// Whether it was done all the same, and only the answer was lost.
    pub done: bool,
    /// Whether the gateway keeps the failure and repeats it.
    pub kept: bool,
}

/// How a delivery went, as far as it went.
#[derive(Debug)]
pub struct Run {
    pub cell: Cell,
    pub steps: Vec<Step>,
    /// What it would do next; none when it came to its end.
    pub next: Option<Operation>,
    pub ended: Option<Ended>,
    pub published: Vec<Message>,
    /// What was answered to tasks, each by its token.
    pub answered: Vec<(String, TaskAnswer)>,
    pub set_aside: Option<String>,
    pub deleted: bool,
}

/// What a worker is given to read.
#[derive(Clone, Copy)]
pub enum Reads<'a> {
    /// Events, in a world with this client and this provider.
    Events(&'a Hostile, Provider),
    /// Tasks, of which it remembers what it has announced, or not; and whose answer somebody waits
    /// for, or not.
    Tasks { key: &'a SealKey, remembers: bool, awaited: bool },
}

impl Cell {
    /// The gateway forgets its keys. Look-ups have caught up long before.
    pub fn forget(&mut self) {
        self.keys.clear();
        self.unseen = false;
    }

    /// Whether the gateway repeats a failure, so that nothing can be known for now.
    pub fn is_stuck(&self) -> bool {
        self.keys.values().any(|it| it.failed)
    }
}

impl Run {
    /// Whether a worker that stands here can meet somebody else's work: it is about to write, to
    /// ask outside, or to read what others may write. Not so after a lost commit (putting off the
    /// next read is the same as putting off that commit: versions only grow), and not once it has
    /// committed (then it only says what any redelivery says again from the memo).
    pub fn can_be_overtaken(&self) -> bool {
        let lost = matches!(self.steps.last(), Some(it) if matches!(it.reply, Reply::Committed(Commit::Conflict)));
        match self.next {
            Some(Operation::Read) => !lost && !self.steps.is_empty(),
            Some(Operation::Commit | Operation::Effect(_)) => true,
            Some(
                Operation::Publish | Operation::Answer | Operation::SetAside | Operation::Delete,
            )
            | None => false,
        }
    }
}

/// The world as the worker sees it. Copies are one.
#[derive(Clone)]
pub struct Hand(Arc<Mutex<State>>);

pub struct State {
    pub cell: Cell,
    steps: Vec<Step>,
    told: usize,
    stop_at: usize,
    fault: Option<Fault>,
    /// Set while the gateway fails and keeps that: whether it does what it was asked.
    pub keeps: Option<bool>,
    next: Option<Operation>,
    now_ms: i64,
    clock: Arc<Hands>,
    pub published: Vec<Message>,
    pub answered: Vec<(String, TaskAnswer)>,
    pub set_aside: Option<String>,
    pub deleted: bool,
    /// Whether memos are found again.
    pub remembers: bool,
    /// Whether somebody waits for the answer.
    pub awaited: bool,
    /// What keeps a hostile client out, and what does not.
    pub hostile: Hostile,
    pub provider: Provider,
    /// What is delivered, if it is an event.
    pub event: Option<Event>,
}

/// Hands a delivery to a worker of the role, which has already got the answers in `steps`; it stops
/// before the operation numbered `stop_at`.
pub fn run<R: Role>(
    role: impl FnOnce(Hand) -> R,
    (cell, now_ms): (&Cell, i64),
    (incoming, reads): (&Incoming, Reads<'_>),
    steps: &[Step],
    stop_at: usize,
    fault: Option<Fault>,
) -> Run {
    let clock = Arc::new(Hands::at(now_ms));
    let (hostile, provider, intake) = match reads {
        Reads::Events(hostile, provider) => (hostile.clone(), provider, hostile.intake()),
        Reads::Tasks { key, .. } => {
            (Hostile::default(), Provider::default(), Intake::tasks(key.clone()))
        }
    };
    let (remembers, awaited) = match reads {
        Reads::Events(..) => (true, false),
        Reads::Tasks { remembers, awaited, .. } => (remembers, awaited),
    };
    let hand = Hand(Arc::new(Mutex::new(State {
        cell: cell.clone(),
        steps: steps.to_vec(),
        told: 0,
        stop_at,
        fault,
        keeps: None,
        next: None,
        now_ms,
        clock: Arc::clone(&clock),
        published: Vec::new(),
        answered: Vec::new(),
        set_aside: None,
        deleted: false,
        remembers,
        awaited,
        hostile,
        provider,
        event: match reads {
            Reads::Events(..) => wire::decode(incoming, &intake).ok(),
            Reads::Tasks { .. } => None,
        },
    })));
    let clock = Clock::Manual(clock);
    let (limits, poll_health) =
        (Limits::default(), PollHealth::new(&clock, std::time::Duration::MAX));
    let work = UnitOfWork::new(role(hand.clone()), hand.clone(), clock);
    let (outbox, metrics) = (hand.clone(), Metrics::default());
    let attendant = Attendant::new(Arc::new(work), outbox, intake, metrics);
    let attendant = match reads {
        Reads::Events(..) => attendant,
        Reads::Tasks { .. } => attendant.with_desk(Arc::new(hand.clone())),
    };
    let worker = Worker::new(hand.clone(), attendant, limits, poll_health, 1);
    let in_flight = worker.in_flight();
    // Every operation is ready at once, or the worker has been stopped there.
    let ended = match pin!(worker.attend(delivery(incoming.clone()), &in_flight))
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(ended) => Some(ended),
        Poll::Pending => None,
    };
    drop(worker);
    let state = Arc::into_inner(hand.0).expect("the worker is gone").into_inner().unwrap();
    let State { cell, steps, next, published, answered, set_aside, deleted, .. } = state;
    Run { cell, steps, next, ended, published, answered, set_aside, deleted }
}

impl std::fmt::Debug for Hand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hand")
    }
}

impl Hand {
    /// Does one operation, or tells again what it answered, or stops for good.
    pub async fn operate(
        &self,
        operation: Operation,
        act: impl FnOnce(&mut State) -> Reply + Send,
    ) -> Reply {
        match self.try_operate(operation, act) {
            Some(reply) => reply,
            None => std::future::pending().await,
        }
    }

    fn try_operate(
        &self,
        operation: Operation,
        act: impl FnOnce(&mut State) -> Reply,
    ) -> Option<Reply> {
        let mut state = self.0.lock().unwrap();
        if let Some(step) = state.steps.get(state.told).cloned() {
            assert_eq!(step.operation, operation, "a worker is a function of the answers it got");
            state.told += 1;
            state.clock.set(step.at_ms);
            return Some(step.reply);
        }
        let at = state.steps.len();
        if at >= state.stop_at {
            state.next = Some(operation);
            return None;
        }
        let at_ms = state.now_ms;
        state.clock.set(at_ms);
        let fault = state.fault.filter(|it| it.at == at);
        let mut reply = Reply::Failed;
        if fault.is_none_or(|it| it.done || it.kept) {
            state.keeps = fault.filter(|it| it.kept).map(|it| it.done);
            let answer = act(&mut state);
            if fault.is_none() {
                reply = answer;
            }
        }
        state.steps.push(Step { operation, reply: reply.clone(), at_ms });
        state.told += 1;
        Some(reply)
    }
}
