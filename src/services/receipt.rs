//! The service that sends the receipt: its arguments, and its mailer.

use clap::Args;
use tracing::info;

use super::service::{Compute, Service, no_routes};
use crate::{
    config::{MailArgs, ServiceArgs, StoreName},
    domain::RoleName,
    durability::Durability,
    fault::Fault,
    roles::{ReceiptRole, TimeLimited},
    wiring::{Around, Mailing, Signals},
};

/// `booking receipt`
#[derive(Clone, Debug, Args)]
pub struct ReceiptArgs {
    #[command(flatten)]
    pub service: ServiceArgs,

    #[command(flatten)]
    pub mail: MailArgs,
}

/// Runs the service until it is told to stop, or as a function until Lambda ends it.
///
/// # Errors
/// If the service cannot start, or does not end well.
pub async fn run(args: ReceiptArgs, compute: Compute) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    let mailing = Mailing::read(&args.mail)?;
    if let Some((prints, lacks)) = mailing.head().scripts() {
        info!(
            prints = prints.join(", "),
            lacks = lacks.join(", "),
            "receipts have a PDF that prints names in these scripts (--mail-fonts adds more)"
        );
    }
    let mut of_service = args.service.clone();
    if let Some(most) = mailing.in_hand_max() {
        of_service.in_hand = of_service.in_hand.min(most);
    }
    // The store is opened first: without it, no receipts folder may be created.
    let service = Service::prepare(RoleName::Receipt, of_service, compute);
    let Some(mut service) = signals.or(service).await? else { return Ok(()) };
    // A receipt in the folder survives the same failures as the rows of its role.
    let durability = match args.service.store.store {
        StoreName::Memory => Durability::ProcessDeath,
        StoreName::Sqlite | StoreName::Dynamodb => Durability::PowerFailure,
    };
    let limit = args.service.effect_timeout.0;
    let mailer = mailing.open(Around {
        data: &args.service.data.folder,
        durability,
        aws: &service.aws,
        requests: service.requests.clone(),
        limit,
    })?;
    service.eyes.extend(mailer.eye());
    let role = TimeLimited::new(ReceiptRole(mailer), limit, "the mailer");
    service.run(role, no_routes, signals).await
}
