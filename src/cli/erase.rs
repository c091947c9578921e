//! `booking erase`: erases the name and the address of a passenger from receipt's store and
//! receipts. It must never touch what was decided, charged or announced.

use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use super::{
    Fault,
    arguments::booking_id,
    config::{AwsArgs, DataArgs, StoreArgs},
    progress::Progress,
};
use crate::{
    domain::{
        RoleName,
        receipt::{Issued, Join, Receipts},
    },
    mailer::folder,
    runtime::{Amended, amend},
    wiring::{self, AnyStore},
};

/// `booking erase`
#[derive(Debug, Args)]
pub struct EraseArgs {
    /// Booking id
    id: String,
    /// Erase even if receipt still waits for an event or could not send the receipt. Use this if
    /// `booking show` says that the booking has ended without a receipt, or if it is to end without
    /// one
    #[arg(long)]
    ended: bool,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// Erases in receipt's row first, then removes the file of the receipt. If the command dies in
/// between, it can be run again.
pub(super) async fn run(args: EraseArgs) -> Result<(), Fault> {
    let progress = Progress::new("erases", false);
    progress.during(erase(args, &progress)).await
}

async fn erase(args: EraseArgs, progress: &Progress) -> Result<(), Fault> {
    let id = booking_id(&args.id)?;
    let config = wiring::aws_config().await?;
    let (store, prefix) = (args.store.store, &args.aws.prefix);
    let store =
        AnyStore::of_command(store, &args.data.folder, prefix, RoleName::Receipt, &config).await?;
    let first = AtomicBool::new(true);
    let erased = |join: &Join| {
        first.store(!join.erased, Ordering::Relaxed);
        join.erased(args.ended)
    };
    let erased = amend::<Receipts>(&store, &id, erased).await.map_err(|it| store.fault(&it))?;
    let join = match erased {
        Amended::Done(it) => it,
        Amended::Refused => {
            return Err(Fault::No(format!(
                "booking {id} is open: its receipt may still be sent. If `booking show {id}` says that \
                 it has ended, use --ended"
            )));
        }
        Amended::Unknown => {
            return Err(Fault::No(format!("receipt knows nothing of booking {id}")));
        }
    };
    store.forget_what_was_written_over()?;
    let receipts = wiring::receipts_folder(&args.data.folder);
    let mut removed = Vec::new();
    for mail in [join.receipt(&id), join.void(&id)].into_iter().flatten() {
        let gone = folder::remove(&receipts, &mail.number).map_err(|it| {
            Fault::Config(format!("cannot remove a receipt from {}: {it}", receipts.display()))
        })?;
        removed.extend(Some(mail.number).filter(|_| gone));
    }
    let many = join.requests.len();
    progress.out(&format!(
        "erased name and address of booking {id}: {many} request{}",
        if many == 1 { "" } else { "s" }
    ))?;
    for number in removed {
        progress.out(&format!("removed receipt {number}"))?;
    }
    // A mail that is claimed and not settled may be on its way. If the passenger was erased before,
    // none is sent any more.
    let first = first.into_inner();
    let is_void = first && join.void(&id).is_some() && !join.void_sent;
    if matches!(join.issued, Issued::Issuing { .. }) || is_void {
        progress
            .say("its receipt may be on its way just now: run this command again in a minute")?;
    }
    Ok(())
}
