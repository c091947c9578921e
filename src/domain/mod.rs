//! What the four services know and decide. Pure: no clock, no I/O, no randomness; time is an
//! argument. The rules are the tables of `docs/RULES.md`, line for line, and the tests are the
//! same tables again.
//!
//! Read [`event`], then [`decision`], then one of [`seats`], [`payment`], [`receipt`], [`status`].

pub mod canary;
pub mod card;
pub mod decision;
pub mod event;
pub mod fares;
pub mod ids;
pub mod money;
pub mod payment;
pub mod receipt;
pub mod request;
pub mod sale;
pub mod schedule;
pub mod seat;
pub mod seats;
pub mod status;
#[cfg(test)]
pub(crate) mod testing;

/// The four services.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// Books the seats, confirms them, frees them.
    Seats,
    /// Takes the money and gives it back.
    Payment,
    /// Sends the receipt when request, seats and payment are there.
    Receipt,
    /// Says how a booking stands.
    Status,
}

impl RoleName {
    /// All four, in the order in which the documents name them.
    pub const ALL: [RoleName; 4] =
        [RoleName::Seats, RoleName::Payment, RoleName::Receipt, RoleName::Status];

    /// The name in queue names, file names, metrics and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RoleName::Seats => "seats",
            RoleName::Payment => "payment",
            RoleName::Receipt => "receipt",
            RoleName::Status => "status",
        }
    }

    /// The CloudEvents `source` of what the role publishes.
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

impl std::fmt::Display for RoleName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not what it should be: what was expected, never what was found, so that it can be
/// logged whatever the text was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct Expected(pub &'static str);
