//! `booking dlq ls`: one line for each dead letter. Must not keep the bodies, of which there may be
//! a thousand.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{
    walk::Walked,
    which::{Limit, RoleDeadLetters, Which, count, short},
};
use crate::{
    aws::DeadQueue,
    cli::{progress::Progress, terminal::print_json as out_json, timeline::length},
    clock::Clock,
    dead_letters::why::{Case, Why},
    domain::{event::Kind, ids::BookingId},
    fault::Fault,
};

/// `booking dlq ls`
#[derive(Debug, Args)]
pub struct LsArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    limit: Limit,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// The object that `--json` prints.
#[derive(Default, Serialize)]
struct DeadLetterList {
    messages: Vec<DeadLetterLine>,
    total: usize,
    /// Whether there may be more messages, because a limit was reached.
    more: bool,
}

/// One dead letter in the list.
#[derive(Serialize)]
struct DeadLetterLine {
    queue: String,
    #[serde(skip)]
    place: DeadQueue,
    message_id: String,
    sent_at: Timestamp,
    age_s: i64,
    event: Option<Kind>,
    booking: Option<BookingId>,
    #[serde(flatten)]
    why: Why,
    /// How often the message was received, including this time.
    received: u32,
}

/// Lists the dead letters.
pub(super) async fn run(
    args: LsArgs,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<(), Fault> {
    let which = &args.which;
    let mut all = DeadLetterList::default();
    for role in which.roles.iter() {
        let desk = which.desk(role).await?;
        let (mut lines, now) = (Vec::new(), Clock::Machine.now());
        let each = async |case| {
            lines.push(line(case, &desk, now));
            Ok(())
        };
        let limit = Some(args.limit.limit.into());
        let walked = which.walk(&desk, limit, stop, progress, each).await?;
        lines.sort_by(|one: &DeadLetterLine, other| one.age().cmp(&other.age()));
        if args.json {
            all.more |= !walked.beyond().is_empty();
            all.messages.extend(lines);
        } else if lines.is_empty() {
            progress.out(&which.none(role, &walked.beyond()))?;
        } else {
            progress.out(&table(&lines, &desk, now, &walked))?;
        }
    }
    if args.json {
        all.total = all.messages.len();
        all.messages.sort_by(|one, other| one.age().cmp(&other.age()));
        return out_json(&all);
    }
    Ok(())
}

/// A heading, one line for each message, and a total.
fn table(
    lines: &[DeadLetterLine],
    desk: &RoleDeadLetters,
    now: Timestamp,
    walked: &Walked,
) -> String {
    let mut text = row("AGE", "QUEUE", "MESSAGE", "EVENT", "BOOKING", "WHY");
    for it in lines {
        let age = length(now.duration_since(it.sent_at));
        let why = format!("{}: {}", it.why.class, it.why.reason);
        let event = it.event.map_or("?", Kind::topic);
        let booking = it.booking.as_ref().map_or("?", BookingId::as_str);
        let (queue, message) = (it.place.as_str(), short(&it.message_id));
        text.push_str(&row(&age, queue, message, event, booking, &why));
    }
    let on = |place| {
        let here = lines.iter().filter(|it| it.place == place).count();
        format!("{here} on {}", desk.letters.name(place))
    };
    let (total, beyond) = (count(lines.len()), walked.beyond());
    let places = [on(DeadQueue::Dlq), on(DeadQueue::Undelivered)].join(", ");
    text.push_str(&format!("{total}: {places}{beyond}\n"));
    text
}

impl DeadLetterLine {
    /// The sort key, by which the oldest message comes first.
    fn age(&self) -> (Timestamp, DeadQueue, &str) {
        (self.sent_at, self.place, &self.message_id)
    }
}

fn line(case: Case, desk: &RoleDeadLetters, now: Timestamp) -> DeadLetterLine {
    let (place, delivery) = (case.dead.place, case.dead.delivery);
    DeadLetterLine {
        queue: desk.letters.name(place).to_owned(),
        place,
        message_id: delivery.message_id,
        sent_at: delivery.incoming.sent_at,
        age_s: now.duration_since(delivery.incoming.sent_at).as_secs(),
        event: case.kind,
        booking: case.booking,
        why: case.why,
        received: delivery.incoming.attempt,
    }
}

fn row(age: &str, queue: &str, message: &str, event: &str, booking: &str, why: &str) -> String {
    let text = format!("{age:<12} {queue:<11} {message:<8}  {event:<17}  {booking:<36}  {why}");
    format!("{}\n", text.trim_end())
}
