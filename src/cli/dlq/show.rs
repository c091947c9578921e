//! `booking dlq show`: everything about a dead letter. A value may be printed only through
//! [`mask`], except for a body that the operator asked to see with `--raw`.

use clap::Args;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::which::{Limit, Which};
use crate::{
    cli::{progress::Progress, terminal::print_unmasked, timeline::length},
    clock::Clock,
    dead_letters::{mask, why::Case},
    fault::Fault,
};

/// The attributes whose values hold no secret: those that the services, SNS and EventBridge write.
const KNOWN: [&str; 16] = [
    "ERROR_CODE",
    "ERROR_MESSAGE",
    "EXHAUSTED_RETRY_CONDITION",
    "ErrorCode",
    "ErrorMessage",
    "RETRY_ATTEMPTS",
    "RULE_ARN",
    "RequestID",
    "TARGET_ARN",
    "attempt",
    "booking",
    "class",
    "message_id",
    "reason",
    "role",
    "type",
];

/// `booking dlq show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    limit: Limit,
    /// Print bodies unmasked, with all names, addresses and card data that may be in them, and with
    /// characters that a terminal obeys. Dangerous: never paste this anywhere
    #[arg(long)]
    raw: bool,
}

/// Shows the dead letters.
pub(super) async fn run(
    args: ShowArgs,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<(), Fault> {
    let which = &args.which;
    let mut found = 0;
    for role in which.roles.iter() {
        let desk = which.desk(role).await?;
        let mut cases: Vec<Case> = Vec::new();
        let each = async |case| {
            cases.push(case);
            Ok(())
        };
        let limit = Some(args.limit.limit.into());
        let walked = which.walk(&desk, limit, stop, progress, each).await?;
        if cases.is_empty() {
            which.nothing(role, &walked.beyond(), progress)?;
            continue;
        }
        found += cases.len();
        cases.sort_by(|one, other| one.age().cmp(&other.age()));
        let now = Clock::Machine.now();
        for case in &cases {
            progress.out(&page(case, desk.letters.name(case.dead.place), now, args.raw))?;
            if args.raw {
                progress.clear();
                print_unmasked(&case.dead.delivery.incoming.body)?;
            }
        }
        if let Some(it) = walked.beyond().strip_prefix("; ") {
            progress.out(it)?;
        }
    }
    which.verdict(found)
}

/// Everything about one message. With `raw`, the caller prints the body itself.
pub(super) fn page(case: &Case, queue: &str, now: Timestamp, raw: bool) -> String {
    let delivery = &case.dead.delivery;
    let age = length(now.duration_since(delivery.incoming.sent_at));
    let mut text = format!("message {} on {queue}\n", mask::line(&delivery.message_id));
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<10} {value}\n"));
    line("class", &case.why.class);
    line("why", &case.why.reason);
    if let Err(refusal) = &case.read
        && !case.why.reason.contains(&refusal.to_string())
    {
        line("and", &format!("it cannot be read: {refusal}"));
    }
    line("event", case.kind());
    line("booking", case.booking());
    line(
        "sent",
        &format!("{}, {age} ago", delivery.incoming.sent_at.strftime("%Y-%m-%d %H:%M:%S UTC")),
    );
    line("received", &format!("{} times, this look included", delivery.incoming.attempt));
    if !case.dead.attributes.is_empty() {
        text.push_str("attributes\n");
        for (name, value) in &case.dead.attributes {
            let value = match KNOWN.contains(&name.as_str()) {
                true => mask::line(value),
                false => "***".to_owned(),
            };
            text.push_str(&format!("  {:<12} {value}\n", mask::line(name)));
        }
    }
    if raw {
        text.push_str("body, unmasked\n");
    } else {
        text.push_str(&format!("body, secrets masked\n{}\n", mask::body(&delivery.incoming.body)));
    }
    text
}
