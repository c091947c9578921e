//! `booking request`: what a client of the choreography does, and the `aws` line that does the
//! same.

mod file;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use clap::Args;
use uuid::Uuid;

use super::{
    Fault,
    config::{AccountArgs, AwsArgs, StatusUrl},
    out, out_json,
    show::{Desk, Reader, booking_id},
    timeline,
};
use crate::{
    bus::aws::{AwsTopics, Clients, Names},
    clock::Clock,
    domain::{
        Expected,
        card::holds_card_number,
        event::{Data, Event, Kind},
        ids::{BookingId, Cause, Digest},
        money::Money,
        request::{Passenger, Payment, PaymentToken, Request},
        seat::{FlightNo, SEATS_MAX, SeatId, Seating, parse_date},
        status::Phase,
    },
    http::view::BookingView,
    metrics::RequestCount,
    wire::{self, Message},
    wiring::aws_fault,
};

const USAGE: &str = "booking request --flight WA117 --date 2027-03-01 --seat 12A\n       \
    --name NAME --email ADDRESS --amount 'EUR 129.00' [--token TOKEN] [OPTIONS]\n       \
    booking request --from-file FILE [OPTIONS]";

/// How often a watched booking is asked after.
const WATCH_EVERY: Duration = Duration::from_millis(300);
/// Where a token is taken from that is not on the command line.
const TOKEN: &str = "BOOKING_TOKEN";

/// `booking request`
#[derive(Debug, Args)]
#[command(override_usage = USAGE)]
pub struct RequestArgs {
    /// Read the request from FILE, or from stdin if it is -: the `data` of a booking-requested as
    /// `booking topics --format json` shows it
    ///
    /// Everybody on this machine can see a command line; name and address are better off in a file.
    /// The file says all, so no flag about the request goes with it but --id. A token that it does
    /// not have is taken from BOOKING_TOKEN. Nothing of it is printed.
    #[arg(long, value_name = "FILE", conflicts_with_all =
          ["flight", "date", "seats", "name", "email", "token", "amount"])]
    from_file: Option<PathBuf>,
    /// Flight, such as WA117
    #[arg(long, required_unless_present = "from_file", value_parser = parser(FlightNo::parse))]
    flight: Option<FlightNo>,
    /// Local day of departure, YYYY-MM-DD
    #[arg(long, required_unless_present = "from_file", value_parser = parser(parse_date))]
    date: Option<jiff::civil::Date>,
    /// Seat, such as 12A; up to nine, all or none
    #[arg(long = "seat", required_unless_present = "from_file",
          value_parser = parser(SeatId::parse))]
    seats: Vec<SeatId>,
    /// Who flies
    #[arg(long, required_unless_present = "from_file")]
    name: Option<String>,
    /// Where the receipt goes
    #[arg(long, required_unless_present = "from_file")]
    email: Option<String>,
    /// The payment provider's token for the card [env: BOOKING_TOKEN, which is never printed]; for
    /// the simulated gateway tok_visa, tok_declined, tok_insufficient_funds or tok_timeout_then_ok
    // Not read from the environment by clap: where it came from decides whether it is printed.
    #[arg(long)]
    token: Option<String>,
    /// What it costs, such as 'EUR 129.00'
    #[arg(long, required_unless_present = "from_file", value_parser = parser(Money::parse))]
    amount: Option<Money>,
    /// The booking's id [default: the file's, or a new one]
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    home: AccountArgs,
    /// Follow the booking to its end; exit code 0 only if it completes
    #[arg(long)]
    watch: bool,
    /// How long to follow it
    #[arg(long, default_value = "2m", value_name = "TIME", requires = "watch")]
    watch_limit: super::config::Span,
    #[command(flatten)]
    status: StatusUrl,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn parser<T>(
    parse: impl Fn(&str) -> Result<T, Expected> + Clone + Send + Sync + 'static,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| parse(text).map_err(|it| it.to_string())
}

/// Publishes the request, and follows it if asked to.
pub(super) async fn run(args: RequestArgs) -> Result<(), Fault> {
    let token = std::env::var(TOKEN).ok().filter(|it| !it.is_empty());
    let id = args.id.as_deref().map(booking_id).transpose()?;
    let (id, request) = match &args.from_file {
        Some(file) => match (id, file::request(file, token.as_deref())?) {
            (Some(id), (Some(other), _)) if id != other => {
                return Err(Fault::Usage("--id: the file names another booking_id".to_owned()));
            }
            (id, (other, request)) => (id.or(other), request),
        },
        None => (id, request(&args, token.as_deref())?),
    };
    let new = || BookingId::parse(&Uuid::now_v7().to_string()).expect("a UUID is a booking id");
    let booking = id.unwrap_or_else(new);
    let mut data = wire::request_data(&request);
    let digest = wire::digest(data.clone());
    let event = Event {
        cause: Cause { source: "/booking/client".to_owned(), id: Uuid::now_v7().to_string() },
        booking: booking.clone(),
        time: Clock::Machine.now(),
        digest,
        traceparent: None,
        data: Data::BookingRequested(request),
    };
    let message = wire::encode(&event).map_err(|it| Fault::config(&it))?;
    let reader = Reader::of(args.json);
    let desk = if args.watch { Some(Desk::new(&args.status, reader)?) } else { None };
    if let Some(desk) = &desk {
        // Before anything is published: who tries again then makes no second booking.
        desk.booking(&booking).await?;
    }
    let (message_id, arn) = publish(&args, &message).await?;

    data["booking_id"] = booking.as_str().into();
    // Of a file nothing is repeated: whoever uses one wants it nowhere else.
    let same = args.from_file.is_none().then(|| same(&arn, data, args.token.is_none()));
    if args.json {
        out_json(&serde_json::json!({
            "booking_id": booking, "message_id": message_id, "topic_arn": arn, "aws": same,
        }))?;
    } else {
        let same = same.map(|it| format!("\n\nthe same with the AWS command line:\n  {it}\n"));
        out(&format!("booking {booking}{}", same.unwrap_or_default()))?;
    }
    match desk {
        Some(desk) => watch(&desk, &booking, digest, args.watch_limit.0, args.json).await,
        None if args.json => Ok(()),
        None => out(&format!("follow it with: booking show {booking}")),
    }
}

/// The `aws` line that publishes this `data`. A `secret` token is left to the environment of the
/// shell that runs it.
fn same(arn: &str, mut data: serde_json::Value, secret: bool) -> String {
    if secret {
        data["payment"]["token"] = TOKEN.into();
    }
    let mut message = quoted(&data.to_string());
    if secret {
        // Nowhere else: within a text of JSON each of these quotes has a backslash before it.
        let here = format!("\"token\":\"{TOKEN}\"");
        message = message.replace(&here, &format!("\"token\":\"'\"${TOKEN}\"'\""));
    }
    format!("aws sns publish --topic-arn {arn} --message {message}")
}

/// What is personal is not read by clap, which repeats what it refuses.
fn request(args: &RequestArgs, token: Option<&str>) -> Result<Request, Fault> {
    let missing = |flag: &str| Fault::Usage(format!("{flag}: is missing"));
    let name = args.name.as_deref().ok_or_else(|| missing("--name"))?;
    let email = args.email.as_deref().ok_or_else(|| missing("--email"))?;
    let token = args.token.as_deref().or(token);
    let token = token.ok_or_else(|| missing(&format!("--token, or {TOKEN} in the environment")))?;
    let named = args.seats.len();
    let seats: BTreeSet<SeatId> = args.seats.iter().copied().collect();
    if seats.len() < named || named > SEATS_MAX {
        return Err(Fault::Usage(format!("--seat: expected 1 to {SEATS_MAX} different seats")));
    }
    if holds_card_number(name) {
        return Err(Fault::Usage("--name holds what could be a card number".to_owned()));
    }
    let bad = |flag: &'static str| move |it: Expected| Fault::Usage(format!("{flag}: {it}"));
    Ok(Request {
        seating: Seating {
            flight: args.flight.clone().ok_or_else(|| missing("--flight"))?,
            date: args.date.ok_or_else(|| missing("--date"))?,
            seats: seats.into_iter().collect(),
        },
        passenger: Passenger {
            name: Passenger::parse_name(name).map_err(bad("--name"))?,
            email: Passenger::parse_email(email).map_err(bad("--email"))?,
        },
        payment: Payment {
            token: PaymentToken::parse(token).map_err(bad("--token"))?,
            amount: args.amount.ok_or_else(|| missing("--amount"))?,
        },
    })
}

async fn publish(args: &RequestArgs, message: &Message) -> Result<(String, String), Fault> {
    let clients = Clients::load(RequestCount::default()).await.map_err(aws_fault)?;
    let home = clients.home(args.home.account.as_deref()).await.map_err(aws_fault)?;
    let topics = AwsTopics::new(&clients, Names::new(&args.aws.prefix), home);
    let id = topics.publish(message).await.map_err(|it| Fault::bus(&it))?;
    Ok((id, topics.arn(Kind::BookingRequested)))
}

/// Asks again and again, and prints what is new, until the booking is at an end.
///
/// Of a booking for which another request was answered nothing is printed: it is not ours.
async fn watch(
    desk: &Desk,
    booking: &BookingId,
    own: Digest,
    limit: Duration,
    json: bool,
) -> Result<(), Fault> {
    let deadline = tokio::time::Instant::now() + limit;
    let mut printed = 0;
    loop {
        let asked = desk.booking(booking).await;
        let late = tokio::time::Instant::now() >= deadline;
        match asked {
            // A status service that restarts is back soon; the booking goes on meanwhile.
            Err(error) if late => return Err(error),
            Err(_) | Ok(None) => {}
            Ok(Some(view)) => {
                let another = view.request_digest.is_some_and(|it| it != own);
                if another && view.is_answered() {
                    return Err(Fault::No(format!(
                        "CONFLICT: the booking {booking} is of another request under this id, which came first. \
                         Whatever payment took for this one is given back. Ask again under an id that nobody can \
                         guess (leave out --id)"
                    )));
                }
                // What was refused under its id was somebody else's: ours was looked at before it
                // was sent.
                let refused = view.phase == Phase::Rejected;
                if !another && !refused && tell(&view, &mut printed, json)? {
                    let well = view.phase == Phase::Completed;
                    return if well { Ok(()) } else { Err(Fault::No(String::new())) };
                }
            }
        }
        if late {
            return Err(Fault::Unreachable(format!(
                "booking {booking} is not at its end after {limit:?}; `booking show {booking}` says what it waits for"
            )));
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

/// Prints what is new of a booking, and at its end all of it. Says whether this is its end.
fn tell(view: &BookingView, printed: &mut usize, json: bool) -> Result<bool, Fault> {
    if !json {
        // Late facts can sort before printed ones: the whole is printed again at the end.
        for line in timeline::lines(&view.timeline).lines().skip(*printed) {
            out(line)?;
            *printed += 1;
        }
    }
    match (view.is_final, json) {
        (false, _) => {}
        (true, true) => out_json(view)?,
        (true, false) => out(&format!("\n{}", timeline::render(view, super::show::now())))?,
    }
    Ok(view.is_final)
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
