//! The command line, which is also the manual.

mod answer;
mod check;
mod demo;
mod dlq;
mod erase;
mod healthcheck;
mod init;
mod request;
mod resend;
mod roles;
mod show;
mod terminal;
mod timeline;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    config::{self, PaymentArgs, ReceiptArgs, SeatsArgs, StatusArgs},
    fault::Fault,
    telemetry::{self, LogFormat},
    topics, wiring,
};

pub use self::terminal::complain;
use self::terminal::{print as out, print_json as out_json, say};

const EXIT_CODES: &str = "\
Exit codes:
  0   done, and the answer is good
  1   done, and the answer is no: a booking did not complete or is unknown, an invariant is broken,
      the account is not as topics/ says
  2   the command line makes no sense
  70  a bug or a damaged file
  75  something cannot be reached just now: try again
  78  a setting, a folder, a port or the AWS account has to be mended first
  130 interrupted by a second signal

Every flag can also be set by the environment variable that its help names. AWS credentials, region
and endpoints are the AWS SDK's own settings: AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, …";

/// Airline seat booking by four choreographed services over SNS and SQS
///
/// `seats`, `payment`, `receipt` and `status` each run one service: it works from its own SQS queue
/// and says what happened on SNS topics. No service calls another. `demo` shows all four in one
/// process, without AWS.
#[derive(Debug, Parser)]
#[command(name = "booking", version, max_term_width = 100, after_long_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub command: Command,

    /// How log lines look; they go to stderr, RUST_LOG chooses among them
    #[arg(long, env = "BOOKING_LOG_FORMAT", global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service that books the seats
    ///
    /// Holds the seats of a request, all or none. A payment confirms them, a failed payment frees
    /// them. An unpaid hold older than --hold-limit goes to the next booking that wants the seat.
    Seats(SeatsArgs),
    /// Run the service that takes the money
    ///
    /// Charges each request once, and gives the money back when there is no seat.
    Payment(PaymentArgs),
    /// Run the service that sends the receipt
    ///
    /// Waits for the request, the seats and the payment, in any order, and sends one receipt.
    Receipt(ReceiptArgs),
    /// Run the service that says how a booking stands
    ///
    /// Listens to every topic and answers over HTTP: GET /bookings/{id}, GET /bookings.
    Status(StatusArgs),
    /// Show bookings going through all four services, in this process, without AWS
    ///
    /// Runs a seeded mix of bookings that succeed, are declined, find no seat or compete for one,
    /// over an in-memory bus that duplicates and reorders messages, with the real services and
    /// stores. Ends with a check of everything that must never happen.
    Demo(demo::DemoArgs),
    /// Say that this is a beginning: make the stores of the four roles, or of one
    ///
    /// Nothing else makes them: a service that finds no store of its own does not start, since a
    /// store that is lost must not read as one that is empty. With --store dynamodb it marks the
    /// tables that terraform/ made, and keeps the rows of a version that knew no marks; the role's
    /// own rights are enough. Never touches what is there: exit code 1 says that it has begun
    /// already.
    Init(init::InitArgs),
    /// Publish a booking request
    Request(request::RequestArgs),
    /// Show how a booking stands: its timeline, and for an open one what it waits for
    Show(show::ShowArgs),
    /// List bookings
    List(show::ListArgs),
    /// Print the choreography: who says what, and who listens
    Topics(TopicsArgs),
    /// Compare the live account with topics/, and say what is wrong, what it breaks, how to mend it
    ///
    /// Reads and changes nothing: topics, subscriptions, queues and their policies, where dead
    /// letters go and how long they are kept. Exit code 1 says that something was found. With
    /// --canary a marked event is sent through every subscription as well.
    Check(check::CheckArgs),
    /// Announce kept decisions again, for bookings whose messages died
    ///
    /// Publishes what the role's store says was decided, with the same ids; who heard it before
    /// drops it. For receipt the receipt is sent again too, under its number. Run it where the
    /// role's data is, or with --store dynamodb. Many at once: `resend all - < ids`, a line a
    /// booking and role; one that cannot be announced holds up no other, and the exit code says so.
    Resend(resend::ResendArgs),
    /// Erase a passenger's name and address from a booking that has ended
    ///
    /// Receipt is the only service that keeps them, for the receipt; its file goes as well. What
    /// was decided, charged and announced stays. Run it where receipt's data is, or with --store
    /// dynamodb and receipt's rights.
    Erase(erase::EraseArgs),
    /// Messages that died: list them, say why, put them back, or delete them
    ///
    /// Each role has two dead-letter queues. `dlq` has what the role set aside because it can never
    /// be dealt with, and what SQS moved there after too many receives. `undelivered` has what SNS
    /// could not deliver to the role's queue. Card numbers, addresses, names and tokens are masked.
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// Ask a service on this machine whether its poll loop lives: a container probe
    Healthcheck(healthcheck::HealthcheckArgs),
}

/// `booking topics`
#[derive(Debug, Args)]
pub struct TopicsArgs {
    /// As what to print it
    #[arg(long, value_enum, default_value_t = TopicsFormat::Table)]
    pub format: TopicsFormat,
}

/// As what to print the choreography.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TopicsFormat {
    /// A Markdown table
    Table,
    /// A Mermaid flowchart
    Mermaid,
    /// The files of topics/, with schemas and examples
    Json,
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// With what to print and the exit code.
    pub async fn run(self) -> Result<(), Fault> {
        if matches!(
            self.command,
            Command::Seats(_) | Command::Payment(_) | Command::Receipt(_) | Command::Status(_)
        ) {
            telemetry::start(self.log_format);
        }
        match self.command {
            Command::Seats(args) => wiring::run_seats(args).await,
            Command::Payment(args) => wiring::run_payment(args).await,
            Command::Receipt(args) => wiring::run_receipt(args).await,
            Command::Status(args) => wiring::run_status(args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Init(args) => init::run(args).await,
            Command::Request(args) => request::run(args).await,
            Command::Show(args) => show::show(args).await,
            Command::List(args) => show::list(args).await,
            Command::Topics(args) => out(&match args.format {
                TopicsFormat::Table => topics::table(),
                TopicsFormat::Mermaid => topics::mermaid(),
                TopicsFormat::Json => topics::json(),
            }),
            Command::Check(args) => check::run(args).await,
            Command::Erase(args) => erase::run(args).await,
            Command::Resend(args) => resend::run(args).await,
            Command::Dlq(command) => dlq::run(command).await,
            Command::Healthcheck(args) => healthcheck::run(args).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_fake_is_chosen_by_name_never_by_a_missing_setting() {
        for command in ["seats", "payment", "receipt"] {
            assert!(Cli::try_parse_from(["booking", command]).is_err(), "{command}");
        }
    }
}
