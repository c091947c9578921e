//! Counts open rows. Must not read the rows that it counts: a count runs between commits.

use rusqlite::{Connection, params};

use super::{
    super::{StoreError, Tally},
    Engine,
    engine::failure,
};

/// The open rows of which `?2` are counted, the oldest first, and those of them before `?1`.
const OPEN: &str = "
    SELECT count(*), coalesce(sum(at_ms < ?1), 0)
    FROM (SELECT at_ms FROM rows WHERE open = 1 ORDER BY at_ms LIMIT ?2)";
/// The newest time of any listed row.
const NEWEST: &str = "SELECT max(at_ms) FROM rows WHERE phase IS NOT NULL";

impl Engine {
    /// Counts the open rows and those of them that are older than `before_ms`, in milliseconds
    /// since 1970, up to `limit` rows.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tally(&self, before_ms: i64, limit: usize) -> Result<Tally, StoreError> {
        tally(&self.connection, before_ms, limit).map_err(failure(&self.file, "count rows"))
    }
}

fn tally(connection: &Connection, before_ms: i64, limit: usize) -> Result<Tally, rusqlite::Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let count = |row: &rusqlite::Row<'_>, at| {
        let count: i64 = row.get(at)?;
        Ok::<usize, rusqlite::Error>(usize::try_from(count).unwrap_or(usize::MAX))
    };
    let (open, older) = connection
        .prepare_cached(OPEN)?
        .query_row(params![before_ms, limit], |row| Ok((count(row, 0)?, count(row, 1)?)))?;
    let newest_ms = connection.prepare_cached(NEWEST)?.query_row([], |row| row.get(0))?;
    Ok(Tally { open, older, newest_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::RoleName, store::sqlite::schema};

    /// No row is read but the newest one, and nothing is sorted.
    #[test]
    fn a_count_reads_only_indexes() {
        let connection = Connection::open_in_memory().expect("a file in memory opens");
        schema::bring_up(&connection, 0, RoleName::Status.into()).expect("a new file is made");
        for (sql, index) in [(OPEN, "COVERING INDEX stalest"), (NEWEST, "INDEX newest")] {
            let plan = format!("EXPLAIN QUERY PLAN {sql}");
            let mut plan = connection.prepare(&plan).expect("it can be explained");
            let values: &[i64] = if sql == OPEN { &[0, 9] } else { &[] };
            let steps = plan.query_map(rusqlite::params_from_iter(values), |it| it.get(3));
            let steps: Vec<String> =
                steps.expect("it has steps").collect::<Result<_, _>>().expect("in words");
            let named = |it: &String| format!("{it} ").contains(&format!("USING {index} "));
            assert!(steps.iter().any(named), "{sql}: {steps:?}");
            assert!(!steps.iter().any(|it| it.contains("TEMP B-TREE")), "{sql}: {steps:?}");
        }
    }

    /// By the steps that SQLite's machine takes.
    #[test]
    fn a_count_costs_what_its_limit_says_however_many_rows_there_are() {
        let connection = Connection::open_in_memory().expect("a file in memory opens");
        schema::bring_up(&connection, 0, RoleName::Status.into()).expect("a new file is made");
        let steps = |rows: i64, sql: &str, values: &[i64]| {
            let fill = "
                WITH RECURSIVE n(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < ?1)
                INSERT INTO rows (key, version, body, phase, at_ms, open)
                    SELECT at, 1, '', 'paid', at, 1 FROM n";
            connection.execute("DELETE FROM rows", []).expect("they are removed");
            connection.execute(fill, [rows]).expect("they are stored");
            let mut asked = connection.prepare(sql).expect("it is SQL");
            let mut found = asked.query(rusqlite::params_from_iter(values)).expect("it is asked");
            while found.next().expect("it answers").is_some() {}
            drop(found);
            asked.get_status(rusqlite::StatementStatus::VmStep)
        };
        for (sql, values) in [(OPEN, &[7, 9][..]), (NEWEST, &[])] {
            let few = steps(10, sql, values);
            assert_eq!(steps(5_000, sql, values), few, "{sql}");
            assert!(few > 0, "{sql}");
        }
    }
}
