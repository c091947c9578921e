//! The service that sends the receipt: its arguments, and its mailer.

use std::{path::Path, sync::Arc};

use clap::{Args, ValueEnum};
use tracing::info;

use super::service::{Service, no_routes};
use crate::{
    config::{Attached, LetterArgs, SenderArgs, ServiceArgs, StoreName},
    domain::RoleName,
    durability::Durability,
    fault::Fault,
    mailer::{Letterhead, folder::FolderMailer},
    roles::{ReceiptRole, TimeLimited},
    wiring::{Eye, Signals, letterhead, receipts},
};

/// `booking receipt`
#[derive(Clone, Debug, Args)]
pub struct ReceiptArgs {
    #[command(flatten)]
    pub service: ServiceArgs,

    /// How receipts are sent
    #[arg(long, env = "BOOKING_MAILER", value_enum)]
    pub mailer: MailerName,

    #[command(flatten)]
    pub sender: SenderArgs,

    #[command(flatten)]
    pub letters: LetterArgs,
}

/// The mailers that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MailerName {
    /// One e-mail file for each receipt, receipts/NUMBER.eml in the data folder
    Folder,
}

/// Runs `booking receipt` until it is told to stop.
///
/// # Errors
/// If the service cannot start, or does not end well.
pub async fn run(args: ReceiptArgs) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    let head = letterhead(&args.sender, &args.letters, attach(args.mailer))?;
    if let Some((prints, lacks)) = head.scripts() {
        info!(
            prints = prints.join(", "),
            lacks = lacks.join(", "),
            "receipts have a PDF that prints names in these scripts (--mail-fonts adds more)"
        );
    }
    // The store is opened first: without it, no receipts folder may be created.
    let service = Service::prepare(RoleName::Receipt, args.service.clone());
    let Some(mut service) = signals.or(service).await? else { return Ok(()) };
    let mailer = mailer(&args, head, &args.service.data.folder)?;
    service.eyes.push(Eye::Receipts(mailer.watch()));
    let role = ReceiptRole(mailer);
    let role = TimeLimited::new(role, args.service.effect_timeout.0, "the mailer");
    service.run(role, no_routes, signals).await
}

/// Whether a PDF is attached if no setting says so. Whoever writes thousands of receipts into a
/// folder to look at them does not pay for what nobody prints.
const fn attach(mailer: MailerName) -> Attached {
    match mailer {
        MailerName::Folder => Attached::Off,
    }
}

/// The mailer that `--mailer` names. A receipt that it has written survives the same failures as
/// the rows of its role.
///
/// # Errors
/// If its folder cannot be used.
fn mailer(args: &ReceiptArgs, head: Arc<Letterhead>, data: &Path) -> Result<FolderMailer, Fault> {
    let durability = match args.service.store.store {
        StoreName::Memory => Durability::ProcessDeath,
        StoreName::Sqlite | StoreName::Dynamodb => Durability::PowerFailure,
    };
    match args.mailer {
        MailerName::Folder => {
            let folder = receipts(data)?;
            FolderMailer::open(&folder, head, durability).map_err(|it| {
                Fault::Config(format!("cannot use the folder {} (--data): {it}", folder.display()))
            })
        }
    }
}
