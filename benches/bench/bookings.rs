//! Happy bookings: each with its own id and its own seat, and the schedule that has all these
//! seats.

use booking::domain::ids::BookingId;
use serde_json::{Value, json};

const FLIGHTS: usize = 100;
const ROWS: usize = 30;
const LETTERS: &str = "ABCDEF";
const SEATS: usize = ROWS * LETTERS.len();
/// What a seat costs, in cents.
const FARE_MINOR: u64 = 12_900;

/// The bookings of one run: numbers without a gap.
pub type Numbers = std::ops::Range<usize>;

/// A schedule of flights that fly every day, so that there are seats for any number of bookings; on
/// sale on any day, so that it can be measured on any day; with the fares that a business has.
pub fn schedule() -> Value {
    let flight = |number: usize| {
        json!({"flight": flight(number), "from": "BER", "to": "FAO", "departs": "06:30",
               "cabin": {"rows": ROWS, "letters": LETTERS}, "fares": {"currency": "EUR",
               "rows": [{"from": 1, "to": ROWS, "minor": FARE_MINOR}]}})
    };
    json!({"sells": "any_day", "flights": (0..FLIGHTS).map(flight).collect::<Vec<_>>()})
}

fn flight(number: usize) -> String {
    format!("BN{}", 100 + number)
}

/// Odd, so that no two numbers meet: 2^64 over the golden ratio.
const SCATTER: u64 = 0x9E37_79B9_7F4A_7C15;

/// The id of booking `number`, which no other number has. Scattered, as those that clients and SNS
/// make up are: ids that ascend would find every index of keys at its end. Letters, so that none
/// could be a card number.
pub fn id(number: usize) -> String {
    let scattered = (number as u64).wrapping_mul(SCATTER);
    let letter = |it: u32| char::from(b'a' + (scattered >> (it * 4) & 15) as u8);
    format!("bench-{}", (0..16).rev().map(letter).collect::<String>())
}

pub fn booking_id(number: usize) -> BookingId {
    BookingId::parse(&id(number)).expect("bench-aaaaaaaaaaaaaaaa is a booking id")
}

/// The key under which the booking's seat is kept: `seat/BN100/2027-03-01/12A`.
pub fn seat_key(number: usize) -> String {
    let (flight, date, seat) = seat(number);
    format!("seat/{flight}/{date}/{seat}")
}

/// Flight, day and seat, which no other number has.
pub fn seat(number: usize) -> (String, String, String) {
    let (departure, place) = (number / SEATS, number % SEATS);
    let (day, at) = (departure / FLIGHTS, departure % FLIGHTS);
    let first = jiff::civil::date(2027, 3, 1);
    let date = first.saturating_add(jiff::Span::new().days(i64::try_from(day).unwrap_or(0)));
    let letter = &LETTERS[place % LETTERS.len()..][..1];
    (flight(at), date.to_string(), format!("{}{letter}", place / LETTERS.len() + 1))
}

/// What a client publishes: the bare `data` of a `booking-requested`, with an id.
pub fn request(number: usize) -> String {
    let (flight, date, seat) = seat(number);
    json!({
        "booking_id": id(number),
        "flight": flight,
        "date": date,
        "seats": [seat],
        "passenger": {"name": "Ada Lovelace", "email": "ada@example.com"},
        "payment": {"token": "tok_visa", "amount": {"minor": FARE_MINOR, "currency": "EUR"}},
    })
    .to_string()
}
