//! `booking dlq`: what died, why, and back to the queue. Looks without taking, shows without telling
//! secrets, and puts back without losing: a message is sent before it is deleted.

mod list;
mod mask;
mod rehearsal;
mod show;
mod why;
mod words;

use clap::{Args, Subcommand};

use self::{list::LsArgs, rehearsal::RulesArgs, show::ShowArgs, why::Case, words::Forecast};
use super::{
    Fault,
    config::{AwsArgs, RawArgs},
    healthcheck::role,
    out,
    show::booking_id,
};
use crate::{
    bus::{
        aws::{Clients, Dead, DeadLetters, Found, Names},
        wire::Intake,
    },
    domain::RoleName,
    metrics::RequestCount,
    wiring::aws_fault,
};

/// The most messages of each queue, unless it is said.
const LIMIT: u16 = 100;

/// What a role makes of a canary.
const CANARY: &str =
    "a canary of `booking check`: its role tells status, if its key says so, and forgets it";

const EXAMPLE: &str = "\
What to type, in this order:
  booking dlq ls seats                              what died, and why
  booking dlq show seats --booking ID               everything about it, secrets masked
  booking dlq redrive seats --booking ID --dry-run  what putting it back would do
  booking dlq redrive seats --booking ID            put it back";

/// `booking dlq`
#[derive(Debug, Subcommand)]
#[command(after_long_help = EXAMPLE)]
pub enum DlqCommand {
    /// List what died, the oldest first: a line a message, and a total
    ///
    /// Looks without taking: every message is visible again at once. Looking counts as a receive,
    /// and hides a message for a moment, which an alarm may see. Age is SQS's own: since the message
    /// was sent to this queue, or to the role's queue if SQS moved it from there.
    Ls(LsArgs),
    /// Show everything of what died, the oldest first: why, attributes, and the body
    ///
    /// Looks without taking, as ls does. A value is shown only under a name that is known to hold no
    /// secret; all others are ***, e-mail addresses a***@e***.com. A body that is no JSON is told by
    /// its length and by where it stops being JSON.
    Show(ShowArgs),
    /// Put what died back on the role's queue, as it is, and delete it from the dead-letter queue
    ///
    /// Sends first and deletes afterwards: dying in between leaves a message on both, and the role
    /// drops what it dealt with already. Asks nothing. Without --booking or --message all go back;
    /// what can still not be read is set aside again by the role. With --dry-run nothing is sent,
    /// deleted or written: each message is given to the role's rules over its stored rows as they
    /// stand now, and what would happen is printed; then exit code 1 says that one would come back.
    Redrive(RedriveArgs),
}

/// Which messages.
#[derive(Debug, Args)]
struct Which {
    /// Whose dead letters: seats, payment, receipt or status
    #[arg(value_parser = role)]
    role: RoleName,
    /// Only those about this booking
    #[arg(long, value_name = "ID")]
    booking: Option<String>,
    /// Only the message with this SQS id, or whose id begins so, as ls prints it
    #[arg(long, value_name = "ID", value_parser = message, conflicts_with = "booking")]
    message: Option<String>,
    /// Look at no more than so many messages of each queue
    #[arg(long, value_name = "N", default_value_t = LIMIT,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    raw: RawArgs,
}

/// `booking dlq redrive`
#[derive(Debug, Args)]
pub struct RedriveArgs {
    #[command(flatten)]
    which: Which,
    /// Only say what would happen; run it where the role's data is, or with --store dynamodb
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    rules: RulesArgs,
}

fn message(text: &str) -> Result<String, &'static str> {
    let known = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
    if text.len() >= 4 && text.bytes().all(known) {
        Ok(text.to_owned())
    } else {
        Err("expected an SQS message id, or at least its first 4 letters")
    }
}

/// Does what is asked of the dead letters.
pub(super) async fn run(command: DlqCommand) -> Result<(), Fault> {
    match command {
        DlqCommand::Ls(args) => list::run(args).await,
        DlqCommand::Show(args) => show::run(args).await,
        DlqCommand::Redrive(args) if args.dry_run => dry_run(args).await,
        DlqCommand::Redrive(args) => redrive(args).await,
    }
}

/// The queues of one role, with what is needed to say why a message is there.
struct Desk {
    letters: DeadLetters,
    receives_max: Option<u64>,
    intake: Intake,
}

/// Those that were asked for.
struct Picked {
    cases: Vec<Case>,
    more: bool,
}

impl Which {
    async fn desk(&self) -> Result<Desk, Fault> {
        // Not read by clap, which repeats what it refuses.
        self.booking.as_deref().map(booking_id).transpose()?;
        let clients = Clients::load(RequestCount::default()).await.map_err(aws_fault)?;
        let names = Names::new(&self.aws.prefix);
        let letters = DeadLetters::connect(&clients, &names, self.role).await.map_err(aws_fault)?;
        let receives_max = letters.receives_max().await;
        let intake = letters.intake(&names, self.raw.raw_delivery).await.map_err(aws_fault)?;
        Ok(Desk { letters, receives_max, intake })
    }

    /// Looks, and picks those that were asked for.
    async fn look(&self, desk: &Desk) -> Result<Picked, Fault> {
        let found = desk.letters.look(self.limit.into()).await.map_err(|it| Fault::bus(&it))?;
        let more = found.more;
        Ok(Picked { cases: self.pick(desk, found).0, more })
    }

    /// Those that were asked for, and the others.
    fn pick(&self, desk: &Desk, found: Found) -> (Vec<Case>, Vec<Dead>) {
        let case = |it| Case::new(it, &desk.intake, desk.receives_max);
        let cases = found.messages.into_iter().map(case);
        let (wanted, others): (Vec<Case>, Vec<Case>) = cases.partition(|it| self.wants(it));
        (wanted, others.into_iter().map(|it| it.dead).collect())
    }

    fn wants(&self, case: &Case) -> bool {
        let booking = self.booking.as_ref();
        let booking =
            booking.is_none_or(|it| case.booking.as_ref().is_some_and(|own| own.as_str() == it));
        let id = &case.dead.delivery.message_id;
        booking && self.message.as_ref().is_none_or(|it| id.starts_with(it.as_str()))
    }

    /// What to say when there is none.
    fn none(&self) -> String {
        let about = match (&self.booking, &self.message) {
            (Some(it), _) => format!(" about booking {it}"),
            (None, Some(it)) => format!(" with the id {it}"),
            (None, None) => String::new(),
        };
        format!("no dead letters of {}{about}", self.role)
    }

    /// The end of a command that needs a message: no failure when all were asked for.
    fn nothing(&self, more: bool) -> Result<(), Fault> {
        let said = format!("{}{}", self.none(), self.beyond(more));
        if self.booking.is_some() || self.message.is_some() {
            return Err(Fault::No(said));
        }
        out(&said)
    }

    /// That the limit was reached.
    fn beyond(&self, more: bool) -> String {
        match more {
            true => format!("; there may be more than the {} looked at (--limit)", self.limit),
            false => String::new(),
        }
    }
}

/// Puts them back, one after the other.
async fn redrive(args: RedriveArgs) -> Result<(), Fault> {
    let which = &args.which;
    let desk = which.desk().await?;
    let queue = desk.letters.role_queue().await.map_err(aws_fault)?;
    let found = desk.letters.take(which.limit.into()).await.map_err(|it| Fault::bus(&it))?;
    let more = found.more;
    let (cases, others) = which.pick(&desk, found);
    desk.letters.give_back(&others).await;
    if cases.is_empty() {
        return which.nothing(more);
    }
    for (at, case) in cases.iter().enumerate() {
        if let Err(error) = desk.letters.redrive(&case.dead, &queue).await {
            let left: Vec<Dead> = cases[at..].iter().map(|it| it.dead.clone()).collect();
            desk.letters.give_back(&left).await;
            out(&format!("{at} put back, {} left", left.len()))?;
            return Err(Fault::bus(&error));
        }
        let again = match &case.read {
            Ok(_) => String::new(),
            Err(_) if case.canary => format!("; {CANARY}"),
            Err(refusal) => format!("; it will be set aside again: {refusal}"),
        };
        out(&format!("put back  {}  (was {}){again}", about(case), case.why.class))?;
    }
    let beyond = which.beyond(more);
    out(&format!("{} put back on {}{beyond}", count(cases.len()), queue.name()))
}

/// Says what would happen. Reads queue and store, and changes neither.
async fn dry_run(args: RedriveArgs) -> Result<(), Fault> {
    let which = &args.which;
    let rehearsal = args.rules.rehearsal(which.role, &which.aws.prefix).await?;
    let desk = which.desk().await?;
    let picked = which.look(&desk).await?;
    if picked.cases.is_empty() {
        return which.nothing(picked.more);
    }
    let mut poison = 0;
    for case in &picked.cases {
        let forecast = match &case.read {
            Ok(event) => rehearsal.of(event).await?,
            Err(_) if case.canary => Forecast::NoOp(CANARY.to_owned()),
            Err(refusal) => Forecast::StillPoison(refusal.to_string()),
        };
        poison += usize::from(matches!(forecast, Forecast::StillPoison(_)));
        out(&format!("{}  {forecast}", about(case)))?;
    }
    let beyond = which.beyond(picked.more);
    let total = picked.cases.len();
    out(&format!("{}, {poison} still poison; dry run: nothing was changed{beyond}", count(total)))?;
    if poison > 0 { Err(Fault::No(String::new())) } else { Ok(()) }
}

/// `3f2a9c01  booking-requested  b-1`
fn about(case: &Case) -> String {
    format!("{}  {:<17}  {}", short(case), case.kind(), case.booking())
}

/// As much of a message's id as tells it from others.
fn short(case: &Case) -> &str {
    let id = &case.dead.delivery.message_id;
    id.get(..8).unwrap_or(id)
}

fn count(messages: usize) -> String {
    format!("{messages} {}", if messages == 1 { "message" } else { "messages" })
}
