//! The secret key of a Stripe account. The key must never be printed, must never reach a log, and
//! must never leave this machine in clear text if it can move real money.

use std::fmt;

use reqwest::Url;

/// A secret or restricted key. Its `Debug` output hides the key, so that it cannot reach a log.
#[derive(Clone)]
pub struct StripeKey(String);

impl StripeKey {
    /// Reads a key: `sk_` or `rk_`, then `test_` or `live_`, then letters, digits and `_`. White
    /// space around the key is ignored.
    ///
    /// # Errors
    /// Says what was expected, and never repeats the text.
    pub fn parse(text: &str) -> Result<StripeKey, &'static str> {
        const WANTED: &str = "expected a secret or restricted key of Stripe: sk_test_…, rk_test_…, \
                              sk_live_… or rk_live_…";
        let text = text.trim();
        let kind = ["sk_test_", "rk_test_", "sk_live_", "rk_live_"];
        let rest = kind.iter().find_map(|it| text.strip_prefix(it)).ok_or(WANTED)?;
        let plain = rest.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
        if plain && !rest.is_empty() { Ok(StripeKey(text.to_owned())) } else { Err(WANTED) }
    }

    /// Whether this is a test key, which moves no real money.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.0[3..].starts_with("test_")
    }

    /// Checks that the key may be sent to `url`. A live key may only be sent over TLS, because
    /// anyone who reads it on the way could use it. An address with a user and a password would
    /// take the place of the key, and a query or a fragment has no meaning here.
    ///
    /// # Errors
    /// If this is a live key and `url` is not an `https://` address, or if `url` has a part that it
    /// must not have. The error never repeats the address.
    pub fn may_go_to(&self, url: &Url) -> Result<(), &'static str> {
        let user = !url.username().is_empty() || url.password().is_some();
        if user || url.query().is_some() || url.fragment().is_some() {
            return Err("expected an address without user, password, query and fragment");
        }
        if self.is_test() || url.scheme() == "https" {
            Ok(())
        } else {
            Err("a live key goes to an https:// address and to no other")
        }
    }

    /// The key itself. Only the header of a request may use it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StripeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StripeKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_secret_or_restricted_and_is_never_printed() {
        for (text, is_test) in [
            ("sk_test_1", true),
            (" rk_test_a_B\n", true),
            ("sk_live_1", false),
            ("rk_live_1", false),
        ] {
            let key = StripeKey::parse(text).unwrap();
            assert_eq!((key.is_test(), format!("{key:?}").as_str()), (is_test, "StripeKey(…)"));
        }
        for wrong in ["", "sk_test_", "pk_test_1", "sk_1", "sk_test_a b", "whsec_1", "sk_test_é"] {
            assert!(StripeKey::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_live_key_goes_over_tls_only() {
        let url = |it: &str| Url::parse(it).unwrap();
        let key = |it: &str| StripeKey::parse(it).unwrap();
        for live in ["sk_live_1", "rk_live_1"] {
            assert!(key(live).may_go_to(&url("https://api.stripe.com")).is_ok());
            assert!(key(live).may_go_to(&url("http://127.0.0.1:8420")).is_err());
        }
        assert!(key("sk_test_1").may_go_to(&url("http://127.0.0.1:8420")).is_ok());
    }

    #[test]
    fn an_address_has_no_user_no_password_and_no_query() {
        for wrong in ["ada@x.com", "ada:secret@x.com", ":secret@x.com", "x.com?a", "x.com#a"] {
            let url = Url::parse(&format!("https://{wrong}")).unwrap();
            let key = StripeKey::parse("sk_test_1").unwrap();
            assert!(key.may_go_to(&url).is_err(), "{wrong}");
        }
    }
}
