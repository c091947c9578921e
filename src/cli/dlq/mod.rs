//! `booking dlq`: lists, explains, puts back and deletes dead letters. Looking must never remove a
//! message, showing must never print a secret, and putting back must never lose a message: it is
//! sent before it is deleted.

#[cfg(test)]
mod cost_tests;
mod discard;
mod list;
mod redrive;
pub(super) mod rehearsal;
mod show;
mod sweep;
mod walk;
mod which;

use clap::Subcommand;
use tokio_util::sync::CancellationToken;

use self::{discard::DropArgs, list::LsArgs, redrive::RedriveArgs, show::ShowArgs};
use crate::{cli::progress::Progress, fault::Fault};

const EXAMPLE: &str = "\
What to type, in this order:
  booking dlq ls seats                              list the dead letters, each with its reason
  booking dlq show seats --booking ID               show one in full, with its secrets masked
  booking dlq redrive seats --booking ID --dry-run  say what putting it back would do
  booking dlq redrive seats --booking ID            put it back

When there are thousands:
  booking dlq drop all --class malformed --dry-run  count the messages of one class
  booking dlq drop all --class malformed            delete them for good
  booking dlq redrive seats --all                   put back all the others, ten at a time

ROLE is seats, payment, receipt or status, several of them with commas, or all. --booking, --message
and --class search the whole queue, however long it is. A message that was looked at is hidden until
the command ends, even if you interrupt it; if it is killed, for three minutes at most.";

/// `booking dlq`
#[derive(Debug, Subcommand)]
#[command(after_long_help = EXAMPLE)]
pub enum DlqCommand {
    /// List dead letters, the oldest first: one line for each message, and a total
    ///
    /// The messages stay where they are. Looking at a message counts as a receive and hides it
    /// until the command ends, which an alarm may notice. The age is that of SQS: the time since
    /// the message was sent to this queue or, if SQS moved it here, to the role's queue.
    Ls(LsArgs),
    /// Show dead letters in full, the oldest first: the reason, the attributes and the body
    ///
    /// The messages stay where they are, as with ls. A value is shown only under a name that is
    /// known to hold no secret. Any other value is printed as ***, and an e-mail address as
    /// a***@e***.com. Of a body that is no JSON, the command prints only its length and the place
    /// where it stops being JSON.
    Show(ShowArgs),
    /// Put dead letters back on the role's queue, and delete them from the dead-letter queue
    ///
    /// Messages are put back unchanged. They are first sent and then deleted, ten at a time. If the
    /// command dies in between, messages are on both queues, and the role drops those that it has
    /// dealt with already. Run the command again to continue. It asks for no confirmation.
    ///
    /// Without --booking, --message or --class, all messages go back: at most --limit, or every one
    /// with --all. A message that became a dead letter after the command began is left. A message
    /// that the role still cannot read is set aside again.
    ///
    /// With --dry-run, nothing is sent, deleted or written. The command applies the role's rules to
    /// each message and to the rows that are stored now, and prints what would happen. Exit code 1
    /// then says that a message would come back.
    Redrive(RedriveArgs),
    /// Delete dead letters for good, such as those that a hostile client made
    ///
    /// Nothing brings them back. Choose the messages with --class, --booking or --message, or take
    /// --all. A message that became a dead letter after the command began is left. With --dry-run,
    /// the command counts the messages by class and deletes nothing.
    Drop(DropArgs),
}

impl DlqCommand {
    /// Whether it prints JSON.
    fn json(&self) -> bool {
        match self {
            DlqCommand::Ls(args) => args.json,
            DlqCommand::Show(_) | DlqCommand::Redrive(_) | DlqCommand::Drop(_) => false,
        }
    }
}

/// Runs a `dlq` command. A first interrupt lets it finish the requests in flight and make hidden
/// messages visible again; a second one ends it at once.
pub(super) async fn run(command: DlqCommand) -> Result<(), Fault> {
    let stop = CancellationToken::new();
    let progress = Progress::new("dead letters", command.json());
    let work = progress.during(async {
        match command {
            DlqCommand::Ls(args) => list::run(args, &stop, &progress).await,
            DlqCommand::Show(args) => show::run(args, &stop, &progress).await,
            DlqCommand::Redrive(args) => redrive::run(args, &stop, &progress).await,
            DlqCommand::Drop(args) => discard::run(args, &stop, &progress).await,
        }
    });
    tokio::pin!(work);
    tokio::select! {
        biased;
        ended = &mut work => return ended,
        Ok(()) = tokio::signal::ctrl_c() => stop.cancel(),
    }
    progress.say("stopping: what was hidden is given back")?;
    tokio::select! {
        biased;
        ended = &mut work => ended,
        Ok(()) = tokio::signal::ctrl_c() => Err(Fault::Interrupted),
    }
}
