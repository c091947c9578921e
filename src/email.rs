//! Checks e-mail addresses. An address that the mailer could not write must be refused before
//! anything is paid for.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::domain::Expected;

/// The longest e-mail address, in bytes.
const ADDRESS_BYTES_MAX: usize = 254;

/// Checks that the mailer can write this address on an envelope.
///
/// # Errors
/// When it cannot.
pub fn parse(text: &str) -> Result<String, Expected> {
    const WANTED: Expected = Expected("an e-mail address such as ada@example.com");
    const ASCII: Expected = Expected(
        "an e-mail address with nothing but ASCII before the @: few mail servers accept anything else",
    );
    // Checked first, since the time to convert a domain in another script grows faster than its
    // length.
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(WANTED);
    }
    let address: lettre::Address = text.parse().map_err(|_| WANTED)?;
    // Convert the domain to ASCII, as the mailer does. If that fails, the mailer would notice it
    // only after the booking is paid.
    let given = address.domain().as_bytes();
    let hyphens = Hyphens::CheckFirstLast;
    let domain = Uts46::new()
        .to_ascii(given, AsciiDenyList::EMPTY, hyphens, DnsLength::Ignore)
        .map_err(|_| WANTED)?;
    // The standard allows quoted names and IP addresses as domain, but the mailer does not.
    let odd = address.user().contains('"') || domain.starts_with('[') || domain.contains(':');
    if odd {
        return Err(WANTED);
    }
    if !address.domain().is_ascii() {
        lettre::Address::new(address.user(), domain).map_err(|_| WANTED)?;
    }
    if address.user().is_ascii() { Ok(text.to_owned()) } else { Err(ASCII) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_can_be_written_on_an_envelope() {
        for good in ["ada@example.com", "ada@bücher.example", "ada@xn--bcher-kva.example"] {
            assert!(parse(good).is_ok(), "{good}");
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
            // These have no form in ASCII.
            "ada@xn--a.example",
            "ada@\u{d7c7}.example",
            &format!("ada@{}.example", "字".repeat(60)),
            // IP addresses, also with colons of another script, which become ASCII ones.
            "ada@::1",
            "ada@：：1",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
