//! A provider that is down, and one that is slow for some: how often polling stops, and who waits.
//! A real worker, in paused time, with bookings that come at a steady rate or all at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use booking::{
    bus::memory::{Exchange, Unkindness},
    clock::Clock,
    domain::{
        RoleName,
        event::{Charge, Kind, Refund},
        ids::BookingId,
        money::Money,
        request::PaymentToken,
    },
    gateway::{Charged, Gateway, GatewayError},
    metrics::Metrics,
    roles::PaymentRole,
    runtime::{Attendant, Limits, PollHealth, UnitOfWork, Worker},
    store::memory::Memory,
    telemetry::{LogFormat, lines},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::breaker::Written;
use crate::harness::{Sketch, say};

/// How long a charge or a look-up takes that is answered.
const ANSWERS_AFTER: Duration = Duration::from_millis(100);
/// The time between two bookings: twenty-five a second.
const EVERY: Duration = Duration::from_millis(40);
const AT_ONCE: Duration = Duration::ZERO;
/// How long is waited at most for all bookings to be paid, or for polling to stop.
const PATIENCE: Duration = Duration::from_hours(1);

/// How a provider answers a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// In time.
    Well,
    /// To one of so many bookings the first answer comes too late, after the card was charged.
    LateForOneOf(usize),
    /// No connection.
    Unreachable,
    /// No answer.
    Silent,
}

#[derive(Debug)]
struct Provider {
    mood: Mutex<Mood>,
    /// How long is waited for an answer.
    limit: Duration,
    clock: Clock,
    asked: Mutex<Vec<Duration>>,
    charged: Mutex<BTreeMap<BookingId, Charge>>,
    /// When payment got its answer, by booking.
    answered: Mutex<BTreeMap<BookingId, Duration>>,
}

impl Provider {
    fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// How often it was asked since then.
    fn asked_since(&self, then: Duration) -> usize {
        self.asked.lock().unwrap().iter().filter(|it| **it >= then).count()
    }

    async fn be_asked(&self) -> Result<(), GatewayError> {
        self.asked.lock().unwrap().push(self.clock.steady());
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well | Mood::LateForOneOf(_) => {
                tokio::time::sleep(ANSWERS_AFTER).await;
                Ok(())
            }
            Mood::Unreachable => Err(GatewayError::Unreachable("no route to the gateway".into())),
            Mood::Silent => {
                tokio::time::sleep(self.limit).await;
                Err(GatewayError::TimedOut)
            }
        }
    }

    fn answer(&self, booking: &BookingId, charge: Charge) -> Charged {
        self.answered.lock().unwrap().insert(booking.clone(), self.clock.steady());
        Charged::Yes(charge)
    }
}

#[derive(Clone)]
struct Asked(Arc<Provider>);

impl Gateway for Asked {
    async fn find(&self, booking: &BookingId) -> Result<Option<Charged>, GatewayError> {
        self.0.be_asked().await?;
        let found = self.0.charged.lock().unwrap().get(booking).cloned();
        Ok(found.map(|it| self.0.answer(booking, it)))
    }

    async fn charge(
        &self,
        booking: &BookingId,
        _: &PaymentToken,
        amount: Money,
    ) -> Result<Charged, GatewayError> {
        self.0.be_asked().await?;
        let charge = Charge { charge: format!("ch_{booking}"), amount };
        let before = self.0.charged.lock().unwrap().insert(booking.clone(), charge.clone());
        let mood = *self.0.mood.lock().unwrap();
        if let Mood::LateForOneOf(many) = mood
            && before.is_none()
            && is_one_of(many, number_of(booking))
        {
            tokio::time::sleep(self.0.limit).await;
            return Err(GatewayError::TimedOut);
        }
        Ok(self.0.answer(booking, charge))
    }

    async fn refund(&self, _: &BookingId, _: &Charge) -> Result<Refund, GatewayError> {
        Err(GatewayError::Refused("nothing is refunded here"))
    }

    async fn undo(&self, _: &BookingId, _: &str) -> Result<(), GatewayError> {
        Err(GatewayError::Refused("nothing is refunded here"))
    }
}

fn number_of(booking: &BookingId) -> usize {
    booking.as_str().trim_start_matches("b-").parse().unwrap()
}

/// Whether a booking is one of so many, in no order.
fn is_one_of(many: usize, number: usize) -> bool {
    fastrand::Rng::with_seed(number as u64).usize(0..many) == 0
}

/// Payment at work, and who asks it.
struct Bench {
    clock: Clock,
    exchange: Exchange,
    provider: Arc<Provider>,
    metrics: Metrics,
    written: Written,
    came: Mutex<BTreeMap<BookingId, Duration>>,
    stop: CancellationToken,
    working: Vec<JoinHandle<()>>,
    _logging: (tracing::Dispatch, tracing::subscriber::DefaultGuard),
}

impl Bench {
    fn new(limit: Duration) -> Bench {
        let written = Written::default();
        let log = {
            let written = written.clone();
            lines(LogFormat::Json, false, move || written.clone())
        };
        // See `an_open_breaker_is_a_metric_and_log_lines_and_health_forgets_it_once_it_works`.
        let another = tracing::Dispatch::new(lines(LogFormat::Json, false, std::io::sink));
        let logging = (another, tracing::subscriber::set_default(log));
        let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
        let exchange = Exchange::new(clock.clone(), "", 1, Unkindness::default());
        let provider = Arc::new(Provider {
            mood: Mutex::new(Mood::Well),
            limit,
            clock: clock.clone(),
            asked: Mutex::default(),
            charged: Mutex::default(),
            answered: Mutex::default(),
        });
        let role = PaymentRole(Asked(Arc::clone(&provider)));
        let work = UnitOfWork::new(role, Memory::default(), clock.clone());
        let (bus, metrics) = (exchange.bus(RoleName::Payment), Metrics::default());
        let attendant =
            Attendant::new(Arc::new(work), bus.clone(), exchange.intake(), metrics.clone());
        let poll_health = PollHealth::new(&clock, Duration::MAX);
        let worker = Arc::new(Worker::new(bus, attendant, Limits::default(), poll_health, 1));
        let stop = CancellationToken::new();
        let (works, stopping) = (worker, stop.clone());
        let worker = tokio::spawn(async move { works.run(stopping).await.unwrap() });
        // The clock of the worker goes as fast as the time in which everybody sleeps.
        let (ticks, stopping) = (clock.clone(), stop.clone());
        let tick = Duration::from_millis(1);
        let ticking = tokio::spawn(async move {
            while stopping.run_until_cancelled(tokio::time::sleep(tick)).await.is_some() {
                ticks.advance(tick);
            }
        });
        Bench {
            clock,
            exchange,
            provider,
            metrics,
            written,
            came: Mutex::default(),
            stop,
            working: vec![worker, ticking],
            _logging: logging,
        }
    }

    /// So many bookings come, one after the other.
    async fn come(&self, many: usize, every: Duration) {
        for _ in 0..many {
            let number = self.came.lock().unwrap().len() + 1;
            let sketch = Sketch::new(&format!("b-{number}"), &["12A"], "tok_visa");
            self.came.lock().unwrap().insert(sketch.booking(), self.clock.steady());
            self.exchange.publish_text(Kind::BookingRequested, &sketch.cloud_event());
            if !every.is_zero() {
                tokio::time::sleep(every).await;
            }
        }
    }

    /// All who have come are paid; how long after the first came.
    async fn all_are_paid(&self) -> Duration {
        let many = self.came.lock().unwrap().len();
        let paid = async {
            while self.exchange.published(Kind::PaymentOk) < many as u64 {
                tokio::time::sleep(ANSWERS_AFTER).await;
            }
        };
        tokio::time::timeout(PATIENCE, paid).await.expect("all are paid in the end");
        let came = self.came.lock().unwrap();
        self.clock.steady() - *came.values().min().expect("somebody came")
    }

    /// When polling stops.
    async fn stops(&self) -> Duration {
        let stopped = async {
            while !self.metrics.render().contains("booking_breaker_open{on=\"outside\"} 1\n") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, stopped).await.expect("polling stops in the end");
        self.clock.steady()
    }

    /// How often polling stopped, by the log.
    fn stopped(&self) -> usize {
        let text = String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|it| it.contains("polling stops until a delivery succeeds")).count()
    }

    /// How long those waited for an answer that are so, the longest last.
    fn waited(&self, is_one: impl Fn(usize) -> bool) -> Vec<Duration> {
        let (came, answered) = (self.came.lock().unwrap(), self.provider.answered.lock().unwrap());
        let ones = came.iter().filter(|(it, _)| is_one(number_of(it)));
        let mut waited: Vec<Duration> = ones.map(|(it, came)| answered[it] - *came).collect();
        waited.sort_unstable();
        waited
    }

    async fn end(self) {
        self.stop.cancel();
        for it in self.working {
            it.await.unwrap();
        }
    }
}

/// If all bookings come at once, the slow ones soon take all the room of `--in-hand`. Then nothing
/// else is asked for until they fail, and many of them fail together.
/// Failure matrix: A21.
#[tokio::test(start_paused = true)]
async fn a_provider_that_is_slow_for_some_is_slow_for_those_and_stops_nobody() {
    const BOOKINGS: usize = 2_000;
    let limit = Duration::from_secs(10);
    for (one_of, every) in [(10, EVERY), (5, EVERY), (10, AT_ONCE), (5, AT_ONCE)] {
        let bench = Bench::new(limit);
        bench.provider.be(Mood::LateForOneOf(one_of));
        bench.come(BOOKINGS, every).await;
        let took = bench.all_are_paid().await;
        let others = bench.waited(|it| !is_one_of(one_of, it));
        let slow = bench.waited(|it| is_one_of(one_of, it));
        let longest = others[others.len() * 99 / 100];
        let rate = BOOKINGS as f64 / took.as_secs_f64();
        say(&format!(
            "slow for one of {one_of}, a booking every {every:?}: polling stopped {} times, \
             {rate:.1} bookings a second, 99 of 100 of the others waited at most {longest:?}, the \
             slow ones {:?} to {:?}",
            bench.stopped(),
            slow[0],
            slow[slow.len() - 1],
        ));
        assert_eq!(bench.stopped(), 0, "one of {one_of}, every {every:?}");
        assert!(slow[0] >= limit);
        if every == AT_ONCE {
            // Of 64 in hand, each of the slow ones takes ten seconds.
            let possible = 64.0 / (limit.as_secs_f64() / one_of as f64 + 0.2);
            assert!(rate > 0.75 * possible, "one of {one_of}: {rate} of {possible}");
        } else {
            assert!(longest < Duration::from_secs(2), "one of {one_of}: {longest:?}");
        }
        bench.end().await;
    }
}

/// Each answer comes too late, and each booking is found when it is looked up. So half of all
/// deliveries fail, and many of them in a row.
/// Failure matrix: A21.
#[tokio::test(start_paused = true)]
async fn a_provider_whose_first_answers_are_all_late_is_asked_on() {
    const BOOKINGS: usize = 2_000;
    let bench = Bench::new(Duration::from_secs(1));
    bench.provider.be(Mood::LateForOneOf(1));
    bench.come(BOOKINGS, EVERY).await;
    let took = bench.all_are_paid().await;
    let rate = BOOKINGS as f64 / took.as_secs_f64();
    say(&format!(
        "every first answer late: polling stopped {} times, {rate:.1} bookings a second",
        bench.stopped()
    ));
    assert!(bench.stopped() <= 3, "only at the beginning, when no answer has come yet");
    assert!(rate > 20.0, "{rate}");
    bench.end().await;
}

/// Failure matrix: A21, D16.
#[tokio::test(start_paused = true)]
async fn a_provider_that_goes_down_is_hardly_asked_after_seconds_and_costs_no_message() {
    for (mood, limit, asked_max) in [
        (Mood::Unreachable, Duration::from_secs(10), 150),
        (Mood::Silent, Duration::from_secs(10), 150),
        (Mood::Silent, Duration::from_secs(1), 150),
    ] {
        let bench = Bench::new(limit);
        bench.come(500, EVERY).await;
        bench.provider.be(mood);
        let down = bench.clock.steady();
        let ((), stopped) = tokio::join!(bench.come(2_500, EVERY), bench.stops());
        // That was a hundred seconds. Four minutes more without bookings.
        tokio::time::sleep(Duration::from_mins(4)).await;
        let seconds = (stopped - down).as_secs_f64();
        let before = bench.provider.asked_since(down) - bench.provider.asked_since(stopped);
        let after = bench.provider.asked_since(stopped);
        say(&format!(
            "{mood:?}, {limit:?}: polling stops after {seconds:.1} s and {before} requests, and in \
             five minutes {after} more are made"
        ));
        assert!(seconds < limit.as_secs_f64() + 3.0, "{mood:?}: {seconds}");
        let asked = before + after;
        assert!(asked < asked_max, "{mood:?}: {asked}");
        bench.provider.be(Mood::Well);
        bench.all_are_paid().await;
        assert!(bench.exchange.dead(RoleName::Payment).is_empty(), "{mood:?}: none is set aside");
        bench.end().await;
    }
}
