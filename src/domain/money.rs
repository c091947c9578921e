//! Money in integer minor units of an ISO 4217 currency. It must never become a float, and amounts
//! are compared but not added.

use iso_currency::Currency as Iso;
use serde::{Deserialize, Serialize};

use super::Expected;

/// The most a booking may cost, in minor units.
pub const MINOR_MAX: u64 = 1_000_000_000_000;

/// A currency by its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(Iso);

impl Currency {
    /// Reads a code such as `EUR`.
    ///
    /// # Errors
    /// When the text is not an ISO 4217 code in capital letters.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        Iso::from_code(text).map(Currency).ok_or(Expected("an ISO 4217 currency code such as EUR"))
    }

    /// The code, such as `EUR`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits after the decimal point: 2 for EUR, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn digits(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl TryFrom<String> for Currency {
    type Error = Expected;
    fn try_from(text: String) -> Result<Self, Expected> {
        Currency::parse(&text)
    }
}

impl From<Currency> for String {
    fn from(it: Currency) -> String {
        it.code().to_owned()
    }
}

/// An amount of money, at least one minor unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Plain", into = "Plain")]
pub struct Money {
    minor: u64,
    currency: Currency,
}

/// `Money` as it is serialised, before its bounds are checked.
#[derive(Serialize, Deserialize)]
struct Plain {
    minor: u64,
    currency: Currency,
}

impl Money {
    /// An amount of `minor` minor units.
    ///
    /// # Errors
    /// When `minor` is not from 1 to [`MINOR_MAX`].
    pub fn new(minor: u64, currency: Currency) -> Result<Self, Expected> {
        if (1..=MINOR_MAX).contains(&minor) {
            Ok(Money { minor, currency })
        } else {
            Err(Expected("an integer from 1 to 1000000000000, in minor units"))
        }
    }

    /// Reads `EUR 129.00` or `129.00 EUR`, with a decimal point and without thousands separators.
    ///
    /// # Errors
    /// When the text is not an amount of a known currency, or has more digits after the decimal
    /// point than the currency.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        const WANTED: Expected = Expected("an amount such as 'EUR 129.00'");
        let (left, right) = text.trim().split_once(' ').ok_or(WANTED)?;
        let (code, number) = if left.starts_with(|it: char| it.is_ascii_digit()) {
            (right, left)
        } else {
            (left, right)
        };
        let currency = Currency::parse(code)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = currency.digits() as usize;
        let plain = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(part) || part.len() > digits {
            return Err(WANTED);
        }
        let minor = format!("{whole}{part:0<digits$}").parse().map_err(|_| WANTED)?;
        Money::new(minor, currency)
    }

    /// The amount in minor units.
    #[must_use]
    pub fn minor(self) -> u64 {
        self.minor
    }

    /// The currency of the amount.
    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }
}

impl std::fmt::Display for Money {
    /// `EUR 129.00`, `JPY 12900`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.currency.code();
        match self.currency.digits() {
            0 => write!(f, "{code} {}", self.minor),
            digits => {
                let unit = 10_u64.pow(digits);
                let (whole, part) = (self.minor / unit, self.minor % unit);
                write!(f, "{code} {whole}.{part:0width$}", width = digits as usize)
            }
        }
    }
}

impl TryFrom<Plain> for Money {
    type Error = Expected;
    fn try_from(it: Plain) -> Result<Self, Expected> {
        Money::new(it.minor, it.currency)
    }
}

impl From<Money> for Plain {
    fn from(it: Money) -> Plain {
        Plain { minor: it.minor, currency: it.currency }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_print_with_the_digits_of_their_currency() {
        for (text, minor) in [("EUR 129.00", 12900), ("JPY 12900", 12900), ("KWD 1.005", 1005)] {
            let money = Money::parse(text).unwrap();
            assert_eq!((money.minor(), money.to_string().as_str()), (minor, text));
        }
        assert_eq!(Money::parse("129.5 EUR").unwrap().to_string(), "EUR 129.50");
    }

    #[test]
    fn an_impossible_amount_is_refused() {
        for bad in [
            "EUR 0",
            "EUR -1",
            "EUR 1.234",
            "EUR 1,00",
            "XXY 1",
            "12",
            "EUR 10000000001.00",
            "EUR .",
        ] {
            assert!(Money::parse(bad).is_err(), "{bad}");
        }
    }
}
