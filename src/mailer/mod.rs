//! Sending a receipt. [`folder`] writes each as an e-mail file.

pub mod folder;
mod letter;

use std::{error::Error, future::Future};

use crate::domain::receipt::Receipt;

/// The sender of receipts unless one is given.
pub const DEFAULT_SENDER: &str = "Booking <receipts@booking.example>";

/// Sends receipts. The same receipt sent again has the same number and Message-ID, so that who gets
/// both can tell that they are one.
pub trait Mailer: Send + Sync + 'static {
    /// Sends it; when this returns, it is out.
    fn send(&self, receipt: &Receipt) -> impl Future<Output = Result<(), MailError>> + Send;
}

/// Why a receipt did not go out, or nobody knows whether it did.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It cannot be written as an e-mail.
    #[error("receipt {number} cannot be written as an e-mail")]
    Unwritable {
        /// Receipt number.
        number: String,
        /// What is wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It did not go out this time.
    #[error("receipt {number} could not be sent")]
    Failed {
        /// Receipt number.
        number: String,
        /// What went wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}
