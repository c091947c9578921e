//! The file: rows by key, with versions and an index for lists. It must never start a thread or
//! wait for one.

use std::{cell::RefCell, sync::Arc};

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::{
    super::{Commit, Find, Page, Place, Start, StoreError, Versioned, Write},
    columns::{Listed, UPDATE, UPDATE_WITH_DEPARTURE},
    keys::{self, Keys},
    list,
    watch::{Log, Watch},
};

/// How often the size of a write-ahead log that shrank is compared with what SQLite says about it.
/// More than once, since other processes may write to the log and empty it meanwhile.
const LOG_LOOKS_MAX: u32 = 3;

/// An existing row.
#[derive(Clone, Copy)]
struct Found {
    id: i64,
    version: i64,
}

/// The open file of one role.
#[derive(Debug)]
pub struct Engine {
    pub(super) file: String,
    pub(super) connection: Connection,
    pub(super) keys: RefCell<Keys>,
    pub(super) watch: Option<Watch>,
}

impl Engine {
    /// Checks that the file is still the one that was opened, which SQLite does not check.
    ///
    /// # Errors
    /// When the file, or a file that SQLite keeps beside it, was removed, replaced or truncated.
    pub fn still_there(&self) -> Result<(), StoreError> {
        let Some(watch) = &self.watch else { return Ok(()) };
        if watch.look()? == Log::Whole {
            return Ok(());
        }
        // A process that empties the log copies it into the file first. SQLite knows how many pages
        // are only in the log.
        for _ in 0..LOG_LOOKS_MAX {
            let asked = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok::<(i64, i64), _>((row.get(1)?, row.get(2)?))
            });
            let (pages, done) = match asked {
                Ok(it) => it,
                // SQLite tried to copy pages from a log that no longer has them.
                Err(it) if ends_early(&it) => break,
                Err(it) => return Err(failure(&self.file, "look into the write-ahead log")(it)),
            };
            let only_there = if done < pages { pages } else { 0 };
            if watch.log_holds(only_there.unsigned_abs()) {
                return Ok(());
            }
        }
        watch.ruin();
        watch.look().map(|_| ())
    }

    /// The watch over the file; `None` when the store is in memory or was opened for reading.
    #[must_use]
    pub fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Copies the write-ahead log into the file and empties it, even while other processes use the
    /// file. Afterwards, old contents of rows are nowhere on disk.
    ///
    /// # Errors
    /// When other processes read or write without a pause.
    pub fn empty_log(&self) -> Result<(), StoreError> {
        let failed = failure(&self.file, "empty the write-ahead log");
        let busy: bool = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(&failed)?;
        if busy {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            let why = "the file is in use without a pause: try again".to_owned();
            return Err(failed(rusqlite::Error::SqliteFailure(code, Some(why))));
        }
        Ok(())
    }

    /// The rows of these keys, in the order of the keys.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, keys: &[String]) -> Result<Vec<Option<Versioned>>, StoreError> {
        let failed = failure(&self.file, "read");
        // A transaction catches up at its beginning. Without one, or after a failed one has emptied
        // the cache, it has to be done here.
        if self.connection.is_autocommit() || self.keys.borrow().is_empty() {
            self.catch_up().map_err(&failed)?;
        }
        let versioned = |row: &rusqlite::Row<'_>| {
            Ok(Versioned { version: row.get::<_, i64>(0)?.unsigned_abs(), body: row.get(1)? })
        };
        let select = "SELECT version, body FROM rows WHERE id = ?1 AND key = ?2";
        keys.iter().map(|it| self.find(it, select, versioned).map_err(&failed)).collect()
    }

    pub(super) fn catch_up(&self) -> Result<(), rusqlite::Error> {
        self.keys.borrow_mut().catch_up(&self.connection)
    }

    /// What `take` reads from the row with this key. `select` selects the row with the id `?1` if
    /// its key is `?2`, since rows with different keys can have the same hash.
    fn find<T>(
        &self,
        key: &str,
        select: &str,
        take: impl Fn(&rusqlite::Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<Option<T>, rusqlite::Error> {
        let mut select = self.connection.prepare_cached(select)?;
        self.first(key, |id| select.query_row(params![id, key], &take).optional())
    }

    /// What `row` returns for the first of the ids that the row with this key may have, if it
    /// returns something for one of them.
    fn first<T>(
        &self,
        key: &str,
        mut row: impl FnMut(i64) -> Result<Option<T>, rusqlite::Error>,
    ) -> Result<Option<T>, rusqlite::Error> {
        let (hash, mut known) = (keys::hash(key), self.keys.borrow_mut());
        if let Some(recent) = known.recent(hash).find_map(|id| row(id).transpose()) {
            return recent.map(Some);
        }
        if known.is_absent(hash) {
            return Ok(None);
        }
        let older = keys::older(&self.connection, hash)?;
        if older.is_empty() {
            known.remember_absent(hash);
        }
        older.into_iter().find_map(|id| row(id).transpose()).transpose()
    }

    /// Runs `look` on one consistent state of the file. Changes nothing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn at_one_moment<T>(&self, look: impl FnOnce(&Engine) -> T) -> Result<T, StoreError> {
        let seen = self.within("BEGIN DEFERRED", |it| Ok(look(it)));
        seen.map_err(failure(&self.file, "read"))
    }

    /// Commits several lots of writes in one transaction. Each lot is written as a whole, or is a
    /// conflict, which may be with an earlier lot of the same call.
    ///
    /// # Errors
    /// When the transaction fails. Then no lot was written.
    pub fn commit_all(&mut self, lots: &[&[Write]]) -> Result<Vec<Commit>, StoreError> {
        self.look_and_commit(|_| {}, lots)
    }

    /// As [`Engine::commit_all`], but runs `look` first, in the same transaction, on the state
    /// before the writes.
    ///
    /// # Errors
    /// When the transaction fails. Then no lot was written.
    pub fn look_and_commit(
        &mut self,
        look: impl FnOnce(&Engine),
        lots: &[&[Write]],
    ) -> Result<Vec<Commit>, StoreError> {
        let ends = self.within("BEGIN IMMEDIATE", |it| {
            look(it);
            if it.connection.is_autocommit() {
                // A read that failed may have ended the transaction, and nothing may be written
                // without one.
                return Err(undone());
            }
            let ends = lots.iter().map(|lot| it.write(lot)).collect::<Result<_, _>>()?;
            it.keys.borrow_mut().move_on(&it.connection)?;
            Ok(ends)
        });
        ends.map_err(failure(&self.file, "commit"))
    }

    /// Runs `work` in one transaction, which is committed when it succeeds and undone when it
    /// fails.
    fn within<T>(
        &self,
        begin: &'static str,
        work: impl FnOnce(&Engine) -> Result<T, rusqlite::Error>,
    ) -> Result<T, rusqlite::Error> {
        let run = |sql| self.connection.prepare_cached(sql)?.execute([]);
        run(begin)?;
        let caught_up = self.catch_up();
        let ended = caught_up.and_then(|()| work(self)).and_then(|it| run("COMMIT").map(|_| it));
        if ended.is_err() {
            // The cache may have learnt from rows that are undone.
            self.keys.take();
        }
        if ended.is_err() && !self.connection.is_autocommit() {
            // Reports the first error. If the transaction cannot be undone, the next one fails.
            let _ = run("ROLLBACK");
        }
        ended
    }

    /// Writes a lot as a whole or not at all. Compares all versions before it writes the first row,
    /// so that a conflict leaves nothing behind.
    fn write(&self, lot: &[Write]) -> Result<Commit, rusqlite::Error> {
        if let [it] = lot
            && it.read_version > 0
        {
            // The update itself compares the version, which saves a read.
            let written = self.first(&it.key, |id| Ok(self.update(id, it)?.then_some(())))?;
            return Ok(written.map_or(Commit::Conflict, |()| Commit::Done));
        }
        let select = "SELECT id, version FROM rows WHERE id = ?1 AND key = ?2";
        let mut found = Vec::with_capacity(lot.len());
        for (at, it) in lot.iter().enumerate() {
            let row = self
                .find(&it.key, select, |row| Ok(Found { id: row.get(0)?, version: row.get(1)? }))?;
            let version = row.map_or(0, |row| row.version);
            // A second write of the same row in one lot was decided without knowing the first.
            let twice = lot[..at].iter().any(|before| before.key == it.key);
            if version.unsigned_abs() != it.read_version || twice {
                return Ok(Commit::Conflict);
            }
            found.push(row);
        }
        for (it, row) in lot.iter().zip(found) {
            match row {
                Some(row) => {
                    let written = self.update(row.id, it)?;
                    debug_assert!(written, "its version was compared in this transaction");
                }
                None => self.insert(it)?,
            }
        }
        Ok(Commit::Done)
    }

    fn insert(&self, it: &Write) -> Result<(), rusqlite::Error> {
        let Listed { phase, at_ms, open, flight, departure } = Listed::of(it);
        self.connection
            .prepare_cached(
                "INSERT INTO rows (key, version, body, phase, at_ms, open, flight, departure)
                 VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![it.key, it.body, phase, at_ms, open, flight, departure])?;
        let id = self.connection.last_insert_rowid();
        self.keys.borrow_mut().add(&self.connection, &it.key, id)
    }

    /// Writes the row with this id, if it has the key and the version that were read. Returns
    /// whether it has.
    fn update(&self, id: i64, it: &Write) -> Result<bool, rusqlite::Error> {
        let Listed { phase, at_ms, open, flight, departure } = Listed::of(it);
        let read_version = it.read_version.cast_signed();
        let update = |sql| {
            self.connection.prepare_cached(sql)?.execute(params![
                id,
                read_version,
                it.body,
                phase,
                at_ms,
                open,
                it.key,
                flight,
                departure
            ])
        };
        Ok(update(UPDATE)? > 0 || update(UPDATE_WITH_DEPARTURE)? > 0)
    }

    /// At most `limit` listed rows, from the beginning, after a place or before it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn list(&self, find: &Find, start: &Start, limit: usize) -> Result<Page, StoreError> {
        let failed = failure(&self.file, "list");
        let id = |it: &Place| {
            let select = "SELECT id FROM rows WHERE id = ?1 AND key = ?2";
            // If the row does not exist any more, all rows with its time come after it.
            self.find(&it.key, select, |it| it.get(0)).map(|it| it.unwrap_or(0))
        };
        let id = start.place().map(id).transpose().map_err(&failed)?.unwrap_or(0);
        list::page(&self.connection, find, start, id, limit).map_err(&failed)
    }

    /// Every row, sorted by key: for audits, not for services. Reads the table of rows and no
    /// index.
    ///
    /// # Errors
    /// When the file cannot be read, or two rows have the same key.
    pub fn all(&self) -> Result<Vec<(String, String)>, StoreError> {
        let failed = failure(&self.file, "read");
        let mut select =
            self.connection.prepare_cached("SELECT key, body FROM rows").map_err(&failed)?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(&failed)?;
        let mut rows: Vec<_> = rows.collect::<Result<_, _>>().map_err(&failed)?;
        rows.sort_unstable();
        if let Some([(key, _), _]) = rows.array_windows().find(|[one, other]| one.0 == other.0) {
            let problem = format!("two of its rows have the key {key}");
            return Err(StoreError::Unusable { place: self.file.clone(), problem });
        }
        Ok(rows)
    }
}

fn ends_early(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|it| it.extended_code);
    code == Some(rusqlite::ffi::SQLITE_IOERR_SHORT_READ)
}

fn undone() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK);
    let why = "a read failed and SQLite undid the transaction: nothing was written".to_owned();
    rusqlite::Error::SqliteFailure(code, Some(why))
}

pub(super) fn failure(
    file: &str,
    operation: &'static str,
) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
    let file = file.to_owned();
    move |error| {
        let damaged = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        );
        let (place, source) = (file.clone(), Arc::new(error));
        if damaged {
            StoreError::Damaged { operation, place, source }
        } else {
            StoreError::Failed { operation, place, source }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::RoleName, durability::Durability};

    /// Some errors of a read end the transaction around it.
    #[test]
    fn a_group_whose_transaction_a_look_ended_writes_nothing() {
        let folder = tempfile::tempdir().expect("a folder for the file");
        let file = folder.path().join("seats.db");
        let mut engine = Engine::open(&file, RoleName::Seats, Durability::ProcessDeath)
            .expect("a new file opens");
        let write =
            Write { key: "a".to_owned(), read_version: 0, body: "x".to_owned(), listing: None };
        let end = |it: &Engine| it.connection.execute_batch("ROLLBACK").expect("one was begun");
        engine
            .look_and_commit(end, &[std::slice::from_ref(&write)])
            .expect_err("without a transaction");
        assert_eq!(engine.all().expect("it can be read"), []);
        // The next transaction works.
        let ends = engine.commit_all(&[&[write]]).expect("a transaction of its own");
        assert_eq!(ends, [Commit::Done]);
    }
}
