//! A receipt as an e-mail. The same receipt must always give the same bytes, so nothing here may be
//! random or depend on the time.

use std::time::{Duration, UNIX_EPOCH};

use askama::Template;
use jiff::tz::TimeZone;
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart, MultiPartKind, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

use super::{Cause, MailError};
use crate::domain::{
    receipt::{Addressee, Receipt},
    seat::seat_list,
};

#[derive(Template)]
#[template(path = "receipt.txt", escape = "none")]
struct Text<'a> {
    it: &'a Parts<'a>,
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct Html<'a> {
    it: &'a Parts<'a>,
}

/// The texts that a receipt shows.
struct Parts<'a> {
    number: &'a str,
    booking: &'a str,
    passenger: &'a str,
    flight: &'a str,
    date: String,
    seats: String,
    seat_word: &'static str,
    amount: String,
    paid: String,
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
/// When the passenger was erased, or the addresses or texts are not possible in an e-mail.
pub(super) fn compose(receipt: &Receipt, from: &Mailbox) -> Result<Letter, MailError> {
    write(receipt, from)
        .map_err(|source| MailError::Unwritable { number: receipt.number.clone(), source })
}

fn write(receipt: &Receipt, from: &Mailbox) -> Result<Letter, Cause> {
    let Addressee::Known(passenger) = &receipt.to else {
        return Err("the passenger was erased, so the receipt has no addressee".into());
    };
    // Whoever reads a request refuses these, and the mail crate panics over them.
    if passenger.name.contains(char::is_control) {
        return Err("the name has a control character".into());
    }
    let paid = receipt.paid_at.to_zoned_datetime(TimeZone::UTC);
    let parts = Parts {
        number: &receipt.number,
        booking: receipt.booking.as_str(),
        passenger: &passenger.name,
        flight: receipt.seating.flight.as_str(),
        date: receipt.seating.date.to_string(),
        seats: seat_list(&receipt.seating.seats),
        seat_word: if receipt.seating.seats.len() == 1 { "Seat" } else { "Seats" },
        amount: receipt.amount.to_string(),
        paid: paid.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    };
    let paid_ms = u64::try_from(receipt.paid_at.as_millisecond())?;
    let to = in_ascii(&passenger.email.parse()?)?;
    let from = Mailbox::new(from.name.clone(), in_ascii(&from.email)?);
    let domain = from.email.domain().to_owned();
    let message = Message::builder()
        .from(from)
        .to(Mailbox::new(Some(passenger.name.clone()), to))
        .subject(format!("Your receipt {} for flight {}", parts.number, parts.flight))
        .message_id(Some(format!("<{}@{domain}>", receipt.number)))
        .date(UNIX_EPOCH + Duration::from_millis(paid_ms))
        .raw_header(HeaderValue::new(NUMBER, receipt.number.clone()))
        .multipart(
            // The default boundary is random and would make a different e-mail each time.
            MultiPart::builder()
                .kind(MultiPartKind::Alternative)
                .boundary(format!("=_{}", receipt.number))
                .singlepart(SinglePart::plain(Text { it: &parts }.render()?))
                .singlepart(SinglePart::html(Html { it: &parts }.render()?)),
        )?;
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
