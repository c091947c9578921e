//! `booking show` and `booking list`. They print what the status service answers, and must never
//! work out by themselves how a booking stands.

use clap::Args;
use jiff::civil::Date;

use super::{
    arguments::booking_id,
    follow,
    progress::Progress,
    status_client::{Reader, StatusClient},
    terminal::{print as out, print_json as out_json, say},
    timeline,
};
use crate::{
    clock::Clock,
    config::{Span, StatusUrl, patience},
    domain::{
        seat::{FlightNo, parse_date},
        status::Phase,
    },
    fault::Fault,
    http::{
        self, Cursor,
        view::{BookingLine, UNKNOWN},
    },
};

/// How many bookings a page of `--all` has: the most that the status service gives at once.
const PAGE_MAX: u16 = http::LIMIT_MAX as u16;

/// `booking show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Booking id
    id: String,
    #[command(flatten)]
    status: StatusUrl,
    /// Print what happens as it happens, until the booking has ended; exit code 0 only if it
    /// completes
    #[arg(long)]
    follow: bool,
    /// How long to follow the booking
    #[arg(long, default_value = "24h", value_name = "TIME", requires = "follow", value_parser = patience)]
    follow_limit: Span,
    /// Print the answer of the status service as JSON; with --follow, once it has ended
    #[arg(long)]
    json: bool,
}

/// `booking list`
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    status: StatusUrl,
    /// Only bookings in this phase, such as completed or seat_unavailable
    #[arg(long, value_parser = phase)]
    phase: Option<Phase>,
    /// Only bookings of this flight, the latest day of departure first
    #[arg(long, value_parser = flight)]
    flight: Option<FlightNo>,
    /// Only bookings of this local day of departure, YYYY-MM-DD, the newest booking first
    #[arg(long, value_name = "DAY", value_parser = date)]
    date: Option<Date>,
    /// Only open bookings; the one that has had no news for longest comes first
    #[arg(long, conflicts_with_all = ["phase", "flight", "date"])]
    open: bool,
    /// Only stuck bookings: open ones without news for longer than status' --stuck-after
    #[arg(long, conflicts_with_all = ["phase", "flight", "date", "open"])]
    stuck: bool,
    /// The most bookings to list
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=i64::from(PAGE_MAX)))]
    limit: u16,
    /// Continue a list: the cursor that it printed at its end, or the `next` of its JSON
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Go back in a list: the `previous` of its JSON
    #[arg(long, value_name = "CURSOR", conflicts_with_all = ["after", "all", "stuck"])]
    before: Option<String>,
    /// List all bookings, page by page; with --json, one JSON document for each page
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Print the answer of the status service as JSON
    #[arg(long)]
    json: bool,
}

impl ListArgs {
    /// The query of one page.
    fn query(
        &self,
        limit: u16,
        after: Option<&Cursor>,
        before: Option<&Cursor>,
    ) -> Vec<(&'static str, String)> {
        let mut query = vec![("limit", limit.to_string())];
        if self.open || self.stuck {
            query.push(("order", "stalest".to_owned()));
        }
        query.extend(self.phase.map(|it| ("phase", it.to_string())));
        query.extend(self.flight.as_ref().map(|it| ("flight", it.to_string())));
        query.extend(self.date.map(|it| ("date", it.to_string())));
        query.extend(after.map(|it| ("after", it.to_string())));
        query.extend(before.map(|it| ("before", it.to_string())));
        query
    }
}

fn phase(text: &str) -> Result<Phase, String> {
    Phase::of_name(text).ok_or_else(|| {
        let names: Vec<&str> = Phase::ALL.iter().map(|it| it.as_str()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn flight(text: &str) -> Result<FlightNo, String> {
    FlightNo::parse(text).map_err(|it| it.to_string())
}

fn date(text: &str) -> Result<Date, String> {
    parse_date(text).map_err(|it| it.to_string())
}

fn asking(json: bool) -> Progress {
    Progress::new("asks the status service", json)
}

/// Shows one booking.
pub(super) async fn show(args: ShowArgs) -> Result<(), Fault> {
    let id = booking_id(&args.id)?;
    let desk = StatusClient::new(&args.status, Reader::of(args.json))?;
    let seen = asking(args.json).during(desk.booking(&id)).await?;
    if args.follow {
        if seen.is_none() {
            say(&format!("booking {id} has not been seen yet: waiting for it"))?;
        }
        return follow::to_its_end(&desk, &id, None, args.follow_limit.0, args.json).await;
    }
    match seen {
        Some(view) if args.json => out_json(&view),
        Some(view) => out(&timeline::render(&view, Clock::Machine.now())),
        None if args.json => {
            out_json(&serde_json::json!({"booking_id": id, "phase": UNKNOWN}))?;
            Err(Fault::No(String::new()))
        }
        None => Err(Fault::No(format!(
            "booking {id} has not been seen yet: the status service knows nothing of it"
        ))),
    }
}

/// Lists bookings.
pub(super) async fn list(args: ListArgs) -> Result<(), Fault> {
    let desk = StatusClient::new(&args.status, Reader::of(args.json))?;
    // Not parsed by clap, which repeats a value that it refuses.
    let cursor = |text: &str| text.parse::<Cursor>();
    let after = args.after.as_deref().map(cursor).transpose();
    let mut next = after.map_err(|it| Fault::Usage(format!("--after: {it}")))?;
    let before = args.before.as_deref().map(cursor).transpose();
    let before = before.map_err(|it| Fault::Usage(format!("--before: {it}")))?;
    let limit = if args.all { PAGE_MAX } else { args.limit };
    let mut head = true;
    loop {
        let query = args.query(limit, next.as_ref(), before.as_ref());
        let mut listing = asking(args.json).during(desk.page(&query)).await?;
        if args.stuck {
            // The longest without news come first, so behind the first that is not stuck, none is.
            let before = listing.bookings.len();
            listing.bookings.retain(|it| it.stuck);
            if listing.bookings.len() < before {
                listing.next = None;
            }
        }
        let going_on = listing.next.as_deref().map(cursor).transpose();
        let going_on =
            going_on.map_err(|it| Fault::Internal(format!("{} says: {it}", desk.url())))?;
        if args.json {
            out_json(&listing)?;
        } else if !listing.bookings.is_empty() {
            out(&table(listing.bookings, head))?;
            head = false;
        } else if head && going_on.is_none() {
            out("no bookings")?;
        }
        let Some(cursor) = going_on else { return Ok(()) };
        if !args.all {
            return if args.json {
                Ok(())
            } else {
                say(&format!("there are more: --after {cursor}"))
            };
        }
        if next.as_ref() == Some(&cursor) {
            return Err(Fault::Internal(format!("{} gives the same page again", desk.url())));
        }
        next = Some(cursor);
    }
}

/// One line for each booking, below a heading if `head` is set.
fn table(bookings: Vec<BookingLine>, head: bool) -> String {
    let mut text = String::new();
    if head {
        text = format!("{:<38} {:<24} {:<21} waits for\n", "BOOKING", "PHASE", "NEWS");
    }
    for it in bookings {
        let stuck = if it.stuck { " (stuck)" } else { "" };
        let waits: Vec<String> =
            it.waiting_for.iter().map(|it| format!("{} from {}", it.event, it.from)).collect();
        let news =
            it.as_of.map(|it| it.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default();
        let phase = format!("{}{stuck}", it.phase);
        let line =
            format!("{:<38} {phase:<24} {news:<21} {}", it.booking_id.as_str(), waits.join(", "));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
