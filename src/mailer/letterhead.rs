//! What all letters of a process have in common. It is built once, at the start, and must never
//! change: a letter that is sent again has to be the same letter.

use lettre::{Address, message::Mailbox};

use super::fonts::Fonts;
use crate::domain::{Expected, schedule::Schedule};

/// The sender of receipts unless another one is set.
pub const DEFAULT_SENDER: &str = "Booking <receipts@booking.example>";

/// The sender of letters, and what is printed on them besides the receipt.
#[derive(Clone, Debug)]
pub struct Letterhead {
    pub(super) from: Mailbox,
    pub(super) contact: Option<Address>,
    pub(super) schedule: Option<Schedule>,
    /// With which a PDF is printed; without them, none is attached.
    pub(super) fonts: Option<Fonts>,
}

impl Default for Letterhead {
    /// Letters of [`DEFAULT_SENDER`], without anything else.
    fn default() -> Letterhead {
        Letterhead::new(DEFAULT_SENDER).expect("it is a sender")
    }
}

impl Letterhead {
    /// Letters of this sender, such as `Receipts <receipts@example.com>`, without anything else.
    ///
    /// # Errors
    /// When it is not a sender.
    pub fn new(from: &str) -> Result<Letterhead, Expected> {
        let from = from
            .parse()
            .map_err(|_| Expected("a sender such as 'Booking <receipts@example.com>'"))?;
        Ok(Letterhead { from, contact: None, schedule: None, fonts: None })
    }

    /// Letters that name an e-mail address to write to, which is also where a reply goes.
    ///
    /// # Errors
    /// When it is not an e-mail address.
    pub fn with_contact(self, contact: &str) -> Result<Letterhead, Expected> {
        let contact =
            contact.parse().map_err(|_| Expected("an e-mail address such as help@example.com"))?;
        Ok(Letterhead { contact: Some(contact), ..self })
    }

    /// Letters that say from where to where a flight goes, and when it leaves. Of a flight that the
    /// schedule does not have, they say number and date.
    #[must_use]
    pub fn with_schedule(self, schedule: Schedule) -> Letterhead {
        Letterhead { schedule: Some(schedule), ..self }
    }

    /// The domain of the sender.
    pub(super) fn domain(&self) -> &str {
        self.from.email.domain()
    }

    /// The scripts in which a PDF can print names, and the known ones in which it cannot; `None` if
    /// no PDF is attached.
    #[must_use]
    pub fn scripts(&self) -> Option<(Vec<&'static str>, Vec<&'static str>)> {
        self.fonts.as_ref().map(Fonts::scripts)
    }

    /// Receipts that have a PDF attached, which is printed with these fonts.
    #[must_use]
    pub fn with_pdf(self, fonts: Fonts) -> Letterhead {
        Letterhead { fonts: Some(fonts), ..self }
    }
}
