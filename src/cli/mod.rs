//! The command line, which is also the manual: arguments, printed text and exit codes. No other
//! module may use this one, so a rule that a service needs as well must not be here.

mod arguments;
mod check;
mod demo;
mod dlq;
mod erase;
mod follow;
mod healthcheck;
mod init;
#[cfg(feature = "lambda")]
mod lambda;
mod manual;
mod progress;
mod request;
mod resend;
mod roles;
mod serve;
mod show;
mod status_client;
mod terminal;
mod timeline;
mod top;
mod topics;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    config,
    fault::Fault,
    services::{Compute, payment, receipt, seats, status},
    telemetry::{self, LogFormat},
};

pub use self::terminal::complain;
use self::terminal::{print as out, print_json as out_json, say};

/// `0.2.0 (3c6ce87d0a12, built 2026-11-28)`
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BOOKING_ORIGIN"), ")");

const EXIT_CODES: &str = "\
Exit codes:
  0   done, and the answer is good
  1   done, and the answer is no: a booking did not complete or is unknown, an invariant is broken,
      the account is not as topics/ says, a change of the contracts breaks somebody
  2   the command line makes no sense
  70  a bug or a damaged file
  75  something cannot be reached just now: try again
  78  a setting, a folder, a port or the AWS account has to be mended first
  130 interrupted by a second signal

A flag whose help names an environment variable can also be set by it. AWS credentials, region
and endpoints are the AWS SDK's own settings: AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, …";

/// Airline seat booking by four choreographed services over SNS and SQS
///
/// `seats`, `payment`, `receipt` and `status` each run one service: it works from its own SQS queue
/// and says on SNS topics what happened. No service calls another. `demo` shows all four in one
/// process, without AWS.
#[derive(Debug, Parser)]
#[command(name = "booking", version = VERSION, max_term_width = 100, after_long_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub command: Option<Command>,

    /// Format of the log lines. They go to stderr, and RUST_LOG filters them
    #[arg(long, env = "BOOKING_LOG_FORMAT", global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// The commands of `booking`. The doc comments are the help texts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service that books the seats
    ///
    /// Holds the seats of a request, all or none. A payment confirms them, a failed payment frees
    /// them. An unpaid hold older than --hold-limit goes to the next booking that wants the seat.
    Seats(seats::SeatsArgs),
    /// Run the service that takes the money
    ///
    /// Charges each request once, and gives the money back when there is no seat.
    Payment(payment::PaymentArgs),
    /// Run the service that sends the receipt
    ///
    /// Waits for the request, the seats and the payment, in any order, and sends one receipt.
    Receipt(receipt::ReceiptArgs),
    /// Run the service that says how a booking stands
    ///
    /// Listens to every topic, and shows what it heard over HTTP: a live page for people at /, and
    /// for programs the API that /openapi.json describes, such as /bookings and /bookings/{id}.
    Status(status::StatusArgs),
    /// Run a service as a function of AWS Lambda, which hands it the messages of its queue
    ///
    /// The start of a deployed function (docs/LAMBDA.md): it works inside of Lambda only. It takes
    /// the settings of the service. Those of polling and of its HTTP address have no effect.
    #[cfg(feature = "lambda")]
    #[command(subcommand)]
    Lambda(lambda::Function),
    /// Show bookings going through all four services, in this process, without AWS
    ///
    /// Runs a seeded mix of bookings that succeed, are declined, find no seat or compete for one,
    /// over an in-memory bus that duplicates and reorders messages, with the real services and
    /// stores. At the end it checks that nothing happened that must never happen.
    ///
    /// With --serve, bookings come in at a rate instead, and the page of status shows them: it goes
    /// on until Ctrl-C.
    Demo(demo::DemoArgs),
    /// Create the stores of a new deployment, for all four roles or for one
    ///
    /// No other command creates a store. A service that does not find its store does not start, so
    /// that a lost store is never taken for an empty one. With --store dynamodb, the command marks
    /// the tables that terraform/ created, and keeps rows that a version without marks wrote. The
    /// role's IAM permissions suffice. It never changes a store that exists: exit code 1 says that
    /// there is one already.
    Init(init::InitArgs),
    /// Publish a booking request
    Request(request::RequestArgs),
    /// Show how a booking stands: its timeline, and for an open one what it waits for
    Show(show::ShowArgs),
    /// List bookings
    List(show::ListArgs),
    /// Show rates, queues and stuck bookings on one screen, once a second
    ///
    /// The rates and the bookings are those of the status service, and the queues are looked at
    /// with your own AWS credentials. What cannot be reached says so in its place, and the rest
    /// goes on. `q` ends it.
    Top(top::TopArgs),
    /// Print the choreography: which service publishes each event, and which services hear it
    Topics(topics::TopicsArgs),
    /// Compare the live account with topics/: what is wrong, what that breaks, how to mend it
    ///
    /// Only reads: the topics, the subscriptions, the queues and their policies, where dead letters
    /// go and how long they are kept. Exit code 1 says that something was found. With --canary, the
    /// command also sends a marked event through every subscription.
    Check(check::CheckArgs),
    /// Announce decisions again, for bookings whose messages were lost
    ///
    /// Publishes the decisions that are in the role's store, with the same ids as before: a service
    /// that has heard them drops them. Receipt also sends the receipt again, with its number. Run
    /// the command where the role's data is, or with --store dynamodb. For many bookings, use
    /// `resend all - < ids`: it prints one line for each booking and role. A booking that cannot be
    /// announced does not stop the others, and the exit code says that there was one.
    Resend(resend::ResendArgs),
    /// Erase a passenger's name and address from a booking that has ended
    ///
    /// Receipt is the only service that keeps them. The file of the receipt is removed as well. The
    /// decisions, the charge and the published events stay. Run the command where receipt's data
    /// is, or with --store dynamodb and the rights of receipt.
    Erase(erase::EraseArgs),
    /// List dead letters, explain them, put them back or delete them
    ///
    /// Each role has two dead-letter queues. `dlq` has messages that the role set aside because it
    /// can never process them, and messages that SQS moved there after too many receives.
    /// `undelivered` has messages that SNS could not deliver to the role's queue. Card numbers,
    /// addresses, names and tokens are masked.
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// Ask a service on this machine whether its poll loop works: the probe of a container
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Print the completions of a shell
    ///
    /// For bash: `booking completions bash > ~/.local/share/bash-completion/completions/booking`.
    Completions(manual::CompletionsArgs),
    /// Print a manual page, or write all of them into a folder
    ///
    /// To read one: `booking man show | man -l -`.
    Man(manual::ManArgs),
}

impl Command {
    /// Whether it logs.
    fn is_service(&self) -> bool {
        #[cfg(feature = "lambda")]
        if matches!(self, Command::Lambda(_)) {
            return true;
        }
        matches!(
            self,
            Command::Seats(_) | Command::Payment(_) | Command::Receipt(_) | Command::Status(_)
        )
    }
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`]: the line to print on stderr, and the exit code.
    pub async fn run(self) -> Result<(), Fault> {
        let Some(command) = self.command else { return out(manual::WELCOME) };
        if command.is_service() {
            telemetry::start(self.log_format);
        }
        match command {
            Command::Seats(args) => seats::run(args, Compute::Process).await,
            Command::Payment(args) => payment::run(args, Compute::Process).await,
            Command::Receipt(args) => receipt::run(args, Compute::Process).await,
            Command::Status(args) => status::run(args, Compute::Process).await,
            #[cfg(feature = "lambda")]
            Command::Lambda(function) => function.run().await,
            Command::Demo(args) => demo::run(args).await,
            Command::Init(args) => init::run(args).await,
            Command::Request(args) => request::run(args).await,
            Command::Show(args) => show::show(args).await,
            Command::List(args) => show::list(args).await,
            Command::Top(args) => top::run(args).await,
            Command::Topics(args) => topics::run(args),
            Command::Check(args) => check::run(args).await,
            Command::Erase(args) => erase::run(args).await,
            Command::Resend(args) => resend::run(args).await,
            Command::Dlq(command) => dlq::run(command).await,
            Command::Healthcheck(args) => healthcheck::run(args).await,
            Command::Completions(args) => manual::completions(&args, Cli::command()),
            Command::Man(args) => manual::man(&args, Cli::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_commands_to_try_are_commands_and_none_is_no_error() {
        let tried = manual::WELCOME.lines().filter_map(|it| it.strip_prefix("  booking "));
        let tried: Vec<&str> = tried.filter_map(|it| it.split(' ').next()).collect();
        assert_eq!(tried.len(), 3);
        for name in tried {
            assert!(Cli::command().find_subcommand(name).is_some(), "{name}");
        }
        assert!(Cli::try_parse_from(["booking"]).is_ok_and(|it| it.command.is_none()));
    }

    #[test]
    fn a_fake_is_chosen_by_name_never_by_a_missing_setting() {
        for command in ["seats", "payment"] {
            assert!(Cli::try_parse_from(["booking", command]).is_err(), "{command}");
        }
        // `resend` needs a mailer for receipts only, so the command line takes none, and whoever
        // builds the mailer asks for one.
        let cli = Cli::try_parse_from(["booking", "receipt"]).unwrap_or_else(|it| panic!("{it}"));
        let Some(Command::Receipt(args)) = cli.command else { panic!("another command") };
        assert!(matches!(crate::wiring::Mailing::read(&args.mail), Err(Fault::Usage(_))));
    }
}
