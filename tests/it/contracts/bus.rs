//! One contract for every bus: the fake is kept honest by the suite that the real one passes.

mod event_bus;
mod fifo;
mod large;
mod traces;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use booking::{
    bus::{
        Batched, BusError, DeadLetter, Delivery, Extension, Outbox, Queue,
        aws::AwsBus,
        memory::{Exchange, MemoryBus, Unkindness},
    },
    clock::Clock,
    domain::{RoleName, event::Kind},
    topics,
    wire::{self, Intake, Message, TraceContext},
};
use futures_util::future::join_all;

use crate::harness::{Account, Sketch, delivery, eventually, incoming};

const HIDDEN: Duration = Duration::from_secs(30);

/// A bus that has an account of its own.
trait Anywhere {
    type Bus: Queue + Outbox;
    async fn bus(&self, role: RoleName) -> Self::Bus;
    async fn dead_letter(&self, role: RoleName) -> (String, HashMap<String, String>);
    fn intake(&self) -> Intake;
    /// Whether a context comes with its `tracestate`: EventBridge has only the header of X-Ray.
    fn brings_trace_states(&self) -> bool {
        true
    }
}

impl Anywhere for Exchange {
    type Bus = MemoryBus;
    async fn bus(&self, role: RoleName) -> MemoryBus {
        Exchange::bus(self, role)
    }
    async fn dead_letter(&self, role: RoleName) -> (String, HashMap<String, String>) {
        let dead = self.dead(role).remove(0);
        (dead.body, dead.attributes.into_iter().map(|(name, it)| (name.to_owned(), it)).collect())
    }
    fn intake(&self) -> Intake {
        Exchange::intake(self)
    }
}

/// The memory bus, behind the batching that the real one has.
struct Together(Exchange);

impl Anywhere for Together {
    type Bus = Batched<MemoryBus>;
    async fn bus(&self, role: RoleName) -> Self::Bus {
        let (bus, drivers) = Batched::new(self.0.bus(role));
        drivers.into_iter().for_each(|it| drop(tokio::spawn(it)));
        bus
    }
    async fn dead_letter(&self, role: RoleName) -> (String, HashMap<String, String>) {
        self.0.dead_letter(role).await
    }
    fn intake(&self) -> Intake {
        self.0.intake()
    }
}

impl Anywhere for Account {
    type Bus = AwsBus;
    async fn bus(&self, role: RoleName) -> AwsBus {
        Account::bus(self, role).await
    }
    async fn dead_letter(&self, role: RoleName) -> (String, HashMap<String, String>) {
        let letter = self.dead_letters(role, 1).await.remove(0);
        (letter.body, letter.attributes)
    }
    fn intake(&self) -> Intake {
        Account::intake(self)
    }
    fn brings_trace_states(&self) -> bool {
        !self.is_event_bus()
    }
}

fn memory() -> Exchange {
    Exchange::new(Clock::Machine, "", 1, Unkindness::default())
}

/// Says it, as what nobody asked for.
async fn say(outbox: &impl Outbox, message: &Message) -> Result<(), BusError> {
    outbox.send(&incoming(String::new()), message).await
}

fn message(name: &str) -> Message {
    let body = Sketch::new(name, &["12A"], "tok_visa").cloud_event();
    Message { kind: Kind::BookingRequested, body, trace: None }
}

async fn take(bus: &impl Queue, hidden: Duration) -> Delivery {
    eventually("a message", async || {
        bus.receive(1, Duration::from_secs(1), hidden).await.unwrap().pop()
    })
    .await
}

async fn nothing_comes(bus: &impl Queue) {
    assert!(bus.receive(10, Duration::ZERO, HIDDEN).await.unwrap().is_empty());
}

async fn the_contract(world: impl Anywhere) {
    every_subscriber_gets_it_and_nobody_else(&world).await;
    what_is_received_is_hidden_until_it_is_given_back(&world).await;
    what_is_extended_stays_hidden_and_a_stale_handle_is_told(&world).await;
    what_is_deleted_never_comes_again(&world).await;
    a_handle_that_is_no_longer_good_is_no_error(&world).await;
    a_receive_brings_at_most_what_was_asked_for(&world).await;
    an_open_receive_returns_when_something_comes(&world).await;
    what_is_set_aside_keeps_its_body_and_says_why(&world).await;
    what_many_do_at_once_is_done_for_each(&world).await;
    traces::each_message_brings_the_context_that_it_was_sent_with(&world).await;
}

async fn every_subscriber_gets_it_and_nobody_else(world: &impl Anywhere) {
    let publisher = world.bus(RoleName::Payment).await;
    let body = topics_example(Kind::PaymentOk);
    let sent = Message { kind: Kind::PaymentOk, body, trace: None };
    say(&publisher, &sent).await.unwrap();
    for role in
        topics::all().into_iter().find(|it| it.topic == Kind::PaymentOk).unwrap().subscribers
    {
        let bus = world.bus(role.role).await;
        let delivery = take(&bus, HIDDEN).await;
        let event = wire::decode(&delivery.incoming, &world.intake()).unwrap();
        assert_eq!(wire::encode(&event).unwrap(), sent, "{}", role.role);
        assert_eq!(delivery.incoming.attempt, 1);
        bus.delete(&delivery.receipt_handle).await.unwrap();
    }
    nothing_comes(&publisher).await;
}

fn topics_example(kind: Kind) -> String {
    let topic = topics::all().into_iter().find(|it| it.topic == kind).unwrap();
    let event: serde_json::Value = topic.example;
    let delivery = raw(&event.to_string());
    wire::encode(&wire::decode(&delivery.incoming, &crate::harness::intake()).unwrap())
        .unwrap()
        .body
}

fn raw(body: &str) -> Delivery {
    delivery(incoming(body.to_owned()))
}

async fn what_is_received_is_hidden_until_it_is_given_back(world: &impl Anywhere) {
    let bus = world.bus(RoleName::Payment).await;
    say(&bus, &message("hidden")).await.unwrap();
    let first = take(&bus, HIDDEN).await;
    nothing_comes(&bus).await;
    bus.give_back(&first.receipt_handle, Duration::ZERO).await.unwrap();
    let second = take(&bus, HIDDEN).await;
    assert_eq!((second.incoming.attempt, &second.incoming.body), (2, &first.incoming.body));
    // And by itself, when the visibility timeout is over.
    bus.give_back(&second.receipt_handle, Duration::from_secs(1)).await.unwrap();
    let third = take(&bus, HIDDEN).await;
    assert_eq!(third.incoming.attempt, 3);
    bus.delete(&third.receipt_handle).await.unwrap();
}

async fn what_is_extended_stays_hidden_and_a_stale_handle_is_told(world: &impl Anywhere) {
    let bus = world.bus(RoleName::Payment).await;
    for at in 0..12 {
        say(&bus, &message(&format!("extended-{at}"))).await.unwrap();
    }
    let mut handles = Vec::new();
    while handles.len() < 12 {
        handles.push(take(&bus, Duration::from_secs(5)).await.receipt_handle);
    }
    bus.delete(&handles[4]).await.unwrap();
    // More than fit into one batch request; each is answered for itself.
    let extended = bus.extend(&handles, HIDDEN).await.unwrap();
    let told: Vec<usize> = (0..12).filter(|it| extended[*it] == Extension::Stale).collect();
    assert_eq!(told, [4]);
    let done = extended.iter().filter(|it| **it == Extension::Done).count();
    assert_eq!(done, 11);
    nothing_comes(&bus).await;
    for handle in &handles {
        bus.delete(handle).await.unwrap();
    }
}

async fn what_is_deleted_never_comes_again(world: &impl Anywhere) {
    let bus = world.bus(RoleName::Payment).await;
    say(&bus, &message("deleted")).await.unwrap();
    let delivery = take(&bus, Duration::from_secs(1)).await;
    bus.delete(&delivery.receipt_handle).await.unwrap();
    assert!(bus.receive(10, Duration::from_secs(2), HIDDEN).await.unwrap().is_empty());
}

async fn a_handle_that_is_no_longer_good_is_no_error(world: &impl Anywhere) {
    let bus = world.bus(RoleName::Payment).await;
    say(&bus, &message("stale")).await.unwrap();
    let delivery = take(&bus, HIDDEN).await;
    bus.delete(&delivery.receipt_handle).await.unwrap();
    bus.delete(&delivery.receipt_handle).await.unwrap();
    bus.give_back(&delivery.receipt_handle, Duration::ZERO).await.unwrap();
}

async fn a_receive_brings_at_most_what_was_asked_for(world: &impl Anywhere) {
    let bus = world.bus(RoleName::Payment).await;
    for at in 0..5 {
        say(&bus, &message(&format!("many-{at}"))).await.unwrap();
    }
    let mut seen = std::collections::BTreeSet::new();
    eventually("five messages", async || {
        let batch = bus.receive(2, Duration::from_secs(1), HIDDEN).await.unwrap();
        assert!(batch.len() <= 2);
        for it in batch {
            seen.insert(it.incoming.body.clone());
            bus.delete(&it.receipt_handle).await.unwrap();
        }
        (seen.len() == 5).then_some(())
    })
    .await;
}

async fn an_open_receive_returns_when_something_comes(world: &impl Anywhere) {
    let bus = world.bus(RoleName::Payment).await;
    let publisher = world.bus(RoleName::Payment).await;
    let (note, long_poll) = (message("awaited"), Duration::from_secs(20));
    let receive = tokio::time::timeout(long_poll, bus.receive(1, long_poll, HIDDEN));
    let (received, published) = tokio::join!(receive, say(&publisher, &note));
    published.unwrap();
    let received = received.expect("it returns before its long poll is over");
    let delivery = received.unwrap().pop().expect("it came while the receive was open");
    bus.delete(&delivery.receipt_handle).await.unwrap();
}

async fn what_is_set_aside_keeps_its_body_and_says_why(world: &impl Anywhere) {
    let bus = world.bus(RoleName::Payment).await;
    say(&bus, &message("poison")).await.unwrap();
    let delivery = take(&bus, HIDDEN).await;
    let why = DeadLetter {
        attributes: vec![("class", "malformed".into()), ("reason", "because".into())],
    };
    bus.set_aside(&delivery, &why).await.unwrap();
    bus.delete(&delivery.receipt_handle).await.unwrap();
    let (body, attributes) = world.dead_letter(RoleName::Payment).await;
    assert_eq!(body, delivery.incoming.body);
    assert_eq!(attributes["class"], "malformed");
    assert_eq!(attributes["reason"], "because");
}

/// More than fit into one batch request, by as many in hand.
async fn what_many_do_at_once_is_done_for_each(world: &impl Anywhere) {
    const MANY: usize = 12;
    let bus = world.bus(RoleName::Payment).await;
    let joiners: Vec<_> = (0..MANY).map(|_| bus.joiner()).collect();
    let sent: Vec<Message> = (0..MANY).map(|at| message(&format!("at-once-{at}"))).collect();
    for published in join_all(sent.iter().map(|it| say(&bus, it))).await {
        published.unwrap();
    }
    let first = take_many(&bus, MANY).await;
    let handles = first.iter().map(|it| &it.receipt_handle);
    for given_back in join_all(handles.map(|it| bus.give_back(it, Duration::ZERO))).await {
        given_back.unwrap();
    }
    let second = take_many(&bus, MANY).await;
    let bodies: BTreeSet<&str> = second.iter().map(|it| it.incoming.body.as_str()).collect();
    assert_eq!(bodies, first.iter().map(|it| it.incoming.body.as_str()).collect());
    assert_eq!(bodies.len(), MANY, "each of them, once");
    assert!(second.iter().all(|it| it.incoming.attempt == 2));
    for deleted in join_all(second.iter().map(|it| bus.delete(&it.receipt_handle))).await {
        deleted.unwrap();
    }
    drop(joiners);
    nothing_comes(&bus).await;
}

async fn take_many(bus: &impl Queue, many: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < many {
        taken.push(take(bus, HIDDEN).await);
    }
    taken
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    the_contract(memory()).await;
}

#[tokio::test]
async fn memory_keeps_the_contract_when_calls_leave_together() {
    the_contract(Together(memory())).await;
}

#[tokio::test]
async fn aws_keeps_the_contract() {
    let account = Account::make(false).await;
    let count = account.count.clone();
    the_contract(account).await;
    let metrics = booking::metrics::Metrics::new(count).render();
    for operation in
        ["ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "SendMessage"]
    {
        let line =
            format!("booking_aws_requests_total{{service=\"sqs\",operation=\"{operation}\"}}");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    let line = "booking_aws_requests_total{service=\"sns\",operation=\"PublishBatch\"}";
    assert!(metrics.contains(line), "{line} is not in\n{metrics}");
}

#[tokio::test]
async fn aws_is_asked_in_batches_for_what_many_do_at_once() {
    let account = Account::make(false).await;
    let count = account.count.clone();
    what_many_do_at_once_is_done_for_each(&account).await;
    let metrics = booking::metrics::Metrics::new(count).render();
    for (service, operation) in [
        ("sns", "PublishBatch"),
        ("sqs", "ChangeMessageVisibilityBatch"),
        ("sqs", "DeleteMessageBatch"),
    ] {
        let line = format!(
            "booking_aws_requests_total{{service=\"{service}\",operation=\"{operation}\"}} 2\n"
        );
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn a_long_poll_of_the_greatest_length_that_brings_nothing_is_no_error() {
    let bus = Account::make(false).await.bus(RoleName::Payment).await;
    assert!(bus.receive(10, Duration::from_secs(20), HIDDEN).await.unwrap().is_empty());
}

/// Failure matrix: A17.
#[tokio::test]
async fn raw_and_enveloped_deliveries_are_read_alike() {
    let account = Account::make(true).await;
    let bus = account.bus(RoleName::Payment).await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let trace = TraceContext::read(parent, Some("vendor=1"));
    let sent = Message { trace: trace.clone(), ..message("raw") };
    say(&bus, &sent).await.unwrap();
    let delivery = take(&bus, HIDDEN).await;
    assert_eq!(delivery.incoming.hop.as_ref().unwrap().context, trace);
    assert_eq!(delivery.incoming.body, sent.body, "raw delivery has no envelope");
    assert_eq!(delivery.incoming.kind_attribute.as_deref(), Some("booking-requested"));
    let event = wire::decode(&delivery.incoming, &account.intake()).unwrap();
    assert_eq!(event, wire::decode(&raw(&sent.body).incoming, &crate::harness::intake()).unwrap());
}

/// Failure matrix: A31.
#[tokio::test]
async fn a_topic_that_is_not_there_is_refused_by_name() {
    let account = Account::make(false).await;
    let bus = account.bus(RoleName::Payment).await;
    let arn = account.topic_arn(Kind::PaymentOk);
    account.sns.delete_topic().topic_arn(arn).send().await.unwrap();
    let body = topics_example(Kind::PaymentOk);
    let message = Message { kind: Kind::PaymentOk, body, trace: None };
    let error = say(&bus, &message).await.unwrap_err();
    assert!(
        matches!(&error, BusError::Refused { name, .. } if name.ends_with("payment-ok")),
        "{error:?}"
    );
}
