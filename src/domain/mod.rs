//! What the four services know and decide. This module is pure: it must never read a clock, do
//! I/O or use randomness, and time is an argument. The rules are the tables of `docs/RULES.md`,
//! line for line, and the tests state the same tables a second time.
//!
//! Read [`event`], then [`decision`], then one of [`seats`], [`payment`], [`receipt`], [`status`].

pub mod canary;
pub mod card;
pub mod decision;
mod ending;
pub mod event;
pub mod fares;
pub mod ids;
mod kind;
mod mailed;
pub mod money;
mod named;
pub mod payment;
pub mod receipt;
mod record;
pub mod rehearsal;
pub mod request;
pub mod sale;
pub mod schedule;
pub mod seat;
pub mod seats;
mod service;
mod standing;
pub mod status;
#[cfg(test)]
pub(crate) mod testing;
pub mod trace;

use serde::{Deserialize, Serialize};

pub(crate) use self::named::named;
pub use self::service::{GuestName, ServiceName, may_be_guest};

named! {
    /// The four services.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum RoleName {
        /// Holds, confirms and frees the seats.
        Seats = "seats",
        /// Charges, and refunds when there is no seat.
        Payment = "payment",
        /// Sends the receipt once the request, the seats and the payment are known.
        Receipt = "receipt",
        /// Keeps the status of every booking.
        Status = "status",
    }
}

impl RoleName {
    /// The CloudEvents `source` of the events that the role publishes.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            RoleName::Seats => "/booking/seats",
            RoleName::Payment => "/booking/payment",
            RoleName::Receipt => "/booking/receipt",
            RoleName::Status => "/booking/status",
        }
    }
}

/// The error of every parser here. It says what was expected and never what was found, so that it
/// can be logged whatever the text contained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct Expected(pub &'static str);
