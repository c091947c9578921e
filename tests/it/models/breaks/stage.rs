//! The four real roles with their real workers over the memory bus, where something becomes of the
//! events of one topic on their way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use booking::{
    bus::{
        BusError, Outbox, Queue,
        memory::{Exchange, MemoryBus, Unkindness},
    },
    clock::Clock,
    contracts::Story,
    domain::{
        RoleName,
        event::Kind,
        ids::BookingId,
        payment::Payment,
        receipt::Receipt,
        schedule::Schedule,
        seats::{Hold, Row, Seats},
        status::Record,
    },
    gateway::simulated::SimulatedGateway,
    http::view::BookingView,
    mailer::{MailError, Mailer},
    metrics::Metrics,
    roles::{PaymentRole, ReceiptRole, Role, SeatsRole, StatusRole},
    runtime::{Attendant, Limits, PollHealth, UnitOfWork, Worker, look_up},
    store::memory::Memory,
    wire::{Incoming, Message},
};
use jiff::SignedDuration;
use serde_json::Value;

/// What becomes of the events of one topic.
pub type Change = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// Longer than a story takes.
const HOLD_LIMIT: SignedDuration = SignedDuration::from_mins(15);
/// More steps than this are an endless story.
const STEPS_MAX: usize = 500;
/// The most messages that are on one queue.
const QUEUE_MAX: usize = 10;
/// The time from step to step.
const MOMENT: Duration = Duration::from_millis(1);

/// What a role announces by, which changes the events of one topic.
#[derive(Clone)]
struct Mouth {
    bus: MemoryBus,
    exchange: Exchange,
    change: Option<(Kind, Change)>,
}

impl Outbox for Mouth {
    async fn send(&self, cause: &Incoming, message: &Message) -> Result<(), BusError> {
        match &self.change {
            Some((kind, change)) if *kind == message.kind => {
                let mut event = serde_json::from_str(&message.body).unwrap();
                change(&mut event);
                self.exchange.publish_text(*kind, &event.to_string());
                Ok(())
            }
            _ => self.bus.send(cause, message).await,
        }
    }
}

/// Hides all messages of a queue for a moment, but not the one that came last.
async fn show_the_newest(queue: &MemoryBus) {
    let mut all = queue.receive(QUEUE_MAX, Duration::ZERO, MOMENT).await.unwrap();
    let newest = all.pop().expect("there is a message");
    queue.give_back(&newest.receipt_handle, Duration::ZERO).await.unwrap();
}

/// Mail that always arrives.
#[derive(Clone, Default)]
struct Post(Arc<Mutex<Vec<Receipt>>>);

impl Mailer for Post {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        self.0.lock().unwrap().push(receipt.clone());
        Ok(())
    }
}

type Bench<R> = Worker<MemoryBus, R, Memory, Mouth>;

/// How a story ended, in the words of `booking::contracts`.
pub struct Seen {
    pub ends: [String; 4],
    /// Which role set events of which type aside.
    pub set_aside: BTreeMap<(RoleName, Kind), String>,
}

/// Plays a story to its end.
pub async fn seen(story: &Story, change: Option<(Kind, Change)>) -> Seen {
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    let exchange = Exchange::new(clock.clone(), "", 7, Unkindness::default());
    let (provider, post) =
        (SimulatedGateway::new(Memory::default(), Duration::ZERO), Post::default());
    let seats = Seats { schedule: Schedule::sample(), hold_limit: HOLD_LIMIT };
    let bench = Builder { exchange: &exchange, clock: &clock, change: &change };
    let seats = bench.of(RoleName::Seats, SeatsRole(seats));
    let payment = bench.of(RoleName::Payment, PaymentRole(provider.clone()));
    let receipt = bench.of(RoleName::Receipt, ReceiptRole(post.clone()));
    let status = bench.of(RoleName::Status, StatusRole);

    let mut request = story.request();
    if let Some((Kind::BookingRequested, change)) = &change {
        change(&mut request);
    }
    exchange.publish_text(Kind::BookingRequested, &request.to_string());
    let mut order = RoleName::ALL;
    order.sort_by_key(|it| Some(*it) == story.late);
    for step in 0.. {
        assert!(step < STEPS_MAX, "{}: the queues do not become empty", story.name);
        let Some(role) = order.into_iter().find(|it| exchange.depth(*it) > 0) else { break };
        if Some(role) == story.late {
            show_the_newest(&exchange.bus(role)).await;
        }
        match role {
            RoleName::Seats => seats.step(1).await.unwrap(),
            RoleName::Payment => payment.step(1).await.unwrap(),
            RoleName::Receipt => receipt.step(1).await.unwrap(),
            RoleName::Status => status.step(1).await.unwrap(),
        };
        clock.advance(MOMENT);
    }

    let id = BookingId::parse(story.request()["subject"].as_str().unwrap()).unwrap();
    let row: Option<_> = look_up::<Row>(seats.work().store(), &id).await.unwrap();
    let paid = look_up::<Payment>(payment.work().store(), &id).await.unwrap();
    let moved = provider.ledger_of(&id).await.unwrap();
    let moved: Vec<&str> = moved.iter().map(|it| it.movement.as_str()).collect();
    let record = look_up::<Record>(status.work().store(), &id).await.unwrap();
    let mails = post.0.lock().unwrap();
    let mails: Vec<bool> = mails.iter().map(|it| it.voids.is_some()).collect();
    let view = record.map(|it| BookingView::of(&id, &it.row, clock.now(), SignedDuration::MAX));
    Seen {
        ends: [
            sold(row.map(|it| it.row)).to_owned(),
            match (paid, moved.as_slice()) {
                (None, []) => "not asked for",
                (Some(_), []) => "not charged",
                (_, ["charge"]) => "charged",
                (_, ["charge", "refund"]) => "refunded",
                (_, other) => panic!("{other:?}"),
            }
            .to_owned(),
            match mails.as_slice() {
                [] => "not sent",
                [false] => "sent",
                [false, true] => "sent and void",
                other => panic!("{other:?}"),
            }
            .to_owned(),
            view.map_or("unknown".to_owned(), |it| {
                let awaited: Vec<&str> =
                    it.waiting_for.iter().map(|it| it.event.as_str()).collect();
                match awaited.is_empty() {
                    true => it.phase.to_string(),
                    false => format!("{}, waits for {}", it.phase, awaited.join(" and ")),
                }
            }),
        ],
        set_aside: dead(&exchange),
    }
}

fn sold(row: Option<Row>) -> &'static str {
    match row {
        Some(Row::Booking(Hold::Held(_))) => "held",
        Some(Row::Booking(Hold::Confirmed { .. })) => "sold",
        Some(Row::Booking(Hold::Refused { .. })) => "refused",
        Some(Row::Booking(Hold::Released { .. })) => "freed",
        Some(Row::Booking(Hold::Paid { .. })) => "paid for",
        Some(Row::Seat { .. }) => panic!("a booking's row"),
        None => "not asked for",
    }
}

/// Every dead letter: whose it is, what it is, and why it died.
fn dead(exchange: &Exchange) -> BTreeMap<(RoleName, Kind), String> {
    let mut all = BTreeMap::new();
    for role in RoleName::ALL {
        for letter in exchange.dead(role) {
            let envelope: Value = serde_json::from_str(&letter.body).unwrap();
            let topic = envelope["TopicArn"].as_str().unwrap().rsplit(':').next().unwrap();
            let why = letter.attributes.iter().find(|it| it.0 == "reason").expect("a reason");
            all.insert((role, Kind::of_topic(topic).unwrap()), why.1.clone());
        }
    }
    all
}

struct Builder<'a> {
    exchange: &'a Exchange,
    clock: &'a Clock,
    change: &'a Option<(Kind, Change)>,
}

impl Builder<'_> {
    fn of<R: Role>(&self, name: RoleName, role: R) -> Bench<R> {
        let bus = self.exchange.bus(name);
        let mouth = Mouth {
            bus: bus.clone(),
            exchange: self.exchange.clone(),
            change: self.change.clone(),
        };
        let work = Arc::new(UnitOfWork::new(role, Memory::default(), self.clock.clone()));
        let attendant = Attendant::new(work, mouth, self.exchange.intake(), Metrics::default());
        let health = PollHealth::new(self.clock, Duration::MAX);
        Worker::new(bus, attendant, Limits::default(), health, 7)
    }
}
