//! Finds the row with a key. It must never answer that a row does not exist when another process
//! has added it.
//!
//! Keys are scattered: in an index of a million keys, each new key changes another page, which has
//! to be read, logged and written for this key alone. So the keys of the newest rows are kept in
//! memory, and in the file in the order in which they came (`new_keys`). When there are many, they
//! move into the large index (`old_keys`) in the order of that index, several for each page.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Error, functions::FunctionFlags};
use sha2::{Digest, Sha256};

/// The number of new keys at which they start to move into the large index. Together with those
/// that come during the move they take about a megabyte of memory.
const NEW_KEYS_ENOUGH: usize = 28_000;
/// The number of new keys at which a cache starts again from nothing, since other processes have
/// moved most of them.
const NEW_KEYS_MAX: usize = 4 * NEW_KEYS_ENOUGH;
/// The fewest keys that move in one step, so that several of them share a page of the large index.
const SLICE_KEYS_MIN: usize = 256;
/// The most hashes that are remembered as absent.
const ABSENT_HASHES_MAX: usize = 4 * 1024;

/// The hash of a key, by which the large index is ordered. The key itself tells rows with the same
/// hash apart, so a client that makes such keys on purpose causes more reads, but never gets
/// another row.
///
/// It has 47 bits, which SQLite stores in six bytes.
pub(super) fn hash(key: &str) -> i64 {
    let digest = Sha256::digest(key);
    digest.iter().take(6).fold(0, |hash, byte| hash << 8 | i64::from(*byte)) >> 1
}

/// Makes [`hash`] available in SQL as `key_hash(key)`, for the migration of an earlier version.
pub(super) fn teach_hash(connection: &Connection) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("key_hash", 1, flags, |it| Ok(hash(it.get_raw(0).as_str()?)))
}

/// The cache of one connection: what it knows of the keys without reading the large index, as pairs
/// of the hash of a key and the id of its row.
///
/// It is right as of the last [`Keys::catch_up`], since rows are never deleted and keys only move
/// into the large index. After a transaction was undone, the cache must be replaced by an empty
/// one.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// New rows, by hash.
    recent: HashMap<i64, i64>,
    /// New rows with the same hash as a later row in `recent`.
    twins: Vec<(i64, i64)>,
    /// Those of `recent` and `twins` that are moving into the large index, the next one last.
    moving: Vec<(i64, i64)>,
    /// How many of `moving` are due to be moved.
    to_move: usize,
    /// The newest row of `moving`.
    last_moving: i64,
    /// The newest row that the cache knows.
    last_known: i64,
    /// Hashes that no row has: the negative entries.
    absent: HashSet<i64>,
}

impl Keys {
    /// Whether the cache knows no rows: it is new, or the file has no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.last_known == 0
    }

    /// Reads the keys that any connection has added since the last call.
    pub(super) fn catch_up(&mut self, connection: &Connection) -> Result<(), Error> {
        // A new cache has no negative entries, so it may skip keys that have already moved.
        if self.is_empty() || self.recent.len() > NEW_KEYS_MAX {
            *self = Keys::default();
        }
        let known = self.last_known;
        // A new cache continues the move where other connections stopped: rows up to this id and
        // this hash are in the large index already.
        let (last_moved, last_hash) = if known == 0 { moved(connection)? } else { (0, 0) };
        let mut select =
            connection.prepare_cached("SELECT id, hash FROM new_keys WHERE id > ?1 ORDER BY id")?;
        let mut rows = select.query([known])?;
        while let Some(row) = rows.next()? {
            let (id, hash) = (row.get(0)?, row.get(1)?);
            if self.last_known == known && id != known + 1 {
                // Other connections have moved all keys that were known here, and more.
                *self = Keys::default();
            }
            if id <= last_moved && hash <= last_hash {
                self.last_known = id;
            } else {
                self.learn(hash, id);
            }
        }
        if known == 0 {
            self.begin_to_move(last_moved);
        }
        Ok(())
    }

    fn learn(&mut self, hash: i64, id: i64) {
        self.absent.remove(&hash);
        if let Some(twin) = self.recent.insert(hash, id) {
            self.twins.push((hash, twin));
        }
        self.last_known = id;
        // Two keys move for each new one, so that a move ends before there are enough new keys for
        // the next.
        self.to_move += 2;
    }

    /// Starts to move the keys of the rows up to the id `last`.
    fn begin_to_move(&mut self, last: i64) {
        let recent = self.recent.iter().map(|(hash, id)| (*hash, *id));
        let all = recent.chain(self.twins.iter().copied());
        self.moving = all.filter(|it| it.1 <= last).collect();
        self.moving.sort_unstable_by(|one, other| other.cmp(one));
        self.last_moving = last;
        // Processes that ended before they moved any keys may have left too many. Moves these
        // first.
        self.to_move = 2 * self.recent.len().saturating_sub(NEW_KEYS_ENOUGH);
    }

    /// The new rows whose keys have this hash.
    pub(super) fn recent(&self, hash: i64) -> impl Iterator<Item = i64> {
        let twins = self.twins.iter().filter(move |it| it.0 == hash).map(|it| it.1);
        self.recent.get(&hash).copied().into_iter().chain(twins)
    }

    /// Whether the hash is known to belong to no row.
    pub(super) fn is_absent(&self, hash: i64) -> bool {
        self.absent.contains(&hash)
    }

    /// Remembers that the large index does not have this hash. If no new row has it either, then no
    /// row has it.
    pub(super) fn remember_absent(&mut self, hash: i64) {
        if self.recent.contains_key(&hash) {
            return;
        }
        if self.absent.len() >= ABSENT_HASHES_MAX {
            self.absent.clear();
        }
        self.absent.insert(hash);
    }

    /// Adds the key of a new row, in the file and in the cache.
    pub(super) fn add(&mut self, to: &Connection, key: &str, id: i64) -> Result<(), Error> {
        let hash = hash(key);
        to.prepare_cached("INSERT INTO new_keys (id, hash) VALUES (?1, ?2)")?
            .execute([id, hash])?;
        self.learn(hash, id);
        Ok(())
    }

    /// Moves some keys into the large index, if enough are due. Called at the end of a transaction.
    pub(super) fn move_on(&mut self, connection: &Connection) -> Result<(), Error> {
        if self.moving.is_empty() && self.recent.len() >= NEW_KEYS_ENOUGH {
            self.begin_to_move(self.last_known);
        }
        if self.moving.is_empty() || self.to_move < SLICE_KEYS_MIN {
            return Ok(());
        }
        let mut insert = connection
            .prepare_cached("INSERT OR IGNORE INTO old_keys (hash, id) VALUES (?1, ?2)")?;
        let slice = self.moving.len().saturating_sub(std::mem::take(&mut self.to_move));
        let last_hash = self.moving.get(slice).map_or(0, |it| it.0);
        for moved in self.moving.drain(slice..).rev() {
            insert.execute(<[i64; 2]>::from(moved))?;
            match self.recent.get(&moved.0) {
                Some(id) if *id == moved.1 => drop(self.recent.remove(&moved.0)),
                _ => self.twins.retain(|it| *it != moved),
            }
        }
        // Other keys with the last hash may be left, so only smaller hashes are complete.
        connection
            .prepare_cached("UPDATE moved SET last_id = ?1, last_hash = ?2")?
            .execute([self.last_moving, last_hash - 1])?;
        if self.moving.is_empty() {
            // The newest moved key stays: other connections notice by the gap before it that keys
            // were moved.
            connection
                .prepare_cached("DELETE FROM new_keys WHERE id < ?1")?
                .execute([self.last_moving])?;
        }
        Ok(())
    }
}

/// The progress of the current move: the keys of rows up to this id and with a hash up to this one
/// are in the large index, though they may still be in `new_keys` as well.
fn moved(connection: &Connection) -> Result<(i64, i64), Error> {
    connection
        .query_row("SELECT last_id, last_hash FROM moved", [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The rows of the large index whose keys have this hash.
pub(super) fn older(connection: &Connection, hash: i64) -> Result<Vec<i64>, Error> {
    let mut select = connection.prepare_cached("SELECT id FROM old_keys WHERE hash = ?1")?;
    select.query_map([hash], |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::RoleName, store::sqlite::schema::bring_up};

    /// A connection that only reads moves no keys, but must not keep all of them in memory either.
    #[test]
    fn who_begins_while_keys_move_and_only_reads_keeps_no_more_than_so_many() -> Result<(), Error> {
        const AT_ONCE: usize = 500;
        let file = Connection::open_in_memory()?;
        bring_up(&file, 0, RoleName::Seats.into())?;
        let (mut writer, mut reader, mut last) = (Keys::default(), Keys::default(), 0);
        let mut write = || {
            for _ in 0..AT_ONCE {
                last += 1;
                writer.add(&file, &format!("booking/{last}"), last)?;
            }
            writer.move_on(&file)
        };
        while moved(&file)? == (0, 0) {
            write()?;
        }
        reader.catch_up(&file)?;
        assert!(!reader.moving.is_empty(), "others are moving some");
        for _ in 0..2 * NEW_KEYS_MAX / AT_ONCE {
            write()?;
            reader.catch_up(&file)?;
            let kept = reader.recent.len() + reader.twins.len();
            assert!(kept <= NEW_KEYS_MAX + AT_ONCE, "{kept} are kept");
        }
        Ok(())
    }
}
