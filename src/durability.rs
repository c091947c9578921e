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
    /// Begins to write a file to disk that is flushed soon, with others: a flush then waits for a
    /// write that is under way, and need not make one of its own.
    pub fn begin_flush(self, file: &File) {
        #[cfg(target_os = "linux")]
        if self == Durability::PowerFailure {
            // Linux writes at once what it is told to forget. Only a hint: the flush says how it
            // went.
            let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = file;
    }

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
