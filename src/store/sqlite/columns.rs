//! The columns for lists, and the two ways to write them again. The indexes by flight and day must
//! cost a booking one write, and not one for each fact.

use super::super::{Write, departures};

/// Writes a row whose departure stays as it is: nearly every write. It sets no column of the
/// indexes by flight and day, so SQLite does not touch them.
pub(super) const UPDATE: &str = "
    UPDATE rows SET version = ?2 + 1, body = ?3, phase = ?4, at_ms = ?5, open = ?6
    WHERE id = ?1 AND key = ?7 AND version = ?2 AND flight IS ?8 AND departure IS ?9";
/// Writes a row whose departure has changed, or has become known.
pub(super) const UPDATE_WITH_DEPARTURE: &str = "
    UPDATE rows SET version = ?2 + 1, body = ?3, phase = ?4, at_ms = ?5, open = ?6,
        flight = ?8, departure = ?9
    WHERE id = ?1 AND key = ?7 AND version = ?2";

/// The columns for lists.
pub(super) struct Listed<'w> {
    pub(super) phase: Option<&'w str>,
    pub(super) at_ms: Option<i64>,
    pub(super) open: Option<bool>,
    pub(super) flight: Option<&'w str>,
    /// Day and time in one, see `departures`.
    pub(super) departure: Option<String>,
}

impl Listed<'_> {
    pub(super) fn of(it: &Write) -> Listed<'_> {
        let listing = it.listing.as_ref();
        let departure = listing.and_then(|it| it.departure.as_ref());
        Listed {
            phase: listing.map(|it| it.phase.as_str()),
            at_ms: listing.map(|it| it.at_ms),
            open: listing.map(|it| it.open),
            flight: departure.map(|it| it.flight.as_str()),
            departure: departure.map(departures::text_of),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, types::Null};

    use super::*;
    use crate::{domain::RoleName, store::sqlite::schema};

    /// What SQLite does for an update, by the indexes that it opens for writing.
    #[test]
    fn a_write_that_leaves_the_departure_as_it_is_does_not_touch_its_indexes() {
        let connection = Connection::open_in_memory().expect("a file in memory opens");
        schema::bring_up(&connection, 0, RoleName::Status.into()).expect("a new file is made");
        let written = |sql: &str| -> Vec<String> {
            let name = "SELECT name FROM sqlite_schema WHERE rootpage = ?1";
            let mut steps = connection.prepare(&format!("EXPLAIN {sql}")).expect("it is explained");
            let steps = steps.query_map([(); 9].map(|()| Null), |it| {
                Ok((it.get::<_, String>("opcode")?, it.get::<_, i64>("p2")?))
            });
            let steps = steps.expect("it has steps").map(|it| it.expect("a step"));
            let roots = steps.filter(|it| it.0 == "OpenWrite").map(|it| it.1);
            roots
                .map(|it| connection.query_row(name, [it], |it| it.get(0)).expect("it has a name"))
                .collect()
        };
        let mut always = written(UPDATE);
        always.sort();
        assert_eq!(always, ["newest", "newest_of_phase", "rows", "stalest"]);
        let mut rarely = written(UPDATE_WITH_DEPARTURE);
        rarely.sort();
        let all = ["newest", "newest_of_phase", "of_day", "of_flight", "rows", "stalest"];
        assert_eq!(rarely, all);
    }
}
