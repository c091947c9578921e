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

use crate::domain::decision::Rules;

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
}

/// Why an outside effect has no answer that the rules could go on with.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// Nothing is known: the same must be asked again.
    #[error("no answer from {from} to {asked}")]
    NoAnswer {
        /// Who was asked.
        from: &'static str,
        /// What was asked.
        asked: &'static str,
        /// What went wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It will not be done, however often it is asked: a person has to look.
    #[error("{from} refuses {asked}")]
    Refused {
        /// Who was asked.
        from: &'static str,
        /// What was asked.
        asked: &'static str,
        /// What was said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}
