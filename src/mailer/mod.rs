//! The seam to mail: sends receipts, and the mails that say that one is void. A mailer must never
//! report success before the mail is out.
//! [`folder`], which writes each receipt as an e-mail file, is the only one that is built in.

pub mod folder;
pub mod fonts;
mod letter;
mod letterhead;
mod pdf;
mod typeset;
mod words;

use std::{error::Error, future::Future};

pub use letterhead::{DEFAULT_SENDER, Letterhead};

use crate::domain::receipt::Receipt;

/// Sends receipts. A receipt that is sent again has the same number and Message-ID, so that its
/// addressee can tell that both are the same.
pub trait Mailer: Send + Sync + 'static {
    /// Sends the receipt, which is out when this returns.
    ///
    /// # Errors
    /// See [`MailError`]. After [`MailError::Failed`] the receipt may be out all the same.
    fn send(&self, receipt: &Receipt) -> impl Future<Output = Result<(), MailError>> + Send;
}

/// Why a receipt was not sent, or it is not known whether it was. `number` is its receipt number.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Sending it again does not help.
    #[error("receipt {number} cannot be written as an e-mail")]
    Unwritable {
        number: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Sending it again may help.
    #[error("receipt {number} could not be sent")]
    Failed {
        number: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}
