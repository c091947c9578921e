//! The bookings of the bench, each with its own id and its own seat, and a schedule with all these
//! seats. No two bookings may ever compete for a seat, since every one has to complete.

use booking::domain::ids::BookingId;
use serde_json::{Value, json};

const FLIGHTS: usize = 100;
const ROWS: usize = 30;
const LETTERS: &str = "ABCDEF";
const SEATS: usize = ROWS * LETTERS.len();
/// The fare of a seat, in cents.
const FARE_MINOR: u64 = 12_900;

/// The bookings of one run, as consecutive numbers.
pub type Numbers = std::ops::Range<usize>;

/// The schedule. The flights fly every day, so that there are seats for any number of bookings.
/// They are on sale on any day, so that the bench can run on any day. They have fares, as the
/// flights of an airline do.
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

/// 2^64 divided by the golden ratio. It is odd, so that no two numbers get the same id.
const SCATTER: u64 = 0x9E37_79B9_7F4A_7C15;

/// The id of booking `number`, different for each number. Ids are scattered, as those of clients
/// and of SNS are: ascending ids would always use the end of an index. They consist of letters, so
/// that none could be a card number.
pub fn id(number: usize) -> String {
    let scattered = (number as u64).wrapping_mul(SCATTER);
    let letter = |it: u32| char::from(b'a' + (scattered >> (it * 4) & 15) as u8);
    format!("bench-{}", (0..16).rev().map(letter).collect::<String>())
}

pub fn booking_id(number: usize) -> BookingId {
    BookingId::parse(&id(number)).expect("bench-aaaaaaaaaaaaaaaa is a booking id")
}

/// The key of the row of the booking's seat: `seat/BN100/2027-03-01/12A`.
pub fn seat_key(number: usize) -> String {
    let (flight, date, seat) = seat(number);
    format!("seat/{flight}/{date}/{seat}")
}

/// Flight, day and seat of booking `number`, different for each number.
pub fn seat(number: usize) -> (String, String, String) {
    let (departure, place) = (number / SEATS, number % SEATS);
    let (day, at) = (departure / FLIGHTS, departure % FLIGHTS);
    let first = jiff::civil::date(2027, 3, 1);
    let date = first.saturating_add(jiff::Span::new().days(i64::try_from(day).unwrap_or(0)));
    let letter = &LETTERS[place % LETTERS.len()..][..1];
    (flight(at), date.to_string(), format!("{}{letter}", place / LETTERS.len() + 1))
}

/// The message that a client publishes: the bare `data` of a `booking-requested`, with an id.
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
