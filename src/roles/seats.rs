//! Seats needs nothing from outside.

use std::convert::Infallible;

use super::{EffectError, Role};
use crate::domain::seats::Seats;

/// The service that books the seats.
#[derive(Clone, Debug)]
pub struct SeatsRole(pub Seats);

impl Role for SeatsRole {
    type Rules = Seats;

    fn rules(&self) -> &Seats {
        &self.0
    }

    async fn perform(&self, effect: &Infallible) -> Result<Infallible, EffectError> {
        match *effect {}
    }
}
