//! When a departure can be booked: until it leaves, and not too far ahead.
//!
//! The time is that of the service that decides; the time that a message names must never be used.
//! The clocks of two replicas may differ, but that is fine, since only one of them makes the
//! decision, and the decision is kept.

use jiff::{
    Span, Timestamp,
    civil::{Date, Time},
    tz::{Offset, TimeZone, offset},
};
use serde::Deserialize;

use super::Expected;

/// How many days ahead a schedule sells when it does not say so. Airlines open a flight about 360
/// days before it leaves.
pub const DAYS_AHEAD_DEFAULT: u16 = 400;
/// The most days ahead that a schedule may sell. There is a bound because each departure may add a
/// row for each of its seats to the store.
pub const DAYS_AHEAD_MAX: u16 = 3660;

/// The time zone in which a day ends last. A departure without a zone is on sale until it has left
/// even there.
const LAST_ZONE: Offset = offset(-12);
/// The time zone in which a day begins first.
const FIRST_ZONE: Offset = offset(14);

/// Which departures are on sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sells {
    /// The departures of every day, including the past. Only for trying things out, since a client
    /// can then fill the store without a limit.
    AnyDay,
    /// Departures that have not left, up to this many days after today.
    DaysAhead(DaysAhead),
}

/// A number of days from 0 to [`DAYS_AHEAD_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct DaysAhead(u16);

impl TryFrom<i64> for DaysAhead {
    type Error = Expected;
    fn try_from(days: i64) -> Result<Self, Expected> {
        let days = u16::try_from(days).ok().filter(|it| *it <= DAYS_AHEAD_MAX);
        days.map(DaysAhead).ok_or(Expected("0 to 3660 days ahead"))
    }
}

impl Default for Sells {
    fn default() -> Self {
        Sells::DaysAhead(DaysAhead(DAYS_AHEAD_DEFAULT))
    }
}

impl Sells {
    /// Whether a departure can be booked at `now`.
    #[must_use]
    pub fn has(self, departure: Departure<'_>, now: Timestamp) -> bool {
        match self {
            Sells::AnyDay => true,
            Sells::DaysAhead(DaysAhead(days)) => {
                let last = departure.today(now).saturating_add(Span::new().days(days));
                departure.day <= last && !departure.has_left(now)
            }
        }
    }
}

/// When a flight leaves, by the local time of its airport.
///
/// When the schedule names no time zone, nothing is refused too early: the departure is then
/// computed in the zone where a day ends last, and today in the zone where a day begins first.
#[derive(Clone, Copy, Debug)]
pub struct Departure<'a> {
    /// The local day.
    pub day: Date,
    /// The local time.
    pub at: WallTime,
    /// The time zone of the airport; `None` when the schedule does not name it.
    pub zone: Option<&'a Zone>,
}

impl Departure<'_> {
    fn has_left(self, now: Timestamp) -> bool {
        let local = self.day.to_datetime(self.at.0);
        // When clocks change, a local time can occur twice or not at all. Both times the later
        // instant counts, so that nothing is refused too early.
        let leaves = match self.zone {
            Some(Zone(zone)) => zone.to_ambiguous_timestamp(local).later(),
            None => LAST_ZONE.to_timestamp(local),
        };
        // The first and last hours of the calendar cannot be converted to an instant. Compares the
        // days instead.
        leaves.map_or_else(|_| self.day < self.today(now), |it| it <= now)
    }

    fn today(self, now: Timestamp) -> Date {
        let local = match self.zone {
            Some(Zone(zone)) => zone.to_datetime(now),
            None => FIRST_ZONE.to_datetime(now),
        };
        local.date()
    }
}

/// A local time of day, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WallTime(Time);

impl WallTime {
    /// Reads exactly `HH:MM`.
    ///
    /// # Errors
    /// When the text has another form, or a day has no such time.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        const WANTED: Expected = Expected("a time of day as HH:MM, 00:00 to 23:59");
        let form = text.len() == 5 && text.as_bytes().get(2) == Some(&b':');
        let time = text.parse().ok().filter(|_| form);
        time.map(WallTime).ok_or(WANTED)
    }
}

impl std::fmt::Display for WallTime {
    /// `07:25`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

impl TryFrom<String> for WallTime {
    type Error = Expected;
    fn try_from(text: String) -> Result<Self, Expected> {
        WallTime::parse(&text)
    }
}

/// A time zone of the IANA database, which is compiled in.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Zone(TimeZone);

impl Zone {
    /// Finds a zone by its name, such as `Europe/Vienna`.
    ///
    /// # Errors
    /// When there is no zone with that name.
    pub fn parse(name: &str) -> Result<Self, Expected> {
        let zone = TimeZone::get(name).ok().filter(|it| !it.is_unknown());
        zone.map(Zone).ok_or(Expected("a time zone of the IANA database such as Europe/Vienna"))
    }
}

impl TryFrom<String> for Zone {
    type Error = Expected;
    fn try_from(name: String) -> Result<Self, Expected> {
        Zone::parse(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a schedule that sells `days` ahead sells the departure, such as
    /// `2027-03-01 07:25 Europe/Lisbon`, at the instant `now`.
    #[track_caller]
    fn sold(days: i64, departure: &str, now: &str) -> bool {
        let mut words = departure.split(' ');
        let day = words.next().unwrap().parse().unwrap();
        let at = WallTime::parse(words.next().unwrap()).unwrap();
        let zone = words.next().map(|it| Zone::parse(it).unwrap());
        let sells = Sells::DaysAhead(DaysAhead::try_from(days).unwrap());
        sells.has(Departure { day, at, zone: zone.as_ref() }, now.parse().unwrap())
    }

    /// Each row: a departure, the last instant at which it is sold, and the first at which it is
    /// not.
    /// Failure matrix: I9.
    #[test]
    fn a_departure_is_sold_until_it_leaves_by_the_clock_of_its_airport() {
        for (departure, last, left) in [
            // winter and summer in Lisbon
            ("2027-03-01 07:25 Europe/Lisbon", "2027-03-01T07:24:59.999Z", "2027-03-01T07:25:00Z"),
            ("2027-07-01 07:25 Europe/Lisbon", "2027-07-01T06:24:59.999Z", "2027-07-01T06:25:00Z"),
            // the first time zone is most of a day ahead of Greenwich, the last one behind
            ("2027-03-01 00:30 Pacific/Kiritimati", "2027-02-28T10:29:59Z", "2027-02-28T10:30:00Z"),
            ("2027-03-01 23:30 Pacific/Pago_Pago", "2027-03-02T10:29:59Z", "2027-03-02T10:30:00Z"),
            // an offset that is not a whole hour
            ("2027-03-01 12:00 Asia/Kathmandu", "2027-03-01T06:14:59Z", "2027-03-01T06:15:00Z"),
            // on 28 March 2027 clocks in Vienna go from 02:00 to 03:00: a skipped time means the
            // later instant
            ("2027-03-28 01:59 Europe/Vienna", "2027-03-28T00:58:59Z", "2027-03-28T00:59:00Z"),
            ("2027-03-28 02:30 Europe/Vienna", "2027-03-28T01:29:59Z", "2027-03-28T01:30:00Z"),
            ("2027-03-28 03:00 Europe/Vienna", "2027-03-28T00:59:59Z", "2027-03-28T01:00:00Z"),
            // on 31 October from 03:00 to 02:00: a time that occurs twice means the second
            ("2027-10-31 02:30 Europe/Vienna", "2027-10-31T01:29:59Z", "2027-10-31T01:30:00Z"),
            // no zone is named: the last zone on earth counts
            ("2027-03-01 07:25", "2027-03-01T19:24:59Z", "2027-03-01T19:25:00Z"),
        ] {
            assert!(sold(DAYS_AHEAD_DEFAULT.into(), departure, last), "{departure} at {last}");
            assert!(!sold(DAYS_AHEAD_DEFAULT.into(), departure, left), "{departure} at {left}");
            assert!(!sold(DAYS_AHEAD_DEFAULT.into(), departure, "2028-01-01T00:00:00Z"));
        }
    }

    /// Each row: days ahead, a departure, the last instant at which it is not sold yet, the first
    /// at which it is.
    /// Failure matrix: I9.
    #[test]
    fn a_day_is_sold_from_its_airports_midnight_so_many_days_before() {
        for (days, departure, early, first) in [
            (0, "2027-03-01 12:00 UTC", "2027-02-28T23:59:59Z", "2027-03-01T00:00:00Z"),
            (1, "2027-03-01 12:00 UTC", "2027-02-27T23:59:59Z", "2027-02-28T00:00:00Z"),
            (365, "2028-03-01 12:00 UTC", "2027-03-01T23:59:59Z", "2027-03-02T00:00:00Z"),
            (
                30,
                "2027-03-31 00:30 Pacific/Kiritimati",
                "2027-02-28T09:59:59Z",
                "2027-02-28T10:00:00Z",
            ),
            (30, "2027-07-31 12:00 Europe/Vienna", "2027-06-30T21:59:59Z", "2027-06-30T22:00:00Z"),
            // no zone is named: the first zone on earth counts
            (30, "2027-03-31 12:00", "2027-02-28T09:59:59Z", "2027-02-28T10:00:00Z"),
        ] {
            assert!(!sold(days, departure, early), "{departure}, {days} days ahead, at {early}");
            assert!(sold(days, departure, first), "{departure}, {days} days ahead, at {first}");
        }
    }

    /// Failure matrix: I9.
    #[test]
    fn a_schedule_that_does_not_say_it_sells_400_days_ahead() {
        let now = "2027-03-01T12:00:00Z".parse().unwrap();
        let zone = Zone::parse("UTC").unwrap();
        let at = WallTime::parse("12:00").unwrap();
        let sold = |day: &str| {
            Sells::default()
                .has(Departure { day: day.parse().unwrap(), at, zone: Some(&zone) }, now)
        };
        assert!(sold("2028-04-04"));
        assert!(!sold("2028-04-05"));
        assert!(!sold("2027-03-01"), "it leaves at this moment");
        assert!(sold("2027-03-02"));
    }

    #[test]
    fn the_ends_of_the_calendar_are_judged_like_every_other_day() {
        for zone in ["", " UTC", " Pacific/Kiritimati", " Pacific/Pago_Pago"] {
            let now = "2027-03-01T12:00:00Z";
            assert!(!sold(3660, &format!("9999-12-31 23:59{zone}"), now), "{zone}");
            assert!(!sold(3660, &format!("0000-01-01 00:00{zone}"), now), "{zone}");
            assert!(!sold(3660, &format!("-009999-01-01 00:00{zone}"), now), "{zone}");
            let end = "9999-12-30T21:59:59Z";
            assert!(sold(3660, &format!("9999-12-31 23:59{zone}"), end), "{zone}");
        }
    }

    #[test]
    fn days_times_and_zones_that_are_none_are_refused() {
        for bad in ["", "7:25", "07:25:00", "24:00", "23:60", "T0725", "0725", "07.25", "07:2５"] {
            assert!(WallTime::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "Vienna", "Europe/Nowhere", "+02:00", "CEST", "Etc/Unknown", "/etc/hosts"] {
            assert!(Zone::parse(bad).is_err(), "{bad}");
        }
        for bad in [-1, 3661, 65_536 + 365, i64::MAX] {
            assert!(DaysAhead::try_from(bad).is_err(), "{bad}");
        }
        assert_eq!(DaysAhead::try_from(i64::from(DAYS_AHEAD_MAX)), Ok(DaysAhead(DAYS_AHEAD_MAX)));
        assert!(Expected("0 to 3660 days ahead").0.contains(&DAYS_AHEAD_MAX.to_string()));
        let sells = |text| serde_json::from_str::<Sells>(text);
        assert_eq!(sells(r#""any_day""#).unwrap(), Sells::AnyDay);
        assert_eq!(sells(r#"{"days_ahead": 30}"#).unwrap(), Sells::DaysAhead(DaysAhead(30)));
        for bad in ["30", r#""always""#, r#"{"days_ahead": -1}"#, r#"{"days_ahead": 1.5}"#, "null"]
        {
            assert!(sells(bad).is_err(), "{bad}");
        }
    }
}
