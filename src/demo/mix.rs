//! The bookings of the demo: a seeded mix in which every ending happens. The seed alone may decide
//! what is in it.

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
    /// Days after 2027-03-01.
    day: u16,
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

/// `count` bookings. The same seed gives the same ids and wishes.
#[must_use]
pub fn wishes(count: usize, seed: u64) -> Vec<(BookingId, Wish)> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut next_seat = 0_u32;
    let mut wishes: Vec<(BookingId, Wish)> = Vec::with_capacity(count);
    for at in 0..count {
        let plan = FIRST.get(at).copied().unwrap_or_else(|| draw(&mut rng));
        let wish = match (plan, wishes.len()) {
            (Plan::Rival, 1..) => {
                // A rival of a recent booking, so that both are in flight at the same time.
                let recent = wishes.len().saturating_sub(6);
                let rival = &wishes[rng.usize(recent..wishes.len())].1;
                Wish { token: "tok_visa", name: name(&mut rng), ..rival.clone() }
            }
            _ => fresh(plan, &mut next_seat, &mut rng),
        };
        let id = BookingId::parse(&format!("demo-{seed}-{:04}", at + 1));
        wishes.push((id.expect("digits and letters"), wish));
    }
    wishes
}

fn draw(rng: &mut fastrand::Rng) -> Plan {
    match rng.u8(0..100) {
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
fn fresh(plan: Plan, next_seat: &mut u32, rng: &mut fastrand::Rng) -> Wish {
    let count = if matches!(plan, Plan::Family) { rng.u32(2..=4) } else { 1 };
    // 60 rows of 10; a family stays on one day.
    if *next_seat % 600 + count > 600 {
        *next_seat += 600 - *next_seat % 600;
    }
    let day = u16::try_from(*next_seat / 600).unwrap_or(u16::MAX);
    let seat = |at: u32| {
        let place = at % 600;
        let letter = char::from(b"ABCDEFGHJK"[place as usize % 10]);
        SeatId::parse(&format!("{}{letter}", place / 10 + 1)).expect("a row from 1 to 60")
    };
    let seats = (*next_seat..*next_seat + count).map(seat).collect();
    *next_seat += count;
    let (flight, token, cents) = match plan {
        Plan::Happy | Plan::Family | Plan::Rival => ("WA240", "tok_visa", 12_900),
        Plan::Declined => ("WA240", "tok_declined", 12_900),
        Plan::Poor => ("WA240", "tok_insufficient_funds", 12_900),
        Plan::Late => ("WA240", "tok_timeout_then_ok", 12_900),
        Plan::Unknown => ("ZZ404", "tok_visa", 12_900),
        Plan::Cheap => ("WA241", "tok_visa", 1),
    };
    Wish { flight, day, seats, cents, token, name: name(rng) }
}

fn name(rng: &mut fastrand::Rng) -> &'static str {
    rng.choice(NAMES).unwrap_or(NAMES[0])
}

impl Wish {
    /// The request for this wish.
    #[must_use]
    pub fn request(&self) -> Request {
        let first = jiff::civil::date(2027, 3, 1);
        let date = first.saturating_add(jiff::Span::new().days(i64::from(self.day)));
        let amount = self.cents * self.seats.len() as u64;
        let euro = Currency::parse("EUR").expect("the euro is a currency");
        let user = self.name.to_lowercase().replace(' ', ".");
        Request {
            seating: Seating {
                flight: FlightNo::parse(self.flight).expect("a flight of the sample"),
                date,
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
