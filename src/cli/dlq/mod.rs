//! `booking dlq`: what died, why, and back to the queue or away. Looks without taking, shows
//! without telling secrets, and puts back without losing: a message is sent before it is deleted.

#[cfg(test)]
mod cost_tests;
mod discard;
mod list;
mod mask;
mod page;
mod redrive;
mod rehearsal;
mod show;
mod sweep;
mod walk;
mod why;
mod words;

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use self::{
    discard::DropArgs, list::LsArgs, redrive::RedriveArgs, show::ShowArgs, walk::Walked, why::Case,
};
use super::{
    Fault,
    config::{AwsArgs, RawArgs},
    out,
    roles::Roles,
    say,
    show::booking_id,
};
use crate::{
    bus::aws::{Clients, Dead, DeadLetters, Names},
    domain::RoleName,
    metrics::RequestCount,
    wire::Intake,
    wiring::aws_fault,
};

/// The most messages of each queue, unless it is said.
const LIMIT: u16 = 100;

const EXAMPLE: &str = "\
What to type, in this order:
  booking dlq ls seats                              what died, and why
  booking dlq show seats --booking ID               everything about it, secrets masked
  booking dlq redrive seats --booking ID --dry-run  what putting it back would do
  booking dlq redrive seats --booking ID            put it back

When there are thousands:
  booking dlq drop all --class malformed --dry-run  how many of which class could go
  booking dlq drop all --class malformed            delete those of one class, for good
  booking dlq redrive seats --all                   put back all the others, by tens

ROLE is seats, payment, receipt or status, several of them with commas, or all. --booking, --message
and --class look through the whole queue, however long it is. Whatever is looked at is hidden until
the command ends; if it is killed, for three minutes at most. Interrupted, it gives everything back.";

/// `booking dlq`
#[derive(Debug, Subcommand)]
#[command(after_long_help = EXAMPLE)]
pub enum DlqCommand {
    /// List what died, the oldest first: a line a message, and a total
    ///
    /// Looks without taking: every message is visible again when it ends. Looking counts as a
    /// receive, and hides a message for a moment, which an alarm may see. Age is SQS's own: since
    /// the message was sent to this queue, or to the role's queue if SQS moved it from there.
    Ls(LsArgs),
    /// Show everything of what died, the oldest first: why, attributes, and the body
    ///
    /// Looks without taking, as ls does. A value is shown only under a name that is known to hold
    /// no secret; all others are ***, e-mail addresses a***@e***.com. A body that is no JSON is
    /// told by its length and by where it stops being JSON.
    Show(ShowArgs),
    /// Put what died back on the role's queue, as it is, and delete it from the dead-letter queue
    ///
    /// Sends first and deletes afterwards, ten at a time: dying in between leaves messages on both
    /// queues, and the role drops what it dealt with already. Run it again to go on. Asks nothing.
    /// Without --booking, --message or --class all go back, up to --limit or, with --all, however
    /// many; what died after it began is left. What can still not be read is set aside again by the
    /// role. With --dry-run nothing is sent, deleted or written: each message is given to the
    /// role's rules over its stored rows as they stand now, and what would happen is printed; then
    /// exit code 1 says that one would come back.
    Redrive(RedriveArgs),
    /// Delete what died, for good: what a hostile client made, and nobody will ever want
    ///
    /// Nothing brings it back. Says which with --class, --booking or --message, or --all. What died
    /// after it began is left. With --dry-run it counts by class, and deletes nothing.
    Drop(DropArgs),
}

/// Which messages.
#[derive(Debug, Args)]
struct Which {
    /// Whose dead letters: seats, payment, receipt or status, several with commas, or all
    #[arg(value_name = "ROLE")]
    roles: Roles,
    /// Only those about this booking
    #[arg(long, value_name = "ID")]
    booking: Option<String>,
    /// Only the message with this SQS id, or whose id begins so, as ls prints it
    #[arg(long, value_name = "ID", value_parser = message, conflicts_with = "booking")]
    message: Option<String>,
    /// Only those that died of this, as ls prints it before the reason: malformed, conflict, …
    #[arg(long, value_name = "CLASS", value_parser = class)]
    class: Option<String>,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    raw: RawArgs,
}

/// How many.
#[derive(Debug, Args)]
struct Limit {
    /// No more than so many: looked at of each queue, or found when it is said which
    #[arg(long, value_name = "N", default_value_t = LIMIT,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

fn message(text: &str) -> Result<String, &'static str> {
    let known = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
    if text.len() >= 4 && text.bytes().all(known) {
        Ok(text.to_owned())
    } else {
        Err("expected an SQS message id, or at least its first 4 letters")
    }
}

fn class(text: &str) -> Result<String, &'static str> {
    if !text.is_empty() && text.bytes().all(|it| it.is_ascii_lowercase() || it == b'-') {
        Ok(text.to_owned())
    } else {
        Err("expected a class as ls prints it, such as malformed or retries-exhausted")
    }
}

/// Does what is asked of the dead letters. Interrupted, it ends what it has in hand and gives back
/// what it hid; interrupted again, it ends at once.
pub(super) async fn run(command: DlqCommand) -> Result<(), Fault> {
    let stop = CancellationToken::new();
    let work = async {
        match command {
            DlqCommand::Ls(args) => list::run(args, &stop).await,
            DlqCommand::Show(args) => show::run(args, &stop).await,
            DlqCommand::Redrive(args) => redrive::run(args, &stop).await,
            DlqCommand::Drop(args) => discard::run(args, &stop).await,
        }
    };
    tokio::pin!(work);
    tokio::select! {
        biased;
        ended = &mut work => return ended,
        Ok(()) = tokio::signal::ctrl_c() => stop.cancel(),
    }
    say("stopping: what was hidden is given back")?;
    tokio::select! {
        biased;
        ended = &mut work => ended,
        Ok(()) = tokio::signal::ctrl_c() => Err(Fault::Interrupted),
    }
}

/// The queues of one role, with what is needed to say why a message is there.
struct Desk {
    letters: DeadLetters,
    receives_max: Option<u64>,
    intake: Intake,
}

impl Which {
    async fn desk(&self, role: RoleName) -> Result<Desk, Fault> {
        // Not read by clap, which repeats what it refuses.
        self.booking.as_deref().map(booking_id).transpose()?;
        let clients = Clients::load(RequestCount::default()).await.map_err(aws_fault)?;
        let names = Names::new(&self.aws.prefix);
        let letters = DeadLetters::connect(&clients, &names, role).await.map_err(aws_fault)?;
        let receives_max = letters.receives_max().await;
        let intake = letters.intake(&names, self.raw.raw_delivery).await.map_err(aws_fault)?;
        Ok(Desk { letters, receives_max, intake })
    }

    /// Whether it is said which.
    fn chooses(&self) -> bool {
        self.booking.is_some() || self.message.is_some() || self.class.is_some()
    }

    /// The message, read as its role would read it, if it was asked for. Reads no further than it
    /// has to.
    fn wanted(&self, desk: &Desk, dead: Dead) -> Option<Case> {
        let id = &dead.delivery.message_id;
        if self.message.as_ref().is_some_and(|it| !id.starts_with(it.as_str())) {
            return None;
        }
        let why = why::why(&dead, desk.receives_max);
        if self.class.as_ref().is_some_and(|it| *it != why.class) {
            return None;
        }
        let case = Case::new(dead, why, &desk.intake);
        let about =
            |it: &String| case.booking.as_ref().is_some_and(|own| own.as_str() == it.as_str());
        self.booking.as_ref().is_none_or(about).then_some(case)
    }

    /// What to say when there is none.
    fn none(&self, role: RoleName, beyond: &str) -> String {
        let class = self.class.as_ref().map(|it| format!(" of class {it}"));
        let about = match (&self.booking, &self.message) {
            (Some(it), _) => format!(" about booking {it}"),
            (None, Some(it)) => format!(" with the id {it}"),
            (None, None) => String::new(),
        };
        format!("no dead letters of {role}{}{about}{beyond}", class.unwrap_or_default())
    }

    /// The end of one role's turn without a message: no failure when all were asked for, nor when
    /// there are other roles.
    fn nothing(&self, role: RoleName, beyond: &str) -> Result<(), Fault> {
        let said = self.none(role, beyond);
        if self.chooses() && self.roles.count() == 1 {
            return Err(Fault::No(said));
        }
        out(&said)
    }

    /// The end of all turns: whether there was what was asked for.
    fn verdict(&self, found: usize) -> Result<(), Fault> {
        if found == 0 && self.chooses() { Err(Fault::No(String::new())) } else { Ok(()) }
    }
}

/// `3f2a9c01  booking-requested  b-1`
fn about(case: &Case) -> String {
    let id = short(&case.dead.delivery.message_id);
    format!("{id}  {:<17}  {}", case.kind(), case.booking())
}

/// As much of a message's id as tells it from others.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

fn count(messages: usize) -> String {
    format!("{messages} {}", if messages == 1 { "message" } else { "messages" })
}
