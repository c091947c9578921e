//! Seals a booking request for the state machine: its history is kept for months and is read by
//! many, and must never show who travels or how they pay.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::{Expected, ids::BookingId};

/// The shortest key, in bytes: as long as the key that is derived from it.
const KEY_BYTES_MIN: usize = 32;
/// The longest key, in bytes. A longer text is surely not meant as a key.
const KEY_BYTES_MAX: usize = 4096;
/// The first byte of what is sealed: how the rest is sealed.
const VERSION: u8 = 1;

/// The secrets with which requests are sealed and opened. Clients that start bookings and the four
/// services share them. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey(Vec<Box<[u8]>>);

impl SealKey {
    /// Reads the text of a key file or an environment variable: one secret a line, without the
    /// white space around it. The first one seals, and each of them opens, so that a new one can
    /// come before the old one goes.
    ///
    /// # Errors
    /// When there is none, or one is shorter than 32 bytes or longer than 4096.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let secrets = text.lines().map(str::trim).filter(|it| !it.is_empty());
        let secrets: Vec<Box<[u8]>> = secrets.map(|it| it.as_bytes().into()).collect();
        let fits = |it: usize| (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&it);
        if secrets.is_empty() || !secrets.iter().all(|it| fits(it.len())) {
            return Err(Expected(
                "a seal key of 32 to 4096 bytes on each line, such as `openssl rand -hex 32` prints",
            ));
        }
        Ok(SealKey(secrets))
    }

    /// Seals the text of a request. What is sealed for one booking opens for no other, and is
    /// different each time.
    #[must_use]
    pub fn seal(&self, booking: &BookingId, text: &str) -> String {
        let mut sealed = text.as_bytes().to_vec();
        let nonce = aead(&self.0[0], booking)
            .seal_in_place_append_tag(Aad::empty(), &mut sealed)
            .expect("the text is far shorter than what AES-GCM can seal");
        STANDARD.encode([&[VERSION], &nonce.as_ref()[..], &sealed[..]].concat())
    }

    /// Opens what was sealed for this booking with one of these secrets. `None` for anything else.
    pub(super) fn open(&self, booking: &BookingId, sealed: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        if *version != VERSION {
            return None;
        }
        self.0.iter().find_map(|secret| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut text = text.to_vec();
            let opened =
                aead(secret, booking).open_in_place(nonce, Aad::empty(), &mut text).ok()?;
            String::from_utf8(opened.to_vec()).ok()
        })
    }
}

/// AES-256-GCM with a key for this booking alone. So no key seals so often that a nonce could be
/// used twice, and the same secret for canaries would be another key.
fn aead(secret: &[u8], booking: &BookingId) -> RandomizedNonceKey {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(b"booking-request-seal-1\n");
    mac.update(booking.as_str().as_bytes());
    RandomizedNonceKey::new(&AES_256_GCM, &mac.finalize().into_bytes())
        .expect("the key has 32 bytes")
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(letter: &str) -> SealKey {
        SealKey::parse(&letter.repeat(32)).unwrap()
    }

    fn booking(id: &str) -> BookingId {
        BookingId::parse(id).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_booking_and_key_alone_and_shows_nothing() {
        let (own, text) = (key("k"), r#"{"passenger":{"name":"Ada Lovelace"}}"#);
        let sealed = own.seal(&booking("b-1"), text);
        assert_eq!(own.open(&booking("b-1"), &sealed).as_deref(), Some(text));
        assert_eq!(own.open(&booking("b-2"), &sealed), None);
        assert_eq!(key("o").open(&booking("b-1"), &sealed), None);
        assert_ne!(own.seal(&booking("b-1"), text), sealed, "no nonce is used twice");
        let bytes = STANDARD.decode(&sealed).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("Ada"));
    }

    #[test]
    fn what_was_changed_or_is_none_does_not_open() {
        let (key, booking) = (key("k"), booking("b-1"));
        let sealed = STANDARD.decode(key.seal(&booking, "{}")).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(&booking, &STANDARD.encode(changed)), None, "byte {at}");
            assert_eq!(key.open(&booking, &STANDARD.encode(&sealed[..at])), None, "{at} bytes");
        }
        for none in ["", "é", "{}", "AQ=="] {
            assert_eq!(key.open(&booking, none), None, "{none}");
        }
    }

    #[test]
    fn a_new_key_seals_and_the_one_before_it_still_opens() {
        let (old, new) = ("o".repeat(32), "n".repeat(32));
        let both = SealKey::parse(&format!("{new}\n\n {old}\n")).unwrap();
        let before = key("o").seal(&booking("b-1"), "{}");
        assert_eq!(both.open(&booking("b-1"), &before).as_deref(), Some("{}"));
        let sealed = both.seal(&booking("b-1"), "{}");
        assert_eq!(key("n").open(&booking("b-1"), &sealed).as_deref(), Some("{}"));
        assert_eq!(key("o").open(&booking("b-1"), &sealed), None);
    }

    /// As another program seals it, by the description in docs/ORCHESTRATION.md.
    #[test]
    fn what_another_program_has_sealed_opens() {
        let sealed = "AQABAgMEBQYHCAkKC0kCdR9yIMkXTyWYUPLwPmII1X/yWwMxL5s2TOpNZuNSCgM=";
        assert_eq!(
            key("k").open(&booking("b-1"), sealed).as_deref(),
            Some(r#"{"flight":"WA117"}"#)
        );
    }

    #[test]
    fn a_key_is_long_enough_and_never_printed() {
        assert_eq!(format!("{:?}", key("k")), "SealKey(…)");
        assert_eq!(SealKey::parse(&format!(" {}\n", "k".repeat(32))), Ok(key("k")));
        for bad in
            [String::new(), "k".repeat(31), "k".repeat(4097), format!("{}\nshort", "k".repeat(32))]
        {
            assert!(SealKey::parse(&bad).is_err(), "{} bytes", bad.len());
        }
    }
}
