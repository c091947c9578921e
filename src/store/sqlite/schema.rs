//! What the file looks like, and how it came to.

/// The schema, version by version: `PRAGMA user_version` says how many have been applied.
pub(super) const MIGRATIONS: [&str; 3] = [
    "CREATE TABLE meta (role TEXT NOT NULL) STRICT;
     CREATE TABLE rows (
         key     TEXT PRIMARY KEY,
         version INTEGER NOT NULL,
         body    TEXT NOT NULL,
         phase   TEXT,
         at_ms   INTEGER,
         open    INTEGER
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX newest ON rows (at_ms DESC) WHERE phase IS NOT NULL;
     CREATE INDEX newest_of_phase ON rows (phase, at_ms DESC) WHERE phase IS NOT NULL;
     CREATE INDEX stalest ON rows (at_ms) WHERE open = 1;",
    // Rows in the order in which they came, found by a small index: bookings under way lie on the
    // same few pages, however many there are. By key, as before, a row of a kilobyte stood in every
    // node of the tree, and a file of a million was ten nodes deep.
    "ALTER TABLE rows RENAME TO rows_by_key;
     CREATE TABLE rows (
         id      INTEGER PRIMARY KEY,
         key     TEXT NOT NULL UNIQUE,
         version INTEGER NOT NULL,
         body    TEXT NOT NULL,
         phase   TEXT,
         at_ms   INTEGER,
         open    INTEGER
     ) STRICT;
     INSERT INTO rows (key, version, body, phase, at_ms, open)
         SELECT key, version, body, phase, at_ms, open FROM rows_by_key;
     DROP TABLE rows_by_key;
     CREATE INDEX newest ON rows (at_ms DESC) WHERE phase IS NOT NULL;
     CREATE INDEX newest_of_phase ON rows (phase, at_ms DESC) WHERE phase IS NOT NULL;
     CREATE INDEX stalest ON rows (at_ms) WHERE open = 1;",
    // Rows are found by a hash of their key, see `keys`. In an index by the key itself each new row changed
    // a page of its own: behind a million rows, bookings took a third longer.
    "ALTER TABLE rows RENAME TO rows_with_unique_key;
     CREATE TABLE rows (
         id      INTEGER PRIMARY KEY,
         key     TEXT NOT NULL,
         version INTEGER NOT NULL,
         body    TEXT NOT NULL,
         phase   TEXT,
         at_ms   INTEGER,
         open    INTEGER
     ) STRICT;
     INSERT INTO rows SELECT * FROM rows_with_unique_key ORDER BY id;
     DROP TABLE rows_with_unique_key;
     CREATE INDEX newest ON rows (at_ms DESC) WHERE phase IS NOT NULL;
     CREATE INDEX newest_of_phase ON rows (phase, at_ms DESC) WHERE phase IS NOT NULL;
     CREATE INDEX stalest ON rows (at_ms) WHERE open = 1;
     CREATE TABLE new_keys (id INTEGER PRIMARY KEY, hash INTEGER NOT NULL) STRICT;
     CREATE TABLE old_keys (hash INTEGER, id INTEGER, PRIMARY KEY (hash, id)) STRICT, WITHOUT ROWID;
     INSERT INTO old_keys SELECT key_hash(key), id FROM rows ORDER BY 1, 2;
     CREATE TABLE moved (last_id INTEGER NOT NULL, last_hash INTEGER NOT NULL) STRICT;
     INSERT INTO moved VALUES (0, 0);",
];
