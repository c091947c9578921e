//! The service that takes the money: its arguments, and its gateway.

use clap::{Args, ValueEnum};

use super::service::{Compute, Service, no_routes};
use crate::{
    config::{ServiceArgs, Span, StoreName, StripeArgs},
    domain::RoleName,
    fault::Fault,
    gateway::{Gateway, simulated::SimulatedGateway},
    roles::{PaymentRole, TimeLimited},
    wiring::{Signals, agree, stripe},
};

/// `booking payment`
#[derive(Clone, Debug, Args)]
pub struct PaymentArgs {
    #[command(flatten)]
    pub service: ServiceArgs,

    /// The payment provider
    #[arg(long, env = "BOOKING_GATEWAY", value_name = "simulated|stripe", value_enum)]
    pub gateway: GatewayName,

    /// How long the simulated gateway makes its caller wait before a late answer becomes a time-out
    #[arg(long, env = "BOOKING_GATEWAY_PATIENCE", default_value = "1s", value_name = "TIME")]
    pub gateway_patience: Span,

    #[command(flatten)]
    pub stripe: StripeArgs,
}

/// The payment providers that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GatewayName {
    /// A simulation: the token decides how a charge ends. It keeps its ledger in gateway.db in the
    /// data folder or, with --store dynamodb, in the table of payment
    Simulated,
    /// Real money: charges cards through the Stripe account whose key is given (docs/PAYMENTS.md)
    Stripe,
}

/// Runs the service until it is told to stop, or as a function until Lambda ends it.
///
/// # Errors
/// If the service cannot start, or does not end well.
pub async fn run(args: PaymentArgs, compute: Compute) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    match args.gateway {
        GatewayName::Simulated => {
            if args.service.store.store == StoreName::Sqlite {
                agree(&args.service.data.folder)?;
            }
            let service = Service::prepare(RoleName::Payment, args.service.clone(), compute);
            let Some(mut service) = signals.or(service).await? else { return Ok(()) };
            let rows = service.store.of_gateway(&args.service)?;
            service.eyes.extend(rows.eye());
            let gateway = SimulatedGateway::new(rows, args.gateway_patience.0);
            service.run(charging(gateway, &args), no_routes, signals).await
        }
        GatewayName::Stripe => {
            // The key is read first, because payment must not start without one.
            let gateway = stripe(&args.stripe, args.service.effect_timeout.0)?;
            let service = Service::prepare(RoleName::Payment, args.service.clone(), compute);
            let Some(service) = signals.or(service).await? else { return Ok(()) };
            service.run(charging(gateway, &args), no_routes, signals).await
        }
    }
}

fn charging<G: Gateway>(gateway: G, args: &PaymentArgs) -> TimeLimited<PaymentRole<G>> {
    TimeLimited::new(PaymentRole(gateway), args.service.effect_timeout.0, "the gateway")
}
