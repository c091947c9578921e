//! The seam to a payment provider. A gateway must never charge a booking twice. [`simulated`] is
//! the only one that is built in.

pub mod simulated;

use std::{error::Error, future::Future};

use crate::domain::{
    event::{Charge, NoCharge, Refund},
    ids::BookingId,
    money::Money,
    request::PaymentToken,
};

/// The answer to a charge. A refusal is an answer, too, and not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charged {
    Yes(Charge),
    /// Nothing was charged, and asking again would not change that.
    No(NoCharge),
}

/// A payment provider. Charges and refunds are idempotent: the same call again gives the same
/// answer and moves no money.
pub trait Gateway: Send + Sync + 'static {
    /// The charge of a booking, if there is one, however old it is.
    ///
    /// # Errors
    /// See [`GatewayError`].
    fn find(
        &self,
        booking: &BookingId,
    ) -> impl Future<Output = Result<Option<Charge>, GatewayError>> + Send;

    /// Charges `amount`. The idempotency key is the booking id.
    ///
    /// # Errors
    /// See [`GatewayError`]. The money may have been taken all the same.
    fn charge(
        &self,
        booking: &BookingId,
        token: &PaymentToken,
        amount: Money,
    ) -> impl Future<Output = Result<Charged, GatewayError>> + Send;

    /// Refunds `charge`. The idempotency key is the booking id followed by `:refund`.
    ///
    /// # Errors
    /// See [`GatewayError`]. The money may have been given back all the same.
    fn refund(
        &self,
        booking: &BookingId,
        charge: &Charge,
    ) -> impl Future<Output = Result<Refund, GatewayError>> + Send;
}

/// Why there is no answer. The money may have moved all the same.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error("the gateway did not answer in time")]
    TimedOut,
    /// The gateway will not do this, and asking again does not help.
    #[error("the gateway refuses: {0}")]
    Refused(&'static str),
    /// The gateway could not be reached, or failed.
    #[error("the gateway could not be asked")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
}
