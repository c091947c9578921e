//! The identity of a file: a table with one row, beside the table of rows. It must not change
//! anything else in the file, so that versions without identities can still read it.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::{
    super::{Identity, Part, StoreError},
    Engine,
    engine::failure,
};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS identity (text TEXT NOT NULL) STRICT;";

/// The prefix of the keys in the gateway's ledger. The rows of a role have other keys.
const LEDGER: &str = "gateway/";

/// Writes the identity, unless the file has one.
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
    /// The identity of the file; `None` when the file was created by a version without identities.
    ///
    /// # Errors
    /// When the identity cannot be read.
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

    /// Gives this identity to a file that has none, and returns the identity that the file then
    /// has, since another process may have been faster.
    ///
    /// # Errors
    /// When the rows do not belong to the identity's part, or the identity cannot be written.
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
