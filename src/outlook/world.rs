//! What can be different from booking to booking: the request, a rival for the seat, and what the
//! payment provider answers.

use jiff::{SignedDuration, Timestamp, civil::date};

use crate::domain::{
    event::{Charge, Data, Event, Kind, NoCharge, Refund},
    ids::{BookingId, Cause, Digest},
    money::Money,
    payment::{Answer, Effect},
    request::{Passenger, Payment, PaymentToken, Request},
    schedule::Schedule,
    seat::{FlightNo, SeatId, Seating},
    seats::Seats,
};

/// How long an unpaid hold is protected here. Any time will do that lies between the request
/// of the booking and that of its rival.
const HOLD_LIMIT: SignedDuration = SignedDuration::from_mins(15);
/// When the rival asks: after the hold of the booking has become old.
const MUCH_LATER: SignedDuration = SignedDuration::from_hours(1);
/// A schedule that can refuse for each of its reasons.
const SCHEDULE: &str = r#"{"sells":{"days_ahead":30},"flights":[{"flight":"WA1","from":"LIS",
    "to":"FRA","departs":"07:25","zone":"UTC","cabin":{"rows":1,"letters":"A"},
    "fares":{"currency":"EUR","rows":[{"from":1,"to":1,"minor":100}]}}]}"#;

/// What can be different from booking to booking.
#[derive(Clone, Debug)]
pub(super) struct World {
    rules: Seats,
    request: Request,
    /// Whether another booking wants the same seat, at any moment.
    rival: bool,
    /// Why the payment provider declines, if it does.
    declines: NoCharge,
}

impl World {
    /// All that can be different.
    pub(super) fn all() -> Vec<World> {
        let simple = World::new(plain());
        let declines =
            [NoCharge::InsufficientFunds, NoCharge::Invalid, NoCharge::AuthenticationRequired];
        let declines = declines.map(|it| World { declines: it, ..simple.clone() });
        let unknown_flight = Seating { flight: flight("ZZ1"), ..seating() };
        let unknown_seat = seating().with(vec![seat("9K")]);
        let not_on_sale = Seating { date: date(2040, 1, 1), ..seating() };
        let refused = [unknown_flight, unknown_seat, not_on_sale];
        let refused = refused.map(|seating| Request { seating, ..plain() });
        let refused = refused.into_iter().chain([cheaper()]).map(World::new);
        let rival = World { rival: true, ..simple.clone() };
        [simple, rival].into_iter().chain(declines).chain(refused).collect()
    }

    /// The request of the booking.
    pub(super) fn request(&self) -> Event {
        asked(ours(), &self.request, start())
    }

    /// The request of another booking for the same seat, if there is one.
    pub(super) fn rival(&self) -> Option<Event> {
        let event = || asked(booking("rival"), &plain(), start() + MUCH_LATER);
        self.rival.then(event)
    }

    /// The rules of seats.
    pub(super) fn rules(&self) -> &Seats {
        &self.rules
    }

    fn new(request: Request) -> World {
        let schedule = Schedule::parse(SCHEDULE).expect("the schedule above is tested");
        let rules = Seats { schedule, hold_limit: HOLD_LIMIT };
        World { rules, request, rival: false, declines: NoCharge::Declined }
    }

    /// What the payment provider may answer.
    pub(super) fn answers(&self, effect: &Effect) -> Vec<Answer> {
        match effect {
            Effect::Charge { amount, .. } => vec![
                Answer::Charged(Charge { charge: "ch".to_owned(), amount: *amount }),
                Answer::Declined(self.declines.clone()),
            ],
            Effect::Refund { charge, .. } => vec![Answer::Refunded(Refund {
                refund: "re".to_owned(),
                charge: charge.charge.clone(),
                amount: charge.amount,
            })],
            Effect::Undo { .. } => vec![Answer::Undone],
        }
    }
}

/// The booking whose courses are looked for.
pub(super) fn ours() -> BookingId {
    booking("ours")
}

fn booking(id: &str) -> BookingId {
    BookingId::parse(id).expect("a booking id")
}

fn start() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// A request that can be granted.
fn plain() -> Request {
    Request {
        seating: seating(),
        passenger: Passenger { name: "any".to_owned(), email: "any@example.com".to_owned() },
        payment: Payment {
            token: PaymentToken::parse("tok").expect("a token"),
            amount: money("EUR 1.00"),
        },
    }
}

/// The same for less than the seat costs.
fn cheaper() -> Request {
    let plain = plain();
    Request { payment: Payment { amount: money("EUR 0.50"), ..plain.payment }, ..plain }
}

fn seating() -> Seating {
    Seating { flight: flight("WA1"), date: date(1970, 1, 10), seats: vec![seat("1A")] }
}

fn flight(text: &str) -> FlightNo {
    FlightNo::parse(text).expect("a flight")
}

fn seat(text: &str) -> SeatId {
    SeatId::parse(text).expect("a seat")
}

fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
}

fn asked(booking: BookingId, request: &Request, time: Timestamp) -> Event {
    Event {
        cause: Cause::of_client(Kind::BookingRequested.topic(), booking.as_str()),
        booking,
        time,
        digest: Digest::new([0; 32]),
        traceparent: None,
        data: Data::BookingRequested(request.clone()),
    }
}
