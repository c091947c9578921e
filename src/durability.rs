//! What a completed write survives. Nothing may be announced or deleted from a queue before its
//! write is that durable.

use std::{fs::File, io};

/// What a completed write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power failure: every write is flushed to disk before it counts as done.
    PowerFailure,
    /// The death of the process, but not of the machine. For demo and simulation.
    ProcessDeath,
}

impl Durability {
    /// Starts to write a file to disk that is flushed soon, together with others. The flush then
    /// only waits for the write in progress. This is only a hint, and errors show in the flush. A
    /// receipt then takes 64 µs of the kernel's CPU instead of 102 (docs/BENCHMARKS.md).
    pub fn begin_flush(self, file: &File) {
        #[cfg(target_os = "linux")]
        if self == Durability::PowerFailure {
            // Linux starts to write pages at once when it is told that they are not needed.
            let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = file;
    }

    /// Flushes a file or a folder to disk, if it has to survive a power failure.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn flush(self, file: &File) -> io::Result<()> {
        match self {
            Durability::PowerFailure => file.sync_all(),
            Durability::ProcessDeath => Ok(()),
        }
    }

    /// The value of SQLite's `PRAGMA synchronous`.
    #[must_use]
    pub const fn synchronous(self) -> &'static str {
        match self {
            Durability::PowerFailure => "FULL",
            Durability::ProcessDeath => "OFF",
        }
    }
}
