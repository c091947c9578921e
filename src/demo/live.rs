//! The four services in one process, by the machine's clock: bookings come in at a rate, and every
//! so often one of the services stands still. Memory and disk must stay bounded, however long it
//! runs: after a number of bookings, or after a day, it starts over with empty stores.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use axum::Router;
use jiff::{SignedDuration, tz::TimeZone};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Mix, OfExchange,
    floor::{Floor, limits, store},
    request,
};
use crate::{
    bus::memory::{Exchange, Unkindness},
    clock::Clock,
    domain::{RoleName, event::Kind, schedule::Schedule, seats::Seats},
    durability::Durability,
    fault::Fault,
    gateway::simulated::SimulatedGateway,
    http::{self, Census, Token},
    mailer::{Letterhead, folder::FolderMailer},
    metrics::Metrics,
    page,
    roles::{PaymentRole, ReceiptRole, SeatsRole, StatusRole, TimeLimited},
    runtime::{EndedByItself, UnitOfWork},
    store::sqlite::Sqlite,
    vitals::Watch,
    wiring::{Signals, begin, gateway_file, new_deployment, receipts_folder},
};

/// How many of a hundred messages are delivered twice.
const DUPLICATES_PERCENT: u8 = 5;
/// How long an unpaid hold is protected.
const HOLD_LIMIT: SignedDuration = SignedDuration::from_mins(15);
/// How late a late answer of the payment provider is.
const PATIENCE: Duration = Duration::from_secs(1);
/// While a queue has more messages than this, no booking comes in, so that memory stays bounded.
const DEPTH_MAX: usize = 20_000;
/// After this time, it starts over in any case.
const KEPT_FOR: Duration = Duration::from_hours(24);
/// When a service first stands still.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// How often one of the services stands still, unless its pause is longer than a third of it.
const PAUSE_EVERY: Duration = Duration::from_secs(60);
/// Which services stand still, one after the other. Status never does, since it is what one looks
/// at.
const STANDS_STILL: [RoleName; 3] = [RoleName::Payment, RoleName::Seats, RoleName::Receipt];
/// A request that no service can read. It is published once in each round of pauses.
const UNREADABLE: &str = r#"{"flight": "WA240"}"#;
/// After how long without news an open booking counts as stuck: half a pause, but never longer than
/// this, nor shorter than the next.
const STUCK_AFTER_MAX: Duration = Duration::from_secs(10);
const STUCK_AFTER_MIN: Duration = Duration::from_secs(2);

/// What the demo does as long as it runs.
pub struct Settings {
    /// The seed of the bookings.
    pub seed: u64,
    /// The time from one booking to the next.
    pub every: Duration,
    /// How long a service stands still; never, if it is zero.
    pub pause: Duration,
    /// After how many bookings it starts over with empty stores.
    pub keep: usize,
    /// What clients have to show, if anything.
    pub token: Option<Token>,
}

impl Settings {
    /// After how long without news an open booking counts as stuck.
    #[must_use]
    pub fn stuck_after(&self) -> Duration {
        (self.pause / 2).clamp(STUCK_AFTER_MIN, STUCK_AFTER_MAX)
    }
}

/// Runs until a signal comes. The stores are in `folder`, which has to be removed afterwards.
/// `tell` is called with each line for the person who watches.
///
/// # Errors
/// If a store cannot be created, if a service ends by itself, or at a second signal.
pub(crate) async fn run(
    listener: TcpListener,
    folder: &Path,
    settings: &Settings,
    mut signals: Signals,
    mut tell: impl FnMut(&str) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let listener = listener.into_std().map_err(|it| no_listener(&it))?;
    let mut mix = Mix::new(settings.seed, tomorrow());
    for round in 1_u64.. {
        let data = folder.join(round.to_string());
        let mut live = Live::begin(&data, settings)?;
        let again = listener.try_clone().and_then(TcpListener::from_std);
        let again = again.map_err(|it| no_listener(&it))?;
        let (routes, count) = (live.routes(settings)?, live.metrics.connections.clone());
        let mut serving = tokio::spawn(http::serve(again, routes, count, live.stop.clone()));
        let ended = tokio::select! {
            biased;
            () = signals.next() => Ended::Told,
            _ = &mut serving => Ended::Well(Err(by_itself("the HTTP server"))),
            it = live.play(&mut mix, settings, &mut tell) => Ended::Well(it),
        };
        live.stop.cancel();
        let rest = async {
            live.end().await;
            if !serving.is_finished() {
                let _ = serving.await;
            }
        };
        match ended {
            Ended::Told => {
                return tokio::select! {
                    biased;
                    () = rest => Ok(()),
                    () = signals.next() => Err(Fault::Interrupted),
                };
            }
            Ended::Well(it) => {
                rest.await;
                it?;
            }
        }
        // Nothing of it is needed, and a file that stays is removed at the end.
        let _ = fs::remove_dir_all(&data);
        mix.depart_from(tomorrow());
        tell(&format!(
            "{} starting over with empty stores, so that memory and disk stay bounded",
            time_of_day()
        ))?;
    }
    Ok(())
}

/// How a round ended.
enum Ended {
    /// By a signal.
    Told,
    /// Because it was full or, with a fault, by itself.
    Well(Result<(), Fault>),
}

fn no_listener(error: &io::Error) -> Fault {
    Fault::Config(format!("cannot listen with this socket (--http): {error}"))
}

fn by_itself(part: &str) -> Fault {
    Fault::Internal(format!("{part} ended by itself: see the panic before this line"))
}

/// The first day on which flights depart.
fn tomorrow() -> jiff::civil::Date {
    let today = Clock::Machine.now().to_zoned_datetime(TimeZone::UTC).date();
    today.tomorrow().unwrap_or(today)
}

fn time_of_day() -> String {
    Clock::Machine.now().strftime("%H:%M:%S").to_string()
}

/// The four services on one exchange.
struct Live {
    exchange: Exchange,
    stop: CancellationToken,
    working: JoinSet<Result<(), EndedByItself>>,
    /// `/health` and `/metrics` of status, and those of the others below their names.
    signs: Router,
    status: Arc<UnitOfWork<StatusRole, Sqlite>>,
    /// What status counts.
    metrics: Metrics,
}

impl Live {
    /// Creates the stores in `data`, and starts the services.
    fn begin(data: &Path, settings: &Settings) -> Result<Live, Fault> {
        begin(data, &RoleName::ALL, new_deployment(), Durability::ProcessDeath)?;
        let unkindness = Unkindness { duplicates_percent: DUPLICATES_PERCENT, shuffle: false };
        let exchange = Exchange::new(Clock::Machine, "", settings.seed, unkindness);
        let (limits, schedule) = (limits(), Schedule::sample());
        let head = Arc::new(Letterhead::default().with_schedule(schedule.clone()));
        let mailer = FolderMailer::open(&receipts_folder(data), head, Durability::ProcessDeath);
        let mailer = mailer.map_err(|it| Fault::Config(format!("cannot create a folder: {it}")))?;
        let ledger = store(&gateway_file(data), RoleName::Payment)?;
        let payment = PaymentRole(SimulatedGateway::new(ledger, PATIENCE));
        let limited = limits.effect_timeout;
        let (stop, seats) = (CancellationToken::new(), Seats { schedule, hold_limit: HOLD_LIMIT });
        let mut floor = Floor {
            data,
            limits,
            exchange: &exchange,
            stop: &stop,
            working: JoinSet::new(),
            signs: Router::new(),
        };
        floor.place(RoleName::Seats, SeatsRole(seats))?;
        floor.place(RoleName::Payment, TimeLimited::new(payment, limited, "the gateway"))?;
        let receipt = TimeLimited::new(ReceiptRole(mailer), limited, "the mailer");
        floor.place(RoleName::Receipt, receipt)?;
        let (status, metrics) = floor.place(RoleName::Status, StatusRole)?;
        let Floor { working, signs, .. } = floor;
        Ok(Live { exchange, stop, working, signs, status, metrics })
    }

    /// All routes: those of status, and the vital signs of all four.
    fn routes(&self, settings: &Settings) -> Result<Router, Fault> {
        let stuck_after = SignedDuration::try_from(settings.stuck_after())
            .map_err(|it| Fault::Internal(it.to_string()))?;
        let work = || Arc::clone(&self.status);
        Census::begin(&self.metrics, work(), Clock::Machine, stuck_after);
        let bookings = http::bookings(work(), Clock::Machine, stuck_after);
        let clock = Clock::Machine;
        let watch = OfExchange { exchange: self.exchange.clone(), clock: clock.clone() };
        let watch: Option<Arc<dyn Watch>> = Some(Arc::new(watch));
        let settings_of_page =
            page::Settings { stuck_after, trace_url: None, watch: watch.clone() };
        let page = page::routes(work(), clock, settings_of_page);
        let routes = bookings
            .merge(page)
            .merge(http::event_rates(work(), Clock::Machine))
            .merge(http::canaries(work()))
            .merge(http::vitals(watch))
            .merge(http::contract());
        Ok(http::guarded(routes, settings.token.clone()).merge(self.signs.clone()))
    }

    /// Lets bookings come in until there are enough.
    async fn play(
        &mut self,
        mix: &mut Mix,
        settings: &Settings,
        tell: &mut impl FnMut(&str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let began = Instant::now();
        let mut pauses = Pauses::new(settings.pause, began);
        let mut arrivals = interval_at(began + settings.every, settings.every);
        // What could not come in for a while does not come at once afterwards.
        arrivals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut left, until) = (settings.keep, began + KEPT_FOR);
        while left > 0 {
            tokio::select! {
                biased;
                Some(_) = self.working.join_next() => return Err(by_itself("a service")),
                () = sleep_until(until) => return Ok(()),
                turn = pauses.next() => {
                    let (role, is_still) = turn;
                    self.exchange.stand_still(role, is_still);
                    tell(&told(role, is_still, settings))?;
                    if role == STANDS_STILL[0] && !is_still {
                        self.exchange.publish_text(Kind::BookingRequested, UNREADABLE);
                        tell(&format!(
                            "{} somebody publishes a request that no service can read",
                            time_of_day()
                        ))?;
                    }
                }
                _ = arrivals.tick() => {
                    let full = |it| self.exchange.depth(it) > DEPTH_MAX;
                    if !RoleName::ALL.into_iter().any(full)
                        && let Some((booking, wish)) = mix.next()
                    {
                        request(&self.exchange, Clock::Machine.now(), &booking, &wish)?;
                        left -= 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits for the services, which were told to stop.
    async fn end(mut self) {
        while self.working.join_next().await.is_some() {}
    }
}

/// The line for a service that stands still or goes on.
fn told(role: RoleName, is_still: bool, settings: &Settings) -> String {
    let now = time_of_day();
    if is_still {
        let (pause, stuck) = (settings.pause, settings.stuck_after());
        format!(
            "{now} {role} stands still for {pause:?}, on purpose: bookings that wait for it count as \
             stuck after {stuck:?}"
        )
    } else {
        format!("{now} {role} goes on")
    }
}

/// When which service stands still.
struct Pauses {
    pause: Duration,
    every: Duration,
    /// The next turn: a pause begins if the number is even, and ends if it is odd.
    number: usize,
    at: Instant,
}

impl Pauses {
    fn new(pause: Duration, now: Instant) -> Pauses {
        Pauses { pause, every: PAUSE_EVERY.max(pause * 3), number: 0, at: now + FIRST_PAUSE }
    }

    /// Waits for the next turn: the service, and whether it stands still from now on. May be
    /// dropped at any moment.
    async fn next(&mut self) -> (RoleName, bool) {
        if self.pause.is_zero() {
            return std::future::pending().await;
        }
        sleep_until(self.at).await;
        let role = STANDS_STILL[self.number / 2 % STANDS_STILL.len()];
        let is_still = self.number.is_multiple_of(2);
        self.at += if is_still { self.pause } else { self.every - self.pause };
        self.number += 1;
        (role, is_still)
    }
}
