//! `booking dlq ls`

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    super::{Fault, out, out_json, show::now, timeline::length},
    Case, Which, count, short,
    why::Why,
};
use crate::{
    bus::aws::Place,
    domain::{event::Kind, ids::BookingId},
};

/// `booking dlq ls`
#[derive(Debug, Args)]
pub struct LsArgs {
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listing<'a> {
    messages: Vec<Line<'a>>,
    total: usize,
    /// Whether the limit was reached.
    more: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    queue: &'a str,
    message_id: &'a str,
    sent_at: Timestamp,
    age_s: i64,
    event: Option<Kind>,
    booking: Option<&'a BookingId>,
    #[serde(flatten)]
    why: &'a Why,
    /// How often it was received, this look included.
    received: u32,
}

/// Lists them.
pub(super) async fn run(args: LsArgs) -> Result<(), Fault> {
    let desk = args.which.desk().await?;
    let picked = args.which.look(&desk).await?;
    let now = now();
    let cases = &picked.cases;
    if args.json {
        let line = |it| line(it, desk.letters.name(it.dead.place), now);
        let messages: Vec<Line<'_>> = cases.iter().map(line).collect();
        return out_json(&Listing { total: messages.len(), messages, more: picked.more });
    }
    if cases.is_empty() {
        return out(&format!("{}{}", args.which.none(), args.which.beyond(picked.more)));
    }
    let mut text = row("AGE", "QUEUE", "MESSAGE", "EVENT", "BOOKING", "WHY");
    for it in cases {
        let age = length(now.duration_since(it.dead.delivery.sent_at));
        let why = format!("{}: {}", it.why.class, it.why.reason);
        let queue = it.dead.place.as_str();
        text.push_str(&row(&age, queue, short(it), it.kind(), it.booking(), &why));
    }
    let on = |place| {
        let here = cases.iter().filter(|it| it.dead.place == place).count();
        format!("{here} on {}", desk.letters.name(place))
    };
    let (total, beyond) = (count(cases.len()), args.which.beyond(picked.more));
    let places = [on(Place::Dlq), on(Place::Undelivered)].join(", ");
    text.push_str(&format!("{total}: {places}{beyond}\n"));
    out(&text)
}

fn line<'a>(case: &'a Case, queue: &'a str, now: Timestamp) -> Line<'a> {
    let delivery = &case.dead.delivery;
    Line {
        queue,
        message_id: &delivery.message_id,
        sent_at: delivery.sent_at,
        age_s: now.duration_since(delivery.sent_at).as_secs(),
        event: case.kind,
        booking: case.booking.as_ref(),
        why: &case.why,
        received: delivery.attempt,
    }
}

fn row(age: &str, queue: &str, message: &str, event: &str, booking: &str, why: &str) -> String {
    let text = format!("{age:<12} {queue:<11} {message:<8}  {event:<17}  {booking:<36}  {why}");
    format!("{}\n", text.trim_end())
}
