//! Which flights there are, which seats they have, when these can be booked and at what price.
//!
//! A schedule is read once, at start. It must never contain holds, so that loading another schedule
//! cannot change one.

use std::collections::BTreeMap;

use jiff::{
    Timestamp,
    civil::{Date, Weekday},
};
use serde::Deserialize;

use super::{
    Expected,
    event::NoSeat,
    fares::{Fares, FaresError},
    money::Money,
    sale::{Departure, Sells, WallTime, Zone},
    seat::{FlightNo, LETTERS, ROWS, SeatId, Seating},
};

/// The built-in schedule: a few flights that fly every day and can be booked for any day, so that
/// no example in a document goes out of date.
const SAMPLE: &str = include_str!("sample-flights.json");

/// The flights, and which of their departures are on sale.
#[derive(Clone, Debug)]
pub struct Schedule {
    flights: BTreeMap<FlightNo, Flight>,
    sells: Sells,
}

/// One flight number: its airports, its departures and its cabin.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flight {
    flight: FlightNo,
    /// The airport code of the departure.
    pub from: String,
    /// The airport code of the destination.
    pub to: String,
    /// The local time of departure.
    departs: WallTime,
    /// The time zone of that local time.
    #[serde(default, deserialize_with = "said")]
    zone: Option<Zone>,
    /// The days of the week on which it flies; absent means every day.
    #[serde(default)]
    days: Vec<Day>,
    /// The only dates on which it flies; absent means any.
    #[serde(default)]
    dates: Vec<Date>,
    cabin: Cabin,
    /// What its seats cost; absent means any amount that a request names.
    #[serde(default, deserialize_with = "said")]
    fares: Option<Fares>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cabin {
    /// The number of the last row; the first is row 1.
    rows: u16,
    /// The letters of a row, such as `ABCDEF`.
    letters: String,
    /// Seats that do not exist, such as those of row 13.
    #[serde(default)]
    without: Vec<SeatId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    sells: Sells,
    flights: Vec<Flight>,
}

/// Reads a field that may be absent but not `null`, since a `null` could be a fare that got lost.
fn said<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    it: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(it).map(Some)
}

/// Why a schedule cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The text is not JSON of the expected form.
    #[error("not a schedule")]
    Shape(#[from] serde_json::Error),
    /// A flight number is listed twice.
    #[error("flight {0} is listed twice")]
    Twice(FlightNo),
    /// A cabin has no seats, or impossible ones.
    #[error("flight {0} has an impossible cabin: {1}")]
    Cabin(FlightNo, Expected),
    /// The fares of a flight do not fit its cabin.
    #[error("the fares of flight {0}: {1}")]
    Fares(FlightNo, FaresError),
}

impl Schedule {
    /// Reads `{"sells","flights":[{"flight","from","to","departs","zone","cabin","fares"}]}`:
    /// `docs/flights.json` is an example, and `docs/OPERATIONS.md` says what each field means.
    ///
    /// # Errors
    /// When the text has another form, a flight is listed twice, a cabin is impossible, or fares do
    /// not fit their cabin.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let file: File = serde_json::from_str(text)?;
        let mut flights = BTreeMap::new();
        for flight in file.flights {
            let number = flight.flight.clone();
            flight.cabin.check().map_err(|it| ScheduleError::Cabin(number.clone(), it))?;
            if let Some(fares) = &flight.fares {
                let checked = fares.check(flight.cabin.rows);
                checked.map_err(|it| ScheduleError::Fares(number.clone(), it))?;
            }
            if flights.insert(number.clone(), flight).is_some() {
                return Err(ScheduleError::Twice(number));
            }
        }
        Ok(Schedule { flights, sells: file.sells })
    }

    /// The built-in schedule.
    #[must_use]
    pub fn sample() -> Schedule {
        Schedule::parse(SAMPLE).expect("the sample schedule is tested")
    }

    /// Why the schedule refuses these seats at this price at the time `now`, and which of the seats
    /// it refuses; `None` when it sells them. What can never be booked is checked first, then what
    /// is not on sale now, and the price last, so that a client is never told to correct the amount
    /// of a booking that no amount would make possible.
    #[must_use]
    pub fn refusal(
        &self,
        wanted: &Seating,
        amount: Money,
        now: Timestamp,
    ) -> Option<(NoSeat, Vec<SeatId>)> {
        let all = |reason| Some((reason, wanted.seats.clone()));
        let Some(flight) = self.departing(&wanted.flight, wanted.date) else {
            return all(NoSeat::UnknownFlight);
        };
        let missing: Vec<SeatId> =
            wanted.seats.iter().copied().filter(|it| !flight.cabin.has(*it)).collect();
        if !missing.is_empty() {
            return Some((NoSeat::UnknownSeat, missing));
        }
        if !self.sells.has(flight.departure(wanted.date), now) {
            return all(NoSeat::NotOnSale);
        }
        let agreed = flight.fares.as_ref().is_none_or(|it| it.come_to(amount, &wanted.seats));
        if agreed { None } else { all(NoSeat::Fare) }
    }

    /// The flights, by number.
    pub fn flights(&self) -> impl Iterator<Item = (&FlightNo, &Flight)> {
        self.flights.iter()
    }

    /// The flight of this number, if it leaves on that day.
    #[must_use]
    pub fn departing(&self, flight: &FlightNo, date: Date) -> Option<&Flight> {
        self.flights.get(flight).filter(|it| it.flies_on(date))
    }

    /// Which departures are on sale.
    #[must_use]
    pub fn sells(&self) -> Sells {
        self.sells
    }
}

impl Flight {
    /// Whether the schedule says what its seats cost. If not, a request names any amount.
    #[must_use]
    pub fn has_fares(&self) -> bool {
        self.fares.is_some()
    }

    /// The local time of departure.
    #[must_use]
    pub fn departs(&self) -> WallTime {
        self.departs
    }

    fn departure(&self, day: Date) -> Departure<'_> {
        Departure { day, at: self.departs, zone: self.zone.as_ref() }
    }

    fn flies_on(&self, date: Date) -> bool {
        let day = match date.weekday() {
            Weekday::Monday => Day::Mon,
            Weekday::Tuesday => Day::Tue,
            Weekday::Wednesday => Day::Wed,
            Weekday::Thursday => Day::Thu,
            Weekday::Friday => Day::Fri,
            Weekday::Saturday => Day::Sat,
            Weekday::Sunday => Day::Sun,
        };
        (self.days.is_empty() || self.days.contains(&day))
            && (self.dates.is_empty() || self.dates.contains(&date))
    }
}

impl Cabin {
    fn check(&self) -> Result<(), Expected> {
        let letters = self.letters.bytes().all(|it| LETTERS.contains(&it));
        if !ROWS.contains(&self.rows) || self.letters.is_empty() || !letters {
            return Err(Expected("1 to 999 rows and letters from A to K"));
        }
        Ok(())
    }

    fn has(&self, seat: SeatId) -> bool {
        seat.row() <= self.rows
            && self.letters.contains(seat.letter())
            && !self.without.contains(&seat)
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
