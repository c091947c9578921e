//! The cursor of a list of bookings: the text with which a client asks for the next page, or for
//! the one before. A client may make one up, so it must never give access to more than the list
//! itself shows.

use std::{fmt, str::FromStr};

use jiff::civil::Date;

use crate::{
    domain::{ids::BookingId, seat::parse_date, status::Phase},
    store::{Find, Place},
};

/// The beginning of the key of a booking's row.
const BOOKING: &str = "booking/";

/// A place from which a list continues, such as `1772357400000.paid.b-1`. Clients must not rely on
/// its form. It is a place among times and no permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    at_ms: i64,
    under: Under,
    id: BookingId,
}

/// What the booking is listed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Under {
    Phase(Phase),
    /// In a list by flight or day.
    Day(Date),
}

/// The text is no cursor that a list can have given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the `next` or `previous` of this list, unchanged")]
pub struct NoCursor;

impl Cursor {
    /// The cursor for a row; `None` if the row is not that of a booking.
    #[must_use]
    pub fn of(place: &Place) -> Option<Cursor> {
        Some(Cursor {
            at_ms: place.at_ms,
            under: Under::read(&place.under)?,
            id: BookingId::parse(place.key.strip_prefix(BOOKING)?).ok()?,
        })
    }

    /// The same place, as the store names it.
    #[must_use]
    pub fn place(&self) -> Place {
        let (under, key) = (self.under.to_string(), format!("{BOOKING}{}", self.id));
        Place { at_ms: self.at_ms, under, key }
    }

    /// The same place in the list of `find`.
    ///
    /// # Errors
    /// When that list cannot have given this cursor.
    pub fn place_in(&self, find: &Find) -> Result<Place, NoCursor> {
        let fits = match (find, self.under) {
            (Find::Newest { .. } | Find::Stalest, it) => matches!(it, Under::Phase(_)),
            (Find::Flight { .. } | Find::Day { .. }, Under::Day(it)) => {
                find.day().is_none_or(|day| day == it.to_string())
            }
            (Find::Flight { .. } | Find::Day { .. }, Under::Phase(_)) => false,
        };
        if fits { Ok(self.place()) } else { Err(NoCursor) }
    }
}

impl Under {
    fn read(text: &str) -> Option<Under> {
        let day = || parse_date(text).ok().map(Under::Day);
        Phase::of_name(text).map(Under::Phase).or_else(day)
    }
}

impl fmt::Display for Under {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Under::Phase(it) => write!(f, "{it}"),
            Under::Day(it) => write!(f, "{it}"),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at_ms, self.under, self.id)
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Cursor, NoCursor> {
        let parts: Vec<&str> = text.splitn(4, '.').collect();
        let [at_ms, under, id] = parts.as_slice() else { return Err(NoCursor) };
        let cursor = Cursor {
            at_ms: at_ms.parse().map_err(|_| NoCursor)?,
            under: Under::read(under).ok_or(NoCursor)?,
            id: BookingId::parse(id).map_err(|_| NoCursor)?,
        };
        // Each time has exactly one text: no list gives `+7`, `007` or `-0`.
        if cursor.to_string() == text { Ok(cursor) } else { Err(NoCursor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_said_and_nothing_else_is_one() {
        let place = Place { at_ms: -7, under: "paid".to_owned(), key: "booking/b-1_x".to_owned() };
        let said = Cursor::of(&place).map(|it| it.to_string());
        assert_eq!(said.as_deref(), Some("-7.paid.b-1_x"));
        let read: Result<Cursor, NoCursor> = "-7.paid.b-1_x".parse();
        assert_eq!(read.map(|it| it.place()), Ok(place.clone()));
        assert_eq!(Cursor::of(&Place { key: "canary/7".to_owned(), ..place.clone() }), None);
        let day = Place { under: "2027-03-01".to_owned(), ..place.clone() };
        let said = Cursor::of(&day).map(|it| it.to_string());
        assert_eq!(said.as_deref(), Some("-7.2027-03-01.b-1_x"));
        let read: Result<Cursor, NoCursor> = "-7.2027-03-01.b-1_x".parse();
        assert_eq!(read.map(|it| it.place()), Ok(day));
        let long = format!("7.paid.{}", "b".repeat(65));
        for text in [
            "",
            ".",
            "..",
            "7",
            "7.paid",
            "7.paid.",
            "7.paid.b.1",
            "x.paid.b",
            "7.done.b",
            "+7.paid.b",
            "007.paid.b",
            "9223372036854775808.paid.b",
            "7.paid.b' OR 1=1",
            "7.paid.b\0",
            " 7.paid.b",
            "7.paid.b\n",
            "7.PAID.b",
            "7.2027-02-30.b",
            "7.2027-3-1.b",
            "7.paid.4111111111111111",
            long.as_str(),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text:?}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_none_of_this() {
        let day = |it: &str| Find::Day { day: it.to_owned() };
        let flight = |day: Option<&str>| Find::Flight {
            flight: "WA117".to_owned(),
            day: day.map(str::to_owned),
        };
        let fits = |text: &str, find: &Find| {
            let cursor: Cursor = text.parse().expect("a cursor");
            cursor.place_in(find).is_ok()
        };
        for (find, by_phase, by_day) in [
            (Find::Newest { phase: None }, true, false),
            (Find::Newest { phase: Some("completed".to_owned()) }, true, false),
            (Find::Stalest, true, false),
            (flight(None), false, true),
            (flight(Some("2027-03-01")), false, true),
            (flight(Some("2027-03-02")), false, false),
            (day("2027-03-01"), false, true),
            (day("2027-03-02"), false, false),
        ] {
            assert_eq!(fits("7.paid.b", &find), by_phase, "{find:?}");
            assert_eq!(fits("7.2027-03-01.b", &find), by_day, "{find:?}");
        }
    }
}
