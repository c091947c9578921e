//! Puts the parts together: the only place that names concrete adapters.

mod beginnings;
mod keys;
mod signals;
mod stores;

pub use beginnings::{begin, begin_tables, make_folder, new_deployment};
pub use keys::canary_key;
pub use stores::{AnyStore, Eye, table_fault};

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aws_config::SdkConfig;
use tokio::{
    net::TcpListener,
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::signals::Signals;
use crate::{
    aws,
    bus::aws::{AwsBus, AwsError, Clients, Names},
    clock::Clock,
    config::{
        GatewayName, MailerName, PaymentArgs, ReceiptArgs, SeatsArgs, ServiceArgs, Span,
        StatusArgs, StoreName,
    },
    domain::{RoleName, sale::Sells, schedule::Schedule, seats::Seats},
    durability::Durability,
    fault::Fault,
    gateway::simulated::SimulatedGateway,
    http,
    mailer::folder::FolderMailer,
    metrics::{Metrics, RequestCount},
    roles::{PaymentRole, ReceiptRole, Role, SeatsRole, StatusRole, Timely},
    runtime::{Attendant, UnitOfWork, Chain, EndedByItself, Pulse, Worker},
    store::{
        StoreError,
        sqlite::{Engine, Inline},
    },
    wire::Intake,
};

/// A poll loop without a good receive for this many long polls is taken for dead.
const MISSED_POLLS_MAX: u32 = 3;

/// The file of a role in a data folder.
#[must_use]
pub fn store_file(data: &Path, role: RoleName) -> PathBuf {
    data.join(format!("{role}.db"))
}

/// The file of the simulated gateway in a data folder.
#[must_use]
pub fn gateway_file(data: &Path) -> PathBuf {
    data.join("gateway.db")
}

/// The receipts in a data folder.
#[must_use]
pub fn receipts_folder(data: &Path) -> PathBuf {
    data.join("receipts")
}

/// The file of a role in a data folder, which must be there.
///
/// # Errors
/// When it is not: this is not where the role's data is.
pub fn existing_store_file(data: &Path, role: RoleName) -> Result<PathBuf, Fault> {
    let file = store_file(data, role);
    if file.exists() {
        return Ok(file);
    }
    Err(Fault::Config(format!(
        "{} is not there: run this where the data of {role} is, or give --data",
        file.display()
    )))
}

/// Opens a role's store to look at it, also while its service is at work.
///
/// # Errors
/// When the file is not there or cannot be read.
pub fn read_store(data: &Path, role: RoleName) -> Result<Engine, Fault> {
    let file = existing_store_file(data, role)?;
    Engine::open_read_only(&file, role).map_err(|it| stores::file_fault(&it))
}

/// The rules of seats over the schedule that `--flights` names.
///
/// # Errors
/// When the schedule cannot be read.
pub fn seats_rules(flights: &str, hold_limit: Span) -> Result<Seats, Fault> {
    let hold_limit = jiff::SignedDuration::try_from(hold_limit.0)
        .map_err(|_| Fault::Config("--hold-limit is too long".to_owned()))?;
    Ok(Seats { schedule: schedule(flights)?, hold_limit })
}

fn schedule(flights: &str) -> Result<Schedule, Fault> {
    if flights == "sample" {
        return Ok(Schedule::sample());
    }
    let text = std::fs::read_to_string(flights).map_err(|it| {
        Fault::Config(format!("cannot read the schedule {flights} (--flights): {it}"))
    })?;
    Schedule::parse(&text)
        .map_err(|it| Fault::Config(format!("{flights} (--flights): {}", Chain(&it))))
}

/// The simulated gateway over its file in a data folder, called in place: for demo and tests.
///
/// # Errors
/// When the file cannot be opened.
pub fn gateway_in(
    data: &Path,
    patience: Duration,
    durability: Durability,
) -> Result<SimulatedGateway<Inline>, StoreError> {
    let engine = Engine::open(&gateway_file(data), RoleName::Payment, durability)?;
    Ok(SimulatedGateway::new(Inline::new(engine), patience))
}

/// The mailer that `--mailer` names. What it writes survives what its role's rows do.
///
/// # Errors
/// When its folder cannot be used.
pub fn mailer(args: &ReceiptArgs, data: &Path) -> Result<FolderMailer, Fault> {
    let durability = match args.service.store.store {
        StoreName::Memory => Durability::ProcessDeath,
        StoreName::Sqlite | StoreName::Dynamodb => Durability::PowerFailure,
    };
    match args.mailer {
        MailerName::Folder => {
            let folder = beginnings::receipts(data)?;
            FolderMailer::open(&folder, &args.mail_from, durability).map_err(|it| {
                Fault::Config(format!("cannot use the folder {} (--data): {it}", folder.display()))
            })
        }
    }
}

/// Runs `booking seats` until it is told to stop.
///
/// # Errors
/// When it cannot begin.
pub async fn run_seats(args: SeatsArgs) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    let role = SeatsRole(seats_rules(&args.flights, args.hold_limit)?);
    let service = Service::prepare(RoleName::Seats, args.service);
    let Some(service) = signals.or(service).await? else { return Ok(()) };
    warn_of_what_is_left_open(&role.0.schedule);
    service.run(role, no_routes, signals).await
}

/// Says in the log what the schedule leaves to whoever may publish requests.
fn warn_of_what_is_left_open(schedule: &Schedule) {
    if schedule.sells() == Sells::AnyDay {
        warn!("the schedule sells every day, past ones too: to try things out, not for business");
    }
    let flights = schedule.flights().filter(|(_, it)| !it.has_fares()).count();
    if flights > 0 {
        warn!(flights, "flights without fares: whoever may publish requests names their price");
    }
}

/// Runs `booking payment` until it is told to stop.
///
/// # Errors
/// When it cannot begin.
pub async fn run_payment(args: PaymentArgs) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    if args.service.store.store == StoreName::Sqlite {
        match args.gateway {
            GatewayName::Simulated => beginnings::agree(&args.service.data)?,
        }
    }
    let service = Service::prepare(RoleName::Payment, args.service.clone());
    let Some(mut service) = signals.or(service).await? else { return Ok(()) };
    let gateway = match args.gateway {
        GatewayName::Simulated => {
            let rows = service.store.of_gateway(&args)?;
            service.eyes.extend(rows.eye());
            SimulatedGateway::new(rows, args.gateway_patience.0)
        }
    };
    let role = Timely::new(PaymentRole(gateway), args.service.effect_timeout.0);
    service.run(role, no_routes, signals).await
}

/// Runs `booking receipt` until it is told to stop.
///
/// # Errors
/// When it cannot begin.
pub async fn run_receipt(args: ReceiptArgs) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    // The store first: where receipt has none of its own, nothing is made.
    let service = Service::prepare(RoleName::Receipt, args.service.clone());
    let Some(mut service) = signals.or(service).await? else { return Ok(()) };
    let mailer = mailer(&args, &args.service.data)?;
    service.eyes.push(Eye::Receipts(mailer.watch()));
    let role = ReceiptRole(mailer);
    let role = Timely::new(role, args.service.effect_timeout.0);
    service.run(role, no_routes, signals).await
}

/// Runs `booking status` until it is told to stop.
///
/// # Errors
/// When it cannot begin.
pub async fn run_status(args: StatusArgs) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    let stuck_after = jiff::SignedDuration::try_from(args.stuck_after.0)
        .map_err(|_| Fault::Config("--stuck-after is too long".to_owned()))?;
    let routes = move |work: Arc<_>| {
        http::bookings(Arc::clone(&work), Clock::Machine, stuck_after).merge(http::canaries(work))
    };
    let service = Service::prepare(RoleName::Status, args.service);
    let Some(service) = signals.or(service).await? else { return Ok(()) };
    service.run(StatusRole, routes, signals).await
}

fn no_routes<R>(_: Arc<UnitOfWork<R, AnyStore>>) -> axum::Router {
    axum::Router::new()
}

/// One service of its own process, with everything but its role.
struct Service {
    role: RoleName,
    args: ServiceArgs,
    bus: AwsBus,
    intake: Intake,
    store: AnyStore,
    /// On the stores that it works on.
    eyes: Vec<Eye>,
    listener: TcpListener,
    metrics: Metrics,
}

impl Service {
    /// Whatever can be wrong with settings, folder, port or account is found out here.
    async fn prepare(role: RoleName, args: ServiceArgs) -> Result<Service, Fault> {
        args.limits().check().map_err(|it| Fault::Config(it.to_string()))?;
        let canaries = canary_key(&args.canary)?;
        let (config, count) = (aws_config().await?, RequestCount::default());
        let store = AnyStore::of_service(&args, role, &config, count.clone()).await?;
        let http = args.http_or_default(role);
        let listener = TcpListener::bind(&http)
            .await
            .map_err(|it| Fault::Config(format!("cannot listen on {http} (--http): {it}")))?;
        let clients = Clients::within_limits(&config, count.clone()).map_err(aws_fault)?;
        let (names, linger) = (Names::new(&args.aws.prefix), args.limits().deletes_linger());
        let (bus, home) =
            AwsBus::connect(&clients, &names, role, linger).await.map_err(aws_fault)?;
        let intake = home.intake(&names, args.raw.raw_delivery).and_canaries(canaries);
        let (eyes, metrics) = (store.eye().into_iter().collect(), Metrics::new(count));
        Ok(Service { role, args, bus, intake, store, eyes, listener, metrics })
    }

    async fn run<R: Role>(
        self,
        role: R,
        routes: impl FnOnce(Arc<UnitOfWork<R, AnyStore>>) -> axum::Router,
        mut signals: Signals,
    ) -> Result<(), Fault> {
        let limits = self.args.limits();
        let silence_max = (limits.long_poll + Duration::from_secs(10)) * MISSED_POLLS_MAX;
        let pulse = Pulse::new(&Clock::Machine, silence_max);
        let work = Arc::new(UnitOfWork::new(role, self.store, Clock::Machine));
        let (outbox, metrics) = (self.bus.clone(), self.metrics.clone());
        let attendant = Attendant::new(Arc::clone(&work), outbox, self.intake, metrics);
        let seed = fastrand::u64(..);
        let worker = Arc::new(Worker::new(self.bus, attendant, limits, pulse.clone(), seed));
        let address = self.listener.local_addr().map_err(|it| Fault::Config(it.to_string()))?;
        let eyes = self.eyes;
        let stores = move || eyes.iter().find_map(Eye::problem);
        let router = http::vital_signs(self.role, pulse, stores, self.metrics).merge(routes(work));

        let stop = CancellationToken::new();
        info!(
            role = %self.role,
            http = %address,
            data = %self.args.data.display(),
            prefix = self.args.aws.prefix,
            "ready"
        );
        let listening = tokio::spawn(http::serve(self.listener, router, stop.clone()));
        let working = tokio::spawn(worker.run(stop.clone()));
        until_ended(listening, working, stop, async || signals.next().await).await
    }
}

/// Waits until a service is told to stop, lets its worker finish, and says how it ended. `told`
/// returns with the next signal.
///
/// Neither part ends by itself: without one of them this is no service, and whoever watches over it
/// begins another.
async fn until_ended(
    mut listening: JoinHandle<()>,
    mut working: JoinHandle<Result<(), EndedByItself>>,
    stop: CancellationToken,
    mut told: impl AsyncFnMut(),
) -> Result<(), Fault> {
    let http_ended = tokio::select! {
        biased;
        () = told() => false,
        _ = &mut listening => true,
        ended = &mut working => return worker_ended(ended),
    };
    stop.cancel();
    let finished = async {
        let ended = working.await;
        // The worker is what counts: an open request is not waited for longer than it was.
        listening.abort();
        ended
    };
    tokio::select! {
        biased;
        ended = finished => match worker_ended(ended) {
            Ok(()) if http_ended => Err(Fault::Internal(
                "the HTTP server of this service ended by itself: see the panic in the log before this line".to_owned(),
            )),
            other => other,
        },
        () = told() => Err(Fault::Interrupted),
    }
}

fn worker_ended(ended: Result<Result<(), EndedByItself>, JoinError>) -> Result<(), Fault> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(part)) => Err(Fault::Internal(part.to_string())),
        // What it said may quote anything.
        Err(_) => Err(Fault::Internal(
            "the worker ended by itself: see the panic in the log before this line".to_owned(),
        )),
    }
}

/// What all AWS clients of this process have in common.
///
/// # Errors
/// When a setting makes no sense.
pub async fn aws_config() -> Result<SdkConfig, Fault> {
    aws::load().await.map_err(|it| Fault::config(&it))
}

/// What is wrong with the account, as the command line says it.
#[must_use]
pub fn aws_fault(error: AwsError) -> Fault {
    match &error {
        AwsError::NoRegion
        | AwsError::Misconfigured(_)
        | AwsError::Setting { .. }
        | AwsError::NoQueue { .. }
        | AwsError::Denied { .. } => Fault::config(&error),
        AwsError::Unreachable { .. } => Fault::unreachable(&error),
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, process::ExitCode};

    use super::*;

    /// A part that goes on until it is told to stop, as both do.
    async fn part(stop: CancellationToken) {
        stop.cancelled().await;
    }

    async fn worker(stop: CancellationToken) -> Result<(), EndedByItself> {
        stop.cancelled().await;
        Ok(())
    }

    /// What comes of a service that nobody tells to stop and whose parts are these.
    async fn alone(
        http: impl Future<Output = ()> + Send + 'static,
        worker: impl Future<Output = Result<(), EndedByItself>> + Send + 'static,
        stop: CancellationToken,
    ) -> Fault {
        let parts = (tokio::spawn(http), tokio::spawn(worker));
        until_ended(parts.0, parts.1, stop, async || pending().await).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_service_of_which_a_part_ends_by_itself_ends_with_70_and_says_which() {
        let secret = "Ada ada@example.com tok_visa";
        let seen = |fault: Fault, part: &str| {
            assert_eq!(format!("{:?}", fault.exit_code()), format!("{:?}", ExitCode::from(70)));
            let told = fault.to_string();
            assert!(told.contains(part) && told.contains("ended by itself"), "{told}");
            assert!(!told.contains("Ada"), "{told}");
        };
        let stop = CancellationToken::new();
        let dies = async move { panic!("{secret}") };
        seen(alone(dies, worker(stop.clone()), stop.clone()).await, "HTTP server");
        assert!(stop.is_cancelled(), "the worker finished what it had in hand");

        let stop = CancellationToken::new();
        seen(alone(async {}, worker(stop.clone()), stop).await, "HTTP server");

        let stop = CancellationToken::new();
        let dies = async move { panic!("{secret}") };
        seen(alone(part(stop.clone()), dies, stop).await, "worker");

        let stop = CancellationToken::new();
        let dies = async { Err(EndedByItself("a receive")) };
        seen(alone(part(stop.clone()), dies, stop).await, "a receive of the worker");
    }

    #[tokio::test]
    async fn told_once_it_ends_well_and_told_twice_at_once() {
        let stop = CancellationToken::new();
        let parts = (tokio::spawn(part(stop.clone())), tokio::spawn(worker(stop.clone())));
        let mut times = 0;
        let once = async || {
            times += 1;
            if times > 1 {
                pending::<()>().await;
            }
        };
        assert_eq!(until_ended(parts.0, parts.1, stop, once).await, Ok(()));

        let stop = CancellationToken::new();
        let parts = (tokio::spawn(part(stop.clone())), tokio::spawn(pending()));
        assert_eq!(until_ended(parts.0, parts.1, stop, async || {}).await, Err(Fault::Interrupted));
    }
}
