//! Every setting: a flag, an environment variable, a default, and what it means.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, ValueEnum, builder::BoolishValueParser};
use jiff::SignedDuration;

use crate::{domain::RoleName, mailer::DEFAULT_SENDER, runtime::Limits};

/// A length of time as people write it: `500ms`, `20s`, `15m`, `1h 30m`.
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

/// Where topics, queues and tables are. Credentials, region and endpoints are the AWS SDK's own
/// settings (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, …).
#[derive(Clone, Debug, Args)]
pub struct AwsArgs {
    /// What the names of topics, queues and tables begin with, such as `staging-`
    #[arg(long, env = "BOOKING_PREFIX", default_value = "", value_parser = prefix)]
    pub prefix: String,
}

fn prefix(text: &str) -> Result<String, &'static str> {
    let known = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    if text.len() <= 32 && text.bytes().all(known) {
        Ok(text.to_owned())
    } else {
        Err("expected at most 32 of a-z, 0-9 and -")
    }
}

/// How messages come from topics to queues.
#[derive(Clone, Copy, Debug, Args)]
pub struct RawArgs {
    /// The subscriptions deliver raw: take outcomes without an SNS envelope. Nothing then says
    /// which topic a message came from, so whoever may publish on one topic is trusted with all of
    /// them
    #[arg(long, env = "BOOKING_RAW_DELIVERY", value_parser = BoolishValueParser::new())]
    pub raw_delivery: bool,
}

/// Which account, for who has no queue of his own to learn it from.
#[derive(Clone, Debug, Args)]
pub struct AccountArgs {
    /// The account the topics are in [default: the one of the credentials, by asking STS]
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
    /// In a file of its own in the data folder: one host
    Sqlite,
    /// In a DynamoDB table of its own, PREFIXbooking-ROLE: any number of replicas
    Dynamodb,
    /// Nowhere: gone with the process, and receipts are not flushed to disk. For benchmarks
    Memory,
}

/// Which store a role has.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// Where the role keeps its rows
    #[arg(long, env = "BOOKING_STORE", value_enum, default_value_t = StoreName::Sqlite)]
    pub store: StoreName,
}

/// What an operator's canary is known by. The key itself is never on the command line.
#[derive(Clone, Debug, Args)]
pub struct CanaryArgs {
    /// File with the key that the services and `check --canary` have in common: 32 bytes or more,
    /// as of `openssl rand -hex 32`; or the key itself in BOOKING_CANARY_KEY. Without one, canaries
    /// are dropped
    #[arg(long, env = "BOOKING_CANARY_KEY_FILE", value_name = "FILE")]
    pub canary_key_file: Option<PathBuf>,
}

/// What every service has.
#[derive(Clone, Debug, Args)]
pub struct ServiceArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub aws: AwsArgs,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub store: StoreArgs,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub raw: RawArgs,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub canary: CanaryArgs,

    /// Folder of this service's own data, one file a role
    #[arg(long, env = "BOOKING_DATA", default_value = "data", value_name = "DIR")]
    pub data: PathBuf,

    /// Keep SQLite although this is an ECS task: --data outlives the task, and there is one replica
    #[arg(long, env = "BOOKING_SQLITE_ON_ECS", value_parser = BoolishValueParser::new())]
    pub sqlite_on_ecs: bool,

    /// Address of /health and /metrics, and of the status API
    /// [default: 127.0.0.1:8080 for status, 8081 seats, 8082 payment, 8083 receipt]
    #[arg(long, env = "BOOKING_HTTP", value_name = "ADDRESS")]
    pub http: Option<String>,

    /// How long a receive waits for the first message, at most 20s
    #[arg(long, env = "BOOKING_LONG_POLL", default_value = "20s", value_name = "TIME", value_parser = long_poll)]
    pub long_poll: Span,

    /// How long a received message is hidden from other replicas
    #[arg(long, env = "BOOKING_VISIBILITY", default_value = "60s", value_name = "TIME", value_parser = visibility)]
    pub visibility: Span,

    /// How long one message may be worked on, its visibility timeout extended again and again
    #[arg(long, env = "BOOKING_HEARTBEAT_CAP", default_value = "10m", value_name = "TIME")]
    pub heartbeat_cap: Span,

    /// How long a charge, a refund or a mail may take
    #[arg(long, env = "BOOKING_EFFECT_TIMEOUT", default_value = "10s", value_name = "TIME", value_parser = not_zero)]
    pub effect_timeout: Span,

    /// How long work in hand may take after SIGTERM
    #[arg(long, env = "BOOKING_DRAIN", default_value = "25s", value_name = "TIME")]
    pub drain: Span,

    /// The most messages worked on at once
    #[arg(long, env = "BOOKING_IN_HAND", default_value_t = 64, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub in_hand: u16,

    /// How long a message may wait to be received together with others. SQS charges for requests:
    /// 0ms asks at once and costs most, 100ms is a fair middle, 500ms is the cheapest. Deletes wait
    /// twice as long, 20ms to 1s: nobody waits for them
    #[arg(long, env = "BOOKING_LATENCY_TARGET", default_value = "100ms", value_name = "TIME", value_parser = latency_target)]
    pub latency_target: Span,

    /// The most receives open at once; there are that many only while they come back full
    #[arg(long, env = "BOOKING_POLLERS", default_value_t = 4, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=32))]
    pub pollers: u16,
}

fn long_poll(text: &str) -> Result<Span, &'static str> {
    let span: Span = text.parse()?;
    match span.0.as_secs() {
        0 => Err("a receive that waits less than 1s asks all the time"),
        20.. if span.0 > Duration::from_secs(20) => Err("SQS waits at most 20s"),
        _ => Ok(span),
    }
}

fn visibility(text: &str) -> Result<Span, &'static str> {
    let span: Span = text.parse()?;
    let hours = Duration::from_secs(12 * 3600);
    if (Duration::from_secs(1)..=hours).contains(&span.0) {
        Ok(span)
    } else {
        Err("SQS hides a message for 1s to 12h")
    }
}

fn latency_target(text: &str) -> Result<Span, &'static str> {
    let span: Span = text.parse()?;
    let most = Duration::from_secs(5);
    if span.0 <= most { Ok(span) } else { Err("a message that waits longer than 5s is late") }
}

fn not_zero(text: &str) -> Result<Span, &'static str> {
    let span: Span = text.parse()?;
    if span.0.is_zero() { Err("expected more than no time at all") } else { Ok(span) }
}

impl ServiceArgs {
    /// The bounds of the consumer.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            long_poll: self.long_poll.0,
            visibility: self.visibility.0,
            heartbeat_cap: self.heartbeat_cap.0,
            effect_timeout: self.effect_timeout.0,
            drain: self.drain.0,
            in_hand_max: self.in_hand.into(),
            pollers: self.pollers.into(),
            latency_target: self.latency_target.0,
        }
    }

    /// The address to listen on.
    #[must_use]
    pub fn http_or_default(&self, role: RoleName) -> String {
        self.http.clone().unwrap_or_else(|| default_http(role).to_owned())
    }
}

/// Where a role listens unless it is told.
#[must_use]
pub const fn default_http(role: RoleName) -> &'static str {
    match role {
        RoleName::Status => "127.0.0.1:8080",
        RoleName::Seats => "127.0.0.1:8081",
        RoleName::Payment => "127.0.0.1:8082",
        RoleName::Receipt => "127.0.0.1:8083",
    }
}

/// `booking seats`
#[derive(Clone, Debug, Args)]
pub struct SeatsArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub service: ServiceArgs,

    /// The schedule: a JSON file of flights, cabins, fares and days on sale (docs/OPERATIONS.md has
    /// its fields), or `sample` for the one that is built in and sells any day
    #[arg(long, env = "BOOKING_FLIGHTS", value_name = "FILE")]
    pub flights: String,

    /// How long an unpaid hold is safe from a booking that wants the same seat
    #[arg(long, env = "BOOKING_HOLD_LIMIT", default_value = "15m", value_name = "TIME")]
    pub hold_limit: Span,
}

/// `booking payment`
#[derive(Clone, Debug, Args)]
pub struct PaymentArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub service: ServiceArgs,

    /// Who takes the money
    #[arg(long, env = "BOOKING_GATEWAY", value_enum)]
    pub gateway: GatewayName,

    /// How long the simulated gateway lets its caller wait for a late answer
    #[arg(long, env = "BOOKING_GATEWAY_PATIENCE", default_value = "1s", value_name = "TIME")]
    pub gateway_patience: Span,
}

/// Who takes the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GatewayName {
    /// A fake: the token says how a charge ends. Its ledger is gateway.db in the data folder, or
    /// with --store dynamodb in payment's table
    Simulated,
}

/// `booking receipt`
#[derive(Clone, Debug, Args)]
pub struct ReceiptArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub service: ServiceArgs,

    /// How receipts go out
    #[arg(long, env = "BOOKING_MAILER", value_enum)]
    pub mailer: MailerName,

    /// The sender of receipts
    #[arg(long, env = "BOOKING_MAIL_FROM", default_value = DEFAULT_SENDER, value_name = "ADDRESS", value_parser = sender)]
    pub mail_from: String,
}

fn sender(text: &str) -> Result<String, &'static str> {
    let parsed: Result<lettre::message::Mailbox, _> = text.parse();
    parsed
        .map(|_| text.to_owned())
        .map_err(|_| "expected a sender such as 'Booking <receipts@example.com>'")
}

/// How receipts go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MailerName {
    /// One e-mail file each, receipts/NUMBER.eml in the data folder
    Folder,
}

/// `booking status`
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub service: ServiceArgs,

    /// How long an open booking may go without news before it counts as stuck
    #[arg(long, env = "BOOKING_STUCK_AFTER", default_value = "2m", value_name = "TIME")]
    pub stuck_after: Span,
}

/// Where the status service is.
#[derive(Clone, Debug, Args)]
pub struct StatusUrl {
    /// The status service
    #[arg(
        long = "status-url",
        env = "BOOKING_STATUS_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub url: String,
}
