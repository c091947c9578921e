//! `booking check`: compares the live account with `topics/` and, if asked to, sends a canary
//! through every subscription. It must never change the account: observing it only reads, and
//! comparing is pure.

mod canary;
mod tables;

use clap::Args;
use serde::Serialize;

use super::{
    Fault,
    config::{
        AccountArgs, AwsArgs, CanaryArgs, Events, EventsArgs, Span, StatusUrl, StoreArgs,
        StoreName, patience,
    },
    out_json,
    progress::Progress,
    status_client::{Reader, StatusClient},
};
use crate::{
    aws::{Clients, QueueOf, event_bridge},
    bus::aws::AwsPublisher,
    check::{
        account::Account,
        compare::{Finding, compare},
        hops::{CanaryReport, HopReport, HopState, judge},
    },
    domain::{RoleName, event::Kind},
    metrics::RequestCount,
    printable::line,
    topics,
    wire::CanaryKey,
    wiring::{self, aws_fault, names},
};

/// `booking check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    home: AccountArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Also send a marked event through every subscription, and show for each hop if it arrived
    ///
    /// The services recognise the event before they look at anything else, so no booking, no seat
    /// and no money is touched. The command needs the key of the services: they drop a canary that
    /// is signed with another key. A service that is older than canaries sets it aside as a dead
    /// letter.
    #[arg(long)]
    canary: bool,
    #[command(flatten)]
    key: CanaryArgs,
    /// How long to wait for the canary
    #[arg(long, default_value = "60s", value_name = "TIME", requires = "canary", value_parser = patience)]
    timeout: Span,
    #[command(flatten)]
    status: StatusUrl,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Report {
    well: bool,
    #[serde(skip)]
    events: Events,
    /// With an event bus, the types of events.
    topics: usize,
    queues: usize,
    /// With an event bus, the rules.
    subscriptions: usize,
    /// 0 unless `--store dynamodb` is given: otherwise the services have no tables.
    tables: usize,
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<CanaryReport>,
}

/// The key that a canary is signed with. Without it the services would drop the canary.
fn key(args: &CanaryArgs) -> Result<CanaryKey, Fault> {
    let missing = "--canary needs the key that the services have, since they drop any other canary: \
                   set BOOKING_CANARY_KEY_FILE (--canary-key-file) to a file with the key, or \
                   BOOKING_CANARY_KEY to the key itself";
    wiring::canary_key(args)?.ok_or_else(|| Fault::Config(missing.to_owned()))
}

/// Compares the account, and sends the canary if asked to. Exit code 0 only if nothing was found.
pub(super) async fn run(args: CheckArgs) -> Result<(), Fault> {
    let progress = Progress::new("checks", args.json);
    progress.during(compared(args, &progress)).await
}

async fn compared(args: CheckArgs, progress: &Progress) -> Result<(), Fault> {
    let status = if args.canary {
        Some(StatusClient::new(&args.status, Reader::of(args.json))?)
    } else {
        None
    };
    let key = if args.canary { Some(key(&args.key)?) } else { None };
    let config = wiring::aws_config().await?;
    let clients = Clients::within_limits(&config, RequestCount::default()).map_err(aws_fault)?;
    let home = clients.home(args.home.account.as_deref()).await.map_err(aws_fault)?;
    let names = names(&args.aws.prefix, args.events)?;
    let bus = match args.events.events {
        Events::Sns => None,
        Events::EventBridge => Some(event_bridge(&config, RequestCount::default())),
    };
    let account = Account::observe(&clients, bus.as_ref(), &names, &home).await;
    let account = account.map_err(|it| Fault::bus(&it))?;
    let mut findings = compare(&account);
    let tables = args.store.store == StoreName::Dynamodb;
    if tables {
        findings.extend(tables::check_tables(&config, &names).await?);
    }

    let all = topics::all();
    let mut report_of_canary = None;
    if let (Some(status), Some(key)) = (status, key) {
        let there: Vec<Kind> = account.topics.keys().copied().collect();
        let publisher = match bus {
            None => AwsPublisher::topics(&clients, names, home),
            Some(it) => AwsPublisher::event_bus(it, names, home),
        };
        let timeout = args.timeout.0;
        let sent_and_seen = canary::send_everywhere(
            &status, &publisher, &key, &there, &findings, timeout, progress,
        )
        .await;
        let (id, sent, seen) = match sent_and_seen {
            Ok(it) => it,
            Err(fault) => {
                // The findings so far may explain why the canary failed.
                if !args.json && !findings.is_empty() {
                    progress.out(&told(&findings))?;
                }
                return Err(fault);
            }
        };
        let (hops, more) = judge(&all, &sent, &seen, &findings, args.timeout.0);
        findings.extend(more);
        report_of_canary = Some(CanaryReport { canary: id, hops });
    }
    let report = Report {
        well: findings.is_empty(),
        events: args.events.events,
        topics: all.len(),
        queues: QueueOf::all().count(),
        subscriptions: all.iter().map(|it| it.listeners().count()).sum(),
        tables: if tables { RoleName::ALL.len() } else { 0 },
        findings,
        canary: report_of_canary,
    };
    if args.json {
        out_json(&report)?
    } else {
        progress.out(&report.text())?
    }
    if report.well { Ok(()) } else { Err(Fault::No(String::new())) }
}

impl Report {
    fn text(&self) -> String {
        let mut text = self.canary.as_ref().map(CanaryReport::text).unwrap_or_default();
        text.push_str(&told(&self.findings));
        let mut last = match self.findings.len() {
            0 => {
                let tables = match self.tables {
                    0 => String::new(),
                    many => format!(", {many} tables"),
                };
                let Report { subscriptions, topics, queues, .. } = self;
                let carried = match self.events {
                    Events::Sns => format!("{subscriptions} subscriptions, {topics} topics"),
                    Events::EventBridge => format!("{subscriptions} rules on an event bus"),
                };
                format!("{carried}, {queues} queues{tables}: all as topics/ says")
            }
            1 => "1 finding".to_owned(),
            many => format!("{many} findings"),
        };
        if let Some(report_of_canary) = &self.canary {
            let arrived =
                report_of_canary.hops.iter().filter(|it| it.state == HopState::Arrived).count();
            last.push_str(&format!("; canary: {arrived} of {} hops", self.subscriptions));
        }
        format!("{text}{last}\n")
    }
}

/// Each finding in four lines.
fn told(findings: &[Finding]) -> String {
    let one = |it: &Finding| {
        // Parts of these texts come from the account, and must not add lines.
        let [subject, wrong, breaks, mend] =
            [&it.subject, &it.wrong, &it.breaks, &it.mend].map(|it| line(it));
        format!("{subject}\n  wrong:  {wrong}\n  breaks: {breaks}\n  mend:   {mend}\n\n")
    };
    findings.iter().map(one).collect()
}

impl CanaryReport {
    fn text(&self) -> String {
        let mut text = format!("canary {}\n", self.canary);
        for HopReport { hop, state, after_s } in &self.hops {
            let became = match (state, after_s) {
                (HopState::Arrived, Some(it)) => format!("{it:.3} s"),
                (HopState::Arrived, None) => "arrived".to_owned(),
                (HopState::Missing, _) => "MISSING".to_owned(),
                (HopState::Unknown, _) => "not known: status does not hear its answers".to_owned(),
                (HopState::Unexpected, _) => "UNEXPECTED".to_owned(),
            };
            text.push_str(&format!(
                "  {:<18} {:<8} {became}\n",
                hop.topic.topic(),
                hop.role.as_str()
            ));
        }
        text.push('\n');
        text
    }
}
