//! Which row has a key. Keys are scattered: in an index of a million, each new one changes a page
//! that no other has changed lately, to be read, logged and written for its sake alone. So the keys
//! of the newest rows are in memory, and in the file in the order in which they came; when there
//! are many, they move on into the large index in its own order, several to a page.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Error, functions::FunctionFlags};
use sha2::{Digest, Sha256};

/// With so many new keys it is time that they move on. With those that come meanwhile they take a
/// megabyte.
const NEW_KEYS_ENOUGH: usize = 28_000;
/// Who knows of so many begins anew, since others have moved on most of them.
const NEW_KEYS_MAX: usize = 4 * NEW_KEYS_ENOUGH;
/// So many move on at a time, at least: those that are next to each other.
const SLICE_KEYS_MIN: usize = 256;
/// So many hashes are remembered that no row has.
const ABSENT_HASHES_MAX: usize = 4 * 1024;

/// What the large index is ordered by. Rows whose keys have the same hash are told apart by their
/// keys: whoever makes such keys makes us read more, and gets no other row.
///
/// 47 bits: SQLite stores them in six bytes.
pub(super) fn hash(key: &str) -> i64 {
    let digest = Sha256::digest(key);
    digest.iter().take(6).fold(0, |hash, byte| hash << 8 | i64::from(*byte)) >> 1
}

/// Gives SQL [`hash`], as `key_hash(key)`: to take over a file of an earlier version.
pub(super) fn teach_hash(connection: &Connection) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("key_hash", 1, flags, |it| Ok(hash(it.get_raw(0).as_str()?)))
}

/// What a connection knows of the keys without looking into the large index: hashes and ids of
/// rows.
///
/// It is true as of the last [`Keys::catch_up`], since rows never go and keys only move on into the
/// large index. When a transaction is undone, begin anew with the default.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Rows by hash.
    recent: HashMap<i64, i64>,
    /// Those whose hash a later one in `recent` has, too.
    twins: Vec<(i64, i64)>,
    /// Those of both that are moving on, the next one last.
    moving: Vec<(i64, i64)>,
    /// How many of them are to be moved by now.
    to_move: usize,
    /// The newest row of `moving`.
    last_moving: i64,
    /// The newest row that is known.
    last_known: i64,
    /// Hashes that no row has.
    absent: HashSet<i64>,
}

impl Keys {
    /// Whether nothing is known, or there is nothing to know.
    pub(super) fn is_empty(&self) -> bool {
        self.last_known == 0
    }

    /// Learns of the rows that were added since, by whomever.
    pub(super) fn catch_up(&mut self, connection: &Connection) -> Result<(), Error> {
        // Who begins has remembered nothing: what came since may be passed over here, for it has
        // moved on.
        if self.is_empty() || self.recent.len() > NEW_KEYS_MAX {
            *self = Keys::default();
        }
        let known = self.last_known;
        // Who begins goes on where others ended: up to this row and this hash, all have moved on.
        let (last_moved, last_hash) = if known == 0 { moved(connection)? } else { (0, 0) };
        let mut select =
            connection.prepare_cached("SELECT id, hash FROM new_keys WHERE id > ?1 ORDER BY id")?;
        let mut rows = select.query([known])?;
        while let Some(row) = rows.next()? {
            let (id, hash) = (row.get(0)?, row.get(1)?);
            if self.last_known == known && id != known + 1 {
                // Others have moved on all that was known here, and more.
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
        // Twice as many move on as come: those that do are done before the next are enough.
        self.to_move += 2;
    }

    /// Those up to this row are next.
    fn begin_to_move(&mut self, last: i64) {
        let recent = self.recent.iter().map(|(hash, id)| (*hash, *id));
        let all = recent.chain(self.twins.iter().copied());
        self.moving = all.filter(|it| it.1 <= last).collect();
        self.moving.sort_unstable_by(|one, other| other.cmp(one));
        self.last_moving = last;
        // Processes that ended too soon to move any may have left too many: that is made up for.
        self.to_move = 2 * self.recent.len().saturating_sub(NEW_KEYS_ENOUGH);
    }

    /// The rows of these that may have a key with this hash.
    pub(super) fn recent(&self, hash: i64) -> impl Iterator<Item = i64> {
        let twins = self.twins.iter().filter(move |it| it.0 == hash).map(|it| it.1);
        self.recent.get(&hash).copied().into_iter().chain(twins)
    }

    /// Whether it is remembered that no row has this hash.
    pub(super) fn is_absent(&self, hash: i64) -> bool {
        self.absent.contains(&hash)
    }

    /// Remembers that the large index does not have this hash; so no row has it, if none of these
    /// has.
    pub(super) fn remember_absent(&mut self, hash: i64) {
        if self.recent.contains_key(&hash) {
            return;
        }
        if self.absent.len() >= ABSENT_HASHES_MAX {
            self.absent.clear();
        }
        self.absent.insert(hash);
    }

    /// Makes a new row one that is found.
    pub(super) fn add(&mut self, to: &Connection, key: &str, id: i64) -> Result<(), Error> {
        let hash = hash(key);
        to.prepare_cached("INSERT INTO new_keys (id, hash) VALUES (?1, ?2)")?
            .execute([id, hash])?;
        self.learn(hash, id);
        Ok(())
    }

    /// At the end of a transaction: moves some on, if it is time.
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
        // Some with the last hash may be left.
        connection
            .prepare_cached("UPDATE moved SET last_id = ?1, last_hash = ?2")?
            .execute([self.last_moving, last_hash - 1])?;
        if self.moving.is_empty() {
            // The newest stays: by it others see that there were some before it.
            connection
                .prepare_cached("DELETE FROM new_keys WHERE id < ?1")?
                .execute([self.last_moving])?;
        }
        Ok(())
    }
}

/// The last row and the last hash of what is in the large index though it may still be in
/// `new_keys`.
fn moved(connection: &Connection) -> Result<(i64, i64), Error> {
    connection
        .query_row("SELECT last_id, last_hash FROM moved", [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The older rows that may have a key with this hash.
pub(super) fn older(connection: &Connection, hash: i64) -> Result<Vec<i64>, Error> {
    let mut select = connection.prepare_cached("SELECT id FROM old_keys WHERE hash = ?1")?;
    select.query_map([hash], |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::RoleName, store::sqlite::schema::bring_up};

    /// A connection that only reads moves nothing on, and must not keep them all for that.
    #[test]
    fn who_begins_while_keys_move_and_only_reads_keeps_no_more_than_so_many() -> Result<(), Error> {
        const AT_ONCE: usize = 500;
        let file = Connection::open_in_memory()?;
        bring_up(&file, 0, RoleName::Seats)?;
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
