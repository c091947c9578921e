//! Pages of lists. The indexes hold rows of the same time in the order of their ids, so a page can
//! begin or end exactly at the place of a row. A query must never read rows that it does not
//! return.

use rusqlite::{Connection, params_from_iter, types::Value};

use super::super::{Find, Page, Place, Start, departures};

/// What a list is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Ms(i64),
    /// Day and time in one, see `departures`.
    Departure(String),
}

impl From<At> for Value {
    fn from(it: At) -> Value {
        match it {
            At::Ms(it) => Value::Integer(it),
            At::Departure(it) => Value::Text(it),
        }
    }
}

/// Where a walk begins.
#[derive(Clone, Debug)]
struct Edge {
    at: At,
    id: i64,
}

/// How the rows of a list are found.
struct Order {
    /// The condition that all of them fulfil, and its parameters.
    which: &'static str,
    values: Vec<Value>,
    /// The column that they are sorted by. Rows with the same value are sorted by their ids.
    column: &'static str,
    descending: bool,
    /// Between these are the values of all rows.
    low: At,
    high: At,
}

impl Order {
    fn of(find: &Find) -> Order {
        let by_time = |which, values, descending| Order {
            which,
            values,
            column: "at_ms",
            descending,
            low: At::Ms(i64::MIN),
            high: At::Ms(i64::MAX),
        };
        let by_departure = |which, values| {
            let (low, high) = departures::range(find.day());
            Order {
                which,
                values,
                column: "departure",
                descending: true,
                low: At::Departure(low),
                high: At::Departure(high),
            }
        };
        let text = |it: &String| vec![Value::Text(it.clone())];
        match find {
            Find::Newest { phase: Some(phase) } => by_time("phase = ?", text(phase), true),
            Find::Newest { phase: None } => by_time("phase IS NOT NULL", Vec::new(), true),
            Find::Stalest => by_time("open = 1", Vec::new(), false),
            Find::Flight { flight, .. } => by_departure("flight = ?", text(flight)),
            Find::Day { .. } => by_departure("departure IS NOT NULL", Vec::new()),
        }
    }

    /// What the rows of this list are sorted by at a place.
    fn at(&self, place: &Place) -> At {
        match self.low {
            At::Ms(_) => At::Ms(place.at_ms),
            At::Departure(_) => At::Departure(departures::text_at(place)),
        }
    }
}

/// The two parts of a walk from a row.
#[derive(Clone, Debug)]
enum Part {
    /// The rows with the same value as that row.
    Same(Edge),
    /// The rows beyond this value, or all rows.
    Beyond(Option<At>),
}

struct Row {
    key: String,
    body: String,
    edge: Edge,
    phase: Option<String>,
}

impl Row {
    fn place(&self) -> Option<Place> {
        let key = self.key.clone();
        match &self.edge.at {
            At::Ms(at_ms) => Some(Place { at_ms: *at_ms, under: self.phase.clone()?, key }),
            At::Departure(text) => {
                let (day, at_ms) = departures::read(text)?;
                Some(Place { at_ms, under: day.to_owned(), key })
            }
        }
    }
}

/// At most `limit` rows. `id` is the id of the row at the place where the page begins or ends.
pub(super) fn page(
    connection: &Connection,
    find: &Find,
    start: &Start,
    id: i64,
    limit: usize,
) -> Result<Page, rusqlite::Error> {
    if limit == 0 {
        return Ok(Page::default());
    }
    let order = Order::of(find);
    let edge = start.place().map(|it| Edge { at: order.at(it), id });
    let backwards = matches!(start, Start::Before(_));
    // One row more than is returned, to know whether the list continues.
    let mut rows = walk(connection, &order, edge.as_ref(), backwards, limit.saturating_add(1))?;
    let beyond = rows.len() > limit;
    rows.truncate(limit);
    // And one on the side from which the walk came.
    let behind = match rows.first().filter(|_| edge.is_some()) {
        Some(it) => !walk(connection, &order, Some(&it.edge), !backwards, 1)?.is_empty(),
        None => false,
    };
    let (mut more_before, mut more_after) = (behind, beyond);
    if backwards {
        rows.reverse();
        (more_before, more_after) = (beyond, behind);
    }
    Ok(Page {
        previous: rows.first().filter(|_| more_before).and_then(Row::place),
        next: rows.last().filter(|_| more_after).and_then(Row::place),
        rows: rows.into_iter().map(|it| (it.key, it.body)).collect(),
    })
}

/// At most `wanted` rows, one after the other, from a row or from the beginning.
fn walk(
    connection: &Connection,
    order: &Order,
    from: Option<&Edge>,
    backwards: bool,
    wanted: usize,
) -> Result<Vec<Row>, rusqlite::Error> {
    let same = from.cloned().map(Part::Same);
    let beyond = Part::Beyond(from.map(|it| it.at.clone()));
    let mut rows = Vec::new();
    for part in same.into_iter().chain([beyond]) {
        rows.extend(select(connection, order, part, backwards, wanted - rows.len())?);
        if rows.len() == wanted {
            break;
        }
    }
    Ok(rows)
}

fn select(
    connection: &Connection,
    order: &Order,
    part: Part,
    backwards: bool,
    limit: usize,
) -> Result<Vec<Row>, rusqlite::Error> {
    let (sql, values) = statement(order, part, backwards, limit);
    let row = |it: &rusqlite::Row<'_>| {
        let at = match order.low {
            At::Ms(_) => At::Ms(it.get(3)?),
            At::Departure(_) => At::Departure(it.get(3)?),
        };
        let edge = Edge { at, id: it.get(4)? };
        Ok(Row { key: it.get(0)?, body: it.get(1)?, phase: it.get(2)?, edge })
    };
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(params_from_iter(values), row)?.collect()
}

/// The SQL statement and its parameters, in order.
fn statement(order: &Order, part: Part, backwards: bool, limit: usize) -> (String, Vec<Value>) {
    let Order { which, column, low, high, .. } = order;
    let mut values = order.values.clone();
    let (side, ids) = if backwards { ("<", "id DESC") } else { (">", "id") };
    let part = match part {
        Part::Same(edge) => {
            values.extend([edge.at.into(), Value::Integer(edge.id)]);
            format!("{column} = ? AND id {side} ? ORDER BY {ids}")
        }
        Part::Beyond(at) => {
            let down = order.descending != backwards;
            let (mut above, mut below) = (">=", "<=");
            let (mut low, mut high) = (low.clone(), high.clone());
            match at {
                Some(at) if down => (below, high) = ("<", at),
                Some(at) => (above, low) = (">", at),
                None => {}
            }
            values.extend([low.into(), high.into()]);
            let sorted = if down { " DESC" } else { "" };
            format!("{column} {above} ? AND {column} {below} ? ORDER BY {column}{sorted}, {ids}")
        }
    };
    values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    let sql =
        format!("SELECT key, body, phase, {column}, id FROM rows WHERE {which} AND {part} LIMIT ?");
    (sql, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::RoleName, store::sqlite::schema};

    /// The beginning of every page is found in an index and no page needs sorting, even among rows
    /// of the same time, whichever way it is read.
    #[test]
    fn every_page_of_every_list_is_a_search_in_an_index_and_sorts_nothing() {
        let connection = Connection::open_in_memory().expect("a file in memory opens");
        schema::bring_up(&connection, 0, RoleName::Status.into()).expect("a new file is made");
        let (flight, day) = ("WA117".to_owned(), "2027-03-01".to_owned());
        let at_ms = || At::Ms(7);
        let departure = || At::Departure(departures::text("2027-03-01", 7));
        let lists: [(Find, At, &str); 6] = [
            (Find::Newest { phase: None }, at_ms(), "newest ("),
            (
                Find::Newest { phase: Some("paid".to_owned()) },
                at_ms(),
                "newest_of_phase (phase=? AND ",
            ),
            (Find::Stalest, at_ms(), "stalest ("),
            (
                Find::Flight { flight: flight.clone(), day: None },
                departure(),
                "of_flight (flight=? AND ",
            ),
            (
                Find::Flight { flight, day: Some(day.clone()) },
                departure(),
                "of_flight (flight=? AND ",
            ),
            (Find::Day { day }, departure(), "of_day ("),
        ];
        for ((find, at, index), backwards) in lists.iter().flat_map(|it| [(it, true), (it, false)])
        {
            let order = Order::of(find);
            let (column, side) = (order.column, if backwards { "<" } else { ">" });
            for (part, found) in [
                (
                    Part::Same(Edge { at: at.clone(), id: 3 }),
                    format!("{column}=? AND rowid{side}?)"),
                ),
                (Part::Beyond(None), format!("{column}>? AND {column}<?)")),
                (Part::Beyond(Some(at.clone())), format!("{column}>? AND {column}<?)")),
            ] {
                let (sql, values) = statement(&order, part, backwards, 9);
                let plan = format!("EXPLAIN QUERY PLAN {sql}");
                let mut plan = connection.prepare(&plan).expect("it can be explained");
                let steps = plan.query_map(params_from_iter(values), |it| it.get(3));
                let steps: Vec<String> =
                    steps.expect("it has steps").collect::<Result<_, _>>().expect("in words");
                let [step] = steps.as_slice() else { panic!("{sql}: {steps:?}") };
                assert!(step.contains(&format!("USING INDEX {index}")), "{sql}: {step}");
                assert!(step.contains(&found), "{sql}: {step}");
            }
        }
    }
}
