//! The settings of the services: a flag, an environment variable, a default and a help text for
//! each. The doc comments are the help texts. No other module may read an environment variable for
//! a setting, except for the keys, which are no flags: `wiring::keys` and `cli::request` read them.
//! The standard variables of OpenTelemetry are read by `telemetry::settings`.

mod events;
mod integration;
mod letters;
mod mail;
mod status;

pub use events::{DeliveryArgs, Events, EventsArgs};
pub use integration::{Integration, IntegrationArgs};
pub use letters::{Attached, LetterArgs};
pub use mail::{MailArgs, MailerName, SmtpArgs, SmtpTls};
pub use status::{DoorArgs, StatusTokenArgs, StatusUrl};

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, ValueEnum, builder::BoolishValueParser};
use jiff::SignedDuration;

use crate::{
    aws::LONG_POLL_MAX,
    runtime::{HIDDEN_MAX, Limits, LogShare},
};

/// The most characters of a prefix, so that no name in AWS gets too long.
const PREFIX_CHARACTERS_MAX: usize = 32;
/// The shortest long poll: with less, a service would poll without a pause.
const LONG_POLL_MIN: Duration = Duration::from_secs(1);
/// The shortest visibility timeout that leaves time for a heartbeat.
const VISIBILITY_MIN: Duration = Duration::from_secs(1);
/// The longest that a message may wait for others.
const LATENCY_TARGET_MAX: Duration = Duration::from_secs(5);
/// The longest that messages in flight may take after SIGTERM: no message is hidden for longer.
const DRAIN_MAX: Duration = HIDDEN_MAX;
/// The longest that an unpaid hold can be protected.
const HOLD_LIMIT_MAX: Duration = Duration::from_hours(366 * 24);
/// The longest that a command waits for an event that it has published.
const PATIENCE_MAX: Duration = Duration::from_hours(24);
/// The most messages that are worked on at once.
const IN_HAND_MAX: i64 = 1000;
/// The most receives open at once.
const POLLERS_MAX: i64 = 32;

/// A length of time, written as `500ms`, `20s`, `15m` or `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "expected a length of time such as 500ms, 20s or 15m";
        let length: SignedDuration = text.parse().map_err(|_| WANTED)?;
        Duration::try_from(length).map(Span).map_err(|_| WANTED)
    }
}

/// Where topics, queues and tables are. Credentials, region and endpoints are settings of the AWS
/// SDK (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, …).
#[derive(Clone, Debug, Args)]
pub struct AwsArgs {
    /// Prefix of the names of topics, queues and tables, such as `staging-`
    #[arg(long, env = "BOOKING_PREFIX", default_value = "", value_parser = prefix)]
    pub prefix: String,
}

fn prefix(text: &str) -> Result<String, &'static str> {
    let known = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    if text.len() <= PREFIX_CHARACTERS_MAX && text.bytes().all(known) {
        Ok(text.to_owned())
    } else {
        Err("expected at most 32 characters of a-z, 0-9 and -")
    }
}

/// The AWS account, for commands that have no queue of their own to learn it from.
#[derive(Clone, Debug, Args)]
pub struct AccountArgs {
    /// AWS account of the topics [default: the account of the credentials, according to STS]
    #[arg(long, env = "BOOKING_ACCOUNT", value_parser = account)]
    pub account: Option<String>,
}

fn account(text: &str) -> Result<String, &'static str> {
    let digits = text.len() == 12 && text.bytes().all(|it| it.is_ascii_digit());
    if digits { Ok(text.to_owned()) } else { Err("expected the 12 digits of an AWS account") }
}

/// Where a role keeps its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StoreName {
    /// A file in the data folder, for one host
    Sqlite,
    /// A DynamoDB table, PREFIXbooking-ROLE, for any number of replicas
    Dynamodb,
    /// Memory only: lost with the process, and receipts are not flushed to disk. For benchmarks
    Memory,
}

/// The store of a role.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// Where a role keeps its rows. `memory` is for services only
    #[arg(long, env = "BOOKING_STORE", value_enum, default_value_t = StoreName::Sqlite)]
    pub store: StoreName,
}

/// Where a deployment on one host keeps its files.
#[derive(Clone, Debug, Args)]
pub struct DataArgs {
    /// Folder of the data, with the files of each role and the receipts
    #[arg(long = "data", env = "BOOKING_DATA", default_value = "data", value_name = "DIR")]
    pub folder: PathBuf,
}

/// How long seats protects a hold.
#[derive(Clone, Copy, Debug, Args)]
pub struct HoldArgs {
    /// How long an unpaid hold of seats is protected from bookings that want the same seat
    #[arg(long, env = "BOOKING_HOLD_LIMIT", default_value = "15m", value_name = "TIME", value_parser = hold_limit)]
    pub hold_limit: Span,
}

/// The key that canaries are signed with. The key itself is never on the command line.
#[derive(Clone, Debug, Args)]
pub struct CanaryArgs {
    /// File with the key that the services share with `check --canary`: 32 bytes or more, such as
    /// the output of `openssl rand -hex 32`. BOOKING_CANARY_KEY can hold the key itself instead.
    /// Without a key, a service drops canaries, and `check --canary` ends with 78
    #[arg(long, env = "BOOKING_CANARY_KEY_FILE", value_name = "FILE")]
    pub canary_key_file: Option<PathBuf>,
}

/// The settings that every service has.
#[derive(Clone, Debug, Args)]
pub struct ServiceArgs {
    #[command(flatten)]
    pub aws: AwsArgs,

    #[command(flatten)]
    pub store: StoreArgs,

    #[command(flatten)]
    pub delivery: DeliveryArgs,

    #[command(flatten)]
    pub canary: CanaryArgs,

    #[command(flatten)]
    pub integration: IntegrationArgs,

    #[command(flatten)]
    pub data: DataArgs,

    /// Allow SQLite in an ECS task: use this only if --data outlives the task and
    /// there is one replica
    #[arg(long, env = "BOOKING_SQLITE_ON_ECS", value_parser = BoolishValueParser::new())]
    pub sqlite_on_ecs: bool,

    /// Address of /health and /metrics, and of the status API
    /// [default: 127.0.0.1:8080 for status, 8081 seats, 8082 payment, 8083 receipt]
    #[arg(long, env = "BOOKING_HTTP", value_name = "ADDRESS")]
    pub http: Option<String>,

    /// How long a receive waits for the first message, at most 20s
    #[arg(long, env = "BOOKING_LONG_POLL", default_value = "20s", value_name = "TIME", value_parser = long_poll)]
    pub long_poll: Span,

    /// How long a received message is hidden from other replicas: its visibility timeout
    #[arg(long, env = "BOOKING_VISIBILITY", default_value = "60s", value_name = "TIME", value_parser = visibility)]
    pub visibility: Span,

    /// How long a message may be worked on at most, while its visibility timeout is extended
    #[arg(long, env = "BOOKING_HEARTBEAT_CAP", default_value = "10m", value_name = "TIME")]
    pub heartbeat_cap: Span,

    /// How long a charge, a refund or a mail may take. Without effect in seats and status
    #[arg(long, env = "BOOKING_EFFECT_TIMEOUT", default_value = "10s", value_name = "TIME", value_parser = not_zero)]
    pub effect_timeout: Span,

    /// How long messages in flight may take to finish after SIGTERM
    #[arg(long, env = "BOOKING_DRAIN", default_value = "25s", value_name = "TIME", value_parser = drain)]
    pub drain: Span,

    /// The most messages that are worked on at once; with --mailer smtp at most 8. As many more may
    /// wait for their delete
    #[arg(long, env = "BOOKING_IN_HAND", default_value_t = 64, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=IN_HAND_MAX))]
    pub in_hand: u16,

    /// How long a message may wait to be received together with others. SQS charges for each
    /// request: 0ms sends receives at once and costs most, 100ms is a compromise, 500ms is
    /// cheapest
    #[arg(long, env = "BOOKING_LATENCY_TARGET", default_value = "100ms", value_name = "TIME", value_parser = latency_target)]
    pub latency_target: Span,

    /// The most receives open at once. That many are open only while receives come back full
    #[arg(long, env = "BOOKING_POLLERS", default_value_t = 4, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=POLLERS_MAX))]
    pub pollers: u16,

    /// Which bookings have log lines about what went well: all, none, or 1/N, one in N. What did
    /// not go well, and each redelivery, always has its lines
    #[arg(long, env = "BOOKING_LOG_SETTLED", default_value = "all", value_name = "SHARE")]
    pub log_settled: LogShare,
}

fn long_poll(text: &str) -> Result<Span, &'static str> {
    let span: Span = text.parse()?;
    match span.0 {
        it if it < LONG_POLL_MIN => {
            Err("expected at least 1s: with less, the service polls without a pause")
        }
        it if it > LONG_POLL_MAX => Err("SQS waits at most 20s"),
        _ => Ok(span),
    }
}

fn visibility(text: &str) -> Result<Span, &'static str> {
    let span: Span = text.parse()?;
    if (VISIBILITY_MIN..=HIDDEN_MAX).contains(&span.0) {
        Ok(span)
    } else {
        Err("SQS hides a message for 1s to 12h")
    }
}

fn latency_target(text: &str) -> Result<Span, &'static str> {
    at_most(LATENCY_TARGET_MAX, "expected at most 5s", text)
}

fn drain(text: &str) -> Result<Span, &'static str> {
    at_most(DRAIN_MAX, "expected at most 12h", text)
}

fn hold_limit(text: &str) -> Result<Span, &'static str> {
    at_most(HOLD_LIMIT_MAX, "expected at most 8784h, a year", text)
}

/// How long a command waits at most for an event that it has published.
///
/// # Errors
/// When the text is no length of time, or one beyond a day.
pub(crate) fn patience(text: &str) -> Result<Span, &'static str> {
    at_most(PATIENCE_MAX, "expected at most 24h", text)
}

fn at_most(most: Duration, otherwise: &'static str, text: &str) -> Result<Span, &'static str> {
    let span: Span = text.parse()?;
    if span.0 <= most { Ok(span) } else { Err(otherwise) }
}

/// Reads a span of time that is not zero.
pub(crate) fn not_zero(text: &str) -> Result<Span, &'static str> {
    let span: Span = text.parse()?;
    if span.0.is_zero() { Err("expected more than 0s") } else { Ok(span) }
}

impl ServiceArgs {
    /// The limits of the consumer.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            long_poll: self.long_poll.0,
            visibility: self.visibility.0,
            heartbeat_cap: self.heartbeat_cap.0,
            effect_timeout: self.effect_timeout.0,
            drain: self.drain.0,
            in_flight_max: self.in_hand.into(),
            pollers: self.pollers.into(),
            latency_target: self.latency_target.0,
        }
    }
}

/// The settings of the gateway `stripe`. The key itself must never be on the command line, where
/// every process of the machine could read it.
#[derive(Clone, Debug, Args)]
pub struct StripeArgs {
    /// File with the secret or restricted key of the Stripe account (sk_… or rk_…). Instead, the
    /// variable BOOKING_STRIPE_KEY can hold the key itself
    #[arg(long, env = "BOOKING_STRIPE_KEY_FILE", value_name = "FILE")]
    pub stripe_key_file: Option<PathBuf>,

    /// Address of Stripe. Set another address only for a test or a proxy. A live key is only sent
    /// to an https:// address
    // A text, since clap would repeat an address that it refuses, with a password in it.
    #[arg(
        long,
        env = "BOOKING_STRIPE_URL",
        hide_env_values = true,
        default_value = "https://api.stripe.com",
        value_name = "URL"
    )]
    pub stripe_url: String,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        service: ServiceArgs,
        #[command(flatten)]
        hold: HoldArgs,
    }

    fn parsed(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["service"], args].concat())
    }

    #[test]
    fn without_any_setting_a_service_has_the_default_limits() {
        let cli = parsed(&[]).unwrap_or_else(|it| panic!("{it}"));
        assert_eq!(cli.service.limits(), Limits::default());
    }

    #[test]
    fn a_time_without_end_is_refused_with_its_bound() {
        for (args, says) in [
            (["--drain", "13h"], "at most 12h"),
            (["--hold-limit", "8785h"], "at most 8784h"),
            (["--latency-target", "6s"], "at most 5s"),
            (["--long-poll", "21s"], "at most 20s"),
            (["--visibility", "13h"], "1s to 12h"),
        ] {
            let error = parsed(&args).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(parsed(&["--drain", "12h", "--hold-limit", "8784h"]).is_ok());
        assert_eq!(patience("24h"), Ok(Span(PATIENCE_MAX)));
        assert_eq!(patience("9223372036854775807s"), Err("expected at most 24h"));
    }
}
