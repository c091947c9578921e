//! The whole pipeline in one process: the four real workers, rules and wire format over the memory
//! bus, on the store that is asked for. What a booking costs when nobody waits for AWS.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use booking::{
    bus::{
        memory::{Exchange, Unkindness},
        wire,
    },
    clock::Clock,
    domain::{
        RoleName,
        event::{Data, Event, Kind},
        ids::{BookingId, Cause},
        money::Money,
        request::{Passenger, Payment, PaymentToken, Request},
        schedule::Schedule,
        seat::{FlightNo, SeatId, Seating},
        seats::Seats,
    },
    durability::Durability,
    gateway::simulated::SimulatedGateway,
    mailer::{DEFAULT_SENDER, folder::FolderMailer},
    metrics::Metrics,
    roles::{PaymentRole, ReceiptRole, Role, SeatsRole, StatusRole},
    runtime::{Book, Limits, Pulse, Worker},
    store::{
        Store,
        memory::Memory,
        sqlite::{Engine, Sqlite},
    },
    wiring::{gateway_file, receipts_folder, store_file},
};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

/// So many bookings are on their way at once.
const UNDER_WAY_MAX: u64 = 2_000;

/// How one run went.
#[derive(Clone, Copy, Debug)]
pub struct Pipeline {
    pub bookings: u64,
    pub seconds: f64,
    pub cpu_seconds: f64,
}

pub fn sqlite(data: &Path, bookings: u64) -> anyhow::Result<Pipeline> {
    let open = |file: &Path, role| -> anyhow::Result<Sqlite> {
        Ok(Sqlite::start(Engine::open(file, role, Durability::PowerFailure)?)?)
    };
    let stored = |role| open(&store_file(data, role), role);
    let gateway = open(&gateway_file(data), RoleName::Payment)?;
    run(data, bookings, stored, gateway)
}

pub fn memory(data: &Path, bookings: u64) -> anyhow::Result<Pipeline> {
    run(data, bookings, |_| Ok(Memory::default()), Memory::default())
}

fn run<S: Store>(
    data: &Path,
    bookings: u64,
    stored: impl Fn(RoleName) -> anyhow::Result<S>,
    gateway: impl Store,
) -> anyhow::Result<Pipeline> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let exchange = Exchange::new(Clock::Machine, "", 7, Unkindness::default());
        let stop = CancellationToken::new();
        let mut workers = tokio::task::JoinSet::new();
        let seats =
            Seats { schedule: Schedule::sample(), hold_limit: SignedDuration::from_mins(15) };
        let gateway = SimulatedGateway::new(gateway, Duration::ZERO);
        let mailer = FolderMailer::open(
            &std::env::var_os("MAILDIR").map_or_else(
                || receipts_folder(data),
                |it| Path::new(&it).join(std::process::id().to_string()),
            ),
            DEFAULT_SENDER,
            if std::env::var_os("MAIL").is_some() {
                Durability::ProcessDeath
            } else {
                Durability::PowerFailure
            },
        )?;
        let mut work = Work { exchange: &exchange, stop: &stop, workers: &mut workers };
        work.begin(RoleName::Seats, SeatsRole(seats), stored(RoleName::Seats)?);
        work.begin(RoleName::Payment, PaymentRole(gateway), stored(RoleName::Payment)?);
        work.begin(RoleName::Receipt, ReceiptRole(mailer), stored(RoleName::Receipt)?);
        work.begin(RoleName::Status, StatusRole, stored(RoleName::Status)?);
        let texts: Vec<String> = (0..bookings).map(request).collect::<Result<_, _>>()?;
        let (began, cpu) = (Instant::now(), cpu_seconds());
        for (said, text) in (0..).zip(&texts) {
            while said - exchange.published(Kind::ReceiptSent) >= UNDER_WAY_MAX {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            exchange.publish_text(Kind::BookingRequested, text);
        }
        while RoleName::ALL.into_iter().any(|it| exchange.depth(it) > 0) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let seconds = began.elapsed().as_secs_f64();
        let cpu_seconds = cpu_seconds() - cpu;
        stop.cancel();
        while workers.join_next().await.is_some() {}
        Ok(Pipeline { bookings, seconds, cpu_seconds })
    })
}

struct Work<'a> {
    exchange: &'a Exchange,
    stop: &'a CancellationToken,
    workers: &'a mut tokio::task::JoinSet<()>,
}

impl Work<'_> {
    fn begin<R: Role, S: Store>(&mut self, name: RoleName, role: R, store: S) {
        let book = Arc::new(Book::new(role, store, Clock::Machine));
        let limits = Limits {
            long_poll: Duration::from_secs(1),
            in_hand_max: std::env::var("IN_HAND").map_or(64, |it| it.parse().unwrap()),
            ..Limits::default()
        };
        let pulse = Pulse::new(Duration::MAX);
        let worker =
            Worker::new(self.exchange.bus(name), book, "", limits, pulse, Metrics::default(), 7);
        self.workers.spawn(Arc::new(worker).run(self.stop.clone()));
    }
}

/// A happy booking, with a seat of its own.
fn request(number: u64) -> anyhow::Result<String> {
    let booking = BookingId::parse(&format!(
        "{:08x}-bench-{number}",
        number.wrapping_mul(2_654_435_761) as u32
    ))
    .ok()
    .context("a booking id")?;
    let date = jiff::civil::date(2027, 1, 1);
    let day = date.checked_add(jiff::Span::new().days(i64::try_from(number / 120)?))?;
    let seat = format!("{}{}", number % 120 / 6 + 1, char::from(b'A' + (number % 6) as u8));
    let request = Request {
        seating: Seating {
            flight: FlightNo::parse("WA117").ok().context("flight")?,
            date: day,
            seats: vec![SeatId::parse(&seat).ok().context("seat")?],
        },
        passenger: Passenger { name: "Ada Lovelace".into(), email: "ada@example.com".into() },
        payment: Payment {
            token: PaymentToken::parse("tok_visa").ok().context("token")?,
            amount: Money::parse("EUR 129.00").ok().context("amount")?,
        },
    };
    let event = Event {
        cause: Cause {
            source: "/booking/client".into(),
            id: booking.derive("request").to_string(),
        },
        booking,
        time: "2027-02-01T09:30:00Z".parse()?,
        digest: wire::digest(wire::request_data(&request)),
        traceparent: None,
        data: Data::BookingRequested(request),
    };
    Ok(wire::encode(&event)?.body)
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or("");
    let ticks = |at: usize| {
        rest.split_whitespace().nth(at).and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}
