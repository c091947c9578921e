//! `booking erase`: one passenger's name and address, where they are kept.

use std::path::PathBuf;

use clap::Args;

use super::{
    Fault,
    config::{AwsArgs, StoreArgs},
    out,
    show::booking_id,
};
use crate::{
    domain::{
        RoleName,
        receipt::{Join, Receipts},
    },
    mailer::folder,
    runtime::{Amended, amend},
    wiring::{self, AnyStore},
};

/// `booking erase`
#[derive(Debug, Args)]
pub struct EraseArgs {
    /// Whose passenger
    id: String,
    /// Also while receipt waits, or could not send: the booking ended without a receipt, as
    /// `booking show` says, or is to
    #[arg(long)]
    ended: bool,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Folder of receipt's data
    #[arg(long, env = "BOOKING_DATA", default_value = "data", value_name = "DIR")]
    data: PathBuf,
}

/// Erases in receipt's row, then the receipt's file: dying in between, it can be done again.
pub(super) async fn run(args: EraseArgs) -> Result<(), Fault> {
    let id = booking_id(&args.id)?;
    let config = wiring::aws_config().await?;
    let (store, prefix) = (args.store.store, &args.aws.prefix);
    let store = AnyStore::of_command(store, &args.data, prefix, RoleName::Receipt, &config).await?;
    let erased = |join: &Join| join.erased(args.ended);
    let erased = amend::<Receipts>(&store, &id, erased).await.map_err(|it| store.fault(&it))?;
    let join = match erased {
        Amended::Done(it) => it,
        Amended::Refused => {
            return Err(Fault::No(format!(
                "booking {id} is open: its receipt may still be sent. If `booking show {id}` says that \
                 it has ended, give --ended"
            )));
        }
        Amended::Unknown => {
            return Err(Fault::No(format!("receipt knows nothing of booking {id}")));
        }
    };
    store.forget_what_was_written_over()?;
    let receipts = wiring::receipts_folder(&args.data);
    let number = join.receipt(&id).map(|it| it.number);
    let removed = match &number {
        Some(it) => folder::remove(&receipts, it).map_err(|it| {
            Fault::Config(format!("cannot remove a receipt from {}: {it}", receipts.display()))
        })?,
        None => false,
    };
    let many = join.requests.len();
    out(&format!(
        "erased name and address of booking {id}: {many} request{}",
        if many == 1 { "" } else { "s" }
    ))?;
    if let Some(number) = number.filter(|_| removed) {
        out(&format!("removed receipt {number}"))?;
    }
    Ok(())
}
