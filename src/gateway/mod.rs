//! The interface to a payment provider. A gateway must never charge a booking twice, and must never
//! report a result that the provider did not confirm. [`simulated`] is a fake that is built into
//! the binary, and [`stripe`] takes real money.

pub mod simulated;
pub mod stripe;

use std::{error::Error, future::Future, time::Duration};

use crate::domain::{
    event::{Charge, NoCharge, Refund},
    ids::BookingId,
    money::Money,
    request::PaymentToken,
};

/// The answer to a request to charge. A decline is an answer and not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charged {
    Yes(Charge),
    /// Money was taken, but of an amount or a currency that no request can have. All of it has to
    /// be given back.
    Other {
        /// The provider's id of the charge.
        charge: String,
    },
    /// Nothing was charged, and a repetition of the request would not change that.
    No(NoCharge),
    /// The money was taken, and a person gave all of it back since.
    GivenBack,
}

/// A payment provider. Charges and refunds are idempotent: the same call gives the same answer
/// again and moves no more money.
pub trait Gateway: Send + Sync + 'static {
    /// The answer to an earlier request to charge a booking, as far as the provider's own records
    /// have it: a charge, or a decline if the provider records declines. It is found even after the
    /// provider has forgotten the idempotency key, but an answer of the last minutes may be
    /// missing. An answer that is found is final, and no other charge may be asked for.
    ///
    /// # Errors
    /// See [`GatewayError`].
    fn find(
        &self,
        booking: &BookingId,
    ) -> impl Future<Output = Result<Option<Charged>, GatewayError>> + Send;

    /// Charges `amount`. The idempotency key is the booking id.
    ///
    /// # Errors
    /// See [`GatewayError`]. The money may have been taken despite the error.
    fn charge(
        &self,
        booking: &BookingId,
        token: &PaymentToken,
        amount: Money,
    ) -> impl Future<Output = Result<Charged, GatewayError>> + Send;

    /// Refunds `charge`. The idempotency key is the booking id followed by `:refund`.
    ///
    /// # Errors
    /// See [`GatewayError`]. The money may have been given back despite the error.
    fn refund(
        &self,
        booking: &BookingId,
        charge: &Charge,
    ) -> impl Future<Output = Result<Refund, GatewayError>> + Send;

    /// Gives back all of a charge that was answered as [`Charged::Other`]. The idempotency key is
    /// that of the refund.
    ///
    /// # Errors
    /// See [`GatewayError`]. The money may have been given back despite the error.
    fn undo(
        &self,
        booking: &BookingId,
        charge: &str,
    ) -> impl Future<Output = Result<(), GatewayError>> + Send;
}

/// Why there is no answer. The money may have moved despite the error, so the caller must ask the
/// same again or leave the booking open.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error("the gateway did not answer in time")]
    TimedOut,
    /// The gateway refuses the request, and a repetition does not help: a person has to look.
    #[error("the gateway refuses: {0}")]
    Refused(&'static str),
    /// The gateway could not be reached, or its answer could not be read.
    #[error("the gateway could not be asked")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// The gateway cannot answer yet, and has to be asked again later.
    #[error("the gateway asks to wait: {why}")]
    NotNow {
        /// In our own words, never in the provider's, which could quote the request.
        why: &'static str,
        /// How long to wait at least before the next request, if the provider said so.
        after: Option<Duration>,
    },
    /// The gateway has no answer for this one booking yet, and has to be asked again later. This
    /// says nothing about other bookings.
    #[error("the gateway has no answer yet: {why}")]
    Undecided {
        /// In our own words, never in the provider's, which could quote the request.
        why: &'static str,
        /// How long to wait at least before the next request, if the provider said so.
        after: Option<Duration>,
    },
    /// The gateway failed on its side. A provider may store this failure under the idempotency key
    /// and repeat it.
    #[error("the gateway failed with {status}")]
    Failed {
        status: u16,
        /// How long to wait at least before the next request, if the provider said so.
        after: Option<Duration>,
    },
    /// The gateway repeats a failure that it has stored under the idempotency key of one booking.
    /// This says nothing about other bookings.
    #[error("the gateway keeps answering {status} under the key of this booking")]
    FailedAsBefore { status: u16 },
    /// The gateway does not accept our key or our account. No booking can be paid until an operator
    /// corrects this, and no booking may fail because of it.
    #[error("the gateway refuses our key or our account ({code}): give it a key that is valid")]
    KeyRefused {
        /// The provider's error code, or a placeholder if it could hold a secret.
        code: String,
    },
    /// The gateway does not understand the request: a bug in this program, or an account with other
    /// settings than this program expects.
    #[error("the gateway cannot use the request ({code}, parameter {parameter})")]
    Malformed { code: String, parameter: String },
}
