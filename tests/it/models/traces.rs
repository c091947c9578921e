//! What one booking's spans look like when messages come twice, when something fails, and when
//! traces are off.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use booking::{
    bus::{
        Outbox, Queue,
        memory::{Exchange, MemoryBus, Unkindness},
    },
    clock::Clock,
    domain::{RoleName, event::Kind},
    gateway::simulated::SimulatedGateway,
    metrics::Metrics,
    roles::{PaymentRole, Role, SeatsRole},
    runtime::{Attendant, Limits, PollHealth, UnitOfWork, Worker},
    store::{Store, Write, memory::Memory},
    traces::{Sampling, Traces},
    wire::{Message, TraceContext},
};
use opentelemetry::trace::Status;

use super::{
    filing::Failing,
    unit_of_work::{Contested, seats_role, store},
};
use crate::harness::{Ended, Folder, Sketch, says};

/// Every trace is kept.
fn all() -> Sampling {
    Sampling::new(1.0, true)
}

fn worker<R: Role, B: Queue + Outbox + Clone>(
    role: R,
    bus: B,
    exchange: &Exchange,
    traces: Traces,
) -> Worker<B, R, Memory, B> {
    worker_on(Memory::default(), role, bus, exchange, traces)
}

fn worker_on<S: Store, R: Role, B: Queue + Outbox + Clone>(
    store: S,
    role: R,
    bus: B,
    exchange: &Exchange,
    traces: Traces,
) -> Worker<B, R, S, B> {
    let work = UnitOfWork::new(role, store, Clock::Machine);
    let (intake, metrics) = (exchange.intake(), Metrics::default());
    let attendant = Attendant::new(Arc::new(work), bus.clone(), intake, metrics);
    let poll_health = PollHealth::new(&Clock::Machine, Duration::MAX);
    Worker::new(bus, attendant, Limits::default(), poll_health, 1).with_traces(traces)
}

fn exchange(duplicates_percent: u8) -> Exchange {
    let unkindness = Unkindness { duplicates_percent, ..Unkindness::default() };
    Exchange::new(Clock::Machine, "", 1, unkindness)
}

const CLIENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A request with a context beside it and another one, of the same trace, in it.
fn request(id: &str) -> Message {
    let started = CLIENT.replace("b7ad", "aaaa");
    let event = booking::domain::event::Event {
        traceparent: Some(started),
        ..Sketch::new(id, &["12A"], "tok_visa").event()
    };
    let message = booking::wire::encode(&event).unwrap();
    Message { trace: TraceContext::read(CLIENT, None), ..message }
}

#[tokio::test]
async fn a_duplicate_is_seen_as_one_and_what_it_announces_again_too() {
    let (exchange, ended) = (exchange(100), Ended::default());
    let bus = exchange.bus(RoleName::Seats);
    let seats = worker(seats_role(), bus, &exchange, ended.traces(all()));
    exchange.publish(&request("b-1"));
    assert_eq!(seats.step(10).await.unwrap().len(), 2);

    let processes = ended.named("process");
    let [first, second] = &processes[..] else { panic!("two deliveries, two spans") };
    for of in [first, second] {
        assert_eq!(of.parent_span_id.to_string(), "b7ad6b7169203331");
        assert_eq!(says(of, "booking.delivery.attempt"), Some(1.into()));
    }
    let sns = "booking.sns.message_id";
    assert!(says(first, sns).is_some() && says(first, sns) == says(second, sns));
    let sqs = "messaging.message.id";
    assert_ne!(says(first, sqs), says(second, sqs), "it was put on the queue twice");

    let settles = ended.named("settle");
    let [settle] = &settles[..] else { panic!("it is decided once") };
    assert_eq!(settle.parent_span_id, first.span_context.span_id());
    let publishes = ended.named("publish");
    let [said, again] = &publishes[..] else { panic!("and announced twice") };
    assert_eq!(said.parent_span_id, first.span_context.span_id());
    assert_eq!((says(said, "booking.recalled"), said.links.len()), (None, 0));
    assert_eq!(says(again, "booking.recalled"), Some(true.into()));
    assert_eq!(again.parent_span_id.to_string(), "aaaa6b7169203331", "the stored context");
    assert_eq!(again.links[0].span_context.span_id(), second.span_context.span_id());

    let receives = ended.named("receive");
    let [receive] = &receives[..] else { panic!("one receive") };
    assert_eq!(receive.links.len(), 2);
    for of in ended.all().iter().filter(|it| !it.name.starts_with("receive")) {
        assert_eq!(of.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    }
}

#[tokio::test]
async fn a_redelivery_says_so_and_its_first_try_says_what_failed() {
    let (exchange, ended) = (exchange(0), Ended::default());
    let bus = |fail| Failing { bus: exchange.bus(RoleName::Seats), fail };
    let traces = ended.traces(all());
    let seats = worker(seats_role(), bus("publish"), &exchange, traces);
    exchange.publish(&request("b-1"));
    seats.step(10).await.unwrap();
    let publishes = ended.named("publish");
    let [publish] = &publishes[..] else { panic!("one span") };
    assert_eq!(says(publish, "error.type"), Some("failed".into()));

    crate::harness::eventually("the message to come again", async || {
        (!seats.step(10).await.unwrap().is_empty()).then_some(())
    })
    .await;
    let processes = ended.named("process");
    let [first, second] = &processes[..] else { panic!("two deliveries") };
    assert_eq!(says(first, "booking.verdict"), Some("retry".into()));
    assert_eq!(
        (&first.status, says(first, "error.type")),
        (&Status::error(""), Some("topics".into()))
    );
    assert_eq!(says(second, "booking.delivery.attempt"), Some(2.into()));
    let sqs = "messaging.message.id";
    assert_eq!(says(first, sqs), says(second, sqs), "it is the same message");
    assert_eq!(first.parent_span_id, second.parent_span_id);
}

#[tokio::test]
async fn an_effect_that_fails_is_told_by_its_kind() {
    let (exchange, ended) = (exchange(0), Ended::default());
    let gateway = SimulatedGateway::new(Memory::default(), Duration::ZERO);
    let bus = exchange.bus(RoleName::Payment);
    let payment = worker(PaymentRole(gateway), bus, &exchange, ended.traces(all()));
    let slow = Sketch::new("b-1", &["12A"], "tok_timeout_then_ok").cloud_event();
    exchange.publish_text(Kind::BookingRequested, &slow);
    payment.step(10).await.unwrap();
    let effects = ended.named("effect charge");
    let [effect] = &effects[..] else { panic!("one charge") };
    assert_eq!(says(effect, "error.type"), Some("no_answer".into()));
    let processes = ended.named("process");
    let [process] = &processes[..] else { panic!("one delivery") };
    assert_eq!(says(process, "error.type"), Some("outside".into()));
    assert_eq!(effect.parent_span_id, process.span_context.span_id());
    let told = format!("{:?}", ended.all());
    for secret in ["Ada", "ada@", "tok_", "WA117"] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
}

#[tokio::test]
async fn a_message_that_is_set_aside_is_told_without_its_text() {
    let (exchange, ended) = (exchange(0), Ended::default());
    let bus = exchange.bus(RoleName::Seats);
    let seats = worker(seats_role(), bus, &exchange, ended.traces(all()));
    exchange.publish_text(Kind::BookingRequested, r#"{"flight": "Ada Lovelace", "seats": 1}"#);
    seats.step(10).await.unwrap();
    let processes = ended.named("process");
    let [process] = &processes[..] else { panic!("one delivery") };
    assert_eq!(says(process, "booking.verdict"), Some("poison".into()));
    assert_eq!(says(process, "error.type"), Some("malformed".into()));
    assert!(!format!("{process:?}").contains("Ada"));
}

#[tokio::test]
async fn a_lost_race_is_told_and_is_no_error() {
    let (exchange, ended) = (exchange(0), Ended::default());
    let (bus, folder) = (exchange.bus(RoleName::Seats), Folder::new());
    let rival = Write {
        key: "seat/WA117/2027-03-01/12A".into(),
        read_version: 0,
        body: r#"{"row":{"seat":{"holder":null}}}"#.into(),
        listing: None,
    };
    let (inner, rivals) = (store(&folder, RoleName::Seats), Arc::new(Mutex::new(vec![rival])));
    let store = Contested { inner, rivals };
    let seats = worker_on(store, seats_role(), bus, &exchange, ended.traces(all()));
    exchange.publish(&request("b-1"));
    seats.step(10).await.unwrap();
    let settles = ended.named("settle");
    let [lost, won] = &settles[..] else { panic!("it settles twice") };
    assert_eq!((says(lost, "booking.conflict"), &lost.status), (Some(true.into()), &Status::Unset));
    assert_eq!(says(won, "booking.conflict"), None);
}

/// Its envelope is not read for its MessageId, and a client chooses all the rest.
#[tokio::test]
async fn a_message_larger_than_any_booking_has_no_span() {
    let (exchange, ended) = (exchange(0), Ended::default());
    let seats = worker(seats_role(), exchange.bus(RoleName::Seats), &exchange, ended.traces(all()));
    let message = request("b-1");
    let mut event: serde_json::Value = serde_json::from_str(&message.body).unwrap();
    event["data"]["remark"] = "x".repeat(16 * 1024).into();
    exchange.publish(&Message { body: event.to_string(), ..message });
    assert_eq!(seats.step(10).await.unwrap().len(), 1);
    assert_eq!(exchange.depth(RoleName::Status), 2, "it is a booking like any other");
    let spans: Vec<_> = ended.all().into_iter().map(|it| it.name).collect();
    assert_eq!(spans, ["receive q-seats"]);
}

/// No attribute beside `type`, and so no byte more on the way.
#[tokio::test]
async fn without_traces_no_message_carries_a_context() {
    let exchange = exchange(0);
    let seats: Worker<MemoryBus, SeatsRole, Memory, MemoryBus> =
        worker(seats_role(), exchange.bus(RoleName::Seats), &exchange, Traces::default());
    exchange.publish(&request("b-1"));
    seats.step(10).await.unwrap();
    let status = exchange.bus(RoleName::Status);
    let received = status.receive(10, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
    assert_eq!(received.len(), 2, "the request, and what seats announced");
    for mut delivery in received {
        let request = delivery.incoming.body.contains("booking-requested");
        assert!(delivery.incoming.hop.is_none());
        delivery.incoming.take_up();
        let context = delivery.incoming.hop.unwrap().context;
        assert_eq!(context.is_some(), request, "only the client sent one");
    }
}
