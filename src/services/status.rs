//! The service that says how a booking stands: its arguments, and its HTTP routes.

use std::sync::Arc;

use clap::{Args, builder::BoolishValueParser};

use super::service::Service;
use crate::{
    aws::{Clients, Names},
    clock::Clock,
    config::{ServiceArgs, Span},
    domain::RoleName,
    fault::Fault,
    http,
    roles::StatusRole,
    vitals::{self, Watch},
    wiring::{Signals, aws_fault},
};

/// `booking status`
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub service: ServiceArgs,

    /// How long an open booking may go without a new event before it counts as stuck
    #[arg(long, env = "BOOKING_STUCK_AFTER", default_value = "2m", value_name = "TIME")]
    pub stuck_after: Span,

    /// Look at the queues of all four services, for GET /vitals. This needs the rights
    /// sqs:GetQueueUrl and sqs:GetQueueAttributes on their queues and dead-letter queues
    #[arg(long, env = "BOOKING_WATCH_QUEUES", value_parser = BoolishValueParser::new())]
    pub watch_queues: bool,
}

/// Runs `booking status` until it is told to stop.
///
/// # Errors
/// If the service cannot start, or does not end well.
pub async fn run(args: StatusArgs) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    let stuck_after = jiff::SignedDuration::try_from(args.stuck_after.0)
        .map_err(|_| Fault::Config("--stuck-after is too long".to_owned()))?;
    let names = Names::new(&args.service.aws.prefix);
    let service = Service::prepare(RoleName::Status, args.service);
    let Some(service) = signals.or(service).await? else { return Ok(()) };
    let watch = if args.watch_queues { Some(watch(&service, &names)?) } else { None };
    let routes = move |work: Arc<_>| {
        http::bookings(Arc::clone(&work), Clock::Machine, stuck_after)
            .merge(http::event_rates(Arc::clone(&work), Clock::Machine))
            .merge(http::canaries(work))
            .merge(http::vitals(watch))
    };
    service.run(StatusRole, routes, signals).await
}

/// What looks at the queues of all services.
fn watch(service: &Service, names: &Names) -> Result<Arc<dyn Watch>, Fault> {
    let clients = Clients::within_limits(&service.aws, service.requests.clone());
    Ok(vitals::of_queues(&clients.map_err(aws_fault)?, names, Clock::Machine))
}
