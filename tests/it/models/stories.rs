//! Whole bookings, told once and run twice: on the memory bus, one step at a time, and on real
//! LocalStack with the real consumers. The services, the rules and the stores are the same.

use std::{path::Path, sync::Arc, time::Duration};

use booking::{
    audit::Evidence,
    bus::memory::{Exchange, Unkindness},
    clock::Clock,
    demo::Stage,
    domain::{
        RoleName,
        event::Kind,
        ids::BookingId,
        schedule::Schedule,
        seats::Seats,
        status::{Phase, Record},
    },
    durability::Durability,
    gateway::simulated::SimulatedGateway,
    mailer::folder::FolderMailer,
    metrics::{Metrics, RequestCount},
    roles::{PaymentRole, ReceiptRole, Role, SeatsRole, StatusRole},
    runtime::{Attendant, Limits, PollHealth, UnitOfWork, Worker},
    store::sqlite::{Engine, Sqlite},
    wiring::{AnyStore, gateway_file, receipts_folder, store_file},
};
use jiff::SignedDuration;
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::harness::{Account, Folder, Sketch, Tables, bare, eventually, skipped};

/// Somewhere bookings can be requested.
trait World {
    /// Publishes any text to booking-requested; returns the SNS MessageId.
    async fn publish(&mut self, text: &str) -> String;
    /// Lets the services work until these bookings are at an end and nothing is under way.
    async fn rest(&mut self, ids: &[&str]);
    /// What lies on a role's dead-letter queue, when there are at least `count`.
    async fn dead_letters(&mut self, role: RoleName, count: usize) -> Vec<(String, String)>;
    /// Everything that the services wrote down.
    async fn evidence(&self) -> Evidence;

    async fn request(&mut self, sketch: &Sketch) {
        self.publish(&sketch.cloud_event()).await;
    }

    /// How a booking ended, and that nothing is violated.
    async fn told(&self, id: &str) -> (Phase, Record, usize, usize) {
        let evidence = self.evidence().await;
        assert_eq!(evidence.violations(), [], "after {id}");
        let (booking, record) = evidence.records().find(|(it, _)| it.as_str() == id).unwrap();
        let moved =
            |what: &str| evidence.movements(booking).filter(|it| it.movement == what).count();
        let standing = record.standing();
        assert!(standing.is_final, "{id}: {standing:?}");
        (standing.phase, record.clone(), moved("charge"), moved("refund"))
    }

    async fn phase(&self, id: &str) -> Phase {
        self.told(id).await.0
    }
}

/// The memory bus, as unkind as it can be.
struct Memory {
    stage: Stage,
    folder: Folder,
}

impl Memory {
    fn new(seed: u64) -> Memory {
        let folder = Folder::new();
        let unkindness = Unkindness { duplicates_percent: 30, shuffle: true };
        Memory { stage: Stage::new(folder.path(), seed, unkindness).unwrap(), folder }
    }

    fn exchange(&self) -> &Exchange {
        self.stage.exchange()
    }
}

impl World for Memory {
    async fn publish(&mut self, text: &str) -> String {
        self.exchange().publish_text(Kind::BookingRequested, text)
    }

    async fn rest(&mut self, _: &[&str]) {
        while self.stage.step().await.unwrap() {}
    }

    async fn dead_letters(&mut self, role: RoleName, count: usize) -> Vec<(String, String)> {
        let dead = self.exchange().dead(role);
        assert!(dead.len() >= count, "{role} set {} aside", dead.len());
        let reason =
            |it: &[(&str, String)]| it.iter().find(|it| it.0 == "reason").unwrap().1.clone();
        dead.iter().map(|it| (it.body.clone(), reason(&it.attributes))).collect()
    }

    async fn evidence(&self) -> Evidence {
        Evidence::read(self.folder.path()).unwrap()
    }
}

/// LocalStack, with the consumers running in this process.
struct Live {
    account: Account,
    folder: Folder,
    /// None: SQLite, and one of each. Some: DynamoDB, and two of each on one queue.
    tables: Option<Tables>,
    /// Counts what is asked of the tables.
    count: RequestCount,
    /// What was published, by every id that a booking may have from it.
    ids: Vec<BookingId>,
    stop: CancellationToken,
    working: TaskTracker,
}

impl Live {
    async fn start(tables: Option<Tables>) -> Live {
        let (account, folder) = (Account::make(false).await, Folder::new());
        let (stop, working) = (CancellationToken::new(), TaskTracker::new());
        let (count, ids) = (RequestCount::default(), Vec::new());
        let live = Live { account, folder, tables, count, ids, stop, working };
        for _ in 0..if live.tables.is_some() { 2 } else { 1 } {
            live.employ_all().await;
        }
        live
    }

    /// One of each.
    async fn employ_all(&self) {
        let data = self.folder.path();
        let rows = self.rows(RoleName::Payment, &gateway_file(data)).await;
        let gateway = SimulatedGateway::new(rows, Duration::ZERO);
        let safe = Durability::PowerFailure;
        let mailer = FolderMailer::open(&receipts_folder(data), Arc::default(), safe).unwrap();
        let seats =
            Seats { schedule: Schedule::sample(), hold_limit: SignedDuration::from_mins(15) };
        self.employ(RoleName::Seats, SeatsRole(seats)).await;
        self.employ(RoleName::Payment, PaymentRole(gateway)).await;
        self.employ(RoleName::Receipt, ReceiptRole(mailer)).await;
        self.employ(RoleName::Status, StatusRole).await;
    }

    async fn rows(&self, role: RoleName, file: &Path) -> AnyStore {
        match &self.tables {
            Some(it) => AnyStore::Table(it.open_counted(role, self.count.clone()).await),
            None => AnyStore::File(Sqlite::start(engine(file, role)).unwrap()),
        }
    }

    async fn employ<R: Role>(&self, name: RoleName, role: R) {
        let rows = self.rows(name, &store_file(self.folder.path(), name)).await;
        let work = UnitOfWork::new(role, rows, Clock::Machine);
        let limits = Limits { long_poll: Duration::from_secs(1), ..Limits::default() };
        let (bus, intake) = (self.account.bus(name).await, self.account.intake());
        let poll_health = PollHealth::new(&Clock::Machine, Duration::from_secs(60));
        let attendant = Attendant::new(Arc::new(work), bus.clone(), intake, Metrics::default());
        let worker = Worker::new(bus, attendant, limits, poll_health, 1);
        let stop = self.stop.clone();
        self.working.spawn(async move { Arc::new(worker).run(stop).await.unwrap() });
    }

    async fn end(self) {
        self.stop.cancel();
        self.working.close();
        self.working.wait().await;
    }
}

fn engine(file: &Path, role: RoleName) -> Engine {
    Engine::open(file, role, Durability::PowerFailure).unwrap()
}

impl World for Live {
    async fn publish(&mut self, text: &str) -> String {
        let id = self.account.publish(Kind::BookingRequested, text).await;
        let subject = serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
        let subject = subject["subject"].as_str().map(str::to_owned);
        self.ids.push(BookingId::parse(&subject.unwrap_or_else(|| id.clone())).unwrap());
        id
    }

    async fn rest(&mut self, ids: &[&str]) {
        eventually(&format!("{ids:?} to end"), async || {
            let evidence = self.evidence().await;
            let done = |id: &&str| {
                let found = evidence.records().find(|(it, _)| it.as_str() == *id);
                found.is_some_and(|(_, record)| record.standing().is_final)
            };
            ids.iter().all(done).then_some(())
        })
        .await;
        for role in RoleName::ALL {
            eventually(&format!("the queue of {role} to be empty"), async || {
                (self.account.depth(role).await == (0, 0)).then_some(())
            })
            .await;
        }
    }

    async fn dead_letters(&mut self, role: RoleName, count: usize) -> Vec<(String, String)> {
        let letters = self.account.dead_letters(role, count).await;
        letters.into_iter().map(|it| (it.body, it.attributes["reason"].clone())).collect()
    }

    async fn evidence(&self) -> Evidence {
        match &self.tables {
            Some(it) => it.evidence(&self.ids, self.folder.path()).await,
            None => Evidence::read(self.folder.path()).unwrap(),
        }
    }
}

/// All stories in one world: each has seats of its own.
async fn tell_all(world: &mut impl World) {
    a_good_card_and_a_free_seat_complete(world).await;
    a_declined_card_frees_the_seat_for_the_next(world).await;
    a_taken_seat_costs_nothing(world).await;
    two_seats_are_booked_together_or_not_at_all(world).await;
    what_the_schedule_does_not_sell_is_an_answer(world).await;
    a_late_gateway_charges_once(world).await;
    data_typed_by_hand_needs_no_id(world).await;
    two_requests_under_one_id_end_as_one_and_show_the_conflict(world).await;
    a_request_that_makes_no_sense_is_rejected_and_kept(world).await;
}

async fn a_good_card_and_a_free_seat_complete(world: &mut impl World) {
    world.request(&Sketch::new("happy", &["1A"], "tok_visa")).await;
    world.rest(&["happy"]).await;
    let (phase, record, charges, refunds) = world.told("happy").await;
    assert_eq!((phase, charges, refunds), (Phase::Completed, 1, 0));
    let kinds: Vec<Kind> = record.timeline().iter().map(|it| it.kind).collect();
    for kind in [Kind::BookingRequested, Kind::SeatBooked, Kind::PaymentOk, Kind::ReceiptSent] {
        assert!(kinds.contains(&kind), "{kind} is not in {kinds:?}");
    }
    assert_eq!(kinds.len(), 4);
}

async fn a_declined_card_frees_the_seat_for_the_next(world: &mut impl World) {
    world.request(&Sketch::new("declined", &["2A"], "tok_declined")).await;
    world.rest(&["declined"]).await;
    assert_eq!(world.phase("declined").await, Phase::PaymentFailed);
    world.request(&Sketch::new("next", &["2A"], "tok_visa")).await;
    world.rest(&["next"]).await;
    assert_eq!(world.phase("next").await, Phase::Completed);
}

async fn a_taken_seat_costs_nothing(world: &mut impl World) {
    world.request(&Sketch::new("first", &["3A"], "tok_visa")).await;
    world.rest(&["first"]).await;
    world.request(&Sketch::new("second", &["3A"], "tok_visa")).await;
    world.rest(&["second"]).await;
    let (phase, _, charges, refunds) = world.told("second").await;
    assert!(matches!(phase, Phase::SeatUnavailable | Phase::Refunded), "{phase}");
    assert_eq!(charges, refunds, "no money is kept");
    assert_eq!(world.phase("first").await, Phase::Completed);
}

async fn two_seats_are_booked_together_or_not_at_all(world: &mut impl World) {
    world.request(&Sketch::new("pair", &["4A", "4B"], "tok_visa")).await;
    world.rest(&["pair"]).await;
    assert_eq!(world.phase("pair").await, Phase::Completed);
    world.request(&Sketch::new("half", &["4B", "4C"], "tok_visa")).await;
    world.rest(&["half"]).await;
    let (phase, record, charges, refunds) = world.told("half").await;
    assert!(matches!(phase, Phase::SeatUnavailable | Phase::Refunded), "{phase}");
    assert_eq!(charges, refunds);
    let refusal =
        record.timeline().into_iter().find(|it| it.kind == Kind::SeatUnavailable).unwrap();
    let named = &refusal.seating.as_ref().unwrap().seats;
    assert_eq!(
        named.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["4B"],
        "only the missing one"
    );
    // 4C was not held on the way.
    world.request(&Sketch::new("rest", &["4C"], "tok_visa")).await;
    world.rest(&["rest"]).await;
    assert_eq!(world.phase("rest").await, Phase::Completed);
}

async fn what_the_schedule_does_not_sell_is_an_answer(world: &mut impl World) {
    let flight = Sketch { flight: "ZZ999", ..Sketch::new("no-flight", &["1A"], "tok_visa") };
    let seat = Sketch::new("no-seat", &["99K"], "tok_visa");
    // The flight of the sample that has fares, for EUR 129.00.
    let price = Sketch { flight: "WA241", ..Sketch::new("no-fare", &["10A"], "tok_visa") };
    for (sketch, reason) in [(flight, "unknown_flight"), (seat, "unknown_seat"), (price, "fare")] {
        world.request(&sketch).await;
        world.rest(&[&sketch.id]).await;
        let (phase, record, charges, refunds) = world.told(&sketch.id).await;
        assert!(matches!(phase, Phase::SeatUnavailable | Phase::Refunded), "{phase}");
        assert_eq!(charges, refunds);
        let refusal =
            record.timeline().into_iter().find(|it| it.kind == Kind::SeatUnavailable).unwrap();
        assert_eq!(refusal.reason.as_deref(), Some(reason));
    }
}

async fn a_late_gateway_charges_once(world: &mut impl World) {
    world.request(&Sketch::new("late", &["5A"], "tok_timeout_then_ok")).await;
    world.rest(&["late"]).await;
    let (phase, _, charges, refunds) = world.told("late").await;
    assert_eq!((phase, charges, refunds), (Phase::Completed, 1, 0));
}

async fn data_typed_by_hand_needs_no_id(world: &mut impl World) {
    let id = world.publish(&bare(&["6A"], "tok_visa").to_string()).await;
    world.rest(&[&id]).await;
    assert_eq!(world.phase(&id).await, Phase::Completed);
}

async fn two_requests_under_one_id_end_as_one_and_show_the_conflict(world: &mut impl World) {
    let one = Sketch::new("twice", &["7A"], "tok_visa");
    let other = Sketch::new("twice", &["8A"], "tok_visa");
    world.request(&one).await;
    world.request(&other).await;
    world.rest(&["twice"]).await;
    let (_, record, charges, refunds) = world.told("twice").await;
    assert!(record.standing().conflict);
    assert!(charges <= 1 && refunds <= charges);
}

async fn a_request_that_makes_no_sense_is_rejected_and_kept(world: &mut impl World) {
    let mut no_flight = bare(&["9A"], "tok_visa");
    no_flight.as_object_mut().unwrap().remove("flight");
    let mut free = bare(&["9A"], "tok_visa");
    free["payment"]["amount"]["minor"] = json!(0);
    let ten = ["1A", "1B", "1C", "1D", "1E", "1F", "2A", "2B", "2C", "2D"];
    let cases = [
        ("{\"flight\": \"WA117\"".to_owned(), "JSON that ends too early (line 1 column 18)"),
        (no_flight.to_string(), "flight: is missing"),
        (
            bare(&["9A"], "4111111111111111").to_string(),
            "payment.token: holds what could be a card number",
        ),
        (bare(&ten, "tok_visa").to_string(), "seats: expected 1 to 9 different seats"),
        (free.to_string(), "payment.amount.minor: expected an integer from 1 to"),
    ];
    let mut ids = Vec::new();
    for (text, _) in &cases {
        ids.push(world.publish(text).await);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    world.rest(&ids).await;
    for (id, (_, reason)) in ids.iter().zip(&cases) {
        let (phase, record, charges, _) = world.told(id).await;
        assert_eq!((phase, charges), (Phase::Rejected, 0));
        let told = &record.rejections().next().unwrap().reason;
        assert!(told.contains(reason), "{told:?} does not say {reason:?}");
        assert!(!told.contains("4111"), "{told}");
    }
    for role in RoleName::ALL {
        let letters = world.dead_letters(role, cases.len()).await;
        for (text, reason) in &cases {
            let kept = letters.iter().find(|(body, _)| {
                let envelope: serde_json::Value = serde_json::from_str(body).unwrap();
                envelope["Message"] == text.as_str()
            });
            let (_, why) = kept.unwrap_or_else(|| panic!("{role} lost {text}"));
            assert!(why.contains(reason), "{why:?} does not say {reason:?}");
        }
    }
}

#[tokio::test]
async fn stories_on_the_memory_bus() {
    for seed in 0..20 {
        tell_all(&mut Memory::new(seed)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stories_on_localstack() {
    let mut live = Live::start(None).await;
    tell_all(&mut live).await;
    live.end().await;
}

/// Replicas share queues, tables and the one gateway; what one decided, the other finds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stories_on_localstack_and_dynamodb_with_two_of_every_role() {
    if skipped("dynamodb") {
        return;
    }
    let mut live = Live::start(Some(Tables::make().await)).await;
    tell_all(&mut live).await;
    let asked = Metrics::new(live.count.clone()).render();
    live.end().await;
    for operation in ["GetItem", "PutItem", "TransactWriteItems"] {
        assert!(asked.contains(&format!("operation=\"{operation}\"")), "{operation}: {asked}");
    }
    assert!(!asked.contains("Scan"), "{asked}");
}
