//! The cursor of a list of bookings: the text with which a client asks for the next page. A client
//! may make one up, so it must never give access to more than the list itself shows.

use std::{fmt, str::FromStr};

use crate::{
    domain::{ids::BookingId, status::Phase},
    store::Place,
};

/// The beginning of the key of a booking's row.
const BOOKING: &str = "booking/";

/// The place after which a list continues, such as `1772357400000.paid.b-1`. Clients must not rely
/// on its form. It is a place among times and no permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    at_ms: i64,
    phase: Phase,
    id: BookingId,
}

/// The text is no cursor that a list can have given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the `next` of a list, unchanged")]
pub struct NoCursor;

impl Cursor {
    /// The cursor for a row; `None` if the row is not that of a booking.
    #[must_use]
    pub fn of(place: &Place) -> Option<Cursor> {
        Some(Cursor {
            at_ms: place.at_ms,
            phase: Phase::of_name(&place.phase)?,
            id: BookingId::parse(place.key.strip_prefix(BOOKING)?).ok()?,
        })
    }

    /// The same place, as the store names it.
    #[must_use]
    pub fn place(&self) -> Place {
        let (phase, key) = (self.phase.to_string(), format!("{BOOKING}{}", self.id));
        Place { at_ms: self.at_ms, phase, key }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at_ms, self.phase, self.id)
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Cursor, NoCursor> {
        let parts: Vec<&str> = text.splitn(4, '.').collect();
        let [at_ms, phase, id] = parts.as_slice() else { return Err(NoCursor) };
        let cursor = Cursor {
            at_ms: at_ms.parse().map_err(|_| NoCursor)?,
            phase: Phase::of_name(phase).ok_or(NoCursor)?,
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
        let place = Place { at_ms: -7, phase: "paid".to_owned(), key: "booking/b-1_x".to_owned() };
        let said = Cursor::of(&place).map(|it| it.to_string());
        assert_eq!(said.as_deref(), Some("-7.paid.b-1_x"));
        let read: Result<Cursor, NoCursor> = "-7.paid.b-1_x".parse();
        assert_eq!(read.map(|it| it.place()), Ok(place.clone()));
        assert_eq!(Cursor::of(&Place { key: "canary/7".to_owned(), ..place }), None);
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
            "7.paid.4111111111111111",
            long.as_str(),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text:?}");
        }
    }
}
