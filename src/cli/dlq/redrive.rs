//! `booking dlq redrive`: puts dead letters back on the role's queue, or says what that would do.
//! A message must be on one of the two queues at any moment.

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{
    rehearsal::{CANARY, RulesArgs},
    sweep::Act,
    walk,
    which::{Limit, Which, about, count},
};
use crate::{
    cli::progress::Progress,
    dead_letters::{why::Case, words::Forecast},
    fault::Fault,
    wiring::aws_fault,
};

/// `booking dlq redrive`
#[derive(Debug, Args)]
pub struct RedriveArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    limit: Limit,
    /// All messages, however many; prints a total instead of a line for each
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Only print what would happen. Run it where the role's data is, or with --store dynamodb
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    rules: RulesArgs,
}

impl RedriveArgs {
    fn limit(&self) -> Option<usize> {
        (!self.all).then_some(self.limit.limit.into())
    }
}

/// Puts the dead letters back, or says what that would do.
pub(super) async fn run(
    args: RedriveArgs,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<(), Fault> {
    if args.dry_run {
        dry_run(args, stop, progress).await
    } else {
        put_back(args, stop, progress).await
    }
}

async fn put_back(
    args: RedriveArgs,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<(), Fault> {
    let which = &args.which;
    let line = |case: &Case| (!args.all).then(|| line(case));
    let mut found = 0;
    for role in which.roles.iter() {
        let desk = which.desk(role).await?;
        let queue = desk.letters.role_queue().await.map_err(aws_fault)?;
        let act = Act::PutBack(queue.clone());
        let swept = which.sweep(&desk, act, args.limit(), stop, progress, line).await?;
        if swept.found() == 0 && swept.error.is_none() && !swept.stopped {
            which.nothing(role, &swept.beyond(), progress)?;
            continue;
        }
        found += swept.found();
        let classes = if args.all { swept.by_class() } else { String::new() };
        let (done, beyond) = (count(swept.done()), swept.beyond());
        progress.out(&format!("{done} put back on {}{classes}{beyond}", queue.name()))?;
        if let Some(error) = &swept.error {
            return Err(Fault::bus(error));
        }
        if swept.stopped {
            return Err(walk::stopped());
        }
    }
    which.verdict(found)
}

fn line(case: &Case) -> String {
    let again = match &case.read {
        Ok(_) => String::new(),
        Err(_) if case.canary => format!("; {CANARY}"),
        Err(refusal) => format!("; it will be set aside again: {refusal}"),
    };
    format!("put back  {}  (was {}){again}", about(case), case.why.class)
}

/// Prints what would happen. Reads the queues and the store, and changes neither.
async fn dry_run(
    args: RedriveArgs,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<(), Fault> {
    let which = &args.which;
    let (mut found, mut poison) = (0, 0);
    for role in which.roles.iter() {
        let rehearsal = args.rules.rehearsal(role, &which.aws.prefix).await?;
        let desk = which.desk(role).await?;
        let mut still = 0;
        let each = async |case: Case| {
            let forecast = rehearsal.of(&case).await?;
            still += usize::from(matches!(forecast, Forecast::StillPoison(_)));
            progress.out(&format!("{}  {forecast}", about(&case)))
        };
        let walked = which.walk(&desk, args.limit(), stop, progress, each).await?;
        if walked.found == 0 {
            which.nothing(role, &walked.beyond(), progress)?;
            continue;
        }
        found += walked.found;
        poison += still;
        let (total, beyond) = (count(walked.found), walked.beyond());
        progress.out(&format!(
            "{role}: {total}, {still} still poison; dry run: nothing was changed{beyond}"
        ))?;
    }
    which.verdict(found)?;
    if poison > 0 { Err(Fault::No(String::new())) } else { Ok(()) }
}
