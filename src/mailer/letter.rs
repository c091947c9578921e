//! A receipt as an e-mail, as text, as HTML, and perhaps as a PDF to keep. The same receipt must always give the same bytes, so
//! nothing here may be random or depend on the time.

use std::time::{Duration, UNIX_EPOCH};

use askama::Template;
use lettre::{
    Address, Message,
    message::{Attachment, Mailbox, MultiPart, SinglePart, header::ContentType},
};

use super::{MailError, letterhead::Letterhead, pdf, words::Words};
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

/// The complete e-mail.
///
/// # Errors
/// When the passenger was erased, or the addresses or texts are not possible in an e-mail.
pub(super) fn compose(receipt: &Receipt, head: &Letterhead) -> Result<Vec<u8>, MailError> {
    write(receipt, head)
        .map_err(|source| MailError::Unwritable { number: receipt.number.clone(), source })
}

fn write(
    receipt: &Receipt,
    head: &Letterhead,
) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let Addressee::Known(passenger) = &receipt.to else {
        return Err("the passenger was erased, so the receipt has no addressee".into());
    };
    let words = Words::of(receipt, passenger, head);
    let issued_ms = u64::try_from(receipt.issued_at().as_millisecond())?;
    let to = in_ascii(&passenger.email.parse()?)?;
    let from = Mailbox::new(head.from.name.clone(), in_ascii(&head.from.email)?);
    let domain = from.email.domain().to_owned();
    let mut message = Message::builder()
        .from(from)
        .to(Mailbox::new(Some(passenger.name.clone()), to))
        .subject(words.subject.as_str())
        .message_id(Some(format!("<{}@{domain}>", receipt.number)))
        .date(UNIX_EPOCH + Duration::from_millis(issued_ms));
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
        let pdf = pdf::print(&words, receipt.issued_at(), fonts)?;
        let kind = ContentType::parse("application/pdf")?;
        let pdf = Attachment::new(format!("{}.pdf", receipt.number)).body(pdf, kind);
        let boundary = format!("=_{}-with-pdf", receipt.number);
        parts = MultiPart::mixed().boundary(boundary).multipart(parts).singlepart(pdf);
    }
    Ok(message.multipart(parts)?.formatted())
}

/// The address in a form that every mail server accepts: a domain in another script becomes
/// `xn--…`.
fn in_ascii(address: &Address) -> Result<Address, Box<dyn std::error::Error + Send + Sync>> {
    // A domain in ASCII must not be changed in any way: it is part of the Message-ID, which has to
    // stay the same.
    if address.domain().is_ascii() {
        return Ok(address.clone());
    }
    let domain = idna::domain_to_ascii(address.domain())?;
    Ok(Address::new(address.user(), domain)?)
}
