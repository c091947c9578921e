//! The service that books the seats: its arguments, and its schedule.

use clap::Args;
use tracing::warn;

use super::service::{Compute, Service, no_routes};
use crate::{
    config::{HoldArgs, ServiceArgs},
    domain::{RoleName, sale::Sells, schedule::Schedule},
    fault::Fault,
    roles::SeatsRole,
    wiring::{Signals, seats_rules},
};

/// `booking seats`
#[derive(Clone, Debug, Args)]
pub struct SeatsArgs {
    #[command(flatten)]
    pub service: ServiceArgs,

    /// The schedule: a JSON file of flights, cabins, fares and days on sale (docs/OPERATIONS.md
    /// describes its fields), or `sample` for the built-in schedule, which sells every day
    #[arg(long, env = "BOOKING_FLIGHTS", value_name = "FILE|sample")]
    pub flights: String,

    #[command(flatten)]
    pub hold: HoldArgs,
}

/// Runs the service until it is told to stop, or as a function until Lambda ends it.
///
/// # Errors
/// If the service cannot start, or does not end well.
pub async fn run(args: SeatsArgs, compute: Compute) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    let role = SeatsRole(seats_rules(&args.flights, args.hold.hold_limit)?);
    let service = Service::prepare(RoleName::Seats, args.service, compute);
    let Some(service) = signals.or(service).await? else { return Ok(()) };
    warn_of_what_is_left_open(&role.0.schedule);
    service.run(role, no_routes, signals).await
}

/// Logs a warning for everything that the schedule lets the publisher of a request choose.
fn warn_of_what_is_left_open(schedule: &Schedule) {
    if schedule.sells() == Sells::AnyDay {
        warn!("the schedule sells every day, even past days: use it for trials only");
    }
    let flights = schedule.flights().filter(|(_, it)| !it.has_fares()).count();
    if flights > 0 {
        warn!(flights, "flights without fares: the publisher of a request sets the price");
    }
}
