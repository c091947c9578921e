//! The payment provider, as payment needs it. [`simulated`] is the one that is built in.

pub mod simulated;

use std::{error::Error, future::Future};

use crate::domain::{
    event::{Charge, NoCharge, Refund},
    ids::BookingId,
    money::Money,
    request::PaymentToken,
};

/// The answer to a charge: both are answers, neither is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charged {
    /// The money was taken.
    Yes(Charge),
    /// It was not, for good.
    No(NoCharge),
}

/// A payment provider. Charges and refunds are keyed by the booking: the same call again gives the
/// same answer and moves no money.
pub trait Gateway: Send + Sync + 'static {
    /// The charge of a booking, if there is one, however long ago.
    fn find(
        &self,
        booking: &BookingId,
    ) -> impl Future<Output = Result<Option<Charge>, GatewayError>> + Send;

    /// Takes the money. Idempotency key: the booking id.
    fn charge(
        &self,
        booking: &BookingId,
        token: &PaymentToken,
        amount: Money,
    ) -> impl Future<Output = Result<Charged, GatewayError>> + Send;

    /// Gives it back. Idempotency key: the booking id and `:refund`.
    fn refund(
        &self,
        booking: &BookingId,
        charge: &Charge,
    ) -> impl Future<Output = Result<Refund, GatewayError>> + Send;
}

/// Why there is no answer. The money may have moved all the same.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// It took too long.
    #[error("the gateway did not answer in time")]
    TimedOut,
    /// It answered that it will not do this, and asking again will not help.
    #[error("the gateway refuses: {0}")]
    Refused(&'static str),
    /// It could not be reached, or failed.
    #[error("the gateway could not be asked")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
}
