//! What is kept when something dies.

/// What a finished write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power failure: every write is flushed to disk before it counts.
    PowerFailure,
    /// The death of the process, not of the machine: for demo and simulation.
    ProcessDeath,
}

impl Durability {
    /// SQLite's word for it.
    #[must_use]
    pub const fn synchronous(self) -> &'static str {
        match self {
            Durability::PowerFailure => "FULL",
            Durability::ProcessDeath => "OFF",
        }
    }
}
