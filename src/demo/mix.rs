//! The bookings of the demo: a seeded mix in which every ending happens. The seed alone may decide
//! what is in it.

use std::collections::VecDeque;

use jiff::civil::Date;

use crate::domain::{
    ids::BookingId,
    money::{Currency, Money},
    request::{Passenger, Payment, PaymentToken, Request},
    seat::{FlightNo, SeatId, Seating},
};

/// What one client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    flight: &'static str,
    date: Date,
    seats: Vec<SeatId>,
    /// The price that the client offers for each seat, in cents.
    cents: u64,
    token: &'static str,
    name: &'static str,
}

const NAMES: [&str; 8] = [
    "Ada Lovelace",
    "Grace Hopper",
    "Annie Easley",
    "Katherine Johnson",
    "Edsger Dijkstra",
    "Barbara Liskov",
    "Leslie Lamport",
    "Radia Perlman",
];

/// The seats of the flight that most bookings are for.
const SEATS_A_DAY: u32 = 600;
/// How many bookings count as recent.
const RECENT: usize = 6;

/// The first bookings show the different endings; the others are random.
const FIRST: [Plan; 8] = [
    Plan::Happy,
    Plan::Declined,
    Plan::Rival,
    Plan::Family,
    Plan::Late,
    Plan::Unknown,
    Plan::Rival,
    Plan::Poor,
];

#[derive(Clone, Copy)]
enum Plan {
    /// A free seat and a good card.
    Happy,
    /// Several seats, all or none.
    Family,
    /// A free seat and a card that is declined.
    Declined,
    /// A free seat and a card without funds.
    Poor,
    /// A charge that succeeds, but whose answer comes too late.
    Late,
    /// A flight that is not in the schedule.
    Unknown,
    /// A price below the fare of the flight.
    Cheap,
    /// The seats that an earlier booking asks for too.
    Rival,
}

/// `count` bookings from 1 March 2027 on. The same seed gives the same ids and wishes.
#[must_use]
pub fn wishes(count: usize, seed: u64) -> Vec<(BookingId, Wish)> {
    Mix::new(seed, jiff::civil::date(2027, 3, 1)).take(count).collect()
}

/// Bookings without an end. It remembers only the last few.
#[derive(Debug)]
pub struct Mix {
    seed: u64,
    rng: fastrand::Rng,
    made: usize,
    /// Where rivals are found: a rival of a recent booking, so that both are in flight at the same
    /// time.
    recent: VecDeque<Wish>,
    /// The day of the first departure.
    first: Date,
    next_seat: u32,
}

impl Mix {
    /// The bookings of a seed. The first ones depart on the day `first`; once all seats of a day
    /// were asked for, the next ones depart a day later.
    #[must_use]
    pub fn new(seed: u64, first: Date) -> Mix {
        let rng = fastrand::Rng::with_seed(seed);
        Mix { seed, rng, made: 0, recent: VecDeque::new(), first, next_seat: 0 }
    }

    /// Goes on with departures from the day `first` on, for stores in which no seat is taken. The
    /// ids go on as well.
    pub fn depart_from(&mut self, first: Date) {
        (self.first, self.next_seat) = (first, 0);
        self.recent.clear();
    }

    fn draw(&mut self) -> Plan {
        match self.rng.u8(0..100) {
            0..50 => Plan::Happy,
            50..62 => Plan::Family,
            62..70 => Plan::Declined,
            70..74 => Plan::Poor,
            74..79 => Plan::Late,
            79..82 => Plan::Unknown,
            82..84 => Plan::Cheap,
            _ => Plan::Rival,
        }
    }

    /// A wish for seats that no earlier wish asks for.
    fn fresh(&mut self, plan: Plan) -> Wish {
        let count = if matches!(plan, Plan::Family) { self.rng.u32(2..=4) } else { 1 };
        // 60 rows of 10; a family stays on one day.
        if self.next_seat % SEATS_A_DAY + count > SEATS_A_DAY {
            self.next_seat += SEATS_A_DAY - self.next_seat % SEATS_A_DAY;
        }
        let day = i64::from(self.next_seat / SEATS_A_DAY);
        let seat = |at: u32| {
            let place = at % SEATS_A_DAY;
            let letter = char::from(b"ABCDEFGHJK"[place as usize % 10]);
            SeatId::parse(&format!("{}{letter}", place / 10 + 1)).expect("a row from 1 to 60")
        };
        let seats = (self.next_seat..self.next_seat + count).map(seat).collect();
        self.next_seat += count;
        let (flight, token, cents) = match plan {
            Plan::Happy | Plan::Family | Plan::Rival => ("WA240", "tok_visa", 12_900),
            Plan::Declined => ("WA240", "tok_declined", 12_900),
            Plan::Poor => ("WA240", "tok_insufficient_funds", 12_900),
            Plan::Late => ("WA240", "tok_timeout_then_ok", 12_900),
            Plan::Unknown => ("ZZ404", "tok_visa", 12_900),
            Plan::Cheap => ("WA241", "tok_visa", 1),
        };
        let date = self.first.saturating_add(jiff::Span::new().days(day));
        Wish { flight, date, seats, cents, token, name: self.name() }
    }

    fn name(&mut self) -> &'static str {
        self.rng.choice(NAMES).unwrap_or(NAMES[0])
    }
}

impl Iterator for Mix {
    type Item = (BookingId, Wish);

    fn next(&mut self) -> Option<(BookingId, Wish)> {
        let plan = FIRST.get(self.made).copied();
        let plan = plan.unwrap_or_else(|| self.draw());
        let wish = match (plan, self.recent.len()) {
            (Plan::Rival, known @ 1..) => {
                let rival = self.recent[self.rng.usize(0..known)].clone();
                Wish { token: "tok_visa", name: self.name(), ..rival }
            }
            _ => self.fresh(plan),
        };
        self.made += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(wish.clone());
        let id = BookingId::parse(&format!("demo-{}-{:04}", self.seed, self.made));
        Some((id.expect("digits and letters"), wish))
    }
}

impl Wish {
    /// The request for this wish.
    #[must_use]
    pub fn request(&self) -> Request {
        let amount = self.cents * self.seats.len() as u64;
        let euro = Currency::parse("EUR").expect("the euro is a currency");
        let user = self.name.to_lowercase().replace(' ', ".");
        Request {
            seating: Seating {
                flight: FlightNo::parse(self.flight).expect("a flight of the sample"),
                date: self.date,
                seats: self.seats.clone(),
            },
            passenger: Passenger {
                name: self.name.to_owned(),
                email: format!("{user}@example.com"),
            },
            payment: Payment {
                token: PaymentToken::parse(self.token).expect("a token of the simulated gateway"),
                amount: Money::new(amount, euro).expect("at most nine fares"),
            },
        }
    }
}
