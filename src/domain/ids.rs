//! Identities: bookings, events, request digests, and the ids derived from them.
//!
//! The id of every outcome is derived from the booking and the event's type. It must never be
//! random: a subscriber recognises an event that is announced again by its id.

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Expected, card, kind::Kind};

/// The root of every derived id. It must never change: an event that is announced again after a
/// change would have a second id, and subscribers would take it for a second event.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b1d_0c4e_7c1f_4d0a_9b62_3a51_c0ff_ee17);

/// The most characters of a booking id.
const CHARACTERS_MAX: usize = 64;

/// The id of one booking: given by its client, or derived from its first event.
///
/// It has 1 to 64 characters (letters, digits, `_` and `-`), begins with a letter or digit, and is
/// not a number of 13 to 19 digits, which could be a card number. It is safe in logs, file names,
/// keys and URLs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BookingId(String);

impl BookingId {
    /// Reads a booking id.
    ///
    /// # Errors
    /// When the text has another form, or could be a card number.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let begins = text.bytes().next().is_some_and(|it| it.is_ascii_alphanumeric());
        let goes_on = text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-');
        if !begins || !goes_on || text.len() > CHARACTERS_MAX {
            return Err(Expected(
                "a booking id: 1 to 64 letters, digits, _ or -, beginning with a letter or digit",
            ));
        }
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let bare = text.bytes().all(|it| it.is_ascii_digit() || it == b'-' || it == b'_');
        // Always, and not only when it could be a valid card number, so that a client learns with
        // its first booking whether its form of id is accepted.
        if bare && card::DIGITS.contains(&digits) {
            return Err(Expected(
                "a booking id that is not a number of 13 to 19 digits: it could be a card number",
            ));
        }
        Ok(BookingId(text.to_owned()))
    }

    /// The booking id for a CloudEvent whose data has none. The same event always gets the same id.
    #[must_use]
    pub fn of_event(source: &str, id: &str) -> Self {
        BookingId(
            Uuid::new_v5(&Uuid::new_v5(&NAMESPACE, source.as_bytes()), id.as_bytes()).to_string(),
        )
    }

    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A UUID derived from this booking and `name`: equal inputs give the same UUID, on every
    /// replica.
    #[must_use]
    pub fn derive(&self, name: &str) -> Uuid {
        Uuid::new_v5(&Uuid::new_v5(&NAMESPACE, self.0.as_bytes()), name.as_bytes())
    }
}

impl TryFrom<String> for BookingId {
    type Error = Expected;
    fn try_from(text: String) -> Result<Self, Expected> {
        BookingId::parse(&text)
    }
}

impl From<BookingId> for String {
    fn from(it: BookingId) -> String {
        it.0
    }
}

impl std::fmt::Display for BookingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identity of an event: CloudEvents' `source` and `id`. It is the same in every role and in
/// every repetition of the event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// The role that published the event; empty for a client's event ([`Cause::of_client`]).
    pub source: String,
    /// Unique within its source.
    pub id: String,
}

impl Cause {
    /// The identity of a client's event: a hash, from which neither the source nor the id can be
    /// read. A client may write anything into them, for instance an e-mail address, and the
    /// identity is stored for good.
    #[must_use]
    pub fn of_client(source: &str, id: &str) -> Cause {
        // Neither part contains a control character, so different pairs give different texts.
        let hash = Sha256::new().chain_update(source).chain_update([0]).chain_update(id).finalize();
        let id = hash[..16].iter().map(|it| format!("{it:02x}")).collect();
        // A client's own source is never empty, so a client cannot imitate this form.
        Cause { source: String::new(), id }
    }
}

/// The id of an outcome. Each type of outcome happens at most once for a booking, and an outcome
/// that is announced again has the same id.
#[must_use]
pub fn outcome_id(booking: &BookingId, kind: Kind) -> String {
    booking.derive(kind.topic()).to_string()
}

/// The id of a request that came without one. It depends on the digest, so that a second, different
/// request under the same booking id counts as another event.
#[must_use]
pub fn request_id(booking: &BookingId, kind: Kind, digest: &Digest) -> String {
    booking.derive(&format!("{kind}/{digest}")).to_string()
}

/// SHA-256 of a request's `data` without `booking_id`, in RFC 8785 canonical form. Two requests
/// that ask for the same have the same digest, whatever the order of their fields.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Wraps the 32 bytes of a SHA-256.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Digest(bytes)
    }

    /// Reads 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        const WANTED: Expected = Expected("64 lower-case hexadecimal digits");
        let nibble = |it: u8| match it {
            b'0'..=b'9' => Ok(it - b'0'),
            b'a'..=b'f' => Ok(it - b'a' + 10),
            _ => Err(WANTED),
        };
        let text: &[u8; 64] = text.as_bytes().try_into().map_err(|_| WANTED)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Digest(bytes))
    }
}

impl Digest {
    /// Passes the digits to `then` as one string, without an allocation and in one write, since a
    /// digest is part of every row and every event.
    fn with_digits<T>(&self, then: impl FnOnce(&str) -> T) -> T {
        let digits =
            self.0.map(|it| [it >> 4, it & 15].map(|it| b"0123456789abcdef"[usize::from(it)]));
        then(str::from_utf8(digits.as_flattened()).expect("digits are ASCII"))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.with_digits(|it| f.write_str(it))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.with_digits(|it| to.serialize_str(it))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl TryFrom<String> for Digest {
    type Error = Expected;
    fn try_from(text: String) -> Result<Self, Expected> {
        Digest::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_booking_id_is_safe_everywhere_and_never_a_card_number() {
        for good in [
            "a",
            "A-1_b",
            "7f3c",
            "01997f6e-2f10-7d9a-9c53-6f2f5a1c9e01",
            "123456789012",
            "a_4111111111111111",
            "m-3f2504e04f89-4111111111111111",
            "20261128-000000001234",
        ] {
            assert!(BookingId::parse(good).is_ok(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in [
            "",
            "-a",
            "a b",
            "a/b",
            "ä",
            "4111111111111111",
            "4111-1111-1111-1111",
            "4111_1111_1111_1112",
            "1234567890123",
            &long,
        ] {
            assert!(BookingId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn outcome_ids_depend_on_booking_and_type_only() {
        let ada = BookingId::parse("ada").unwrap();
        let bob = BookingId::parse("bob").unwrap();
        assert_eq!(outcome_id(&ada, Kind::SeatBooked), outcome_id(&ada, Kind::SeatBooked));
        assert_ne!(outcome_id(&ada, Kind::SeatBooked), outcome_id(&ada, Kind::SeatReleased));
        assert_ne!(outcome_id(&ada, Kind::SeatBooked), outcome_id(&bob, Kind::SeatBooked));
    }

    #[test]
    fn a_digest_reads_back_what_it_prints() {
        let digest = Digest::new(std::array::from_fn(|it| it as u8 * 7));
        assert_eq!(Digest::parse(&digest.to_string()), Ok(digest));
        assert!(Digest::parse(&digest.to_string().to_uppercase()).is_err());
        assert!(Digest::parse("12").is_err());
    }
}
