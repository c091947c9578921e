//! `booking check`: the live account against `topics/`, and on request a canary through every
//! subscription. Observing reads only; comparing is pure.

mod canary;
mod compare;
mod policy;
mod queues;
mod tables;

use clap::Args;
use serde::Serialize;

use self::{
    canary::{Flight, HopReport, HopState},
    compare::{Finding, compare},
};
use super::{
    Fault,
    config::{AccountArgs, AwsArgs, CanaryArgs, Span, StatusUrl, StoreArgs, StoreName},
    out, out_json,
    show::{Desk, Reader},
    terminal::line,
};
use crate::{
    bus::aws::{
        AwsTopics, Clients, Names,
        account::{Account, QueueOf},
    },
    domain::{RoleName, event::Kind},
    metrics::RequestCount,
    topics,
    wire::CanaryKey,
    wiring::{self, aws_fault},
};

/// `booking check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    home: AccountArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Send a marked event through every subscription too, and tell hop by hop where it arrived
    ///
    /// The services recognise it before they look at anything else: no booking, no seat and no
    /// money is touched. It needs the key that they have: they drop a canary of anybody else. A
    /// service that is older than canaries sets it aside as a dead letter.
    #[arg(long)]
    canary: bool,
    #[command(flatten)]
    key: CanaryArgs,
    /// How long the canary may take
    #[arg(long, default_value = "60s", value_name = "TIME", requires = "canary")]
    timeout: Span,
    #[command(flatten)]
    status: StatusUrl,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    well: bool,
    topics: usize,
    queues: usize,
    subscriptions: usize,
    /// None are looked at unless `--store` says that there are some.
    tables: usize,
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<Flight>,
}

/// The key without which the services would drop what they are sent.
fn key(args: &CanaryArgs) -> Result<CanaryKey, Fault> {
    let missing = "--canary needs the key that the services have, or they drop the canary: set \
                   BOOKING_CANARY_KEY_FILE (--canary-key-file) to a file with it, or \
                   BOOKING_CANARY_KEY to the key itself";
    wiring::canary_key(args)?.ok_or_else(|| Fault::Config(missing.to_owned()))
}

/// Compares, and sends the canary if asked to. Exit code 0 only if nothing was found.
pub(super) async fn run(args: CheckArgs) -> Result<(), Fault> {
    let desk =
        if args.canary { Some(Desk::new(&args.status, Reader::of(args.json))?) } else { None };
    let key = if args.canary { Some(key(&args.key)?) } else { None };
    let config = wiring::aws_config().await?;
    let clients = Clients::within_limits(&config, RequestCount::default()).map_err(aws_fault)?;
    let home = clients.home(args.home.account.as_deref()).await.map_err(aws_fault)?;
    let names = Names::new(&args.aws.prefix);
    let account = Account::observe(&clients, &names, &home).await.map_err(|it| Fault::bus(&it))?;
    let mut findings = compare(&account);
    let tables = args.store.store == StoreName::Dynamodb;
    if tables {
        findings.extend(tables::check_tables(&config, &names).await?);
    }

    let all = topics::all();
    let mut flight = None;
    if let (Some(desk), Some(key)) = (desk, key) {
        let there: Vec<Kind> = account.topics.keys().copied().collect();
        let aws_topics = AwsTopics::new(&clients, names, home);
        let flown = canary::fly(&desk, &aws_topics, &key, &there, &findings, args.timeout.0).await;
        let (id, sent, seen) = match flown {
            Ok(it) => it,
            Err(fault) => {
                // What is known already may be why.
                if !args.json && !findings.is_empty() {
                    out(&told(&findings))?;
                }
                return Err(fault);
            }
        };
        let (hops, more) = canary::judge(&all, &sent, &seen, &findings, args.timeout.0);
        findings.extend(more);
        flight = Some(Flight { canary: id, hops });
    }
    let report = Report {
        well: findings.is_empty(),
        topics: all.len(),
        queues: QueueOf::all().count(),
        subscriptions: compare::hops(&all).len(),
        tables: if tables { RoleName::ALL.len() } else { 0 },
        findings,
        canary: flight,
    };
    if args.json {
        out_json(&report)?
    } else {
        out(&report.text())?
    }
    if report.well { Ok(()) } else { Err(Fault::No(String::new())) }
}

impl Report {
    fn text(&self) -> String {
        let mut text = self.canary.as_ref().map(Flight::text).unwrap_or_default();
        text.push_str(&told(&self.findings));
        let mut last = match self.findings.len() {
            0 => {
                let tables = match self.tables {
                    0 => String::new(),
                    many => format!(", {many} tables"),
                };
                format!(
                    "{} subscriptions, {} topics, {} queues{tables}: all as topics/ says",
                    self.subscriptions, self.topics, self.queues
                )
            }
            1 => "1 finding".to_owned(),
            many => format!("{many} findings"),
        };
        if let Some(flight) = &self.canary {
            let arrived = flight.hops.iter().filter(|it| it.state == HopState::Arrived).count();
            last.push_str(&format!("; canary: {arrived} of {} hops", self.subscriptions));
        }
        format!("{text}{last}\n")
    }
}

/// Each finding in four lines.
fn told(findings: &[Finding]) -> String {
    let one = |it: &Finding| {
        // The account says some of it, and adds no line.
        let [subject, wrong, breaks, mend] =
            [&it.subject, &it.wrong, &it.breaks, &it.mend].map(|it| line(it));
        format!("{subject}\n  wrong:  {wrong}\n  breaks: {breaks}\n  mend:   {mend}\n\n")
    };
    findings.iter().map(one).collect()
}

impl Flight {
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
