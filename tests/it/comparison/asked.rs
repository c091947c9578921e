//! The bookings that are asked for: a seeded mix, and bookings that nothing stands in the way of.
//! The seed alone may decide what is in them.

use std::collections::{BTreeMap, BTreeSet};

use booking::{
    demo::Mix,
    domain::{
        ids::BookingId,
        money::Money,
        request::{Passenger, Payment, PaymentToken, Request},
        seat::{FlightNo, SeatId, Seating},
        status::Phase,
    },
};
use jiff::civil::Date;

use super::road::Road;
use crate::harness::{has_good_card, is_never_sold};

/// Seats of a day that happy bookings take.
const SEATS_A_DAY: usize = 600;

/// What is asked for under one id.
pub type Asked = Vec<(BookingId, Request)>;

/// The mix of the demo, from a day on.
pub fn mixed(count: usize, seed: u64, first: Date) -> Asked {
    Mix::new(seed, first).take(count).map(|(id, wish)| (id, wish.request())).collect()
}

/// Each of them has a seat of its own and a good card.
pub fn happy(name: &str, count: usize, first: Date) -> Asked {
    let request = |at: usize| {
        let (day, place) = (at / SEATS_A_DAY, at % SEATS_A_DAY);
        let letter = char::from(b"ABCDEFGHJK"[place % 10]);
        let days = jiff::Span::new().days(i64::try_from(day).unwrap());
        let request = Request {
            seating: Seating {
                flight: FlightNo::parse("WA240").unwrap(),
                date: first.checked_add(days).unwrap(),
                seats: vec![SeatId::parse(&format!("{}{letter}", place / 10 + 1)).unwrap()],
            },
            passenger: Passenger { name: "Ada Lovelace".into(), email: "ada@example.com".into() },
            payment: Payment {
                token: PaymentToken::parse("tok_visa").unwrap(),
                amount: Money::parse("EUR 129.00").unwrap(),
            },
        };
        (BookingId::parse(&format!("{name}-{:04}", at + 1)).unwrap(), request)
    };
    (0..count).map(request).collect()
}

/// Why a booking can end in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Race {
    /// Another booking wants one of its seats.
    Rivals,
    /// It can have no seat. Payment may have charged before it hears that, or not.
    NoSeat,
}

impl Race {
    pub const ALL: [Race; 2] = [Race::Rivals, Race::NoSeat];

    /// The race in two words.
    pub const fn title(self) -> &'static str {
        match self {
            Race::Rivals => "Rivals for a seat",
            Race::NoSeat => "No seat at all",
        }
    }

    /// The race in a sentence of the document.
    pub const fn why(self) -> &'static str {
        match self {
            Race::Rivals => {
                "Another booking wants one of the same seats. Who asks seats first has them; and \
                 where the services work at the same time, the other one may be charged and \
                 refunded, or declined, before payment hears that there is no seat."
            }
            Race::NoSeat => {
                "The flight does not exist, or not at this price, so nobody gets a seat. Where the \
                 services work at the same time, payment may charge before it hears that, and \
                 gives the money back; an orchestrator asks payment only when there is a seat."
            }
        }
    }
}

/// How a booking may end on a road, by what was asked for alone, and the race if there is one.
pub fn may_end(asked: &Asked) -> BTreeMap<&BookingId, Expected> {
    let mut wanted = BTreeMap::<(&FlightNo, Date, &SeatId), usize>::new();
    for (_, it) in asked {
        for seat in &it.seating.seats {
            *wanted.entry((&it.seating.flight, it.seating.date, seat)).or_default() += 1;
        }
    }
    let expected = |request: &Request| {
        let it = &request.seating;
        let contested = it.seats.iter().any(|seat| wanted[&(&it.flight, it.date, seat)] > 1);
        let (good, unsold) = (has_good_card(request), is_never_sold(request));
        let race = match (unsold, contested) {
            (true, _) => Some(Race::NoSeat),
            (false, true) => Some(Race::Rivals),
            (false, false) => None,
        };
        Expected { good, unsold, race }
    };
    asked.iter().map(|(id, request)| (id, expected(request))).collect()
}

/// What a request alone says of its ending.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    good: bool,
    unsold: bool,
    pub race: Option<Race>,
}

impl Expected {
    /// The endings that are right on a road.
    pub fn endings(self, road: Road) -> BTreeSet<Phase> {
        let mut endings = BTreeSet::new();
        if !self.unsold {
            endings.insert(if self.good { Phase::Completed } else { Phase::PaymentFailed });
        }
        if self.race.is_some() {
            endings.insert(Phase::SeatUnavailable);
            if road.is_choreographed() {
                let both = if self.good { Phase::Refunded } else { Phase::SeatAndPaymentFailed };
                endings.insert(both);
            }
        }
        endings
    }
}
