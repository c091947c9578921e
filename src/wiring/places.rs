//! The places of files in a data folder. Must not create any of them: `beginnings` does that.

use std::path::{Path, PathBuf};

use super::faults::file_fault;
use crate::{domain::RoleName, fault::Fault, store::sqlite::Engine};

/// The store file of a role in a data folder.
#[must_use]
pub fn store_file(data: &Path, role: RoleName) -> PathBuf {
    data.join(format!("{role}.db"))
}

/// The ledger file of the simulated gateway in a data folder.
#[must_use]
pub fn gateway_file(data: &Path) -> PathBuf {
    data.join("gateway.db")
}

/// The folder of receipts in a data folder.
#[must_use]
pub fn receipts_folder(data: &Path) -> PathBuf {
    data.join("receipts")
}

/// The store file of a role in a data folder, which must exist.
///
/// # Errors
/// If the file does not exist: then this is not where the role's data is.
pub fn existing_store_file(data: &Path, role: RoleName) -> Result<PathBuf, Fault> {
    let file = store_file(data, role);
    if file.exists() {
        return Ok(file);
    }
    Err(Fault::Config(format!(
        "{} is not there: run this where the data of {role} is, or use --data",
        file.display()
    )))
}

/// Opens a role's store for reading only. Its service may be running.
///
/// # Errors
/// If the file does not exist or cannot be read.
pub fn read_store(data: &Path, role: RoleName) -> Result<Engine, Fault> {
    let file = existing_store_file(data, role)?;
    Engine::open_read_only(&file, role).map_err(|it| file_fault(&it))
}
