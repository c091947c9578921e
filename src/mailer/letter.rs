//! A receipt as an e-mail, as text, as HTML, and perhaps as a PDF to keep. The same receipt must
//! always give the same bytes, so nothing here may be random or depend on the time.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use askama::Template;
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Attachment, Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};
use tracing::error;

use super::{Cause, MailError, letterhead::Letterhead, pdf, words::Words};
use crate::domain::receipt::{Addressee, Receipt};

#[derive(Template)]
#[template(path = "receipt.txt", escape = "none")]
struct Text<'a> {
    it: &'a Words<'a>,
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct Html<'a> {
    it: &'a Words<'a>,
}

impl Html<'_> {
    /// The colour behind the title.
    fn colour(&self) -> &'static str {
        if self.it.is_void { "#8c2f22" } else { "#123c69" }
    }
}

/// The header with the number of the receipt, since a mail service may replace the Message-ID.
const NUMBER: HeaderName = HeaderName::new_from_ascii_str("X-Receipt-Number");

/// A complete e-mail, and who it is from and for.
pub(super) struct Letter {
    pub(super) envelope: Envelope,
    pub(super) text: Vec<u8>,
}

/// The complete e-mail.
///
/// # Errors
/// When the passenger was erased, or the addresses or texts are not possible in an e-mail, or when
/// composing it panics.
pub(super) fn compose(receipt: &Receipt, head: &Letterhead) -> Result<Letter, MailError> {
    contained(|| write(receipt, head))
        .map_err(|source| MailError::Unwritable { number: receipt.number.clone(), source })
}

/// What `work` gives. A panic is an error of this one letter: a client chose the name in it, and
/// must not be able to end the thread that writes the letters of all.
fn contained<T>(work: impl FnOnce() -> Result<T, Cause>) -> Result<T, Cause> {
    // The text of a panic may quote the receipt.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("composing it panicked, which is a bug of this service".into()))
}

/// [`compose`] on a thread of its own: a PDF takes about a millisecond, in which the thread that
/// polls has other things to do.
///
/// # Errors
/// As [`compose`], and when the runtime ends.
pub(super) async fn compose_apart(
    receipt: &Receipt,
    head: &Arc<Letterhead>,
) -> Result<Letter, MailError> {
    let (of, head) = (receipt.clone(), Arc::clone(head));
    let composed = tokio::task::spawn_blocking(move || compose(&of, &head)).await;
    composed.unwrap_or_else(|source| {
        Err(MailError::Failed { number: receipt.number.clone(), source: source.into() })
    })
}

fn write(receipt: &Receipt, head: &Letterhead) -> Result<Letter, Cause> {
    let Addressee::Known(passenger) = &receipt.to else {
        return Err("the passenger was erased, so the receipt has no addressee".into());
    };
    // Whoever reads a request refuses these, and the mail crate panics over them.
    if passenger.name.contains(char::is_control) {
        return Err("the name has a control character".into());
    }
    let words = Words::of(receipt, passenger, head);
    let issued_ms = u64::try_from(receipt.issued_at().as_millisecond())?;
    let to = in_ascii(&passenger.email.parse()?)?;
    let from = Mailbox::new(head.from.name.clone(), in_ascii(&head.from.email)?);
    let domain = from.email.domain().to_owned();
    let mut message = Message::builder()
        .from(from)
        .to(Mailbox::new(Some(words.opening.1.clone()), to))
        .subject(words.subject.as_str())
        .message_id(Some(format!("<{}@{domain}>", receipt.number)))
        .date(UNIX_EPOCH + Duration::from_millis(issued_ms))
        .raw_header(HeaderValue::new(NUMBER, receipt.number.clone()));
    if let Some(contact) = &head.contact {
        message = message.reply_to(Mailbox::new(None, in_ascii(contact)?));
    }
    // The default boundary is random and would make a different e-mail each time.
    let mut parts = MultiPart::alternative()
        .boundary(format!("=_{}", receipt.number))
        .singlepart(SinglePart::plain(Text { it: &words }.render()?))
        .singlepart(SinglePart::html(Html { it: &words }.render()?));
    // A mail that makes a receipt void is nothing to keep.
    if let Some(fonts) = head.fonts.as_ref().filter(|_| receipt.voids.is_none()) {
        // Text and HTML say all of it, too, so no receipt is given up for its PDF.
        match contained(|| pdf::print(&words, receipt.issued_at(), fonts)) {
            Ok(pdf) => {
                let kind = ContentType::parse("application/pdf")?;
                let pdf = Attachment::new(format!("{}.pdf", receipt.number)).body(pdf, kind);
                let boundary = format!("=_{}-with-pdf", receipt.number);
                parts = MultiPart::mixed().boundary(boundary).multipart(parts).singlepart(pdf);
            }
            Err(error) => error!(
                %error,
                receipt = receipt.number,
                "a receipt is sent without its PDF: a font of --mail-fonts cannot be embedded, or \
                 this is a bug"
            ),
        }
    }
    let message = message.multipart(parts)?;
    Ok(Letter { envelope: message.envelope().clone(), text: message.formatted() })
}

/// The address in a form that every mail server accepts: a domain in another script becomes
/// `xn--…`.
fn in_ascii(address: &Address) -> Result<Address, Cause> {
    // A domain in ASCII must not be changed in any way: it is part of the Message-ID, which has to
    // stay the same.
    if address.domain().is_ascii() {
        return Ok(address.clone());
    }
    let domain = idna::domain_to_ascii(address.domain())?;
    Ok(Address::new(address.user(), domain)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_that_panics_is_an_error_of_its_own_which_quotes_nothing() {
        let panics = contained::<()>(|| panic!("Ada Lovelace"));
        assert!(!format!("{:?}", panics.unwrap_err()).contains("Ada"));
        assert_eq!(contained(|| Ok(1)).unwrap(), 1);
    }
}
