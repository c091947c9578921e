//! The parts that all services have: store, bus, HTTP server and signals. Must not know any role.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

#[cfg(feature = "lambda")]
use super::function::{self, Function};
use super::{address::default_http, process::until_ended};
#[cfg(feature = "lambda")]
use crate::bus::aws::MappedQueue;
use crate::{
    aws::Names,
    clock::Clock,
    config::ServiceArgs,
    domain::RoleName,
    fault::Fault,
    http,
    metrics::{Metrics, RequestCount},
    roles::Role,
    runtime::{Attendant, DELETES_LINGER_MIN, PollHealth, UnitOfWork, Worker},
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

/// What a service runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compute {
    /// A process of its own, such as a container.
    Process,
    /// A function of AWS Lambda.
    #[cfg(feature = "lambda")]
    Lambda,
}

/// Where a service is reached.
enum Door {
    Address(TcpListener),
    #[cfg(feature = "lambda")]
    Invocations,
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
    door: Door,
    pub(super) metrics: Metrics,
    traces: Traces,
    export: Option<Export>,
}

impl Service {
    /// Checks settings, store, port and account, before the service takes its first message.
    pub(super) async fn prepare(
        role: RoleName,
        args: ServiceArgs,
        compute: Compute,
    ) -> Result<Service, Fault> {
        match compute {
            Compute::Process => {
                args.limits().check().map_err(|it| Fault::Config(it.to_string()))?;
            }
            // Lambda polls, hides and drains, so that the limits of all that say nothing.
            #[cfg(feature = "lambda")]
            Compute::Lambda => function::check(&args)?,
        }
        let chosen = Chosen::read(&args)?;
        let (names, count) = (chosen.names(&args)?, RequestCount::default());
        let metrics = Metrics::new(count.clone());
        let places = Places { queue: names.queue(role), prefix: names.prefix().to_owned() };
        let named = format!("booking-{role}");
        let (traces, export) = telemetry::traces(named, &places, metrics.spans_dropped())
            .map_err(|it| Fault::config(&it))?;
        let config = aws_config().await?;
        let store = AnyStore::of_service(&args, role, &config, count.clone()).await?;
        let door = match compute {
            Compute::Process => {
                let http = args.http.clone().unwrap_or_else(|| default_http(role).to_owned());
                let bound = TcpListener::bind(&http).await;
                Door::Address(bound.map_err(|it| cannot_listen(&http, &it))?)
            }
            #[cfg(feature = "lambda")]
            Compute::Lambda => Door::Invocations,
        };
        // On a FIFO queue the next message of a booking waits for the delete, and of a function
        // only poison is deleted: no other delete will come.
        let at_once = names.are_fifo() || compute != Compute::Process;
        let linger = if at_once { DELETES_LINGER_MIN } else { args.limits().deletes_linger() };
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
            door,
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
        let attendant = attendant.with_log_share(self.args.log_settled);
        let attendant = match desk {
            Some(desk) => attendant.with_desk(desk),
            None => attendant,
        };
        let seed = fastrand::u64(..);
        #[cfg_attr(
            not(feature = "lambda"),
            expect(
                clippy::infallible_destructuring_match,
                reason = "with functions there are two"
            )
        )]
        let listener = match self.door {
            Door::Address(it) => it,
            #[cfg(feature = "lambda")]
            Door::Invocations => {
                let queue_arn = queue.requests().queue_arn().to_owned();
                let queue = MappedQueue(queue);
                let worker = Worker::new(queue, attendant, limits, poll_health, seed);
                let worker = worker.with_traces(self.traces);
                let (eyes, effect_timeout) = (self.eyes, limits.effect_timeout);
                let routes = routes(work);
                let function =
                    Function::new(worker, queue_arn, routes, eyes, effect_timeout, self.export);
                return function.run(drivers, signals).await;
            }
        };
        let worker = Worker::new(queue, attendant, limits, poll_health.clone(), seed);
        let worker = Arc::new(worker.with_traces(self.traces));
        let address = listener.local_addr().map_err(|it| {
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
        let listening = tokio::spawn(http::serve(listener, router, connections, stop.clone()));
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
