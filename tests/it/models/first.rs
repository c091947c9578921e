//! The first delivery of a request, for which the booking's row is not read but taken to be
//! missing. Whatever the row has, the outcome must be that of a delivery that reads it.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
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

/// Deals with these events in turn, each as the first delivery of its message or as a later one.
async fn seen<R: Role>(role: R, events: &[Event], are_first: bool) -> (Vec<String>, Noted) {
    let (store, clock) = (Noted::default(), clock());
    let work = UnitOfWork::new(role, store.clone(), clock.clone());
    let (mut outcomes, lease) = (Vec::new(), Lease::endless(&clock));
    for event in events {
        let outcome = work.attend_under(event, are_first, &lease, &Span::default()).await;
        outcomes.push(told(&outcome));
    }
    (outcomes, store)
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

async fn check<R: Role>(role: impl Fn() -> R) {
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
    check(seats_role).await;
    check(|| PaymentRole(SimulatedGateway::new(Memory::default(), Duration::ZERO))).await;
    check(|| ReceiptRole(Post)).await;
    check(|| StatusRole).await;
}

#[tokio::test]
async fn the_first_delivery_of_a_request_does_not_read_the_row_of_its_booking() {
    async fn check<R: Role>(role: R, reads: &[&str]) {
        let request = Sketch::new("b-1", &["12A"], "tok_visa").event();
        let (outcomes, store) = seen(role, &[request], true).await;
        assert!(outcomes[0].contains("conflicts: 0"), "{outcomes:?}");
        assert_eq!(*store.reads.lock().unwrap(), reads);
    }
    check(seats_role(), &["seat/WA117/2027-03-01/12A"]).await;
    check(PaymentRole(SimulatedGateway::new(Memory::default(), Duration::ZERO)), &[]).await;
    check(ReceiptRole(Post), &[]).await;
    check(StatusRole, &[]).await;
}
