//! The status role. Its rules ask nothing of the outside, so its effects must stay impossible to
//! make (`Infallible`).

use std::convert::Infallible;

use super::{EffectError, Role};
use crate::domain::status::Statuses;

/// The service that keeps the status of every booking.
#[derive(Clone, Copy, Debug)]
pub struct StatusRole;

impl Role for StatusRole {
    type Rules = Statuses;

    fn rules(&self) -> &Statuses {
        &Statuses
    }

    async fn perform(&self, effect: &Infallible) -> Result<Infallible, EffectError> {
        match *effect {}
    }
}
