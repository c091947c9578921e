//! Pages of lists, by time. The indexes hold rows of the same time in the order of their ids, so a
//! page can begin exactly where the page before it ended. A query must never read rows that it does
//! not return.

use rusqlite::{Connection, params_from_iter, types::Value};

use super::super::{Find, Page, Place};

/// The row after which a page begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct After {
    pub(super) at_ms: i64,
    pub(super) id: i64,
}

/// The two parts of a page after a row.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// The remaining rows with the same time as that row.
    SameTime(After),
    /// The rows from this time on, inclusive.
    From(i64),
}

/// At most `limit` rows, after a row or from the beginning.
pub(super) fn page(
    connection: &Connection,
    find: &Find,
    after: Option<After>,
    limit: usize,
) -> Result<Page, rusqlite::Error> {
    if limit == 0 {
        return Ok(Page::default());
    }
    let (first, next) = match find {
        Find::Newest { .. } => (i64::MAX, after.map(|it| it.at_ms.checked_sub(1))),
        Find::Stalest => (i64::MIN, after.map(|it| it.at_ms.checked_add(1))),
    };
    let rest = next.map_or(Some(first), |it| it).map(Part::From);
    // One row more than is returned, to know whether the list continues.
    let wanted = limit.saturating_add(1);
    let mut rows = Vec::new();
    for part in after.map(Part::SameTime).into_iter().chain(rest) {
        rows.extend(select(connection, find, part, wanted - rows.len())?);
        if rows.len() == wanted {
            break;
        }
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|it: &Row| it.place.clone());
    Ok(Page { rows: rows.into_iter().map(|it| (it.place.key, it.body)).collect(), next })
}

struct Row {
    place: Place,
    body: String,
}

fn select(
    connection: &Connection,
    find: &Find,
    part: Part,
    limit: usize,
) -> Result<Vec<Row>, rusqlite::Error> {
    let (sql, values) = statement(find, part, limit);
    let row = |it: &rusqlite::Row<'_>| {
        let place = Place { key: it.get(0)?, phase: it.get(2)?, at_ms: it.get(3)? };
        Ok(Row { place, body: it.get(1)? })
    };
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(params_from_iter(values), row)?.collect()
}

/// The SQL statement and its parameters, in order.
fn statement(find: &Find, part: Part, limit: usize) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let (which, newest) = match find {
        Find::Newest { phase: Some(phase) } => {
            values.push(Value::Text(phase.clone()));
            ("phase = ?", true)
        }
        Find::Newest { phase: None } => ("phase IS NOT NULL", true),
        Find::Stalest => ("open = 1", false),
    };
    let part = match part {
        Part::SameTime(after) => {
            values.extend([after.at_ms, after.id].map(Value::Integer));
            "at_ms = ? AND id > ? ORDER BY id"
        }
        Part::From(at_ms) => {
            values.push(Value::Integer(at_ms));
            if newest {
                "at_ms <= ? ORDER BY at_ms DESC, id"
            } else {
                "at_ms >= ? ORDER BY at_ms, id"
            }
        }
    };
    values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    let sql = format!("SELECT key, body, phase, at_ms FROM rows WHERE {which} AND {part} LIMIT ?");
    (sql, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::RoleName, store::sqlite::schema};

    /// The beginning of every page is found in an index and no page needs sorting, even among rows
    /// of the same time.
    #[test]
    fn every_page_of_every_list_is_a_search_in_an_index_and_sorts_nothing() {
        let connection = Connection::open_in_memory().expect("a file in memory opens");
        schema::bring_up(&connection, 0, RoleName::Status.into()).expect("a new file is made");
        let of_phase = Find::Newest { phase: Some("paid".to_owned()) };
        for (find, index) in [
            (Find::Newest { phase: None }, "newest ("),
            (of_phase, "newest_of_phase ("),
            (Find::Stalest, "stalest ("),
        ] {
            for part in [Part::SameTime(After { at_ms: 7, id: 3 }), Part::From(6)] {
                let (sql, values) = statement(&find, part, 9);
                let plan = format!("EXPLAIN QUERY PLAN {sql}");
                let mut plan = connection.prepare(&plan).expect("it can be explained");
                let steps = plan.query_map(params_from_iter(values), |it| it.get(3));
                let steps: Vec<String> =
                    steps.expect("it has steps").collect::<Result<_, _>>().expect("in words");
                let found = match part {
                    Part::SameTime(_) => "at_ms=? AND rowid>?)",
                    Part::From(_) => "at_ms",
                };
                let [step] = steps.as_slice() else { panic!("{sql}: {steps:?}") };
                assert!(step.contains(&format!("USING INDEX {index}")), "{sql}: {step}");
                assert!(step.contains(found), "{sql}: {step}");
            }
        }
    }
}
