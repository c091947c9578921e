//! Parts that services and commands build in the same way. Must not read a setting by itself: the
//! arguments say everything.

use std::{path::Path, time::Duration};

use aws_config::SdkConfig;

use super::places::gateway_file;
use crate::{
    aws,
    config::Span,
    domain::{RoleName, schedule::Schedule, seats::Seats},
    durability::Durability,
    fault::Fault,
    gateway::simulated::SimulatedGateway,
    runtime::Chain,
    store::{
        StoreError,
        sqlite::{Engine, Inline},
    },
};

/// The configuration that all AWS clients of this process share.
///
/// # Errors
/// If a setting of the AWS SDK is wrong.
pub async fn aws_config() -> Result<SdkConfig, Fault> {
    aws::load().await.map_err(|it| Fault::config(&it))
}

/// The rules of seats with the schedule that `--flights` names.
///
/// # Errors
/// If the schedule cannot be read.
pub fn seats_rules(flights: &str, hold_limit: Span) -> Result<Seats, Fault> {
    let hold_limit = jiff::SignedDuration::try_from(hold_limit.0)
        .map_err(|_| Fault::Config("--hold-limit is too long".to_owned()))?;
    Ok(Seats { schedule: schedule(flights)?, hold_limit })
}

/// The schedule that `--flights` names.
///
/// # Errors
/// If it cannot be read.
pub(super) fn schedule(flights: &str) -> Result<Schedule, Fault> {
    if flights == "sample" {
        return Ok(Schedule::sample());
    }
    let text = std::fs::read_to_string(flights).map_err(|it| {
        Fault::Config(format!("cannot read the schedule {flights} (--flights): {it}"))
    })?;
    Schedule::parse(&text)
        .map_err(|it| Fault::Config(format!("{flights} (--flights): {}", Chain(&it))))
}

/// The simulated gateway with its ledger in a data folder, without a writer thread: for the demo
/// and tests.
///
/// # Errors
/// If the file cannot be opened.
pub fn gateway_in(
    data: &Path,
    patience: Duration,
    durability: Durability,
) -> Result<SimulatedGateway<Inline>, StoreError> {
    let engine = Engine::open(&gateway_file(data), RoleName::Payment, durability)?;
    Ok(SimulatedGateway::new(Inline::new(engine), patience))
}
