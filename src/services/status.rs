//! The service that says how a booking stands: its arguments, and its HTTP routes.

use std::sync::Arc;

use clap::Args;

use super::service::Service;
use crate::{
    clock::Clock,
    config::{ServiceArgs, Span},
    domain::RoleName,
    fault::Fault,
    http,
    roles::StatusRole,
    wiring::Signals,
};

/// `booking status`
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub service: ServiceArgs,

    /// How long an open booking may go without a new event before it counts as stuck
    #[arg(long, env = "BOOKING_STUCK_AFTER", default_value = "2m", value_name = "TIME")]
    pub stuck_after: Span,
}

/// Runs `booking status` until it is told to stop.
///
/// # Errors
/// If the service cannot start, or does not end well.
pub async fn run(args: StatusArgs) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    let stuck_after = jiff::SignedDuration::try_from(args.stuck_after.0)
        .map_err(|_| Fault::Config("--stuck-after is too long".to_owned()))?;
    let routes = move |work: Arc<_>| {
        http::bookings(Arc::clone(&work), Clock::Machine, stuck_after)
            .merge(http::canaries(work))
            .merge(http::contract())
    };
    let service = Service::prepare(RoleName::Status, args.service);
    let Some(service) = signals.or(service).await? else { return Ok(()) };
    service.run(StatusRole, routes, signals).await
}
