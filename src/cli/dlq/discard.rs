//! `booking dlq drop`: deletes dead letters for good. It must never delete a message that the
//! operator has not chosen.

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{
    sweep::Act,
    walk,
    which::{Which, count},
};
use crate::{cli::progress::Progress, fault::Fault};

/// `booking dlq drop`
#[derive(Debug, Args)]
pub struct DropArgs {
    #[command(flatten)]
    which: Which,
    /// All dead letters of the role
    #[arg(long, conflicts_with_all = ["booking", "message", "class"])]
    all: bool,
    /// Only count what would be deleted
    #[arg(long)]
    dry_run: bool,
}

/// Deletes the dead letters, or counts them.
pub(super) async fn run(
    args: DropArgs,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<(), Fault> {
    let which = &args.which;
    if !which.chooses() && !args.all {
        let said = "choose what to delete with --class, --booking or --message; or --all";
        return Err(Fault::Usage(said.to_owned()));
    }
    let act = if args.dry_run { Act::Count } else { Act::Delete };
    let mut found = 0;
    for role in which.roles.iter() {
        let desk = which.desk(role).await?;
        let swept = which.sweep(&desk, act.clone(), None, stop, progress, |_| None).await?;
        if swept.found() == 0 && swept.error.is_none() && !swept.stopped {
            which.nothing(role, &swept.beyond(), progress)?;
            continue;
        }
        found += swept.found();
        let did = if args.dry_run { "would be deleted" } else { "deleted" };
        let (done, classes) = (count(swept.done()), swept.by_class());
        progress.out(&format!("{role}: {done} {did}{classes}{}", swept.beyond()))?;
        if let Some(error) = &swept.error {
            return Err(Fault::bus(error));
        }
        if swept.stopped {
            return Err(walk::stopped());
        }
    }
    if args.dry_run {
        progress.out("dry run: nothing was changed")?;
    }
    which.verdict(found)
}
