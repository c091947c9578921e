//! Which flights there are and which seats they have. Read once at start; holds are not in it, so
//! loading it again never touches one.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use serde::Deserialize;

use super::{
    Expected,
    event::NoSeat,
    seat::{FlightNo, SeatId, Seating},
};

/// The schedule that is built in: a few flights that fly every day.
const SAMPLE: &str = include_str!("sample-flights.json");

/// The flights on sale.
#[derive(Clone, Debug)]
pub struct Schedule(BTreeMap<FlightNo, Flight>);

/// One flight number: where it goes, when, and what its cabin looks like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flight {
    flight: FlightNo,
    /// Where from, as an airport code.
    pub from: String,
    /// Where to, as an airport code.
    pub to: String,
    /// Local time of departure, `HH:MM`.
    pub departs: String,
    /// The days of the week it flies on; absent means every day.
    #[serde(default)]
    days: Vec<Day>,
    /// The only dates it flies on; absent means any.
    #[serde(default)]
    dates: Vec<Date>,
    cabin: Cabin,
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
    /// Rows 1 to this.
    rows: u16,
    /// The letters of a row, such as `ABCDEF`.
    letters: String,
    /// Seats that are not there, such as those of row 13.
    #[serde(default)]
    without: Vec<SeatId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    flights: Vec<Flight>,
}

/// Why a schedule cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// It is not JSON of the right shape.
    #[error("not a schedule: {0}")]
    Shape(#[from] serde_json::Error),
    /// A flight number stands twice.
    #[error("flight {0} is listed twice")]
    Twice(FlightNo),
    /// A cabin has no seat, or one that cannot be.
    #[error("flight {0} has an impossible cabin: {1}")]
    Cabin(FlightNo, Expected),
}

impl Schedule {
    /// Reads `{"flights":[{"flight","from","to","departs","cabin":{"rows","letters"}}]}`.
    ///
    /// # Errors
    /// When it is not of that form, a flight stands twice, or a cabin is impossible.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let file: File = serde_json::from_str(text)?;
        let mut flights = BTreeMap::new();
        for flight in file.flights {
            let number = flight.flight.clone();
            flight.cabin.check().map_err(|it| ScheduleError::Cabin(number.clone(), it))?;
            if flights.insert(number.clone(), flight).is_some() {
                return Err(ScheduleError::Twice(number));
            }
        }
        Ok(Schedule(flights))
    }

    /// The schedule that is built in.
    #[must_use]
    pub fn sample() -> Schedule {
        Schedule::parse(SAMPLE).expect("the sample schedule is tested")
    }

    /// What the schedule says to a wish for seats: nothing, or why it cannot be, and for which seats.
    #[must_use]
    pub fn refusal(&self, wanted: &Seating) -> Option<(NoSeat, Vec<SeatId>)> {
        let Some(flight) = self.0.get(&wanted.flight).filter(|it| it.flies_on(wanted.date)) else {
            return Some((NoSeat::UnknownFlight, wanted.seats.clone()));
        };
        let missing: Vec<SeatId> =
            wanted.seats.iter().copied().filter(|it| !flight.cabin.has(*it)).collect();
        (!missing.is_empty()).then_some((NoSeat::UnknownSeat, missing))
    }

    /// The flights, by number.
    pub fn flights(&self) -> impl Iterator<Item = (&FlightNo, &Flight)> {
        self.0.iter()
    }
}

impl Flight {
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
        let letters = self.letters.bytes().all(|it| (b'A'..=b'K').contains(&it));
        if !(1..=999).contains(&self.rows) || self.letters.is_empty() || !letters {
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
mod tests {
    use super::*;

    fn wish(flight: &str, date: &str, seats: &[&str]) -> Seating {
        Seating {
            flight: FlightNo::parse(flight).unwrap(),
            date: date.parse().unwrap(),
            seats: seats.iter().map(|it| SeatId::parse(it).unwrap()).collect(),
        }
    }

    #[test]
    fn the_sample_flies_every_day_so_no_example_goes_stale() {
        let sample = Schedule::sample();
        for date in ["1999-01-01", "2027-03-01", "2027-03-02", "2050-12-31"] {
            assert_eq!(sample.refusal(&wish("WA117", date, &["12A"])), None);
        }
    }

    #[test]
    fn b5_an_unknown_flight_or_seat_is_an_answer() {
        let sample = Schedule::sample();
        let (reason, _) = sample.refusal(&wish("ZZ999", "2027-03-01", &["12A"])).unwrap();
        assert_eq!(reason, NoSeat::UnknownFlight);
        let (reason, seats) =
            sample.refusal(&wish("WA117", "2027-03-01", &["12A", "99A"])).unwrap();
        assert_eq!((reason, seats), (NoSeat::UnknownSeat, vec![SeatId::parse("99A").unwrap()]));
    }

    #[test]
    fn days_dates_and_missing_seats_are_kept_to() {
        let schedule = Schedule::parse(
            r#"{"flights":[{"flight":"XX1","from":"A","to":"B","departs":"06:00","days":["mon"],
                "dates":["2027-03-01","2027-03-02"],
                "cabin":{"rows":20,"letters":"ABC","without":["13A"]}}]}"#,
        )
        .unwrap();
        let refusal = |date, seat| schedule.refusal(&wish("XX1", date, &[seat])).map(|it| it.0);
        assert_eq!(refusal("2027-03-01", "1A"), None);
        assert_eq!(refusal("2027-03-02", "1A"), Some(NoSeat::UnknownFlight)); // a Tuesday
        assert_eq!(refusal("2027-03-08", "1A"), Some(NoSeat::UnknownFlight)); // not a listed date
        assert_eq!(refusal("2027-03-01", "13A"), Some(NoSeat::UnknownSeat));
    }

    #[test]
    fn a_schedule_that_cannot_be_is_refused() {
        for bad in [
            "[]",
            r#"{"flights":[{"flight":"XX1"}]}"#,
            r#"{"flights":[{"flight":"XX1","from":"A","to":"B","departs":"06:00","cabin":{"rows":0,"letters":"A"}}]}"#,
            r#"{"flights":[{"flight":"XX1","from":"A","to":"B","departs":"06:00","cabin":{"rows":1,"letters":"Z"}}]}"#,
        ] {
            assert!(Schedule::parse(bad).is_err(), "{bad}");
        }
    }
}
