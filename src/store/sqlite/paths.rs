//! The files that SQLite keeps beside a database.

use std::path::{Path, PathBuf};

/// The path of a file that SQLite keeps beside `path`, by its suffix.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
