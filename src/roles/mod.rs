//! The four roles: the pure rules of [`crate::domain`], and what they need from outside. A role
//! adds no decision to the rules, and must never publish or delete a message, which only the
//! runtime does.

mod payment;
mod receipt;
mod seats;
mod status;
mod time_limited;

pub use payment::PaymentRole;
pub use receipt::ReceiptRole;
pub use seats::SeatsRole;
pub use status::StatusRole;
pub use time_limited::TimeLimited;

use std::{error::Error, future::Future, time::Duration};

use crate::domain::decision::Rules;

/// One service, as the runtime sees it.
pub trait Role: Send + Sync + 'static {
    type Rules: Rules;

    fn rules(&self) -> &Self::Rules;

    /// The name of an effect in traces.
    fn asks(&self, _: &<Self::Rules as Rules>::Effect) -> &'static str {
        "outside"
    }

    /// Does what the rules ask of the outside. It must be idempotent, with the booking as the key.
    ///
    /// # Errors
    /// See [`EffectError`]. The effect may have happened all the same.
    fn perform(
        &self,
        effect: &<Self::Rules as Rules>::Effect,
    ) -> impl Future<Output = Result<<Self::Rules as Rules>::Answer, EffectError>> + Send;
}

impl EffectError {
    /// The kind of the error, in one word.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            EffectError::NoAnswer { .. } => "no_answer",
            EffectError::NotNow { .. } => "not_now",
            EffectError::Undecided { .. } => "undecided",
            EffectError::Refused { .. } => "refused",
        }
    }
}

/// Why an outside effect has no answer that the rules could go on with.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// It is not known whether the effect happened. The same effect has to be asked for again.
    #[error("no answer from {from} to {asked}")]
    NoAnswer {
        from: &'static str,
        asked: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It is not known whether the effect happened, and the provider said how long to wait before
    /// the same effect is asked for again.
    #[error("{from} asks to wait before {asked}")]
    NotNow {
        from: &'static str,
        asked: &'static str,
        /// How long to wait at least. The provider may ask for any time, so the caller bounds it.
        after: Duration,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It is not known whether the effect happened, and the reason concerns this one booking only.
    /// The same effect has to be asked for again, and other bookings can be dealt with meanwhile.
    #[error("no answer yet from {from} to {asked}")]
    Undecided {
        from: &'static str,
        asked: &'static str,
        /// How long to wait at least, if the provider said so. The caller bounds this time.
        after: Option<Duration>,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Asking again does not help: a person has to look.
    #[error("{from} refuses {asked}")]
    Refused {
        from: &'static str,
        asked: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl EffectError {
    /// Its name in metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            EffectError::NoAnswer { .. } => "no_answer",
            EffectError::NotNow { .. } => "not_now",
            EffectError::Undecided { .. } => "undecided",
            EffectError::Refused { .. } => "refused",
        }
    }
}
