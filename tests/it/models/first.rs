//! The first delivery of a request, for which the booking's row is not read but taken to be
//! missing. Whatever the row has, the outcome must be that of a delivery that reads it.

use std::{
    fmt::Debug,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use booking::{
    domain::{
        event::{Event, Kind},
        ids::Cause,
        receipt::Receipt,
    },
    gateway::simulated::SimulatedGateway,
    mailer::{MailError, Mailer},
    roles::{PaymentRole, ReceiptRole, Role, StatusRole},
    runtime::{Lease, Outcome, UnitOfWork},
    store::{
        Commit, Find, Page, Start, Store, StoreError, Tally, Versioned, Write, memory::Memory,
    },
    traces::Span,
};

use tokio::sync::Notify;

use super::unit_of_work::{clock, seats_role};
use crate::harness::Sketch;

/// A store that notes what it is asked to read, and what it is written.
#[derive(Clone, Default)]
struct Noted {
    inner: Memory,
    reads: Arc<Mutex<Vec<String>>>,
    writes: Arc<Mutex<Vec<(String, String)>>>,
}

impl Store for Noted {
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.reads.lock().unwrap().extend(keys.clone());
        self.inner.read(keys).await
    }
    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        let written: Vec<_> = writes.iter().map(|it| (it.key.clone(), it.body.clone())).collect();
        let committed = self.inner.commit(writes).await?;
        if committed == Commit::Done {
            self.writes.lock().unwrap().extend(written);
        }
        Ok(committed)
    }
    async fn list(&self, find: Find, start: Start, limit: usize) -> Result<Page, StoreError> {
        self.inner.list(find, start, limit).await
    }
    async fn tally(&self, before_ms: i64, limit: usize) -> Result<Tally, StoreError> {
        self.inner.tally(before_ms, limit).await
    }
}

/// Mail that always arrives.
#[derive(Debug)]
struct Post;

impl Mailer for Post {
    async fn send(&self, _: &Receipt) -> Result<(), MailError> {
        Ok(())
    }
}

/// Deals with these events in turn, each in a process of its own, and each as the first delivery of
/// its message or as a later one.
async fn seen<R: Role>(
    role: impl Fn() -> R,
    events: &[Event],
    are_first: bool,
) -> (Vec<String>, Noted) {
    let (store, clock) = (Noted::default(), clock());
    let (mut outcomes, lease) = (Vec::new(), Lease::endless(&clock));
    for event in events {
        let work = UnitOfWork::new(role(), store.clone(), clock.clone());
        let outcome = work.attend_under(event, are_first, &lease, &Span::default()).await;
        outcomes.push(told(&outcome));
    }
    (outcomes, store)
}

/// Payment, over the rows of one provider.
fn payment() -> impl Fn() -> PaymentRole<SimulatedGateway<Memory>> {
    let ledger = Memory::default();
    move || PaymentRole(SimulatedGateway::new(ledger.clone(), Duration::ZERO))
}

fn told(outcome: &Result<Outcome, impl Debug>) -> String {
    format!("{outcome:?}")
}

/// What a role may hear of a booking: the request, once more as it is, under another id, and with
/// other seats under the same and under another id; and what others say of the booking.
fn heard() -> Vec<Event> {
    let (sketch, others) =
        (Sketch::new("b-1", &["12A"], "tok_visa"), Sketch::new("b-1", &["12B"], "tok_visa"));
    let request = sketch.event();
    let again =
        Event { cause: Cause { id: "again".into(), ..request.cause.clone() }, ..request.clone() };
    let forged = Event { cause: request.cause.clone(), ..others.event() };
    let rest = [Kind::SeatBooked, Kind::SeatUnavailable, Kind::PaymentOk, Kind::PaymentFailed];
    let mut all = vec![request.clone(), request, again, forged, others.event()];
    all.extend(rest.map(|it| sketch.heard(it)));
    all
}

/// All ordered choices of three of these.
fn threes(all: &[Event]) -> Vec<Vec<Event>> {
    let mut chosen = Vec::new();
    for one in 0..all.len() {
        for two in (0..all.len()).filter(|it| *it != one) {
            for three in (0..all.len()).filter(|it| ![one, two].contains(it)) {
                chosen.push([one, two, three].map(|it| all[it].clone()).to_vec());
            }
        }
    }
    chosen
}

async fn check<R: Role, F: Fn() -> R>(role: impl Fn() -> F) {
    for events in threes(&heard()) {
        let (first, unread) = seen(role(), &events, true).await;
        let (later, read) = seen(role(), &events, false).await;
        assert_eq!(first, later, "{events:?}");
        assert_eq!(*unread.writes.lock().unwrap(), *read.writes.lock().unwrap(), "{events:?}");
    }
}

/// Failure matrix: A41.
#[tokio::test]
async fn the_first_delivery_of_a_request_ends_as_if_the_row_had_been_read() {
    check(|| seats_role).await;
    check(payment).await;
    check(|| || ReceiptRole(Post)).await;
    check(|| || StatusRole).await;
}

#[tokio::test]
async fn the_first_delivery_of_a_request_does_not_read_the_row_of_its_booking() {
    async fn check<R: Role>(role: impl Fn() -> R, reads: &[&str]) {
        let request = Sketch::new("b-1", &["12A"], "tok_visa").event();
        let (outcomes, store) = seen(role, &[request], true).await;
        assert!(outcomes[0].contains("conflicts: 0"), "{outcomes:?}");
        assert_eq!(*store.reads.lock().unwrap(), reads);
    }
    check(seats_role, &["seat/WA117/2027-03-01/12A"]).await;
    check(payment(), &[]).await;
    check(|| ReceiptRole(Post), &[]).await;
    check(|| StatusRole, &[]).await;
}

/// Else each repetition would buy a refused write.
#[tokio::test]
async fn whoever_asks_again_under_one_id_is_read_and_not_guessed() {
    let (store, clock) = (Noted::default(), clock());
    let work = UnitOfWork::new(StatusRole, store.clone(), clock.clone());
    let request = Sketch::new("b-1", &["12A"], "tok_visa").event();
    for _ in 0..3 {
        let lease = Lease::endless(&clock);
        work.attend_under(&request, true, &lease, &Span::default()).await.unwrap();
    }
    assert_eq!(*store.reads.lock().unwrap(), ["booking/b-1"; 2]);
}

/// A seat that somebody else takes first is a conflict, and a row that was there all along is none.
#[tokio::test]
async fn a_guess_that_was_right_is_counted_as_the_conflict_that_it_met() {
    let conflicts = async |ids: [&str; 2]| {
        let requests = ids.map(|it| Sketch::new(it, &["12A"], "tok_visa").event());
        let (store, clock) = (Noted::default(), clock());
        let lease = Lease::endless(&clock);
        // The rival commits between the read of the seat and the commit.
        let slow = UnitOfWork::new(seats_role(), Late::over(&store), clock.clone());
        let rival = UnitOfWork::new(seats_role(), store.clone(), clock.clone());
        let between = async {
            slow.store().reached.notified().await;
            rival.attend(&requests[1]).await.unwrap();
            slow.store().go.notify_one();
        };
        let span = Span::default();
        let slow = slow.attend_under(&requests[0], true, &lease, &span);
        let (outcome, ()) = tokio::join!(slow, between);
        let Outcome::Announce { conflicts, .. } = outcome.unwrap() else { panic!() };
        conflicts
    };
    assert_eq!(conflicts(["b-1", "b-2"]).await, 1);
    assert_eq!(conflicts(["b-1", "b-1"]).await, 0);
}

/// A store whose first commit waits until it is let go.
struct Late {
    inner: Noted,
    reached: Notify,
    go: Notify,
    once: AtomicBool,
}

impl Late {
    fn over(inner: &Noted) -> Late {
        let (reached, go) = (Notify::new(), Notify::new());
        Late { inner: inner.clone(), reached, go, once: AtomicBool::new(true) }
    }
}

impl Store for Late {
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.inner.read(keys).await
    }
    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        if self.once.swap(false, Ordering::SeqCst) {
            self.reached.notify_one();
            self.go.notified().await;
        }
        self.inner.commit(writes).await
    }
    async fn list(&self, find: Find, start: Start, limit: usize) -> Result<Page, StoreError> {
        self.inner.list(find, start, limit).await
    }
    async fn tally(&self, before_ms: i64, limit: usize) -> Result<Tally, StoreError> {
        self.inner.tally(before_ms, limit).await
    }
}
