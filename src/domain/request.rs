//! What a client asks for: seats for a passenger, paid with a token.

use serde::{Deserialize, Serialize};

use super::{Expected, money::Money, seat::Seating};

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
    /// An address with one `@`, at most 254 characters.
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
        text.parse::<lettre::Address>().map_err(|_| WANTED)?;
        if text.len() > 254 { Err(WANTED) } else { Ok(text.to_owned()) }
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

/// Whether the text holds what could be a card number: a whole run of 13 to 19 digits between
/// non-alphanumerics, single spaces or hyphens allowed, first digit 2 to 6, Luhn valid. Text in the
/// form of a UUID is none.
#[must_use]
pub fn holds_card_number(text: &str) -> bool {
    if uuid::Uuid::try_parse(text).is_ok() {
        return false;
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphanumeric() {
            at += 1;
            continue;
        }
        let (end, digits) = run_of_digits(bytes, at);
        if digits
            .is_some_and(|it| (13..=19).contains(&it.len()) && matches!(it[0], 2..=6) && luhn(&it))
        {
            return true;
        }
        at = end;
    }
    false
}

/// The run of alphanumerics from `start`, single separators between digits included: where it ends,
/// and its digits if it is made of nothing else.
fn run_of_digits(bytes: &[u8], start: usize) -> (usize, Option<Vec<u8>>) {
    let mut digits = Some(Vec::new());
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1);
        match byte {
            b'0'..=b'9' => {
                if let Some(it) = digits.as_mut() {
                    it.push(byte - b'0');
                }
            }
            b' ' | b'-' if digits.is_some() && next.is_some_and(u8::is_ascii_digit) => {}
            _ if byte.is_ascii_alphanumeric() => digits = None,
            _ => break,
        }
        at += 1;
    }
    (at, digits)
}

fn luhn(digits: &[u8]) -> bool {
    let doubled = |it: u8| if it > 4 { it * 2 - 9 } else { it * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, it)| u32::from(if place % 2 == 1 { doubled(*it) } else { *it }))
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_seen_however_they_are_grouped() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "5500-0000-0000-0004",
            "card: 378282246310005.",
            "tok_x (6011111111111117)",
        ] {
            assert!(holds_card_number(card), "{card}");
        }
    }

    #[test]
    fn what_only_looks_like_a_card_number_is_let_through() {
        for other in [
            "4111111111111112",                     // Luhn
            "1111111111111117",                     // first digit
            "tok_4111111111111111x",                // part of a word
            "41111111",                             // short
            "4111  1111 1111 1111",                 // two spaces
            "01997f6e-2f10-7d9a-9c53-6f2f5a1c9e01", // a UUID
            "49927398716-1997",
            "Ada Lovelace",
        ] {
            assert!(!holds_card_number(other), "{other}");
        }
    }

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
        assert!(Passenger::parse_email("ada@example.com").is_ok());
        for bad in
            ["", "ada", "ada@", "@example.com", "a b@example.com", "ada@example.com\r\nBcc: x@y.z"]
        {
            assert!(Passenger::parse_email(bad).is_err(), "{bad}");
        }
    }
}
