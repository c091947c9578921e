//! `booking request`: what a client of the choreography does, and the `aws` line that does the same.

use std::{collections::BTreeSet, time::Duration};

use clap::Args;
use uuid::Uuid;

use super::{
    Fault,
    config::{AccountArgs, AwsArgs, StatusUrl},
    out, out_json,
    show::{Desk, booking_id},
    timeline,
};
use crate::{
    bus::{
        Message,
        aws::{AwsTopics, Clients, Names},
        wire,
    },
    clock::Clock,
    domain::{
        Expected,
        card::holds_card_number,
        event::{Data, Event, Kind},
        ids::{BookingId, Cause},
        money::Money,
        request::{Passenger, Payment, PaymentToken, Request},
        seat::{FlightNo, SEATS_MAX, SeatId, Seating, parse_date},
        status::Phase,
    },
    metrics::RequestCount,
    wiring::aws_fault,
};

const USAGE: &str = "booking request --flight WA117 --date 2027-03-01 --seat 12A\n       \
    --name NAME --email ADDRESS --token TOKEN --amount 'EUR 129.00' [OPTIONS]";

/// How often a watched booking is asked after.
const WATCH_EVERY: Duration = Duration::from_millis(300);

/// `booking request`
#[derive(Debug, Args)]
#[command(override_usage = USAGE)]
pub struct RequestArgs {
    /// Flight, such as WA117
    #[arg(long, value_parser = parser(FlightNo::parse))]
    flight: FlightNo,
    /// Local day of departure, YYYY-MM-DD
    #[arg(long, value_parser = parser(parse_date))]
    date: jiff::civil::Date,
    /// Seat, such as 12A; up to nine, all or none
    #[arg(long = "seat", required = true, value_parser = parser(SeatId::parse))]
    seats: Vec<SeatId>,
    /// Who flies
    #[arg(long)]
    name: String,
    /// Where the receipt goes
    #[arg(long)]
    email: String,
    /// The payment provider's token for the card; for the simulated gateway tok_visa, tok_declined,
    /// tok_insufficient_funds or tok_timeout_then_ok
    #[arg(long, env = "BOOKING_TOKEN", hide_env_values = true)]
    token: String,
    /// What it costs, such as 'EUR 129.00'
    #[arg(long, value_parser = parser(Money::parse))]
    amount: Money,
    /// The booking's id [default: a new one]
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
    let booking = match &args.id {
        Some(id) => booking_id(id)?,
        None => BookingId::parse(&Uuid::now_v7().to_string()).expect("a UUID is a booking id"),
    };
    let request = request(&args)?;
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
    let desk = if args.watch { Some(Desk::new(&args.status)?) } else { None };
    if let Some(desk) = &desk {
        // Before anything is published: who tries again then makes no second booking.
        desk.booking(&booking).await?;
    }
    let (message_id, arn) = publish(&args, &message).await?;

    if let Some(fields) = data.as_object_mut() {
        fields.insert("booking_id".to_owned(), booking.as_str().into());
    }
    let same = format!("aws sns publish --topic-arn {arn} --message {}", quoted(&data.to_string()));
    if args.json {
        out_json(&serde_json::json!({
            "booking_id": booking, "message_id": message_id, "topic_arn": arn, "aws": same,
        }))?;
    } else {
        out(&format!("booking {booking}\n\nthe same with the AWS command line:\n  {same}\n"))?;
    }
    match desk {
        Some(desk) => watch(&desk, &booking, args.watch_limit.0, args.json).await,
        None if args.json => Ok(()),
        None => out(&format!("follow it with: booking show {booking}")),
    }
}

/// What is personal is not read by clap, which repeats what it refuses.
fn request(args: &RequestArgs) -> Result<Request, Fault> {
    let named = args.seats.len();
    let seats: BTreeSet<SeatId> = args.seats.iter().copied().collect();
    if seats.len() < named || named > SEATS_MAX {
        return Err(Fault::Usage(format!("--seat: expected 1 to {SEATS_MAX} different seats")));
    }
    if holds_card_number(&args.name) {
        return Err(Fault::Usage("--name holds what could be a card number".to_owned()));
    }
    let bad = |flag: &'static str| move |it: Expected| Fault::Usage(format!("{flag}: {it}"));
    Ok(Request {
        seating: Seating {
            flight: args.flight.clone(),
            date: args.date,
            seats: seats.into_iter().collect(),
        },
        passenger: Passenger {
            name: Passenger::parse_name(&args.name).map_err(bad("--name"))?,
            email: Passenger::parse_email(&args.email).map_err(bad("--email"))?,
        },
        payment: Payment {
            token: PaymentToken::parse(&args.token).map_err(bad("--token"))?,
            amount: args.amount,
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
async fn watch(desk: &Desk, booking: &BookingId, limit: Duration, json: bool) -> Result<(), Fault> {
    let deadline = tokio::time::Instant::now() + limit;
    let mut printed = 0;
    loop {
        let asked = desk.booking(booking).await;
        let late = tokio::time::Instant::now() >= deadline;
        if let Err(error) = asked {
            // A status service that restarts is back soon; the booking goes on meanwhile.
            if late {
                return Err(error);
            }
        } else if let Ok(Some(view)) = asked {
            if !json {
                let lines = timeline::lines(&view.timeline);
                // Late facts can sort before printed ones: the whole is printed again at the end.
                for line in lines.lines().skip(printed) {
                    out(line)?;
                    printed += 1;
                }
            }
            if view.is_final {
                let text = timeline::render(&view, super::show::now());
                if json {
                    out_json(&view)?
                } else {
                    out(&format!("\n{text}"))?
                }
                let well = view.phase == Phase::Completed;
                return if well { Ok(()) } else { Err(Fault::No(String::new())) };
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

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
