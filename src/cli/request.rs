//! `booking request`: publishes a request as any client of the choreography does, and shows the
//! `aws` command that does the same. It must not use anything that only a service has.

mod file;

use std::{collections::BTreeSet, path::PathBuf};

use clap::Args;
use uuid::Uuid;

use super::{
    Fault,
    arguments::booking_id,
    config::{AccountArgs, AwsArgs, Events, EventsArgs, Integration, IntegrationArgs, StatusUrl},
    follow, out, out_json,
    progress::Progress,
    say,
    status_client::{Reader, StatusClient},
};
use crate::{
    aws::{Clients, Names, step_functions},
    bus::aws::AwsMachine,
    clock::Clock,
    domain::{
        Expected,
        card::holds_card_number,
        event::{Data, Event, Kind},
        ids::{BookingId, Cause},
        money::Money,
        request::{Passenger, Payment, PaymentToken, Request},
        seat::{FlightNo, SEATS_MAX, SeatId, Seating, parse_date},
    },
    email,
    metrics::RequestCount,
    wire::{self, Message, bus_source},
    wiring::{self, aws_fault, names, no_events, publisher, seal_key},
};

const USAGE: &str = "booking request --flight WA117 --date 2027-03-01 --seat 12A\n       \
    --name NAME --email ADDRESS --amount 'EUR 129.00' [--token TOKEN] [OPTIONS]\n       \
    booking request --from-file FILE [OPTIONS]";

/// The variable that has the token if the command line has none.
const TOKEN: &str = "BOOKING_TOKEN";

/// `booking request`
#[derive(Debug, Args)]
#[command(override_usage = USAGE)]
pub struct RequestArgs {
    /// Read the request from FILE, or from stdin if FILE is -: the `data` of a booking-requested
    /// event, as `booking topics --format json` shows it
    ///
    /// Every user of this machine can see a command line, so a name and an address are safer in a
    /// file. The file has the whole request: of the flags about the request, only --id may be given
    /// with it. If the file has no token, BOOKING_TOKEN is used. Nothing from the file is printed.
    #[arg(long, value_name = "FILE", conflicts_with_all =
          ["flight", "date", "seats", "name", "email", "token", "amount"])]
    from_file: Option<PathBuf>,
    /// Flight, such as WA117
    #[arg(long, required_unless_present = "from_file", value_parser = parser(FlightNo::parse))]
    flight: Option<FlightNo>,
    /// Local day of departure, YYYY-MM-DD
    #[arg(long, required_unless_present = "from_file", value_parser = parser(parse_date))]
    date: Option<jiff::civil::Date>,
    /// Seat, such as 12A. Repeat it for more seats, at most nine: all are booked, or none
    #[arg(long = "seat", required_unless_present = "from_file",
          value_parser = parser(SeatId::parse))]
    seats: Vec<SeatId>,
    /// Name of the passenger
    #[arg(long, required_unless_present = "from_file")]
    name: Option<String>,
    /// E-mail address for the receipt
    #[arg(long, required_unless_present = "from_file")]
    email: Option<String>,
    /// The payment provider's token for the card [env: BOOKING_TOKEN, which is never printed]; for
    /// the simulated gateway tok_visa, tok_declined, tok_insufficient_funds or tok_timeout_then_ok
    // Clap does not read the variable: only a token from the command line is printed.
    #[arg(long)]
    token: Option<String>,
    /// Amount to charge, such as 'EUR 129.00'
    #[arg(long, required_unless_present = "from_file", value_parser = parser(Money::parse))]
    amount: Option<Money>,
    /// Booking id [default: the id in the file, or a new one]
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    home: AccountArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    integration: IntegrationArgs,
    /// Follow the booking to its end; exit code 0 only if it completes
    #[arg(long)]
    watch: bool,
    /// How long to follow the booking
    #[arg(long, default_value = "2m", value_name = "TIME", requires = "watch", value_parser = super::config::patience)]
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
    let way = match args.integration.integration {
        Integration::Choreography => Way::Events(args.events),
        Integration::StepFunctions if args.events.are_named() => return Err(no_events()),
        Integration::StepFunctions => {
            let request = seal_key(&args.integration)?.seal(&booking, &message.body);
            Way::Machine { input: serde_json::json!({ "request": request }).to_string() }
        }
    };
    let reader = Reader::of(args.json);
    let desk = if args.watch { Some(StatusClient::new(&args.status, reader)?) } else { None };
    if let Some(desk) = &desk {
        // Asked before anything is published: if status cannot be reached, nothing has happened,
        // and a second try makes no second booking.
        desk.booking(&booking).await?;
    }
    let progress = Progress::new(way.words(), args.json);
    let (mut told, same, may_be_refused) = match &way {
        Way::Events(events) => {
            let (message_id, arn) = progress.during(publish(&args, &message)).await?;
            data["booking_id"] = booking.as_str().into();
            // Nothing from a file is printed: it is used to keep a name and an address off the
            // screen.
            let same =
                args.from_file.is_none().then(|| same(*events, &arn, data, args.token.is_none()));
            let place = match events.events {
                Events::Sns => "topic_arn",
                Events::EventBridge => "event_bus_arn",
            };
            (serde_json::json!({ "message_id": message_id, place: arn }), same, false)
        }
        Way::Machine { input } => {
            let (arn, is_new) = progress.during(start(&args, &booking, input)).await?;
            if !is_new {
                say(&format!(
                    "booking {booking} was started before: that request stands, and this one is \
                     not used"
                ))?;
            }
            let same = format!(
                "aws stepfunctions start-execution --state-machine-arn {arn} --name {booking} \
                 --input {}",
                quoted(input)
            );
            let told = serde_json::json!({ "state_machine_arn": arn, "started": is_new });
            (told, Some(same), is_new)
        }
    };
    if args.json {
        told["booking_id"] = booking.as_str().into();
        told["aws"] = serde_json::json!(same);
        out_json(&told)?;
    } else {
        let same = same.map(|it| format!("\n\nthe same with the AWS command line:\n  {it}\n"));
        out(&format!("booking {booking}{}", same.unwrap_or_default()))?;
    }
    let own = Some(follow::Own { digest, may_be_refused });
    match desk {
        Some(desk) => follow::to_its_end(&desk, &booking, own, args.watch_limit.0, args.json).await,
        None if args.json => Ok(()),
        None => out(&format!("follow it with: booking show {booking}")),
    }
}

/// Where the request goes.
enum Way {
    /// To all four services, as an event.
    Events(EventsArgs),
    /// To the state machine.
    Machine {
        /// The input of its execution, with the request sealed in it.
        input: String,
    },
}

impl Way {
    fn words(&self) -> &'static str {
        match self {
            Way::Events(_) => "publishes the request",
            Way::Machine { .. } => "starts the booking",
        }
    }
}

/// The `aws` command that publishes this `data`. A `secret` token is not in it: the shell that runs
/// the command takes it from BOOKING_TOKEN.
fn same(events: EventsArgs, arn: &str, mut data: serde_json::Value, secret: bool) -> String {
    if secret {
        data["payment"]["token"] = TOKEN.into();
    }
    // In the JSON of EventBridge, the JSON of the event is a string.
    let (command, what, quote) = match events.events {
        Events::Sns => {
            // The booking is the group. Its id is as good for telling a repetition, since this
            // request is the only one with it.
            let id = data["booking_id"].as_str().unwrap_or_default();
            let ids = format!(" --message-group-id {id} --message-deduplication-id {id}");
            let ids = if events.fifo { ids.as_str() } else { "" };
            let command = format!("aws sns publish --topic-arn {arn}{ids} --message");
            (command, data.to_string(), "\"")
        }
        Events::EventBridge => {
            let entry = serde_json::json!([{
                "EventBusName": arn,
                "Source": bus_source(Kind::BookingRequested),
                "DetailType": Kind::BookingRequested.topic(),
                "Detail": data.to_string(),
            }]);
            ("aws events put-events --entries".to_owned(), entry.to_string(), "\\\"")
        }
    };
    let mut what = quoted(&what);
    if secret {
        // This text stands in the JSON only once: within a string of the event, each of its quotes
        // would have one more backslash before it.
        let here = format!("{quote}token{quote}:{quote}{TOKEN}{quote}");
        let from_the_shell = format!("{quote}token{quote}:{quote}'\"${TOKEN}\"'{quote}");
        what = what.replace(&here, &from_the_shell);
    }
    format!("{command} {what}")
}

/// The request from the flags. Personal data is parsed here and not by clap, which repeats a value
/// that it refuses.
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
            email: email::parse(email).map_err(bad("--email"))?,
        },
        payment: Payment {
            token: PaymentToken::parse(token).map_err(bad("--token"))?,
            amount: args.amount.ok_or_else(|| missing("--amount"))?,
        },
    })
}

async fn publish(args: &RequestArgs, message: &Message) -> Result<(String, String), Fault> {
    let (config, count) = (wiring::aws_config().await?, RequestCount::default());
    let clients = Clients::within_limits(&config, count.clone()).map_err(aws_fault)?;
    let home = clients.home(args.home.account.as_deref()).await.map_err(aws_fault)?;
    let names = names(&args.aws.prefix, args.events)?;
    let publisher = publisher(args.events.events, (&config, &count), &clients, &names, &home);
    let publisher = publisher.await?;
    let id = publisher.publish(message).await.map_err(|it| Fault::bus(&it))?;
    Ok((id, publisher.place(Kind::BookingRequested)))
}

/// Starts the booking at the state machine. Returns the ARN of that, and whether the booking is
/// new.
async fn start(
    args: &RequestArgs,
    booking: &BookingId,
    input: &str,
) -> Result<(String, bool), Fault> {
    let (config, count) = (wiring::aws_config().await?, RequestCount::default());
    let clients = Clients::within_limits(&config, count.clone()).map_err(aws_fault)?;
    let home = clients.home(args.home.account.as_deref()).await.map_err(aws_fault)?;
    let sfn = step_functions(&config, count);
    let machine = AwsMachine::new(sfn, &Names::new(&args.aws.prefix), &home);
    let is_new = machine.start(booking, input).await.map_err(|it| Fault::bus(&it))?;
    Ok((machine.arn().to_owned(), is_new))
}

/// The text in single quotes, for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
