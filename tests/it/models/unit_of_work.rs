//! The unit of work, step by step: what is committed, what is said again, and what happens when it
//! dies in between. To play a death, a test does only the first part: the unit of work commits, and
//! sending and deleting are left to others.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use booking::{
    clock::Clock,
    domain::{
        RoleName,
        event::{Charge, Data, Event, Kind},
        ids::{BookingId, Cause},
        payment::{Payment, Payments},
        schedule::Schedule,
        seats::{Row, Seats},
    },
    durability::Durability,
    gateway::simulated::{Movement, SimulatedGateway},
    roles::{PaymentRole, SeatsRole},
    runtime::{Amended, Outcome, UnitOfWork, WorkError, amend, look_up},
    store::{
        Commit, Find, Page, Start, Store, StoreError, Tally, Versioned, Write,
        sqlite::{Engine, Inline},
    },
    wire::{self, Message},
    wiring::gateway_in,
};
use jiff::SignedDuration;

use crate::harness::{Folder, Sketch};

pub fn clock() -> Clock {
    Clock::manual("2027-02-01T09:30:00Z".parse().unwrap())
}

pub fn store(folder: &Folder, role: RoleName) -> Inline {
    let file = folder.join(&format!("{role}.db"));
    Inline::new(Engine::open(&file, role, Durability::PowerFailure).unwrap())
}

pub fn seats_role() -> SeatsRole {
    SeatsRole(Seats { schedule: Schedule::sample(), hold_limit: SignedDuration::from_mins(15) })
}

fn payment_role(folder: &Folder) -> PaymentRole<SimulatedGateway<Inline>> {
    PaymentRole(gateway_in(folder.path(), Duration::ZERO, Durability::PowerFailure).unwrap())
}

/// What the gateway did for the one booking of a test.
async fn ledger(folder: &Folder) -> Vec<Movement> {
    payment_role(folder).0.ledger_of(&BookingId::parse("b-1").unwrap()).await.unwrap()
}

pub fn seats_book(folder: &Folder) -> UnitOfWork<SeatsRole, Inline> {
    UnitOfWork::new(seats_role(), store(folder, RoleName::Seats), clock())
}

fn payment_book(folder: &Folder) -> UnitOfWork<PaymentRole<SimulatedGateway<Inline>>, Inline> {
    UnitOfWork::new(payment_role(folder), store(folder, RoleName::Payment), clock())
}

pub fn said(outcome: &Outcome) -> Vec<Kind> {
    match outcome {
        Outcome::Announce { messages, .. } => messages.iter().map(|it| it.kind).collect(),
        Outcome::SetAside(reason) => panic!("set aside: {reason}"),
    }
}

pub fn messages(outcome: Outcome) -> Vec<Message> {
    match outcome {
        Outcome::Announce { messages, .. } => messages,
        Outcome::SetAside(reason) => panic!("set aside: {reason}"),
    }
}

/// Failure matrix: A1, A7.
#[tokio::test]
async fn a_redelivery_after_the_commit_says_the_same_events_with_the_same_ids() {
    let folder = Folder::new();
    let request = Sketch::new("b-1", &["12A"], "tok_visa").event();
    let first = messages(seats_book(&folder).attend(&request).await.unwrap());
    assert_eq!(first.len(), 1);
    // Another process, later: the clock has moved on, the words have not.
    let later = Clock::manual("2027-02-03T00:00:00Z".parse().unwrap());
    let work = UnitOfWork::new(seats_role(), store(&folder, RoleName::Seats), later);
    let again = work.attend(&request).await.unwrap();
    assert!(matches!(again, Outcome::Announce { recalled: true, .. }));
    assert_eq!(messages(again), first);
}

/// Failure matrix: A25.
#[tokio::test]
async fn without_its_memo_the_stored_decision_alone_makes_a_repetition_a_no_op() {
    let folder = Folder::new();
    let work = seats_book(&folder);
    let sketch = Sketch::new("b-1", &["12A"], "tok_visa");
    work.attend(&sketch.event()).await.unwrap();
    let kept = look_up::<Row>(work.store(), &sketch.booking()).await.unwrap().unwrap();
    let wiped = serde_json::json!({ "row": kept.row }).to_string();
    let write = Write { key: "booking/b-1".into(), read_version: 1, body: wiped, listing: None };
    assert_eq!(work.store().commit(vec![write]).await.unwrap(), Commit::Done);
    assert_eq!(said(&work.attend(&sketch.event()).await.unwrap()), []);
}

/// Failure matrix: B2.
#[tokio::test]
async fn the_same_request_under_a_new_event_id_is_a_no_op() {
    let folder = Folder::new();
    let work = seats_book(&folder);
    let request = Sketch::new("b-1", &["12A"], "tok_visa").event();
    work.attend(&request).await.unwrap();
    let again = Event { cause: Cause { id: "another".into(), ..request.cause.clone() }, ..request };
    assert_eq!(said(&work.attend(&again).await.unwrap()), []);
}

/// Failure matrix: B3.
#[tokio::test]
async fn the_same_event_id_with_other_content_is_set_aside() {
    let folder = Folder::new();
    let work = seats_book(&folder);
    let request = Sketch::new("b-1", &["12A"], "tok_visa").event();
    work.attend(&request).await.unwrap();
    let other = Event { cause: request.cause, ..Sketch::new("b-1", &["12B"], "tok_visa").event() };
    assert!(matches!(work.attend(&other).await.unwrap(), Outcome::SetAside(_)));
}

/// Failure matrix: D4.
#[tokio::test]
async fn a_crash_after_the_charge_ends_in_one_charge_and_one_answer() {
    let folder = Folder::new();
    let sketch = Sketch::new("b-1", &["12A"], "tok_timeout_then_ok");
    // The first delivery claims, the gateway charges, and no answer comes back.
    payment_book(&folder).attend(&sketch.event()).await.unwrap_err();
    let kept =
        look_up::<Payment>(&store(&folder, RoleName::Payment), &sketch.booking()).await.unwrap();
    let kept = kept.unwrap();
    assert!(matches!(kept.row, Payment::Claimed { .. }));
    assert!(kept.memos.is_empty(), "a claim is no memo");
    // The redelivery, in another process, looks the charge up.
    let outcome = payment_book(&folder).attend(&sketch.event()).await.unwrap();
    assert_eq!(said(&outcome), [Kind::PaymentOk]);
    assert_eq!(ledger(&folder).await.len(), 1);
}

/// Failure matrix: D5.
#[tokio::test]
async fn whoever_claimed_says_what_another_event_settled() {
    let folder = Folder::new();
    let sketch = Sketch::new("b-1", &["12A"], "tok_timeout_then_ok");
    let first = sketch.event();
    payment_book(&folder).attend(&first).await.unwrap_err();
    // A late duplicate of the same request under another id settles, and dies before it publishes.
    let late = Event { cause: Cause { id: "late".into(), ..first.cause.clone() }, ..first.clone() };
    let settled = payment_book(&folder).attend(&late).await.unwrap();
    assert_eq!(said(&settled), [Kind::PaymentOk]);
    let Outcome::Announce { messages: settled, .. } = settled else { unreachable!() };
    let Outcome::Announce { messages, recalled, .. } =
        payment_book(&folder).attend(&first).await.unwrap()
    else {
        panic!("it was set aside")
    };
    assert!(recalled);
    assert_eq!(messages, settled);
    assert_eq!(ledger(&folder).await.len(), 1);
}

#[tokio::test]
async fn what_nobody_disturbs_meets_no_conflict_after_its_effect() {
    let folder = Folder::new();
    let work = payment_book(&folder);
    let outcome = work.attend(&Sketch::new("b-1", &["12A"], "tok_visa").event()).await.unwrap();
    assert!(matches!(outcome, Outcome::Announce { conflicts: 0, answers: 1, .. }), "{outcome:?}");
}

/// Failure matrix: D8.
#[tokio::test]
async fn no_seat_while_the_charge_is_in_doubt_is_refunded_by_the_one_who_claimed() {
    let folder = Folder::new();
    let sketch = Sketch::new("b-1", &["12A"], "tok_timeout_then_ok");
    payment_book(&folder).attend(&sketch.event()).await.unwrap_err();
    let no_seat = sketch.heard(Kind::SeatUnavailable);
    assert_eq!(said(&payment_book(&folder).attend(&no_seat).await.unwrap()), []);
    let outcome = payment_book(&folder).attend(&sketch.event()).await.unwrap();
    assert_eq!(said(&outcome), [Kind::PaymentOk, Kind::PaymentRefunded]);
    let ledger = ledger(&folder).await;
    let moved: Vec<&str> = ledger.iter().map(|it| it.movement.as_str()).collect();
    assert_eq!(moved, ["charge", "refund"]);
}

/// A store in which another writer gets in first, a given number of times.
#[derive(Clone)]
pub struct Contested {
    pub inner: Inline,
    pub rivals: Arc<Mutex<Vec<Write>>>,
}

impl Store for Contested {
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.inner.read(keys).await
    }
    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        let rival = self.rivals.lock().unwrap().pop();
        if let Some(rival) = rival {
            assert_eq!(self.inner.commit(vec![rival]).await?, Commit::Done);
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

/// Failure matrix: C3.
#[tokio::test]
async fn who_loses_the_race_for_a_seat_reads_again_and_is_refused() {
    let folder = Folder::new();
    let inner = store(&folder, RoleName::Seats);
    // The rival's booking and seat, as seats would have written them.
    let other = Folder::new();
    let rival = seats_book(&other);
    rival.attend(&Sketch::new("rival", &["12A"], "tok_visa").event()).await.unwrap();
    let rows = rival.store().engine().all().unwrap();
    let first = |(key, body): &(String, String)| Write {
        key: key.clone(),
        read_version: 0,
        body: body.clone(),
        listing: None,
    };
    let (bookings, seats): (Vec<_>, Vec<_>) =
        rows.iter().partition(|(key, _)| key.starts_with("booking/"));
    inner.commit(bookings.into_iter().map(first).collect()).await.unwrap();
    let rivals = Arc::new(Mutex::new(seats.into_iter().map(first).collect()));
    let work = UnitOfWork::new(seats_role(), Contested { inner, rivals }, clock());
    let outcome = work.attend(&Sketch::new("b-1", &["12A"], "tok_visa").event()).await.unwrap();
    assert!(matches!(outcome, Outcome::Announce { conflicts: 1, .. }), "{outcome:?}");
    assert_eq!(said(&outcome), [Kind::SeatUnavailable]);
}

/// Failure matrix: A37.
#[tokio::test]
async fn who_loses_every_race_gives_the_message_back_and_nothing_is_half_done() {
    let folder = Folder::new();
    let inner = store(&folder, RoleName::Seats);
    let rival = |version: u64| Write {
        key: "seat/WA117/2027-03-01/12A".into(),
        read_version: version,
        body: r#"{"row":{"seat":{"holder":null}}}"#.into(),
        listing: None,
    };
    let rivals = Arc::new(Mutex::new((0..50).rev().map(rival).collect()));
    let work = UnitOfWork::new(seats_role(), Contested { inner: inner.clone(), rivals }, clock());
    let error = work.attend(&Sketch::new("b-1", &["12A"], "tok_visa").event()).await.unwrap_err();
    assert!(matches!(error, WorkError::Contended), "{error}");
    assert!(
        look_up::<Row>(&inner, &Sketch::new("b-1", &["1A"], "x").booking())
            .await
            .unwrap()
            .is_none()
    );
}

/// Failure matrix: A39.
#[test]
fn an_event_that_sns_would_not_take_is_refused_before_anything_is_committed() {
    let event = Sketch::new("b-1", &["12A"], "tok_visa").heard(Kind::PaymentOk);
    let Data::PaymentOk(charge) = &event.data else { panic!("it is a payment-ok") };
    let encode = |text: String| {
        let charge = Charge { charge: text, ..charge.clone() };
        wire::encode(&Event { data: Data::PaymentOk(charge), ..event.clone() })
    };
    let error = encode("x".repeat(wire::EVENT_BYTES_MAX)).unwrap_err();
    assert!(error.to_string().contains("more than the 245760"), "{error}");
    // As it arrives: of a quotation mark JSON makes two bytes, and the envelope four.
    let quotes = |share| encode("\"".repeat(wire::EVENT_BYTES_MAX / share));
    assert!(quotes(3).is_err() && quotes(5).is_ok());
}

/// Failure matrix: C20.
#[tokio::test]
async fn another_schedule_never_touches_a_hold() {
    let folder = Folder::new();
    let (a, b) = (Sketch::new("a", &["12A"], "tok_visa"), Sketch::new("b", &["12A"], "tok_visa"));
    seats_book(&folder).attend(&a.event()).await.unwrap();
    let none = Schedule::parse(r#"{"flights":[]}"#).unwrap();
    let role = SeatsRole(Seats { schedule: none, hold_limit: SignedDuration::from_mins(15) });
    let work = UnitOfWork::new(role, store(&folder, RoleName::Seats), clock());
    assert_eq!(said(&work.attend(&a.heard(Kind::PaymentOk)).await.unwrap()), []);
    assert_eq!(
        said(&seats_book(&folder).attend(&b.event()).await.unwrap()),
        [Kind::SeatUnavailable]
    );
}

/// Failure matrix: A2.
#[tokio::test]
async fn two_workers_with_one_message_commit_once_and_say_the_same() {
    let folder = Folder::new();
    let request = Sketch::new("b-1", &["12A"], "tok_visa").event();
    let (one, other) = (payment_book(&folder), payment_book(&folder));
    let (first, second) = tokio::join!(one.attend(&request), other.attend(&request));
    let (first, second) = (messages(first.unwrap()), messages(second.unwrap()));
    assert_eq!(first, second);
    assert_eq!(first.len(), 1);
    assert_eq!(ledger(&folder).await.len(), 1);
}

#[tokio::test]
async fn a_claim_in_a_row_that_is_changed_by_hand_forgets_a_clients_source_and_id() {
    let folder = Folder::new();
    let work = payment_book(&folder);
    let request = Sketch::new("b-1", &["12A"], "tok_timeout_then_ok").event();
    work.attend(&request).await.unwrap_err();
    let key = "booking/b-1".to_owned();
    let read =
        async || work.store().read(vec![key.clone()]).await.unwrap().pop().flatten().unwrap();
    let stored = read().await;
    let mut row: serde_json::Value = serde_json::from_str(&stored.body).unwrap();
    let plain = serde_json::json!({"source": "/plain-shop", "id": "plain-id"});
    row["claim"]["cause"] = plain.clone();
    let claim = row["claim"].clone();
    row["memos"] = serde_json::json!([{
        "kind": "booking-requested", "cause": plain, "digest": claim["digest"],
        "claim": claim, "announced": [],
    }]);
    let (read_version, body) = (stored.version, row.to_string());
    let write = Write { key: key.clone(), read_version, body, listing: None };
    assert_eq!(work.store().commit(vec![write]).await.unwrap(), Commit::Done);
    let same = amend::<Payments>(work.store(), &request.booking, |it| Some(it.clone())).await;
    assert!(matches!(same.unwrap(), Amended::Done(_)));
    let after = read().await.body;
    assert!(after.contains("\"claim\"") && !after.contains("plain-"), "{after}");
}
