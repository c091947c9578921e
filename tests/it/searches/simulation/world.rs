//! What survives every process: time, queues, gateway, mailbox; and the dice.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use booking::domain::RoleName;
use jiff::Timestamp;

use super::{
    faults::{Fault, Tally},
    guards::{Guard, Wanted},
    outside::{Gateway, Mailbox},
    queues::Queues,
    watch::Watch,
};

/// 2027-02-01T09:30:00Z.
pub const START_MS: i64 = 1_801_474_200_000;

/// Everything between the processes. Copies share it.
#[derive(Clone)]
pub struct Sim(Arc<Mutex<World>>);

/// An operation on something outside the process, in the order of a unit of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Receive,
    Read,
    Claim,
    Settle,
    Effect,
    Publish,
    SetAside,
    Delete,
    GiveBack,
    Extend,
}

/// How far a hand has come: what it did last and what it is about to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub process: usize,
    /// What it did before that.
    pub before: Option<Op>,
    pub done: Option<Op>,
    /// None while it waits for its batch.
    pub next: Option<Op>,
}

/// Something that fails for everybody of a role for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outage {
    Bus,
    Disk,
    Gateway,
}

/// What left, and how often nobody asked for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub requests: u64,
    pub entries: u64,
    /// Requests with as many entries as there can be.
    pub full: u64,
    pub rests: u64,
}

pub struct World {
    pub rng: fastrand::Rng,
    pub now_ms: i64,
    /// Whether anything goes wrong.
    pub unkind: bool,
    pub without: Option<Guard>,
    pub wanted: Wanted,
    /// How much of each fault this seed has: none of some, a lot of others.
    intensity: Vec<u32>,
    pub tally: Tally,
    pub queues: Queues,
    pub gateway: Gateway,
    pub mailbox: Mailbox,
    pub watch: Watch,
    pub places: BTreeMap<u64, Place>,
    /// The hand that is being polled.
    pub running: u64,
    /// Whether its process dies of what it just did.
    pub dies: bool,
    pub sent: Sent,
    outages: BTreeMap<(Outage, RoleName), i64>,
    pub deliveries: u64,
    pub trace: Trace,
}

impl Sim {
    pub fn new(seed: u64, without: Option<Guard>, told: bool) -> Sim {
        let mut rng = fastrand::Rng::with_seed(seed);
        let intensity = Fault::ALL.iter().map(|_| [0, 1, 1, 2, 3][rng.usize(0..5)]).collect();
        Sim(Arc::new(Mutex::new(World {
            rng,
            now_ms: START_MS,
            unkind: true,
            without,
            wanted: Wanted::default(),
            intensity,
            tally: Tally::default(),
            queues: Queues::default(),
            gateway: Gateway::default(),
            mailbox: Mailbox::default(),
            watch: Watch::default(),
            places: BTreeMap::new(),
            running: 0,
            dies: false,
            sent: Sent::default(),
            outages: BTreeMap::new(),
            deliveries: 0,
            trace: Trace { told, ..Trace::default() },
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("one thread does everything")
    }

    /// Lets the others have a turn, and comes back when the dice say so: what follows is one step.
    pub async fn turn(&self, op: Op) {
        self.about_to(op).await;
        self.did(op);
    }

    /// The first half of a turn: for what takes more than one step.
    pub async fn about_to(&self, op: Op) {
        self.lock().place(|it| it.next = Some(op));
        self.pass().await;
        self.lock().place(|it| it.next = None);
    }

    pub fn did(&self, op: Op) {
        self.lock().place(|it| (it.before, it.done) = (it.done, Some(op)));
    }

    /// Comes back at that time, if somebody wakes it then.
    pub async fn until(&self, ms: i64) {
        let is_due = |_: &mut Context<'_>| match self.lock().now_ms >= ms {
            true => Poll::Ready(()),
            false => Poll::Pending,
        };
        std::future::poll_fn(is_due).await;
    }

    /// Comes back when the dice say so, wherever it is.
    pub async fn pass(&self) {
        Turn { waited: false }.await;
    }
}

struct Turn {
    waited: bool,
}

impl Future for Turn {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.waited, true) {
            return Poll::Ready(());
        }
        // Whoever has the hands polls one of those that are awake.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl World {
    fn place(&mut self, change: impl FnOnce(&mut Place)) {
        change(self.places.entry(self.running).or_default());
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms).expect("a few days of 2027")
    }

    /// Whether a fault that strikes in so many of a thousand cases does so now; counted if it does.
    pub fn strikes(&mut self, fault: Fault, role: RoleName, permille: u32) -> bool {
        let strikes = self.threatens(fault, permille);
        if strikes {
            self.count(fault, role);
        }
        strikes
    }

    /// As [`World::strikes`], for what is only counted when it is over.
    pub fn threatens(&mut self, fault: Fault, permille: u32) -> bool {
        let permille = permille * self.intensity[fault as usize];
        self.unkind && permille > 0 && self.rng.u32(0..1000) < permille
    }

    pub fn count(&mut self, fault: Fault, role: RoleName) {
        self.tally.count(fault, role);
        self.trace.note(self.now_ms, format_args!("! {} × {role}", fault.words()));
    }

    /// Whether something is down, or goes down now for a while.
    pub fn down(&mut self, what: Outage, fault: Fault, role: RoleName, permille: u32) -> bool {
        let until = self.outages.get(&(what, role)).copied().unwrap_or(0);
        if self.unkind && self.now_ms < until {
            self.count(fault, role);
            return true;
        }
        let strikes = self.strikes(fault, role, permille);
        if strikes {
            let for_ms = if self.rng.u8(0..4) == 0 { self.rng.i64(0..600_000) } else { 0 };
            self.outages.insert((what, role), self.now_ms + for_ms);
        }
        strikes
    }

    pub fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(self.now_ms, what);
    }
}

/// All that happened, as one number; as text when it is to be told.
#[derive(Default)]
pub struct Trace {
    hash: u64,
    told: bool,
    pub lines: Vec<String>,
}

impl Trace {
    fn note(&mut self, now_ms: i64, what: fmt::Arguments<'_>) {
        let _ = write!(Fnv(&mut self.hash), "{now_ms} {what}");
        if self.told {
            self.lines.push(format!("{:>10.3} {what}", (now_ms - START_MS) as f64 / 1000.0));
        }
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }
}

struct Fnv<'a>(&'a mut u64);

impl fmt::Write for Fnv<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        *self.0 = text.bytes().fold(*self.0, |it, byte| {
            (it ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(5)
        });
        Ok(())
    }
}

/// A number for a text.
pub fn fingerprint(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let _ = Fnv(&mut hash).write_str(text);
    hash
}
