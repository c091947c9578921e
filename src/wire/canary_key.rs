//! The secret key that marks a canary as one that an operator sent. It must never be printed or
//! logged.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::{
    Expected,
    canary::{CanaryId, Hop},
    event::Kind,
};

/// The shortest key, in bytes: as long as the codes that are made with it.
const KEY_BYTES_MIN: usize = 32;
/// The longest key, in bytes. A longer text is surely not meant as a key.
const KEY_BYTES_MAX: usize = 4096;

/// The secret that only `booking check --canary` and the four services share. `Debug` does not show
/// it.
#[derive(Clone, PartialEq, Eq)]
pub struct CanaryKey(Box<[u8]>);

/// The parts of a canary that its code covers: everything that any role acts on. A code for one
/// topic, hop, id or time does not match another.
pub(super) struct Signed<'a> {
    pub(super) id: CanaryId,
    pub(super) topic: Kind,
    pub(super) heard: Option<Hop>,
    /// The text of the event's `time`.
    pub(super) time: &'a str,
}

impl CanaryKey {
    /// Reads the text of a key file or an environment variable. White space around it is ignored.
    ///
    /// # Errors
    /// When it is shorter than 32 bytes, or longer than 4096.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let key = text.trim().as_bytes();
        if (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()) {
            Ok(CanaryKey(key.into()))
        } else {
            Err(Expected("a canary key of 32 to 4096 bytes, such as `openssl rand -hex 32` prints"))
        }
    }

    /// The code of a canary, as hexadecimal digits.
    pub(super) fn code(&self, signed: &Signed<'_>) -> String {
        let code = self.mac(signed).finalize().into_bytes();
        code.iter().map(|it| format!("{it:02x}")).collect()
    }

    /// Whether `code` is right. Takes constant time, so that an attacker cannot learn how much of a
    /// guess is right.
    pub(super) fn made(&self, code: &str, signed: &Signed<'_>) -> bool {
        let pair = |it: &[u8]| {
            let text = std::str::from_utf8(it).ok()?;
            u8::from_str_radix(text, 16).ok()
        };
        let bytes: Option<Vec<u8>> = code.as_bytes().chunks(2).map(pair).collect();
        bytes.is_some_and(|it| self.mac(signed).verify_slice(&it).is_ok())
    }

    fn mac(&self, signed: &Signed<'_>) -> Hmac<Sha256> {
        let Signed { id, topic, heard, time } = signed;
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        let heard = heard.map(|it| it.to_string()).unwrap_or_default();
        // Only the last part is free text, so different canaries have different texts.
        mac.update(format!("booking-canary-1\n{id}\n{topic}\n{heard}\n{time}").as_bytes());
        mac
    }
}

impl std::fmt::Debug for CanaryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CanaryKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RoleName;

    fn key(text: &str) -> CanaryKey {
        CanaryKey::parse(text).unwrap()
    }

    #[test]
    fn a_key_is_long_enough_and_never_printed() {
        let text = "0123456789abcdef0123456789abcdef";
        assert_eq!(format!("{:?}", key(text)), "CanaryKey(…)");
        assert_eq!(key(&format!(" {text}\n")), key(text));
        for bad in ["", "short", &text[1..], &"x".repeat(4097)] {
            assert!(CanaryKey::parse(bad).is_err(), "{} bytes", bad.len());
        }
    }

    #[test]
    fn a_code_is_for_one_id_topic_hop_time_and_key_alone() {
        let id = |it| CanaryId::parse(&format!("01997f6e-2f10-7d9a-9c53-6f2f5a1c9e{it}")).unwrap();
        let hop = |role| Some(Hop { topic: Kind::SeatBooked, role });
        let of = |id, topic, heard| Signed { id, topic, heard, time: "2027-02-01T09:30:00Z" };
        let right = of(id("01"), Kind::PaymentOk, hop(RoleName::Receipt));
        let (own, other) = (key(&"k".repeat(32)), key(&"o".repeat(32)));
        let code = own.code(&right);
        assert!(own.made(&code, &right) && code.len() == 64);
        for wrong in [
            of(id("02"), Kind::PaymentOk, hop(RoleName::Receipt)),
            of(id("01"), Kind::PaymentFailed, hop(RoleName::Receipt)),
            of(id("01"), Kind::PaymentOk, hop(RoleName::Payment)),
            of(id("01"), Kind::PaymentOk, None),
            Signed { time: "2027-02-01T09:30:01Z", ..of(id("01"), Kind::PaymentOk, None) },
        ] {
            assert!(!own.made(&code, &wrong));
        }
        assert!(!other.made(&code, &right));
        for bad in ["", "00", "zz", "é", &code[1..], &code[2..], &format!("{code}00"), "+f"] {
            assert!(!own.made(bad, &right), "{bad}");
        }
    }
}
