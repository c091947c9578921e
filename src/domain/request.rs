//! What a client asks for: seats for a passenger, paid with a token. What is personal or secret
//! must never be printed, so the types print a placeholder instead.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Expected, money::Money, seat::Seating};

/// The most characters of a passenger's name.
const NAME_CHARACTERS_MAX: usize = 200;
/// The most bytes of a payment token.
const TOKEN_BYTES_MAX: usize = 255;

/// A booking request that has passed all checks of the parser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The seats that are wanted: all of them or none.
    pub seating: Seating,
    pub passenger: Passenger,
    pub payment: Payment,
}

/// The passenger, and the address for the receipt. `Debug` hides both: they must not reach a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Passenger {
    /// 1 to 200 characters, no control characters.
    pub name: String,
    /// An address with one `@`, at most 254 bytes.
    pub email: String,
}

impl Passenger {
    /// Reads a name.
    ///
    /// # Errors
    /// When the name is empty, too long or has control characters.
    pub fn parse_name(text: &str) -> Result<String, Expected> {
        let length = text.chars().count();
        if text.trim().is_empty()
            || length > NAME_CHARACTERS_MAX
            || text.chars().any(char::is_control)
        {
            return Err(Expected("a name of 1 to 200 characters without control characters"));
        }
        Ok(text.to_owned())
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
    pub token: PaymentToken,
    pub amount: Money,
}

/// A payment provider's token for a card. `Debug` hides it: it must not reach a log.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentToken(String);

impl PaymentToken {
    /// Reads 1 to 255 characters (letters, digits and `. _ : / + = -`), at least one of them a
    /// letter.
    ///
    /// # Errors
    /// When the text has another form. A card number is refused, since it has no letter.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let known = |it: u8| it.is_ascii_alphanumeric() || b"._:/+=-".contains(&it);
        let letter = text.bytes().any(|it| it.is_ascii_alphabetic());
        if letter && text.len() <= TOKEN_BYTES_MAX && text.bytes().all(known) {
            Ok(PaymentToken(text.to_owned()))
        } else {
            Err(Expected("a payment token: 1 to 255 letters, digits or ._:/+=-, with a letter"))
        }
    }

    /// The token itself. Only a gateway may use it.
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

/// A request that the parser refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rejection {
    /// When the request was sent.
    pub time: Timestamp,
    /// What was wrong: path, expected kind and position, never the value.
    pub reason: String,
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
}
