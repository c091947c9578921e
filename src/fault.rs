//! How a command fails: with one line and an exit code, which says what to do next. The exit codes
//! must never change, since scripts depend on them.

use std::{error::Error, fmt, process::ExitCode};

use crate::{bus::BusError, runtime::Chain};

/// Why a command does not end with success. The text is what it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The command has done its work, and the answer is no. Empty when the answer was printed
    /// already.
    No(String),
    /// The command line is wrong.
    Usage(String),
    /// A bug, or a damaged file.
    Internal(String),
    /// A service or a dependency cannot be reached now. Trying again may help.
    Unreachable(String),
    /// A setting, a folder, a port or the account has to be fixed first.
    Config(String),
    /// A second signal stopped the command at once.
    Interrupted,
}

impl Fault {
    /// [`Fault::Config`] with the error and its causes.
    pub fn config(error: &(dyn Error + 'static)) -> Fault {
        Fault::Config(Chain(error).to_string())
    }

    /// [`Fault::Unreachable`] with the error and its causes.
    pub fn unreachable(error: &(dyn Error + 'static)) -> Fault {
        Fault::Unreachable(Chain(error).to_string())
    }

    /// The fault for an error of a queue or topic: [`Fault::Config`] for a refusal,
    /// [`Fault::Unreachable`] for a failure.
    pub fn bus(error: &BusError) -> Fault {
        match error {
            BusError::Refused { .. } => Fault::config(error),
            BusError::Failed { .. } => Fault::unreachable(error),
        }
    }

    /// The exit code. `booking --help` lists them all.
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
