//! The parts that all services have: store, bus, HTTP server and signals. Must not know any role.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use tokio::{
    net::TcpListener,
    task::{JoinError, JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::address::default_http;
use crate::{
    aws::Names,
    clock::Clock,
    config::ServiceArgs,
    domain::RoleName,
    fault::Fault,
    http,
    metrics::{Metrics, RequestCount},
    roles::Role,
    runtime::{Attendant, DELETES_LINGER_MIN, EndedByItself, PollHealth, UnitOfWork, Worker},
    telemetry::{self, Export},
    traces::{Places, Traces},
    wiring::{AnyStore, Chosen, Eye, Road, Signals, aws_config, cannot_listen},
};

/// After this many long polls without a successful receive, the poll loop counts as dead.
const MISSED_POLLS_MAX: u32 = 3;
/// The time that one of these polls may take beyond its long poll.
const POLL_SLACK: Duration = Duration::from_secs(10);

/// The routes of a role that has none of its own.
pub(super) fn no_routes<R>(_: Arc<UnitOfWork<R, AnyStore>>) -> axum::Router {
    axum::Router::new()
}

/// A service that is ready to run, with everything but its role.
pub(super) struct Service {
    role: RoleName,
    args: ServiceArgs,
    /// The names of its own queue and of those of the other services.
    pub(super) names: Names,
    road: Road,
    pub(super) store: AnyStore,
    /// They watch the stores that the service works on.
    pub(super) eyes: Vec<Eye>,
    /// What all AWS clients of the service share, and what counts their requests.
    pub(super) aws: SdkConfig,
    pub(super) requests: RequestCount,
    listener: TcpListener,
    pub(super) metrics: Metrics,
    traces: Traces,
    export: Option<Export>,
}

impl Service {
    /// Checks settings, store, port and account, before the service takes its first message.
    pub(super) async fn prepare(role: RoleName, args: ServiceArgs) -> Result<Service, Fault> {
        args.limits().check().map_err(|it| Fault::Config(it.to_string()))?;
        let chosen = Chosen::read(&args)?;
        let (names, count) = (chosen.names(&args)?, RequestCount::default());
        let metrics = Metrics::new(count.clone());
        let places = Places { queue: names.queue(role), prefix: names.prefix().to_owned() };
        let named = format!("booking-{role}");
        let (traces, export) = telemetry::traces(named, &places, metrics.spans_dropped())
            .map_err(|it| Fault::config(&it))?;
        let config = aws_config().await?;
        let store = AnyStore::of_service(&args, role, &config, count.clone()).await?;
        let http = args.http.clone().unwrap_or_else(|| default_http(role).to_owned());
        let listener = TcpListener::bind(&http).await.map_err(|it| cannot_listen(&http, &it))?;
        // On a FIFO queue the next message of a booking waits for the delete.
        let linger =
            if names.are_fifo() { DELETES_LINGER_MIN } else { args.limits().deletes_linger() };
        let road = chosen.open(&args, role, (&config, &count), linger, traces.on()).await?;
        let eyes = store.eye().into_iter().collect();
        let (aws, requests) = (config, count);
        Ok(Service {
            role,
            args,
            names,
            road,
            store,
            eyes,
            aws,
            requests,
            listener,
            metrics,
            traces,
            export,
        })
    }

    pub(super) async fn run<R: Role>(
        self,
        role: R,
        routes: impl FnOnce(Arc<UnitOfWork<R, AnyStore>>) -> axum::Router,
        mut signals: Signals,
    ) -> Result<(), Fault> {
        let limits = self.args.limits();
        let silence_max = (limits.long_poll + POLL_SLACK) * MISSED_POLLS_MAX;
        let poll_health = PollHealth::new(&Clock::Machine, silence_max);
        let work = Arc::new(UnitOfWork::new(role, self.store, Clock::Machine));
        let Road { queue, drivers, outbox, intake, desk } = self.road;
        let attendant = Attendant::new(Arc::clone(&work), outbox, intake, self.metrics.clone());
        let attendant = match desk {
            Some(desk) => attendant.with_desk(desk),
            None => attendant,
        };
        let seed = fastrand::u64(..);
        let worker = Worker::new(queue, attendant, limits, poll_health.clone(), seed);
        let worker = Arc::new(worker.with_traces(self.traces));
        let address = self.listener.local_addr().map_err(|it| {
            Fault::Config(format!("cannot read the address of the HTTP server (--http): {it}"))
        })?;
        let eyes = self.eyes;
        let connections = self.metrics.connections.clone();
        let stores = move || eyes.iter().find_map(Eye::problem);
        let router =
            http::vital_signs(self.role, poll_health, stores, self.metrics).merge(routes(work));

        let stop = CancellationToken::new();
        info!(
            role = %self.role,
            http = %address,
            data = %self.args.data.folder.display(),
            prefix = self.args.aws.prefix,
            "ready"
        );
        let listening = tokio::spawn(http::serve(self.listener, router, connections, stop.clone()));
        let working = tokio::spawn(worker.run(stop.clone()));
        let told = async || signals.next().await;
        let ended = until_ended(listening, working, drivers, stop, told).await;
        // A second signal ends the process at once.
        if let Some(export) = self.export.filter(|_| ended != Err(Fault::Interrupted)) {
            export.finish().await;
        }
        ended
    }
}

/// Waits until a service is told to stop, lets its worker finish, and says how it ended. `told`
/// returns at the next signal.
///
/// Neither the HTTP server nor the worker nor a driver of batches may end by itself. If one does,
/// the process ends, so that its supervisor starts another one.
async fn until_ended(
    mut listening: JoinHandle<()>,
    mut working: JoinHandle<Result<(), EndedByItself>>,
    mut drivers: JoinSet<()>,
    stop: CancellationToken,
    mut told: impl AsyncFnMut(),
) -> Result<(), Fault> {
    let ended_by_itself = tokio::select! {
        biased;
        () = told() => None,
        _ = &mut listening => Some("the HTTP server"),
        ended = &mut working => return worker_ended(ended),
        // Polled after the worker: when the worker ends, its bus ends, and with it the drivers.
        Some(_) = drivers.join_next() => Some("a sender of batches"),
    };
    stop.cancel();
    let finished = async {
        let ended = working.await;
        // Open HTTP requests had the time of the worker; they get no further time.
        listening.abort();
        ended
    };
    tokio::select! {
        biased;
        ended = finished => match (worker_ended(ended), ended_by_itself) {
            (Ok(()), Some(part)) => Err(Fault::Internal(format!(
                "{part} of this service ended by itself: see the panic in the log before this line"
            ))),
            (other, _) => other,
        },
        () = told() => Err(Fault::Interrupted),
    }
}

fn worker_ended(ended: Result<Result<(), EndedByItself>, JoinError>) -> Result<(), Fault> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(part)) => Err(Fault::Internal(part.to_string())),
        // The text of a panic may quote a message, so it is not repeated.
        Err(_) => Err(Fault::Internal(
            "the worker ended by itself: see the panic in the log before this line".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, process::ExitCode};

    use super::*;

    /// A part that runs until it is told to stop, as the HTTP server and the worker do.
    async fn part(stop: CancellationToken) {
        stop.cancelled().await;
    }

    async fn worker(stop: CancellationToken) -> Result<(), EndedByItself> {
        stop.cancelled().await;
        Ok(())
    }

    /// The fault of a service with these parts that gets no signal.
    async fn alone(
        http: impl Future<Output = ()> + Send + 'static,
        worker: impl Future<Output = Result<(), EndedByItself>> + Send + 'static,
        stop: CancellationToken,
    ) -> Fault {
        let parts = (tokio::spawn(http), tokio::spawn(worker));
        let drivers = JoinSet::new();
        until_ended(parts.0, parts.1, drivers, stop, async || pending().await).await.unwrap_err()
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

    /// Without the driver, every publish and every delete would fail, while polling went on.
    /// Failure matrix: A30.
    #[tokio::test]
    async fn a_service_whose_batches_are_not_sent_any_more_ends_with_70() {
        let stop = CancellationToken::new();
        let parts = (tokio::spawn(part(stop.clone())), tokio::spawn(worker(stop.clone())));
        let mut drivers = JoinSet::new();
        drivers.spawn(pending());
        drivers.spawn(async { panic!("Ada") });
        let ended = until_ended(parts.0, parts.1, drivers, stop, async || pending().await).await;
        let told = ended.unwrap_err().to_string();
        assert!(told.contains("a sender of batches of this service ended by itself"), "{told}");
        assert!(!told.contains("Ada"), "{told}");
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
        assert_eq!(until_ended(parts.0, parts.1, JoinSet::new(), stop, once).await, Ok(()));

        let stop = CancellationToken::new();
        let parts = (tokio::spawn(part(stop.clone())), tokio::spawn(pending()));
        let ended = until_ended(parts.0, parts.1, JoinSet::new(), stop, async || {}).await;
        assert_eq!(ended, Err(Fault::Interrupted));
    }
}
