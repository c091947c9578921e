//! Converts between our amounts and Stripe's. Stripe counts a currency in the minor unit of
//! ISO 4217, with three exceptions: it counts some currencies in whole units, it counts two in
//! hundredths although they have no such coins, and it wants a zero as the last digit of currencies
//! with three decimal places.
//! This module must never guess how Stripe counts a currency, and never round an amount: it answers
//! with `None` instead.

use crate::domain::money::{Currency, Money};

/// Currencies that Stripe counts in whole units, even if ISO 4217 gives them a minor unit (MGA).
const WHOLE: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];
/// Currencies that Stripe counts in hundredths. An amount must be a multiple of 100, because the
/// hundredths are no longer in use.
const WHOLE_IN_HUNDREDTHS: [&str; 2] = ["ISK", "UGX"];
/// Currencies that Stripe counts in thousandths. An amount must be a multiple of 10.
const THOUSANDTHS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// How Stripe counts a currency: the number of decimal places, and the number of which every amount
/// must be a multiple. `None` if we do not know, because one wrong decimal place would take ten
/// times the money.
fn counted(currency: Currency) -> Option<(u32, u64)> {
    let code = currency.code();
    if WHOLE.contains(&code) {
        Some((0, 1))
    } else if WHOLE_IN_HUNDREDTHS.contains(&code) {
        Some((2, 100))
    } else if THOUSANDTHS.contains(&code) {
        Some((3, 10))
    } else {
        (currency.digits() == 2).then_some((2, 1))
    }
}

/// The number to send to Stripe for `money`, or `None` if Stripe cannot take this amount.
pub(super) fn asked(money: Money) -> Option<u64> {
    let (digits, step) = counted(money.currency())?;
    let amount = scaled(money.minor(), money.currency().digits(), digits)?;
    amount.is_multiple_of(step).then_some(amount)
}

/// The amount that Stripe means by a number and a currency code, or `None` if it is not an amount
/// of a currency that we know.
pub(super) fn told(amount: u64, currency: &str) -> Option<Money> {
    let currency = Currency::parse(&currency.to_ascii_uppercase()).ok()?;
    let (digits, _) = counted(currency)?;
    Money::new(scaled(amount, digits, currency.digits())?, currency).ok()
}

/// The same amount with `to` decimal places instead of `from`, or `None` if that would change it.
fn scaled(amount: u64, from: u32, to: u32) -> Option<u64> {
    if to >= from {
        return amount.checked_mul(10_u64.checked_pow(to - from)?);
    }
    let unit = 10_u64.checked_pow(from - to)?;
    amount.is_multiple_of(unit).then(|| amount / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_counted_as_stripe_counts_its_currency() {
        for (text, amount) in [
            ("EUR 129.00", Some(12900)),
            ("EUR 0.01", Some(1)),
            ("HUF 10.50", Some(1050)),
            ("JPY 12900", Some(12900)),
            ("XOF 500", Some(500)),
            ("MGA 5.00", Some(5)),
            ("MGA 5.20", None),
            ("ISK 500", Some(50_000)),
            ("UGX 500", Some(50_000)),
            ("KWD 1.230", Some(1230)),
            ("KWD 1.005", None),
            // Currencies with three and four decimal places that none of Stripe's lists names.
            ("IQD 1.000", None),
            ("CLF 1.0000", None),
        ] {
            let money = Money::parse(text).unwrap();
            assert_eq!(asked(money), amount, "{text}");
            let back = amount.and_then(|it| told(it, &money.currency().code().to_lowercase()));
            assert_eq!(back, amount.map(|_| money), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_of_a_known_currency_is_told_as_none() {
        for (amount, currency) in [(1, "xxy"), (0, "eur"), (u64::MAX, "eur"), (51, "isk")] {
            assert_eq!(told(amount, currency), None, "{amount} {currency}");
        }
    }
}
