//! The service that takes the money: its arguments, and its gateway.

use clap::{Args, ValueEnum};

use super::service::{Service, no_routes};
use crate::{
    config::{ServiceArgs, Span, StoreName},
    domain::RoleName,
    fault::Fault,
    gateway::simulated::SimulatedGateway,
    roles::{PaymentRole, Timely},
    wiring::{Signals, agree},
};

/// `booking payment`
#[derive(Clone, Debug, Args)]
pub struct PaymentArgs {
    #[command(flatten)]
    pub service: ServiceArgs,

    /// The payment provider
    #[arg(long, env = "BOOKING_GATEWAY", value_enum)]
    pub gateway: GatewayName,

    /// How long the simulated gateway makes its caller wait before a late answer becomes a time-out
    #[arg(long, env = "BOOKING_GATEWAY_PATIENCE", default_value = "1s", value_name = "TIME")]
    pub gateway_patience: Span,
}

/// The payment providers that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GatewayName {
    /// A simulation: the token decides how a charge ends. Its ledger is gateway.db in the data
    /// folder or, with --store dynamodb, in the table of payment
    Simulated,
}

/// Runs `booking payment` until it is told to stop.
///
/// # Errors
/// If the service cannot start, or does not end well.
pub async fn run(args: PaymentArgs) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    if args.service.store.store == StoreName::Sqlite {
        match args.gateway {
            GatewayName::Simulated => agree(&args.service.data.folder)?,
        }
    }
    let service = Service::prepare(RoleName::Payment, args.service.clone());
    let Some(mut service) = signals.or(service).await? else { return Ok(()) };
    let gateway = match args.gateway {
        GatewayName::Simulated => {
            let rows = service.store.of_gateway(&args.service)?;
            service.eyes.extend(rows.eye());
            SimulatedGateway::new(rows, args.gateway_patience.0)
        }
    };
    let role = Timely::new(PaymentRole(gateway), args.service.effect_timeout.0);
    service.run(role, no_routes, signals).await
}
