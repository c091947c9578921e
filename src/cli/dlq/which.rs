//! The arguments that choose dead letters, and the queues of a role. Must decode no more of a
//! message than it takes to choose it.

use clap::Args;

use crate::{
    aws::Clients,
    cli::{arguments::booking_id, progress::Progress, roles::Roles},
    config::{AwsArgs, DeliveryArgs},
    dead_letters::{
        Dead, DeadLetters,
        why::{self, Case},
    },
    domain::RoleName,
    fault::Fault,
    metrics::RequestCount,
    wire::Intake,
    wiring::{aws_fault, intake, names},
};

/// The default of `--limit`.
pub(super) const LIMIT: u16 = 100;
/// The largest `--limit`.
const LIMIT_MAX: i64 = 1000;
/// The fewest letters of a message id that are enough to choose it.
const ID_LETTERS_MIN: usize = 4;

/// The arguments that choose messages.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Role of the dead letters: seats, payment, receipt or status; several with commas, or all
    #[arg(value_name = "ROLE")]
    pub(super) roles: Roles,
    /// Only messages about this booking
    #[arg(long, value_name = "ID")]
    pub(super) booking: Option<String>,
    /// Only the message with this SQS id; the first characters suffice, as ls prints them
    #[arg(long, value_name = "ID", value_parser = message, conflicts_with = "booking")]
    pub(super) message: Option<String>,
    /// Only messages of this class, which ls prints before the reason: malformed, conflict, …
    #[arg(long, value_name = "CLASS", value_parser = class)]
    pub(super) class: Option<String>,
    #[command(flatten)]
    pub(super) aws: AwsArgs,
    #[command(flatten)]
    pub(super) delivery: DeliveryArgs,
}

/// The argument that bounds the number of messages.
#[derive(Debug, Args)]
pub(super) struct Limit {
    /// The most messages to look at on each queue. With --booking, --message or --class: the most
    /// to find
    #[arg(long, value_name = "N", default_value_t = LIMIT,
          value_parser = clap::value_parser!(u16).range(1..=LIMIT_MAX))]
    pub(super) limit: u16,
}

pub(super) fn message(text: &str) -> Result<String, &'static str> {
    let known = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
    if text.len() >= ID_LETTERS_MIN && text.bytes().all(known) {
        Ok(text.to_owned())
    } else {
        Err("expected an SQS message id, or at least its first 4 letters")
    }
}

pub(super) fn class(text: &str) -> Result<String, &'static str> {
    if !text.is_empty() && text.bytes().all(|it| it.is_ascii_lowercase() || it == b'-') {
        Ok(text.to_owned())
    } else {
        Err("expected a class as ls prints it, such as malformed or retries-exhausted")
    }
}

/// The dead-letter queues of one role, and what is needed to say why a message is there.
pub(super) struct RoleDeadLetters {
    pub(super) letters: DeadLetters,
    /// After how many receives SQS moves a message to the dead-letter queue.
    pub(super) receives_max: Option<u64>,
    pub(super) intake: Intake,
}

impl Which {
    pub(super) async fn desk(&self, role: RoleName) -> Result<RoleDeadLetters, Fault> {
        // Not parsed by clap, which repeats a value that it refuses.
        self.booking.as_deref().map(booking_id).transpose()?;
        let clients = Clients::load(RequestCount::default()).await.map_err(aws_fault)?;
        let names = names(&self.aws.prefix, self.delivery.events)?;
        let letters = DeadLetters::connect(&clients, &names, role).await.map_err(aws_fault)?;
        let receives_max = letters.receives_max().await;
        let home = letters.home().await.map_err(aws_fault)?;
        let intake = intake(self.delivery, &home, &names)?;
        Ok(RoleDeadLetters { letters, receives_max, intake })
    }

    /// Whether the arguments choose some of the messages, and not all.
    pub(super) fn chooses(&self) -> bool {
        self.booking.is_some() || self.message.is_some() || self.class.is_some()
    }

    /// The message, decoded as its role would decode it; `None` if the arguments do not choose it.
    /// Decodes a body only if the id and the class do not rule the message out.
    pub(super) fn wanted(&self, desk: &RoleDeadLetters, dead: Dead) -> Option<Case> {
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

    /// The line to print if there is no such message.
    pub(super) fn none(&self, role: RoleName, beyond: &str) -> String {
        let class = self.class.as_ref().map(|it| format!(" of class {it}"));
        let about = match (&self.booking, &self.message) {
            (Some(it), _) => format!(" about booking {it}"),
            (None, Some(it)) => format!(" with the id {it}"),
            (None, None) => String::new(),
        };
        format!("no dead letters of {role}{}{about}{beyond}", class.unwrap_or_default())
    }

    /// The result for a role without such a message: a failure only if this is the only role and
    /// the arguments choose messages.
    pub(super) fn nothing(
        &self,
        role: RoleName,
        beyond: &str,
        progress: &Progress,
    ) -> Result<(), Fault> {
        let said = self.none(role, beyond);
        if self.chooses() && self.roles.count() == 1 {
            return Err(Fault::No(said));
        }
        progress.out(&said)
    }

    /// The result for all roles together: a failure if the arguments choose messages and there are
    /// none.
    pub(super) fn verdict(&self, found: usize) -> Result<(), Fault> {
        if found == 0 && self.chooses() { Err(Fault::No(String::new())) } else { Ok(()) }
    }
}

/// `3f2a9c01  booking-requested  b-1`
pub(super) fn about(case: &Case) -> String {
    let id = short(&case.dead.delivery.message_id);
    format!("{id}  {:<17}  {}", case.kind(), case.booking())
}

/// The first characters of a message id, which tell it from others.
pub(super) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

pub(super) fn count(messages: usize) -> String {
    format!("{messages} {}", if messages == 1 { "message" } else { "messages" })
}
