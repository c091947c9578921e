//! Tasks of a state machine at the attendant: what is answered, what goes beside the machine, and
//! which task the heartbeat keeps.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use booking::{
    bus::{
        Answered, BusError, Desk, Outbox,
        memory::{Exchange, MemoryBus, Unkindness},
    },
    clock::Clock,
    domain::{RoleName, event::Kind, schedule::Schedule, seats::Seats},
    metrics::Metrics,
    roles::{PaymentRole, Role, SeatsRole},
    runtime::{Attendant, Lease, Limits, PollHealth, UnitOfWork, Verdict, Worker},
    store::memory::Memory,
    wire::{self, Incoming, Intake, Message, SealKey, TaskAnswer, TaskToken},
};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::leases::{Told, ToldGateway};
use crate::harness::{SEAL_KEY, Sketch, eventually, incoming};

/// Notes what is answered and sent, in order.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Desk for Notes {
    fn answer<'a>(
        &'a self,
        token: &'a TaskToken,
        answer: &'a TaskAnswer,
    ) -> BoxFuture<'a, Result<Answered, BusError>> {
        if token.reveal().starts_with("late") {
            self.note(format!("{}: nobody waits", token.reveal()));
            return Box::pin(async { Ok(Answered::NobodyWaits) });
        }
        let text: Value = serde_json::from_str(&answer.text()).unwrap();
        let kinds: Vec<&str> = text["events"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|it| it["type"].as_str())
            .collect();
        let end = answer.error().unwrap_or("success");
        self.note(format!("{}: {end} [{}]", token.reveal(), kinds.join(" ")));
        Box::pin(async { Ok(Answered::Heard) })
    }

    fn beat<'a>(&'a self, token: &'a TaskToken) -> BoxFuture<'a, Result<(), BusError>> {
        self.note(format!("{}: still worked on", token.reveal()));
        Box::pin(async { Ok(()) })
    }
}

impl Outbox for Notes {
    async fn send(&self, _: &Incoming, message: &Message) -> Result<(), BusError> {
        self.note(format!("beside: {} of {}", message.kind, message.booking()));
        Ok(())
    }
}

fn key() -> SealKey {
    SealKey::parse(SEAL_KEY).unwrap()
}

fn attendant<R: Role>(role: R, clock: &Clock) -> (Attendant<R, Memory, Notes>, Notes) {
    let work = UnitOfWork::new(role, Memory::default(), clock.clone());
    let notes = Notes::default();
    let (intake, metrics) = (Intake::tasks(key()), Metrics::default());
    let attendant = Attendant::new(Arc::new(work), notes.clone(), intake, metrics);
    (attendant.with_desk(Arc::new(notes.clone())), notes)
}

/// A task that brings a request.
fn task(token: &str, sketch: &Sketch) -> String {
    let request = key().seal(&sketch.booking(), &sketch.cloud_event());
    json!({ "token": token, "booking": sketch.id, "request": request }).to_string()
}

/// A task that brings what another role has said.
fn heard(token: &str, sketch: &Sketch, kind: Kind) -> String {
    let message = wire::encode(&sketch.heard(kind)).unwrap();
    let answer: Value = serde_json::from_str(&TaskAnswer::Said(vec![message]).text()).unwrap();
    json!({ "token": token, "booking": sketch.id, "heard": [answer] }).to_string()
}

async fn verdict<R: Role>(attendant: &Attendant<R, Memory, Notes>, body: String) -> Verdict {
    let lease = Lease::endless(attendant.work().clock());
    attendant.attend(&incoming(body), &lease).await.verdict
}

async fn done<R: Role>(attendant: &Attendant<R, Memory, Notes>, body: String) {
    let verdict = verdict(attendant, body).await;
    assert!(matches!(verdict, Verdict::Done(_)), "{verdict:?}");
}

fn seats() -> SeatsRole {
    SeatsRole(Seats { schedule: Schedule::sample(), hold_limit: SignedDuration::from_mins(15) })
}

fn clock() -> Clock {
    Clock::manual("2027-02-01T09:30:00Z".parse::<Timestamp>().unwrap())
}

/// Failure matrix: J6.
#[tokio::test]
async fn what_a_task_causes_to_another_booking_goes_beside_the_machine() {
    let clock = clock();
    let (seats, notes) = attendant(seats(), &clock);
    let (ada, bob) =
        (Sketch::new("ada", &["12A"], "tok_visa"), Sketch::new("bob", &["12A"], "tok_visa"));
    done(&seats, task("ada-1", &ada)).await;
    assert_eq!(notes.taken(), ["ada-1: success [seat-booked]"]);
    clock.advance(Duration::from_mins(16));
    done(&seats, task("bob-1", &bob)).await;
    let told = ["beside: seat-unavailable of ada", "bob-1: success [seat-booked]"];
    assert_eq!(notes.taken(), told);

    // What ended the first booking stands in the memo of the second, and is answered all the same.
    done(&seats, heard("ada-2", &ada, Kind::PaymentOk)).await;
    assert_eq!(notes.taken(), ["ada-2: SeatUnavailable [seat-booked seat-unavailable]"]);
    // A redelivery of either says the same again.
    done(&seats, task("bob-1", &bob)).await;
    assert_eq!(notes.taken(), told);
    done(&seats, task("ada-1", &ada)).await;
    assert_eq!(notes.taken(), ["ada-1: SeatUnavailable [seat-booked seat-unavailable]"]);
}

/// Failure matrix: J9.
#[tokio::test]
async fn a_task_that_is_set_aside_is_answered_first() {
    let (seats, notes) = attendant(seats(), &clock());
    let (first, other) =
        (Sketch::new("ada", &["12A"], "tok_visa"), Sketch::new("ada", &["12B"], "tok_visa"));
    done(&seats, task("t-1", &first)).await;
    let conflict = verdict(&seats, task("t-2", &other)).await;
    assert!(matches!(&conflict, Verdict::Poison(it) if it.class == "conflict"), "{conflict:?}");
    let strange = json!({ "token": "t-3", "booking": "ada", "request": "none" }).to_string();
    let strange = verdict(&seats, strange).await;
    assert!(matches!(&strange, Verdict::Poison(it) if it.class == "untrusted"), "{strange:?}");
    let nobodys = json!({ "token": "t-4", "booking": "order.123", "request": "none" }).to_string();
    assert!(matches!(verdict(&seats, nobodys).await, Verdict::Poison(_)));
    let answers =
        ["t-1: success [seat-booked]", "t-2: SetAside []", "t-3: Rejected []", "t-4: Rejected []"];
    assert_eq!(notes.taken(), answers);
}

/// What awaits no answer announces to those who hear such events.
#[tokio::test]
async fn what_is_only_told_is_announced_beside_the_machine() {
    let gateway = Arc::new(Told::default());
    let (payment, notes) = attendant(PaymentRole(ToldGateway(gateway)), &clock());
    let ada = Sketch::new("ada", &["12A"], "tok_visa");
    let mut told: Value = serde_json::from_str(&heard("t", &ada, Kind::SeatUnavailable)).unwrap();
    told.as_object_mut().unwrap().remove("token");
    done(&payment, told.to_string()).await;
    assert_eq!(notes.taken(), ["beside: payment-failed of ada"]);
    done(&payment, heard("t", &ada, Kind::SeatUnavailable)).await;
    assert_eq!(notes.taken(), ["t: PaymentFailed [payment-failed]"]);
}

/// Failure matrix: J3.
#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_told_beside_the_machine() {
    let (seats, notes) = attendant(seats(), &clock());
    let ada = Sketch::new("ada", &["12A"], "tok_visa");
    done(&seats, task("late-1", &ada)).await;
    let told = ["late-1: nobody waits", "beside: seat-booked of ada"];
    assert_eq!(notes.taken(), told);
    done(&seats, task("late-1", &ada)).await;
    assert_eq!(notes.taken(), told);
    done(&seats, task("asked-again", &ada)).await;
    assert_eq!(notes.taken(), ["asked-again: success [seat-booked]"]);
}

type Payments = Worker<MemoryBus, PaymentRole<ToldGateway>, Memory, Notes>;

/// Payment with the task `t` on its queue, and a gateway that answers when it is let.
fn working_on_a_task() -> (Arc<Payments>, Arc<Told>, Notes) {
    let (clock, gateway) = (clock(), Arc::new(Told::default()));
    let (payment, notes) = attendant(PaymentRole(ToldGateway(Arc::clone(&gateway))), &clock);
    let exchange = Exchange::new(clock.clone(), "", 1, Unkindness::default());
    let health = PollHealth::new(&clock, Duration::from_secs(60));
    let queue = exchange.bus(RoleName::Payment);
    exchange.put_raw(RoleName::Payment, &task("t", &Sketch::new("ada", &["12A"], "tok_visa")));
    let worker = Worker::new(queue, payment, Limits::default(), health, 1);
    (Arc::new(worker), gateway, notes)
}

/// What would be answered nowhere is not deleted.
#[tokio::test]
async fn a_task_that_nobody_can_answer_is_given_back() {
    let work = UnitOfWork::new(seats(), Memory::default(), clock());
    let (notes, intake) = (Notes::default(), Intake::tasks(key()));
    let seats = Attendant::new(Arc::new(work), notes.clone(), intake, Metrics::default());
    let it = task("t", &Sketch::new("ada", &["12A"], "tok_visa"));
    let verdict = verdict(&seats, it).await;
    assert!(matches!(verdict, Verdict::Retry(None, _)), "{verdict:?}");
    assert_eq!(notes.taken(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_worker_beats_for_a_task_that_takes_long() {
    let (worker, gateway, notes) = working_on_a_task();
    let stop = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&worker).run(stop.clone()));
    eventually("two heartbeats of the task", async || {
        (notes.0.lock().unwrap().len() >= 2).then_some(())
    })
    .await;
    assert_eq!(notes.taken()[..2], ["t: still worked on", "t: still worked on"]);
    gateway.let_go.notify_one();
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(notes.taken().last().unwrap(), "t: success [payment-ok]");
}

/// Between two deliveries nobody beats.
#[tokio::test]
async fn a_task_that_comes_again_is_kept_at_once() {
    let (seats, notes) = attendant(seats(), &clock());
    let again =
        Incoming { attempt: 2, ..incoming(task("t", &Sketch::new("ada", &["12A"], "tok_visa"))) };
    let lease = Lease::endless(seats.work().clock());
    assert!(matches!(seats.attend(&again, &lease).await.verdict, Verdict::Done(_)));
    assert_eq!(notes.taken(), ["t: still worked on", "t: success [seat-booked]"]);
}

#[tokio::test]
async fn the_heartbeat_keeps_the_tasks_that_are_worked_on_and_no_others() {
    let (worker, gateway, notes) = working_on_a_task();
    let working = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move { worker.step(1).await.unwrap() }
    });
    eventually("the gateway to be asked", async || {
        (gateway.asked.load(std::sync::atomic::Ordering::SeqCst) == 1).then_some(())
    })
    .await;
    worker.beat_tasks().await;
    assert_eq!(notes.taken(), ["t: still worked on"]);
    gateway.let_go.notify_one();
    working.await.unwrap();
    worker.beat_tasks().await;
    assert_eq!(notes.taken(), ["t: success [payment-ok]"]);
}
