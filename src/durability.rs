//! What is kept when something dies.

use std::{fs::File, io};

/// What a finished write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power failure: every write is flushed to disk before it counts.
    PowerFailure,
    /// The death of the process, not of the machine: for demo and simulation.
    ProcessDeath,
}

impl Durability {
    /// Flushes a file or a folder to disk, if it has to survive that much.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn flush(self, file: &File) -> io::Result<()> {
        match self {
            Durability::PowerFailure => file.sync_all(),
            Durability::ProcessDeath => Ok(()),
        }
    }

    /// SQLite's word for it.
    #[must_use]
    pub const fn synchronous(self) -> &'static str {
        match self {
            Durability::PowerFailure => "FULL",
            Durability::ProcessDeath => "OFF",
        }
    }
}
