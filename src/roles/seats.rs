//! The seats role. Its rules ask nothing of the outside, so its effects must stay impossible to
//! make (`Infallible`).

use std::convert::Infallible;

use super::{EffectError, Role};
use crate::domain::seats::Seats;

/// The service that holds, confirms and frees seats.
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
