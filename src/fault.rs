//! How a command fails: one line, and an exit code that says whose turn it is.

use std::{error::Error, fmt, process::ExitCode};

use crate::{bus::BusError, runtime::Chain};

/// Why a command ends other than well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It was done, and the answer is no. Empty when the answer is already printed.
    No(String),
    /// The command line makes no sense.
    Usage(String),
    /// A bug, or a damaged file.
    Internal(String),
    /// Something cannot be reached just now.
    Unreachable(String),
    /// A setting, a folder, a port or the account has to be mended first.
    Config(String),
    /// A second signal.
    Interrupted,
}

impl Fault {
    /// A setting that cannot be.
    pub fn config(error: &(dyn Error + 'static)) -> Fault {
        Fault::Config(Chain(error).to_string())
    }

    /// Something that does not answer.
    pub fn unreachable(error: &(dyn Error + 'static)) -> Fault {
        Fault::Unreachable(Chain(error).to_string())
    }

    /// A queue or a topic: to be mended when it was refused, to be tried again when it failed.
    pub fn bus(error: &BusError) -> Fault {
        match error {
            BusError::Refused { .. } => Fault::config(error),
            BusError::Failed { .. } => Fault::unreachable(error),
        }
    }

    /// The exit code: see `booking --help`.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Fault::No(_) => 1,
            Fault::Usage(_) => 2,
            Fault::Internal(_) => 70,
            Fault::Unreachable(_) => 75,
            Fault::Config(_) => 78,
            Fault::Interrupted => 130,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::No(it)
            | Fault::Usage(it)
            | Fault::Internal(it)
            | Fault::Unreachable(it)
            | Fault::Config(it) => f.write_str(it),
            Fault::Interrupted => f.write_str("stopped at once by a second signal"),
        }
    }
}

impl From<anyhow::Error> for Fault {
    fn from(error: anyhow::Error) -> Fault {
        Fault::Internal(format!("{error:#}"))
    }
}
