//! Which row has a key. Keys are scattered: in an index of a million, each new one changes a page that no
//! other has changed lately, to be read, logged and written for its sake alone. So the keys of the newest
//! rows are in memory, and in the file in the order in which they came; when there are many, they move on
//! into the large index in its own order, several to a page.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, functions::FunctionFlags};
use sha2::{Digest, Sha256};

/// So many new keys gather before they move on. With those that come meanwhile they take a megabyte.
const GATHERED_MAX: usize = 28_000;
/// So many move on at a time, at least: those that are next to each other.
const SLICE_MIN: usize = 256;
/// Of so many keys it is remembered that they have no row.
const ABSENT_MAX: usize = 4 * 1024;

type Failure = rusqlite::Error;

/// What both indexes are ordered by; keys that have the same are told apart by their rows.
///
/// 47 bits: SQLite stores them in six bytes. Whoever wants many ids with one hash has to search for each
/// for years.
pub(super) fn hash(key: &str) -> i64 {
    let digest = Sha256::digest(key);
    digest.iter().take(6).fold(0, |hash, byte| hash << 8 | i64::from(*byte)) >> 1
}

/// Gives migrations [`hash`], as `key_hash(key)`.
pub(super) fn teach_hash(connection: &Connection) -> Result<(), Failure> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("key_hash", 1, flags, |it| Ok(hash(it.get_raw(0).as_str()?)))
}

/// What a connection knows of the keys without looking into the large index: hashes and ids of rows.
///
/// It is true after [`Keys::catch_up`] within the same transaction. When that is undone, begin anew with
/// the default.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Rows by hash; and those whose hash is that of another one.
    recent: HashMap<i64, i64>,
    twins: Vec<(i64, i64)>,
    /// Those of them that are moving on, the next one last.
    moving: Vec<(i64, i64)>,
    /// How many are to move on before the next ones gather too long.
    due: usize,
    /// The last row that is known, and the last one that is moving on.
    last: i64,
    last_moving: i64,
    /// These have no row.
    absent: HashSet<i64>,
}

impl Keys {
    /// Learns of the rows that were added since, by whomever.
    pub(super) fn catch_up(&mut self, connection: &Connection) -> Result<(), Failure> {
        let mut select =
            connection.prepare_cached("SELECT id, hash FROM new_keys WHERE id > ?1")?;
        let mut rows = select.query([self.last])?;
        while let Some(row) = rows.next()? {
            let (id, hash) = (row.get(0)?, row.get(1)?);
            if id != self.last + 1 {
                // Others have come and moved on meanwhile.
                self.absent.clear();
            }
            self.learn(hash, id);
        }
        Ok(())
    }

    fn learn(&mut self, hash: i64, id: i64) {
        self.absent.remove(&hash);
        if let Some(twin) = self.recent.insert(hash, id) {
            self.twins.push((hash, twin));
        }
        self.last = id;
        // Twice as many move on as come: those that do are done before the next are enough.
        self.due += 2;
    }

    /// The rows of these that may have a key with this hash.
    pub(super) fn recent(&self, hash: i64) -> impl Iterator<Item = i64> {
        let twins = self.twins.iter().filter(move |it| it.0 == hash).map(|it| it.1);
        self.recent.get(&hash).copied().into_iter().chain(twins)
    }

    /// Whether it is remembered that none has such a key.
    pub(super) fn is_absent(&self, hash: i64) -> bool {
        self.absent.contains(&hash)
    }

    /// Remembers it.
    pub(super) fn remember_absent(&mut self, hash: i64) {
        if self.absent.len() >= ABSENT_MAX {
            self.absent.clear();
        }
        self.absent.insert(hash);
    }

    /// Makes a new row one that is found.
    pub(super) fn add(&mut self, c: &Connection, key: &str, id: i64) -> Result<(), Failure> {
        let hash = hash(key);
        c.prepare_cached("INSERT INTO new_keys (id, hash) VALUES (?1, ?2)")?.execute([id, hash])?;
        self.learn(hash, id);
        Ok(())
    }

    /// At the end of a transaction: moves some on, if it is time.
    pub(super) fn move_on(&mut self, connection: &Connection) -> Result<(), Failure> {
        if self.moving.is_empty() && self.recent.len() >= GATHERED_MAX {
            let recent = self.recent.iter().map(|(hash, id)| (*hash, *id));
            self.moving = recent.chain(self.twins.iter().copied()).collect();
            self.moving.sort_unstable_by(|one, other| other.cmp(one));
            (self.due, self.last_moving) = (0, self.last);
        }
        if self.moving.is_empty() || self.due < SLICE_MIN {
            return Ok(());
        }
        let mut insert = connection
            .prepare_cached("INSERT OR IGNORE INTO old_keys (hash, id) VALUES (?1, ?2)")?;
        let slice = self.moving.len().saturating_sub(std::mem::take(&mut self.due));
        for moved in self.moving.drain(slice..).rev() {
            insert.execute(<[i64; 2]>::from(moved))?;
            match self.recent.get(&moved.0) {
                Some(id) if *id == moved.1 => drop(self.recent.remove(&moved.0)),
                _ => self.twins.retain(|it| *it != moved),
            }
        }
        if self.moving.is_empty() {
            connection
                .prepare_cached("DELETE FROM new_keys WHERE id <= ?1")?
                .execute([self.last_moving])?;
        }
        Ok(())
    }
}

/// The older rows that may have a key with this hash.
pub(super) fn older(connection: &Connection, hash: i64) -> Result<Vec<i64>, Failure> {
    let mut select = connection.prepare_cached("SELECT id FROM old_keys WHERE hash = ?1")?;
    select.query_map([hash], |row| row.get(0))?.collect()
}
