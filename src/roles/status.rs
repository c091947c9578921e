//! Status needs nothing from outside, and remembers what was refused.

use std::convert::Infallible;

use super::{EffectError, Role};
use crate::domain::status::Statuses;

/// The service that says how a booking stands.
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
