//! Identities: bookings, events, request digests, and the ids derived from them.
//!
//! Everything a service announces has an id derived from the booking and the event's type, so that
//! announcing again is recognisable as a repetition by whoever hears it.

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Expected, event::Kind};

/// The root of every derived id. A constant of the product: changing it doubles every event.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b1d_0c4e_7c1f_4d0a_9b62_3a51_c0ff_ee17);

/// How many digits a card number has. An id of as many digits, and nothing else but separators, is
/// refused whatever they are, so that a client learns on its first day whether its ids will do.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// One booking, by the name its client gave it or the one derived for it.
///
/// At most 64 of letters, digits, `_` and `-`, beginning with a letter or digit, and not a number
/// of 13 to 19 digits, which could be a card's: it is safe in logs, file names, keys and URLs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BookingId(String);

impl BookingId {
    /// Reads a booking id.
    ///
    /// # Errors
    /// Says what was expected when the text has another form, or could be a card number.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let begins = text.bytes().next().is_some_and(|it| it.is_ascii_alphanumeric());
        let goes_on = text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-');
        if !begins || !goes_on || text.len() > 64 {
            return Err(Expected(
                "a booking id: 1 to 64 of letters, digits, _ and -, beginning with a letter or digit",
            ));
        }
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let bare = text.bytes().all(|it| it.is_ascii_digit() || it == b'-' || it == b'_');
        if bare && CARD_DIGITS.contains(&digits) {
            return Err(Expected(
                "a booking id that is no number of 13 to 19 digits, which could be a card number",
            ));
        }
        Ok(BookingId(text.to_owned()))
    }

    /// The id of a request that came as a CloudEvent without one: the same for the same event.
    #[must_use]
    pub fn of_event(source: &str, id: &str) -> Self {
        BookingId(
            Uuid::new_v5(&Uuid::new_v5(&NAMESPACE, source.as_bytes()), id.as_bytes()).to_string(),
        )
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A UUID made of this booking and `name`: the same for the same two, on every replica.
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

/// What identifies an event wherever it is heard, and however often: CloudEvents' `source` and
/// `id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// Who said it; empty for a client ([`Cause::of_client`]).
    pub source: String,
    /// Its id, unique with that source.
    pub id: String,
}

impl Cause {
    /// A hash of a client's source and id: it tells events apart, and neither can be read from it.
    /// A client may write anything there, for instance an e-mail address, and what it caused is
    /// remembered for good.
    #[must_use]
    pub fn of_client(source: &str, id: &str) -> Cause {
        // Neither has a control character, so no two pairs are one text.
        let hash = Sha256::new().chain_update(source).chain_update([0]).chain_update(id).finalize();
        let id = hash[..16].iter().map(|it| format!("{it:02x}")).collect();
        // A client's own source is never empty: nothing it writes looks like this.
        Cause { source: String::new(), id }
    }
}

/// The id of an outcome: each type happens at most once a booking, and said again it has the same
/// id.
#[must_use]
pub fn outcome_id(booking: &BookingId, kind: Kind) -> String {
    booking.derive(kind.topic()).to_string()
}

/// The id of a request that came without one. The digest is in it, so that a second, different
/// request under the same booking id is seen as another event.
#[must_use]
pub fn request_id(booking: &BookingId, kind: Kind, digest: &Digest) -> String {
    booking.derive(&format!("{kind}/{digest}")).to_string()
}

/// SHA-256 of a request's `data` without `booking_id`, in RFC 8785 canonical form: what was asked,
/// whoever writes it down in whatever order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Takes the 32 bytes of a SHA-256.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Digest(bytes)
    }

    /// Reads 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// Says what was expected when the text is anything else.
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
    /// Its digits, in one piece: it is in every row and every event.
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
