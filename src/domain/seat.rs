//! Flight numbers, days and seats as a request writes them. Whether such a flight or seat exists is
//! for [`schedule`](super::schedule) to say.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Expected;

/// The most seats one booking may have.
pub const SEATS_MAX: usize = 9;

/// One seat of an aircraft, such as `12A`. Seats are ordered by row, then by letter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SeatId {
    row: u16,
    letter: u8,
}

/// The rows that an aircraft can have.
pub(super) const ROWS: std::ops::RangeInclusive<u16> = 1..=999;
/// The letters that a seat can have.
pub(super) const LETTERS: std::ops::RangeInclusive<u8> = b'A'..=b'K';
/// The most digits of a row.
const ROW_DIGITS_MAX: usize = 3;

impl SeatId {
    /// Reads a row from 1 to 999 followed by a letter from A to K.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        const WANTED: Expected =
            Expected("a seat such as 12A: a row from 1 to 999, a letter from A to K");
        let (letter, row) = text.as_bytes().split_last().ok_or(WANTED)?;
        let digits = row.iter().all(u8::is_ascii_digit);
        if !digits || row.first().is_none_or(|it| *it == b'0') || row.len() > ROW_DIGITS_MAX {
            return Err(WANTED);
        }
        if !LETTERS.contains(letter) {
            return Err(WANTED);
        }
        let row = row.iter().fold(0, |sum, it| sum * 10 + u16::from(it - b'0'));
        Ok(SeatId { row, letter: *letter })
    }

    /// The row, from 1.
    #[must_use]
    pub fn row(self) -> u16 {
        self.row
    }

    /// The letter, A to K.
    #[must_use]
    pub fn letter(self) -> char {
        char::from(self.letter)
    }
}

impl std::fmt::Display for SeatId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.row, self.letter())
    }
}

impl std::fmt::Debug for SeatId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl TryFrom<String> for SeatId {
    type Error = Expected;
    fn try_from(text: String) -> Result<Self, Expected> {
        SeatId::parse(&text)
    }
}

impl From<SeatId> for String {
    fn from(it: SeatId) -> String {
        it.to_string()
    }
}

/// A flight designator, such as `WA117`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FlightNo(String);

impl FlightNo {
    /// Reads an airline code of 2 or 3 capital letters or digits, a number of 1 to 4 digits, and an
    /// optional capital letter.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        const WANTED: Expected = Expected("a flight such as WA117");
        let body = text.strip_suffix(|it: char| it.is_ascii_uppercase()).unwrap_or(text).as_bytes();
        let airline =
            |it: &[u8]| it.iter().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit());
        let number = |it: &[u8]| (1..=4).contains(&it.len()) && it.iter().all(u8::is_ascii_digit);
        let fits = [2, 3].into_iter().filter_map(|it| body.split_at_checked(it));
        let fits = fits.into_iter().any(|(left, right)| airline(left) && number(right));
        if fits { Ok(FlightNo(text.to_owned())) } else { Err(WANTED) }
    }

    /// The flight number as it is written on a ticket.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for FlightNo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for FlightNo {
    type Error = Expected;
    fn try_from(text: String) -> Result<Self, Expected> {
        FlightNo::parse(&text)
    }
}

impl From<FlightNo> for String {
    fn from(it: FlightNo) -> String {
        it.0
    }
}

/// Reads exactly `YYYY-MM-DD`. Past days are accepted: the schedule says which days are on sale.
///
/// # Errors
/// When the text has another form, or there is no such day.
pub fn parse_date(text: &str) -> Result<Date, Expected> {
    const WANTED: Expected = Expected("a day as YYYY-MM-DD");
    let date: Date = text.parse().map_err(|_| WANTED)?;
    if text.len() == 10 && date.to_string() == text { Ok(date) } else { Err(WANTED) }
}

/// Seats on one departure, which a booking wants, holds or loses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seating {
    pub flight: FlightNo,
    /// The local day of the departure.
    pub date: Date,
    /// Sorted, each seat once.
    pub seats: Vec<SeatId>,
}

impl Seating {
    /// The same departure with other seats.
    #[must_use]
    pub fn with(&self, seats: Vec<SeatId>) -> Seating {
        Seating { flight: self.flight.clone(), date: self.date, seats }
    }
}

/// The seats as text for people: `12A, 12B`.
#[must_use]
pub fn seat_list(seats: &[SeatId]) -> String {
    seats.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_flights_and_days_have_one_form() {
        for good in ["1A", "12K", "999C"] {
            assert_eq!(SeatId::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "A", "0A", "01A", "1000A", "12L", "12a", "12", "12AA", "+1A"] {
            assert!(SeatId::parse(bad).is_err(), "{bad}");
        }
        for good in ["WA117", "LH4", "U21234", "EZY12A", "3K55"] {
            assert!(FlightNo::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "WA", "W1", "wa117", "WA123456", "WA117 ", "WA-117", "A"] {
            assert!(FlightNo::parse(bad).is_err(), "{bad}");
        }
        assert!(parse_date("2027-03-01").is_ok());
        for bad in [
            "2027-3-1",
            "2027-02-30",
            "01.03.2027",
            "20270301",
            "-000001-01-01",
            "2027-03-01T00:00",
            " 2027-03-01",
        ] {
            assert!(parse_date(bad).is_err(), "{bad}");
        }
    }
}
