//! The attendant over plain messages, without a queue, a topic or a worker. A Lambda function that
//! gets a batch of messages would do the same.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use booking::{
    bus::{BusError, Outbox},
    clock::Clock,
    domain::{
        event::{Charge, Kind, Refund},
        ids::BookingId,
        money::Money,
        request::PaymentToken,
    },
    gateway::{Charged, Gateway, GatewayError, simulated::SimulatedGateway},
    metrics::Metrics,
    roles::PaymentRole,
    runtime::{Attendant, Lease, UnitOfWork, Verdict},
    store::memory::Memory,
    wire::{self, CanaryKey, Incoming, Message},
};

use crate::{
    commands::check_canary::at,
    harness::{CANARY_KEY, Sketch, enveloped, intake},
};

/// An outbox that records each message that was sent, beside the body of its cause.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<(String, Kind)>>>);

impl Outbox for Recorder {
    async fn send(&self, cause: &Incoming, message: &Message) -> Result<(), BusError> {
        self.0.lock().unwrap().push((cause.body.clone(), message.kind));
        Ok(())
    }
}

fn payment<G: Gateway>(gateway: G) -> (Attendant<PaymentRole<G>, Memory, Recorder>, Recorder) {
    let work = UnitOfWork::new(PaymentRole(gateway), Memory::default(), Clock::Machine);
    let outbox = Recorder::default();
    let attendant = Attendant::new(Arc::new(work), outbox.clone(), intake(), Metrics::default());
    (attendant, outbox)
}

fn request(id: &str, token: &'static str) -> Incoming {
    enveloped(Kind::BookingRequested, &Sketch::new(id, &["12A"], token).cloud_event())
}

/// What a function that gets a batch does: returns the messages that must come again, and the
/// poison messages, which a person should look at.
async fn handle<G: Gateway>(
    attendant: &Attendant<PaymentRole<G>, Memory, Recorder>,
    batch: &[(&'static str, Incoming)],
) -> (Vec<&'static str>, Vec<(&'static str, &'static str)>) {
    let (mut failed, mut poisonous) = (Vec::new(), Vec::new());
    for (id, incoming) in batch {
        let lease = Lease::endless(attendant.work().clock());
        match attendant.attend(incoming, &lease).await.verdict {
            Verdict::Done(_) => {}
            Verdict::Retry(..) | Verdict::Lost => failed.push(*id),
            Verdict::Poison(poison) => poisonous.push((*id, poison.class)),
        }
    }
    (failed, poisonous)
}

#[tokio::test]
async fn a_plain_list_of_messages_is_dealt_with_and_says_which_must_come_again() {
    let gateway = SimulatedGateway::new(Memory::default(), Duration::ZERO);
    let (attendant, outbox) = payment(gateway);
    let batch = [
        ("paid", request("b-1", "tok_visa")),
        ("declined", request("b-2", "tok_declined")),
        ("slow", request("b-3", "tok_timeout_then_ok")),
        ("broken", enveloped(Kind::BookingRequested, "{")),
    ];
    assert_eq!(handle(&attendant, &batch).await, (vec!["slow"], vec![("broken", "malformed")]));
    let answered = |it: usize, kind| (batch[it].1.body.clone(), kind);
    let first = [answered(0, Kind::PaymentOk), answered(1, Kind::PaymentFailed)];
    assert_eq!(*outbox.0.lock().unwrap(), first);

    // All three come again: what was settled is announced again, and the slow one is charged once.
    assert_eq!(handle(&attendant, &batch[..3]).await, (vec![], vec![]));
    let again = [&first[..], &first, &[answered(2, Kind::PaymentOk)]].concat();
    assert_eq!(*outbox.0.lock().unwrap(), again);
}

/// A gateway with a bug.
struct Buggy;

impl Gateway for Buggy {
    async fn find(&self, _: &BookingId) -> Result<Option<Charged>, GatewayError> {
        panic!("as the test wants it")
    }

    async fn charge(
        &self,
        _: &BookingId,
        _: &PaymentToken,
        _: Money,
    ) -> Result<Charged, GatewayError> {
        panic!("as the test wants it")
    }

    async fn refund(&self, _: &BookingId, _: &Charge) -> Result<Refund, GatewayError> {
        panic!("as the test wants it")
    }

    async fn undo(&self, _: &BookingId, _: &str) -> Result<(), GatewayError> {
        panic!("as the test wants it")
    }
}

#[tokio::test]
async fn a_handler_that_panics_has_a_verdict_and_the_next_message_is_dealt_with() {
    let (attendant, outbox) = payment(Buggy);
    let batch = [
        ("bug", request("b-1", "tok_visa")),
        ("again", request("b-1", "tok_visa")),
        ("broken", enveloped(Kind::PaymentOk, "{")),
    ];
    let (failed, poisonous) = handle(&attendant, &batch).await;
    assert_eq!((failed, poisonous), (vec!["bug", "again"], vec![("broken", "malformed")]));
    assert!(outbox.0.lock().unwrap().is_empty());
}

/// Failure matrix: A5.
#[tokio::test]
async fn whoever_lost_a_canary_or_a_refused_request_does_nothing_with_it() {
    let key = || CanaryKey::parse(CANARY_KEY).unwrap();
    let (attendant, outbox) = payment(Buggy);
    let attendant = attendant.with_canaries(key());
    let now = attendant.work().clock().now();
    let kind = Kind::BookingRequested;
    let canary = enveloped(kind, &wire::canary(at(now, 1), kind, now, &key()).body);
    let clock = Clock::manual(now);
    let over = Lease::new(&clock, Duration::from_secs(60), Duration::from_secs(300));
    clock.advance(Duration::from_secs(61));
    for lost in [&canary, &enveloped(kind, "{")] {
        let verdict = attendant.attend(lost, &over).await.verdict;
        assert!(matches!(verdict, Verdict::Lost), "{verdict:?}");
    }
    assert!(outbox.0.lock().unwrap().is_empty());
    let verdict = attendant.attend(&canary, &Lease::endless(&clock)).await.verdict;
    assert!(matches!(verdict, Verdict::Done(_)), "{verdict:?}");
    assert!(!outbox.0.lock().unwrap().is_empty(), "the canary is answered");
}
