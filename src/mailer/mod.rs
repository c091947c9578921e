//! The seam to mail: sends receipts, and the mails that say that one is void. A mailer must never
//! report success before the mail is out, and must never tell what a mail server said: that may
//! hold an address.
//!
//! | mailer | where a receipt goes |
//! |---|---|
//! | [`folder`] | into a file, which any mail program can open |
//! | [`smtp`] | to a mail server |
//! | [`ses`] | to Amazon SES, by its API |

pub mod folder;
pub mod fonts;
mod letter;
mod letterhead;
mod pdf;
pub mod ses;
pub mod smtp;
mod typeset;
mod words;

use std::{error::Error, future::Future};

pub use letterhead::{DEFAULT_SENDER, Letterhead};

use crate::domain::receipt::Receipt;

type Cause = Box<dyn Error + Send + Sync>;

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
        source: Cause,
    },
    /// The addressee will never get it: sending it again does not help.
    #[error("receipt {number} is refused for good, because of its address")]
    AddressRefused {
        number: String,
        #[source]
        source: Cause,
    },
    /// The addressee does not get it now, its text is not taken, or we had no connection free.
    /// Sending it again may help. This says nothing about other receipts.
    #[error("receipt {number} is not taken now")]
    Undecided {
        number: String,
        #[source]
        source: Cause,
    },
    /// We are refused: our login, our sender, our settings. No receipt can be sent until an
    /// operator corrects this, and none may be given up because of it.
    #[error("receipt {number} was not sent, because no mail is accepted from us")]
    WeAreRefused {
        number: String,
        #[source]
        source: Cause,
    },
    /// Sending it again may help.
    #[error("receipt {number} could not be sent")]
    Failed {
        number: String,
        #[source]
        source: Cause,
    },
}

/// What an answer of a mail server says about a receipt that it did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// About its address, for good.
    AddressRefused,
    /// About its address or its text, for now; or no server was asked.
    Undecided,
    /// About us: a person has to look.
    WeAreRefused,
    /// About neither: try again.
    NotNow,
}

impl Meaning {
    /// The error for the receipt with this number.
    fn of(self, number: &str, source: impl Into<Cause>) -> MailError {
        let (number, source) = (number.to_owned(), source.into());
        match self {
            Meaning::AddressRefused => MailError::AddressRefused { number, source },
            Meaning::Undecided => MailError::Undecided { number, source },
            Meaning::WeAreRefused => MailError::WeAreRefused { number, source },
            Meaning::NotNow => MailError::Failed { number, source },
        }
    }
}
