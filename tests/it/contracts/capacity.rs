//! What a happy booking takes of DynamoDB, counted from what DynamoDB says: `docs/DYNAMODB.md` has
//! the figures and the formula.

use std::{sync::Arc, time::Duration};

use booking::{
    bus::memory::{Exchange, MemoryBus, Unkindness},
    clock::Clock,
    domain::{RoleName, event::Kind, schedule::Schedule, seats::Seats, status::Phase},
    durability::Durability,
    gateway::simulated::SimulatedGateway,
    mailer::folder::FolderMailer,
    metrics::{Metrics, RequestCount},
    roles::{PaymentRole, ReceiptRole, Role, SeatsRole, StatusRole},
    runtime::{Attendant, Limits, PollHealth, UnitOfWork, Worker},
    store::dynamodb::DynamoDb,
    wiring::receipts_folder,
};
use jiff::SignedDuration;

use crate::{
    harness::{Folder, Sketch, Tables, say, skipped},
    repository::documents::document,
};

/// One role's tally: what was asked, and the units it took.
pub struct Tally {
    pub role: RoleName,
    pub count: RequestCount,
}

pub const READS: [&str; 3] = ["GetItem", "BatchGetItem", "Query"];
pub const WRITES: [&str; 2] = ["PutItem", "TransactWriteItems"];

impl Tally {
    fn of(&self, name: &str) -> Vec<(String, f64)> {
        let text = Metrics::new(self.count.clone()).render();
        let lines =
            text.lines().filter_map(|it| it.strip_prefix(&format!("booking_{name}_total{{")));
        let pair = |line: &str| {
            let (labels, number) = line.rsplit_once("} ").unwrap();
            let operation = labels.rsplit("operation=").next().unwrap().trim_matches('"');
            (operation.to_owned(), number.parse().unwrap())
        };
        lines.map(pair).collect()
    }

    pub fn units(&self, operations: &[&str]) -> f64 {
        let all = self.of("capacity_units").into_iter();
        all.filter(|it| operations.contains(&it.0.as_str())).map(|it| it.1).sum()
    }
}

fn bench<R: Role>(
    role: R,
    name: RoleName,
    rows: DynamoDb,
    exchange: &Exchange,
    clock: &Clock,
) -> Worker<MemoryBus, R, DynamoDb, MemoryBus> {
    let work = Arc::new(UnitOfWork::new(role, rows, clock.clone()));
    let (limits, poll_health) = (Limits::default(), PollHealth::new(clock, Duration::MAX));
    let (bus, intake) = (exchange.bus(name), exchange.intake());
    let attendant = Attendant::new(work, bus.clone(), intake, Metrics::default());
    Worker::new(bus, attendant, limits, poll_health, 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_happy_booking_takes_the_units_that_the_docs_say_and_never_scans() {
    if skipped("dynamodb") {
        return;
    }
    let (tables, folder) = (Tables::make().await, Folder::new());
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    let kind = Unkindness { duplicates_percent: 0, shuffle: false };
    let exchange = Exchange::new(clock.clone(), "", 1, kind);
    let tallies = RoleName::ALL.map(|role| Tally { role, count: RequestCount::default() });
    let mut rows = Vec::new();
    for it in &tallies {
        // However slow this machine is, nothing but the booking is asked for.
        let opened = tables.open_counted(it.role, it.count.clone()).await;
        rows.push(opened.trusting(Duration::MAX));
    }
    // Looking whether the tables are there is over: only the booking counts from here.
    let before: Vec<(f64, f64)> =
        tallies.iter().map(|it| (it.units(&READS), it.units(&WRITES))).collect();

    let hold_limit = SignedDuration::from_mins(15);
    let seats = Seats { schedule: Schedule::sample(), hold_limit };
    let gateway = SimulatedGateway::new(rows[1].clone(), Duration::ZERO);
    let letters = receipts_folder(folder.path());
    let mailer = FolderMailer::open(&letters, Arc::default(), Durability::ProcessDeath).unwrap();
    let [at_seats, at_payment, at_receipt, at_status] = RoleName::ALL;
    let seats = bench(SeatsRole(seats), at_seats, rows[0].clone(), &exchange, &clock);
    let payment = bench(PaymentRole(gateway), at_payment, rows[1].clone(), &exchange, &clock);
    let receipt = bench(ReceiptRole(mailer), at_receipt, rows[2].clone(), &exchange, &clock);
    let status = bench(StatusRole, at_status, rows[3].clone(), &exchange, &clock);

    let sketch = Sketch::new("happy", &["12A"], "tok_visa");
    exchange.publish_text(Kind::BookingRequested, &sketch.cloud_event());
    while exchange.next_visible().is_some() {
        seats.step(1).await.unwrap();
        payment.step(1).await.unwrap();
        receipt.step(1).await.unwrap();
        status.step(1).await.unwrap();
        clock.advance(Duration::from_millis(10));
    }
    let evidence = tables.evidence(&[sketch.booking()], folder.path()).await;
    assert_eq!(evidence.violations(), []);
    assert_eq!(evidence.records().next().unwrap().1.standing().phase, Phase::Completed);

    let (mut reads, mut writes) = (0.0, 0.0);
    let mut table = String::new();
    for (tally, before) in tallies.iter().zip(before) {
        let (read, wrote) = (tally.units(&READS) - before.0, tally.units(&WRITES) - before.1);
        (reads, writes) = (reads + read, writes + wrote);
        table.push_str(&format!("| {} | {read} | {wrote} |\n", tally.role));
        let asked = tally.of("aws_requests");
        say(&format!("capacity: {} asked {asked:?}", tally.role));
        for (operation, _) in asked {
            let known = READS.contains(&operation.as_str()) || WRITES.contains(&operation.as_str());
            assert!(known, "{operation}: what no role needs");
        }
    }
    table.push_str(&format!("| **all** | **{reads}** | **{writes}** |\n"));
    say(&format!("capacity of one happy booking (read, write units):\n{table}"));
    assert!(document("docs/DYNAMODB.md").contains(&table), "docs/DYNAMODB.md should have\n{table}");
}
