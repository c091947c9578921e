//! What the file looks like, and how files of earlier versions come to look so.

use rusqlite::Connection;

use super::keys;
use crate::domain::RoleName;

/// `PRAGMA user_version` of a file that looks like this. Versions 1 and 2 had an index by key.
pub(super) const VERSION: usize = 3;

/// Who the file belongs to.
const META: &str = "CREATE TABLE meta (role TEXT NOT NULL) STRICT;";

/// Rows in the order in which they came, so that those of bookings under way lie on the same few
/// pages, however many there are. They are found by a hash of their key: see `keys`. In an index by
/// the key itself each new row changed a page of its own, and behind a million rows bookings took a
/// third longer.
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

/// Before [`ROWS`], in a file of an earlier version.
const SET_ASIDE: &str = "
    ALTER TABLE rows RENAME TO rows_before;
    DROP INDEX newest;
    DROP INDEX newest_of_phase;
    DROP INDEX stalest;";

/// After it.
const TAKE_OVER: &str = "
    INSERT INTO rows (key, version, body, phase, at_ms, open)
        SELECT key, version, body, phase, at_ms, open FROM rows_before;
    DROP TABLE rows_before;
    INSERT INTO old_keys SELECT key_hash(key), id FROM rows ORDER BY 1, 2;";

/// Makes a file of the version `applied` one of [`VERSION`]; 0 is a new one, which is `role`'s.
pub(super) fn bring_up(
    connection: &Connection,
    applied: usize,
    role: RoleName,
) -> Result<(), rusqlite::Error> {
    match applied {
        0 => {
            connection.execute_batch(META)?;
            connection.execute("INSERT INTO meta VALUES (?1)", [role.as_str()])?;
            connection.execute_batch(ROWS)?;
        }
        VERSION => {}
        _ => {
            keys::teach_hash(connection)?;
            for step in [SET_ASIDE, ROWS, TAKE_OVER] {
                connection.execute_batch(step)?;
            }
        }
    }
    connection.pragma_update(None, "user_version", VERSION)
}
