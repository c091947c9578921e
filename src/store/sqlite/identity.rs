//! The identity of a file: a table of one row, beside the rows. Versions that know no identities
//! read such a file as before.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::{
    super::{Identity, Part, StoreError},
    Engine,
    engine::failure,
};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS identity (text TEXT NOT NULL) STRICT;";

/// What the keys of the gateway's rows begin with; no role has such rows in a file.
const LEDGER: &str = "gateway/";

/// Writes the identity of a file that has none.
pub(super) fn write(connection: &Connection, it: &Identity) -> Result<(), rusqlite::Error> {
    connection.execute_batch(TABLE)?;
    let insert = "INSERT INTO identity SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM identity)";
    connection.execute(insert, [it.to_text()])?;
    Ok(())
}

fn read(connection: &Connection) -> Result<Option<String>, rusqlite::Error> {
    let there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'identity'";
    if connection.query_row(there, [], |_| Ok(())).optional()?.is_none() {
        return Ok(None);
    }
    connection.query_row("SELECT text FROM identity", [], |row| row.get(0)).optional()
}

impl Engine {
    /// Whose the file is; none when it was made by a version that knew no identities.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn identity(&self) -> Result<Option<Identity>, StoreError> {
        let text = read(&self.connection).map_err(failure(&self.file, "read the identity"))?;
        let Some(text) = text else { return Ok(None) };
        let Some(identity) = Identity::parse(&text) else {
            let problem = "its identity cannot be read: run the newer binary, or restore it";
            return Err(StoreError::Unusable {
                place: self.file.clone(),
                problem: problem.to_owned(),
            });
        };
        Ok(Some(identity))
    }

    /// Gives a file without an identity this one, and returns the one it then has: another process
    /// may have been faster.
    ///
    /// # Errors
    /// When the rows are not of the identity's part, or it cannot be written.
    pub fn adopt(&self, identity: &Identity) -> Result<Identity, StoreError> {
        let failed = failure(&self.file, "write the identity");
        let begun = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate);
        let transaction = begun.map_err(&failed)?;
        let key = "SELECT key FROM rows LIMIT 1";
        let key: Option<String> =
            transaction.query_row(key, [], |row| row.get(0)).optional().map_err(&failed)?;
        let ledger = identity.part == Part::Ledger;
        if let Some(key) = key.filter(|it| it.starts_with(LEDGER) != ledger) {
            let kind = key.split('/').next().unwrap_or_default();
            let problem = format!("it is not the file of {}: it has `{kind}` rows", identity.part);
            return Err(StoreError::Unusable { place: self.file.clone(), problem });
        }
        write(&transaction, identity).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        Ok(self.identity()?.unwrap_or(*identity))
    }
}
