//! The service that says how a booking stands: its arguments, and its HTTP routes.

use std::sync::Arc;

use clap::{Args, builder::BoolishValueParser};

use super::{
    address::default_http,
    service::{Compute, Service},
};
#[cfg(feature = "lambda")]
use crate::wiring::status_token;
use crate::{
    aws::Clients,
    clock::Clock,
    config::{DoorArgs, ServiceArgs, Span},
    domain::RoleName,
    fault::Fault,
    http::{self, Census},
    page,
    roles::StatusRole,
    vitals::{self, HealthUrl, Watch},
    wiring::{Signals, aws_fault, door},
};

/// `booking status`
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub service: ServiceArgs,

    #[command(flatten)]
    pub door: DoorArgs,

    /// How long an open booking may go without a new event before it counts as stuck
    #[arg(long, env = "BOOKING_STUCK_AFTER", default_value = "2m", value_name = "TIME")]
    pub stuck_after: Span,

    /// Where the page leads for the trace of a booking, such as
    /// `https://traces.example.com/trace/{trace_id}`
    #[arg(long, env = "BOOKING_TRACE_URL", value_name = "URL")]
    pub trace_url: Option<String>,

    /// Look at the queues of all four services, for the page and for GET /vitals. This needs the
    /// rights sqs:GetQueueUrl and sqs:GetQueueAttributes on their queues and dead-letter queues
    #[arg(long, env = "BOOKING_WATCH_QUEUES", value_parser = BoolishValueParser::new())]
    pub watch_queues: bool,

    /// With --fifo and --watch-queues: the address of a service, which is asked how many bookings
    /// it holds up, for the page and GET /vitals, such as `payment=http://payment.internal:8082`.
    /// May be given for each service
    #[arg(
        long,
        env = "BOOKING_WATCH_HEALTH",
        value_name = "ROLE=URL",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub watch_health: Vec<String>,
}

/// Runs the service until it is told to stop, or as a function until Lambda ends it.
///
/// # Errors
/// If the service cannot start, or does not end well.
pub async fn run(args: StatusArgs, compute: Compute) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    let stuck_after = jiff::SignedDuration::try_from(args.stuck_after.0)
        .map_err(|_| Fault::Config("--stuck-after is too long".to_owned()))?;
    let trace_url = args.trace_url.as_deref().map(str::parse).transpose();
    let trace_url = trace_url.map_err(|it| Fault::Config(format!("--trace-url: {it}")))?;
    // Not by clap, which repeats what it cannot read: a URL may have a password.
    let health_urls = args.watch_health.iter().map(|it| it.parse()).collect::<Result<Vec<_>, _>>();
    let health_urls = health_urls.map_err(wrong_health)?;
    for (missing, is_there) in
        [("--fifo", args.service.delivery.events.fifo), ("--watch-queues", args.watch_queues)]
    {
        if !is_there && !health_urls.is_empty() {
            return Err(wrong_health(format!("it needs {missing}")));
        }
    }
    let role = RoleName::Status;
    let address = args.service.http.as_deref().unwrap_or_else(|| default_http(role));
    let door = async {
        match compute {
            Compute::Process => door(&args.door, address).await,
            #[cfg(feature = "lambda")]
            Compute::Lambda if args.door.http_open => Err(Fault::Config(
                "`booking lambda` and --http-open (BOOKING_HTTP_OPEN) do not go together: a function \
                 URL lets in who has signed the request, or has the token"
                    .to_owned(),
            )),
            #[cfg(feature = "lambda")]
            Compute::Lambda => Ok(status_token(&args.door.token)?.map(|it| it.1)),
        }
    };
    let Some(token) = signals.or(door).await? else { return Ok(()) };
    let service = Service::prepare(role, args.service, compute);
    let Some(service) = signals.or(service).await? else { return Ok(()) };
    let watch = if args.watch_queues { Some(watch(&service, &health_urls)?) } else { None };
    let metrics = service.metrics.clone();
    let routes = move |work: Arc<_>| {
        let api = http::bookings(Arc::clone(&work), Clock::Machine, stuck_after)
            .merge(http::event_rates(Arc::clone(&work), Clock::Machine))
            .merge(http::canaries(Arc::clone(&work)))
            .merge(http::vitals(watch.clone()))
            .merge(http::contract());
        match compute {
            Compute::Process => {
                Census::begin(&metrics, Arc::clone(&work), Clock::Machine, stuck_after);
                let settings = page::Settings { stuck_after, trace_url, watch };
                http::guarded(api.merge(page::routes(work, Clock::Machine, settings)), token)
            }
            // The page keeps a stream open, and a function answers once.
            #[cfg(feature = "lambda")]
            Compute::Lambda => http::guarded_by_signature(api, token),
        }
    };
    service.run(StatusRole, routes, signals).await
}

fn wrong_health(problem: String) -> Fault {
    Fault::Config(format!("--watch-health (BOOKING_WATCH_HEALTH): {problem}"))
}

/// What looks at the queues of all services, and asks those that have a URL what they hold up.
fn watch(service: &Service, urls: &[HealthUrl]) -> Result<Arc<dyn Watch>, Fault> {
    let clients = Clients::within_limits(&service.aws, service.requests.clone());
    let queues = vitals::of_queues(&clients.map_err(aws_fault)?, &service.names, Clock::Machine);
    if urls.is_empty() {
        return Ok(queues);
    }
    vitals::with_held_up(queues, urls, Clock::Machine).map_err(wrong_health)
}
