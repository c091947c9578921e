//! The four roles: the pure rules of [`crate::domain`] with what they need from outside. A role
//! decides nothing here, and can neither publish nor delete: that is the runtime's.

mod payment;
mod receipt;
mod seats;
mod status;
mod timely;

pub use payment::PaymentRole;
pub use receipt::ReceiptRole;
pub use seats::SeatsRole;
pub use status::StatusRole;
pub use timely::Timely;

use std::{error::Error, future::Future};

use crate::domain::{decision::Rules, status::Rejection};

/// One service, as the runtime sees it.
pub trait Role: Send + Sync + 'static {
    /// What it decides.
    type Rules: Rules;

    /// Its rules.
    fn rules(&self) -> &Self::Rules;

    /// Does outside what the rules ask for. Keyed by the booking: asked twice, it is done once.
    fn perform(
        &self,
        effect: &<Self::Rules as Rules>::Effect,
    ) -> impl Future<Output = Result<<Self::Rules as Rules>::Answer, EffectError>> + Send;

    /// The row that remembers a request that the parser refused; none when this role keeps no such
    /// thing.
    fn rejected(
        &self,
        _row: Option<&<Self::Rules as Rules>::State>,
        _rejection: Rejection,
    ) -> Option<<Self::Rules as Rules>::State> {
        None
    }
}

/// An outside effect had no answer: nothing is known, and the same must be asked again.
#[derive(Debug, thiserror::Error)]
#[error("no answer from {from} to {asked}")]
pub struct EffectError {
    /// Who was asked.
    pub from: &'static str,
    /// What was asked.
    pub asked: &'static str,
    /// What went wrong.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}
