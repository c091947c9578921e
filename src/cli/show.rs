//! `booking show` and `booking list`: what the status service says.

use clap::Args;
use jiff::Timestamp;
use reqwest::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Fault,
    answer::{ANSWER_BYTES_MAX, LIST_BYTES_MAX, Unread, read},
    config::StatusUrl,
    out, out_json, say, terminal, timeline,
};
use crate::{
    address::http_url,
    clock::Clock,
    domain::{canary::CanaryId, ids::BookingId, status::Phase},
    http::{
        CanaryView, Cursor,
        view::{BookingView, Line, Listing, UNKNOWN},
    },
    runtime::Chain,
};

/// How long the status service may take to answer.
const ANSWER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// How many bookings a page of `--all` has: as many as the status service gives.
const PAGE_MAX: u16 = 500;

/// `booking show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The booking
    id: String,
    #[command(flatten)]
    status: StatusUrl,
    /// Print what the status service answers, as JSON
    #[arg(long)]
    json: bool,
}

/// `booking list`
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    status: StatusUrl,
    /// Only bookings of this phase
    #[arg(long, value_parser = phase)]
    phase: Option<Phase>,
    /// Only open bookings, the one without news for longest first
    #[arg(long, conflicts_with = "phase")]
    open: bool,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Go on where a list ended: what it said at its end, or the `next` of its JSON
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// All there are, one page after the other; with --json a document a page
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Print what the status service answers, as JSON
    #[arg(long)]
    json: bool,
}

/// Reads a booking id on the command line. Not by clap, which repeats what it refuses: somebody may
/// have typed a card number.
pub(super) fn booking_id(text: &str) -> Result<BookingId, Fault> {
    BookingId::parse(text).map_err(|it| Fault::Usage(format!("ID: {it}")))
}

fn phase(text: &str) -> Result<Phase, String> {
    Phase::of_name(text).ok_or_else(|| {
        let names: Vec<&str> = Phase::ALL.iter().map(|it| it.as_str()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// Shows one booking.
pub(super) async fn show(args: ShowArgs) -> Result<(), Fault> {
    let id = booking_id(&args.id)?;
    let desk = Desk::new(&args.status, Reader::of(args.json))?;
    match desk.booking(&id).await? {
        Some(view) if args.json => out_json(&view),
        Some(view) => out(&timeline::render(&view, now())),
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
    let desk = Desk::new(&args.status, Reader::of(args.json))?;
    // Not read by clap, which repeats what it refuses.
    let cursor = |text: &str| text.parse::<Cursor>();
    let after = args.after.as_deref().map(cursor).transpose();
    let mut next = after.map_err(|it| Fault::Usage(format!("--after: {it}")))?;
    let limit = if args.all { PAGE_MAX } else { args.limit };
    let mut head = true;
    loop {
        let listing = desk.page(&args, limit, next.as_ref()).await?;
        let going_on = listing.next.as_deref().map(cursor).transpose();
        let going_on =
            going_on.map_err(|it| Fault::Internal(format!("{} says: {it}", desk.url)))?;
        if args.json {
            out_json(&listing)?;
        } else if head && listing.bookings.is_empty() {
            out("no bookings")?;
        } else {
            out(&table(listing.bookings, head))?;
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
            return Err(Fault::Internal(format!("{} goes round in a circle", desk.url)));
        }
        (next, head) = (Some(cursor), false);
    }
}

/// A line a booking, below a head where one is wanted.
fn table(bookings: Vec<Line>, head: bool) -> String {
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

/// Now, by the machine's clock.
pub(super) fn now() -> Timestamp {
    Clock::Machine.now()
}

/// Who reads what a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Somebody at a terminal: each text is one line of what can be seen.
    Person,
    /// A program, which gets each text as it was said.
    Program,
}

impl Reader {
    /// Who reads the output: a program, if it is to be JSON.
    pub(super) fn of(json: bool) -> Reader {
        if json { Reader::Program } else { Reader::Person }
    }
}

/// The status service, as its clients see it.
pub(super) struct Desk {
    http: reqwest::Client,
    /// The address, with user and password if it has them.
    base: String,
    /// The address without them.
    url: String,
    reader: Reader,
}

/// What was found at a path.
enum Answer<T> {
    Here(T),
    /// Nothing, and what was said instead.
    NotFound(Vec<u8>),
}

/// What the status service says of a booking that it has not seen.
#[derive(Deserialize)]
struct Unknown {
    booking_id: String,
    phase: String,
}

impl Desk {
    /// Reads the address.
    pub(super) fn new(status: &StatusUrl, reader: Reader) -> Result<Desk, Fault> {
        let url = status.url.trim_end_matches('/').to_owned();
        // Not repeated: it may hold a password.
        let no_url = |problem: &str| {
            Fault::Config(format!(
                "what was given as BOOKING_STATUS_URL (--status-url) is no address of a status service: \
                 {problem}; write it like http://127.0.0.1:8080"
            ))
        };
        let mut shown = http_url(&url).map_err(no_url)?;
        // Both fail for what can have neither.
        let _ = (shown.set_username(""), shown.set_password(None));
        let shown = shown.as_str().trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder().timeout(ANSWER_TIMEOUT);
        // A proxy has no business between two programs of one machine.
        let home = ["localhost", "127.", "[::1]"].iter().any(|it| url.contains(&format!("//{it}")));
        let http = if home { http.no_proxy() } else { http };
        let http = http.build().map_err(|it| Fault::Internal(Chain(&it).to_string()))?;
        Ok(Desk { http, base: url, url: shown, reader })
    }

    /// A booking, if the service has seen it.
    pub(super) async fn booking(&self, id: &BookingId) -> Result<Option<BookingView>, Fault> {
        let body = match self.get(&format!("bookings/{id}"), &[], ANSWER_BYTES_MAX).await? {
            Answer::Here(it) => return Ok(Some(it)),
            Answer::NotFound(body) => body,
        };
        // Anybody answers with 404: another service, a proxy, a file server.
        let said: Unknown = self.parse(&body)?;
        let unknown = said.phase == UNKNOWN && said.booking_id == id.as_str();
        if unknown { Ok(None) } else { Err(self.strange()) }
    }

    /// What is known of a canary; none when the service is too old to know any, or another one.
    pub(super) async fn canary(&self, id: CanaryId) -> Result<Option<CanaryView>, Fault> {
        Ok(match self.get(&format!("canaries/{id}"), &[], ANSWER_BYTES_MAX).await? {
            Answer::Here(it) => Some(it),
            Answer::NotFound(_) => None,
        })
    }

    /// A page of the list that was asked for.
    async fn page(
        &self,
        args: &ListArgs,
        limit: u16,
        after: Option<&Cursor>,
    ) -> Result<Listing, Fault> {
        let mut query = vec![("limit", limit.to_string())];
        if args.open {
            query.push(("order", "stalest".to_owned()));
        }
        query.extend(args.phase.map(|it| ("phase", it.to_string())));
        query.extend(after.map(|it| ("after", it.to_string())));
        match self.get("bookings", &query, LIST_BYTES_MAX).await? {
            Answer::Here(it) => Ok(it),
            Answer::NotFound(_) => {
                Err(Fault::Unreachable(format!("{} is no status service", self.url())))
            }
        }
    }

    /// Where it is, without user and password.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        bytes_max: usize,
    ) -> Result<Answer<T>, Fault> {
        let url = format!("{}/{path}", self.base);
        let unreachable = |it: reqwest::Error| {
            let it = it.without_url();
            Fault::Unreachable(format!(
                "cannot ask the status service at {}: {}",
                self.url,
                Chain(&it)
            ))
        };
        let answer = self.http.get(&url).query(query).send().await.map_err(unreachable)?;
        let not_found = match answer.status() {
            StatusCode::NOT_FOUND => true,
            it if it.is_success() => false,
            it => {
                let text = format!("the status service at {} answers {it}", self.url);
                return Err(Fault::Unreachable(text));
            }
        };
        let body = read(answer, bytes_max).await.map_err(|it| match it {
            Unread::Broken(error) => unreachable(error),
            Unread::TooLarge(_) => Fault::Config(format!(
                "{} (--status-url) answers with more than {} MiB, which no status service does",
                self.url,
                bytes_max / (1024 * 1024),
            )),
        })?;
        if not_found { Ok(Answer::NotFound(body)) } else { self.parse(&body).map(Answer::Here) }
    }

    fn strange(&self) -> Fault {
        Fault::Unreachable(format!(
            "what {} (--status-url) answers cannot be read: is it a status service, and not newer than \
             this command?",
            self.url
        ))
    }

    /// Says nothing of what it cannot read: a server may have said anything.
    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Fault> {
        let value: Value = serde_json::from_slice(body).map_err(|_| self.strange())?;
        let value = match self.reader {
            Reader::Person => terminal::flat(value),
            Reader::Program => value,
        };
        serde_json::from_value(value).map_err(|_| self.strange())
    }
}
