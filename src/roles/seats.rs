//! Seats needs nothing from outside.

use super::{EffectError, Role};
use crate::domain::seats::{Never, Seats};

/// The service that books the seats.
#[derive(Clone, Debug)]
pub struct SeatsRole(pub Seats);

impl Role for SeatsRole {
    type Rules = Seats;

    fn rules(&self) -> &Seats {
        &self.0
    }

    async fn perform(&self, effect: &Never) -> Result<Never, EffectError> {
        match *effect {}
    }
}
