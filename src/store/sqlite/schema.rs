//! The tables of a file, and the migration of files of earlier versions. A migration must keep
//! every row.

use rusqlite::Connection;

use super::keys;
use crate::domain::ServiceName;

/// `PRAGMA user_version` of a file with these tables. Versions 1 and 2 had an index by key, and
/// version 3 had no departures.
pub(super) const VERSION: usize = 4;
/// The version to which [`DEPARTURES`] can be added.
const WITHOUT_DEPARTURES: usize = 3;

/// The service that the file belongs to.
const META: &str = "CREATE TABLE meta (role TEXT NOT NULL) STRICT;";

/// Rows are stored in the order in which they were added, so that the rows of bookings in progress
/// are on the same few pages, however large the file is. They are found by a hash of their key (see
/// `keys`). In an index by the key itself, each new row changed another page of the index, and with
/// a million rows a booking took a third longer.
const ROWS: &str = "
    CREATE TABLE rows (
        id      INTEGER PRIMARY KEY,
        key     TEXT NOT NULL,
        version INTEGER NOT NULL,
        body    TEXT NOT NULL,
        phase   TEXT,
        at_ms   INTEGER,
        open    INTEGER
    ) STRICT;
    CREATE INDEX newest ON rows (at_ms DESC) WHERE phase IS NOT NULL;
    CREATE INDEX newest_of_phase ON rows (phase, at_ms DESC) WHERE phase IS NOT NULL;
    CREATE INDEX stalest ON rows (at_ms) WHERE open = 1;
    CREATE TABLE new_keys (id INTEGER PRIMARY KEY, hash INTEGER NOT NULL) STRICT;
    CREATE TABLE old_keys (hash INTEGER, id INTEGER, PRIMARY KEY (hash, id)) STRICT, WITHOUT ROWID;
    CREATE TABLE moved (last_id INTEGER NOT NULL, last_hash INTEGER NOT NULL) STRICT;
    INSERT INTO moved VALUES (0, 0);";

/// Lists by flight and day. `departure` has the day and the time at which the booking was first
/// heard of (see `store::departures`). Neither column changes with further facts, and an update
/// that leaves them out touches neither index. Both have few pages that change: those of the
/// departures that are booked at this time.
const DEPARTURES: &str = "
    ALTER TABLE rows ADD COLUMN flight TEXT;
    ALTER TABLE rows ADD COLUMN departure TEXT;
    CREATE INDEX of_flight ON rows (flight, departure DESC) WHERE flight IS NOT NULL;
    CREATE INDEX of_day ON rows (departure DESC) WHERE departure IS NOT NULL;";

/// Migration of an earlier version, before [`ROWS`]: renames the old table.
const SET_ASIDE: &str = "
    ALTER TABLE rows RENAME TO rows_before;
    DROP INDEX newest;
    DROP INDEX newest_of_phase;
    DROP INDEX stalest;";

/// Migration of an earlier version, after [`ROWS`]: copies the rows.
const TAKE_OVER: &str = "
    INSERT INTO rows (key, version, body, phase, at_ms, open)
        SELECT key, version, body, phase, at_ms, open FROM rows_before;
    DROP TABLE rows_before;
    INSERT INTO old_keys SELECT key_hash(key), id FROM rows ORDER BY 1, 2;";

/// Brings a file from the version `applied` to [`VERSION`]. Version 0 is a new file, which then
/// belongs to `owner`.
pub(super) fn bring_up(
    connection: &Connection,
    applied: usize,
    owner: ServiceName,
) -> Result<(), rusqlite::Error> {
    match applied {
        0 => {
            connection.execute_batch(META)?;
            connection.execute("INSERT INTO meta VALUES (?1)", [owner.as_str()])?;
            connection.execute_batch(ROWS)?;
            connection.execute_batch(DEPARTURES)?;
        }
        VERSION => {}
        // Rows from before have no departure until they are written again.
        WITHOUT_DEPARTURES => connection.execute_batch(DEPARTURES)?,
        _ => {
            keys::teach_hash(connection)?;
            for step in [SET_ASIDE, ROWS, TAKE_OVER, DEPARTURES] {
                connection.execute_batch(step)?;
            }
        }
    }
    connection.pragma_update(None, "user_version", VERSION)
}
