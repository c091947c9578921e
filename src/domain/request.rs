//! What a client asks for: seats for a passenger, paid with a token.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

use super::{Expected, money::Money, seat::Seating};

/// The longest e-mail address, in bytes.
const ADDRESS_BYTES_MAX: usize = 254;

/// A booking request, read and found possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The seats wanted, all or none.
    pub seating: Seating,
    /// Who flies.
    pub passenger: Passenger,
    /// How it is paid.
    pub payment: Payment,
}

/// Who flies, and where the receipt goes. Prints as nothing: it must not reach a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Passenger {
    /// 1 to 200 characters, no control characters.
    pub name: String,
    /// An address with one `@`, at most 254 bytes.
    pub email: String,
}

impl Passenger {
    /// Takes a name and an address.
    ///
    /// # Errors
    /// When the name is empty, too long or has control characters.
    pub fn parse_name(text: &str) -> Result<String, Expected> {
        let length = text.chars().count();
        if text.trim().is_empty() || length > 200 || text.chars().any(char::is_control) {
            return Err(Expected("a name of 1 to 200 characters without control characters"));
        }
        Ok(text.to_owned())
    }

    /// Reads an address well enough to write it on an envelope.
    ///
    /// # Errors
    /// When it cannot be an address.
    pub fn parse_email(text: &str) -> Result<String, Expected> {
        const WANTED: Expected = Expected("an e-mail address such as ada@example.com");
        const ASCII: Expected = Expected(
            "an e-mail address with nothing but ASCII before the @: few mail servers take another",
        );
        // First of all: what is made of a domain in another script takes longer than its length.
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(WANTED);
        }
        let address: lettre::Address = text.parse().map_err(|_| WANTED)?;
        // In ASCII, as the mailer writes it: it would find out only when the booking is paid.
        let given = address.domain().as_bytes();
        let hyphens = Hyphens::CheckFirstLast;
        let domain = Uts46::new()
            .to_ascii(given, AsciiDenyList::EMPTY, hyphens, DnsLength::Ignore)
            .map_err(|_| WANTED)?;
        // What the standard allows and the mailer does not write: quoted names, numbers as domain.
        let odd = address.user().contains('"') || domain.starts_with('[') || domain.contains(':');
        if odd {
            return Err(WANTED);
        }
        if !address.domain().is_ascii() {
            lettre::Address::new(address.user(), domain).map_err(|_| WANTED)?;
        }
        if address.user().is_ascii() { Ok(text.to_owned()) } else { Err(ASCII) }
    }
}

impl std::fmt::Debug for Passenger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passenger(…)")
    }
}

/// How a booking is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// What the payment provider gave for the card.
    pub token: PaymentToken,
    /// How much.
    pub amount: Money,
}

/// A payment provider's token for a card. Prints as nothing: it must not reach a log.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentToken(String);

impl PaymentToken {
    /// Reads 1 to 255 of letters, digits and `. _ : / + = -`, with at least one letter.
    ///
    /// # Errors
    /// When it has another form; a card number has.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let known = |it: u8| it.is_ascii_alphanumeric() || b"._:/+=-".contains(&it);
        let letter = text.bytes().any(|it| it.is_ascii_alphabetic());
        if letter && text.len() <= 255 && text.bytes().all(known) {
            Ok(PaymentToken(text.to_owned()))
        } else {
            Err(Expected("a payment token: 1 to 255 of letters, digits and ._:/+=-, with a letter"))
        }
    }

    /// The token itself, for the gateway alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PaymentToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PaymentToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_letter_and_is_never_printed() {
        let token = PaymentToken::parse("tok_visa").unwrap();
        assert_eq!(format!("{token:?}"), "PaymentToken(…)");
        for bad in ["", "4111111111111111", "tok visa", "tök", &"x".repeat(256)] {
            assert!(PaymentToken::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_can_be_written_on_an_envelope() {
        for good in ["ada@example.com", "ada@bücher.example", "ada@xn--bcher-kva.example"] {
            assert!(Passenger::parse_email(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "a b@example.com",
            "ada@example.com\r\nBcc: x@y.z",
            "\"a b\"@example.com",
            "ada@[127.0.0.1]",
            "äda@example.com",
            "ada@-bücher.example",
            // No form in ASCII.
            "ada@xn--a.example",
            "ada@\u{d7c7}.example",
            &format!("ada@{}.example", "字".repeat(60)),
            // Numbers, also in letters that are made digits.
            "ada@::1",
            "ada@：：1",
        ] {
            assert!(Passenger::parse_email(bad).is_err(), "{bad}");
        }
    }
}
