//! Status needs nothing from outside, and remembers what was refused.

use super::{EffectError, Role};
use crate::domain::status::{Never, Record, Rejection, Statuses};

/// The service that says how a booking stands.
#[derive(Clone, Copy, Debug)]
pub struct StatusRole;

impl Role for StatusRole {
    type Rules = Statuses;

    fn rules(&self) -> &Statuses {
        &Statuses
    }

    async fn perform(&self, effect: &Never) -> Result<Never, EffectError> {
        match *effect {}
    }

    fn rejected(&self, row: Option<&Record>, rejection: Rejection) -> Option<Record> {
        row.unwrap_or(&Record::default()).rejecting(rejection)
    }
}
