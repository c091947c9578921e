//! How the four services hear of each other.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How the services are integrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Integration {
    /// Each hears events on SNS topics, and decides for itself
    Choreography,
    /// A state machine of Step Functions gives each its tasks
    StepFunctions,
}

/// How the services are integrated, and what a state machine needs for it. The seal key itself is
/// never on the command line.
#[derive(Clone, Debug, Args)]
pub struct IntegrationArgs {
    /// How the services hear of each other: by events on SNS topics, or by the tasks of the state
    /// machine PREFIXbooking, on the queues PREFIXbooking-ROLE-tasks (docs/ORCHESTRATION.md)
    #[arg(long, env = "BOOKING_INTEGRATION", value_enum,
          default_value_t = Integration::Choreography)]
    pub integration: Integration,

    /// File with the key that requests are sealed with, for `--integration step-functions`: 32
    /// bytes or more, such as the output of `openssl rand -hex 32`. BOOKING_SEAL_KEY can hold the
    /// key itself instead
    #[arg(long, env = "BOOKING_SEAL_KEY_FILE", value_name = "FILE")]
    pub seal_key_file: Option<PathBuf>,
}
