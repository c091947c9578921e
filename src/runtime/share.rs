//! Which bookings have log lines about what went well. It must never decide about a line that tells
//! of a failure, of a redelivery, or of what a person should look at.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    str::FromStr,
};

use crate::domain::ids::BookingId;

/// The most bookings of which one is told.
const ONE_IN_MAX: u32 = 1_000_000;

/// The share of bookings that have log lines about what went well. All services of one version have
/// lines about the same bookings, so all of them tell of a booking, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogShare {
    /// Of that many bookings, one is told. Zero tells none.
    one_in: u32,
}

impl LogShare {
    /// Every booking.
    pub const ALL: LogShare = LogShare { one_in: 1 };
    /// No booking.
    pub const NONE: LogShare = LogShare { one_in: 0 };

    /// Whether this booking is told.
    #[must_use]
    pub fn has(self, booking: &BookingId) -> bool {
        match self.one_in {
            0 => false,
            1 => true,
            one_in => {
                let mut hasher = DefaultHasher::new();
                booking.as_str().hash(&mut hasher);
                hasher.finish().is_multiple_of(one_in.into())
            }
        }
    }
}

impl FromStr for LogShare {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<LogShare, &'static str> {
        const WANTED: &str = "expected all, none, or 1/N with N from 1 to 1000000";
        match text {
            "all" => Ok(LogShare::ALL),
            "none" => Ok(LogShare::NONE),
            _ => {
                let one_in = text.strip_prefix("1/").and_then(|it| it.parse().ok());
                let one_in = one_in.filter(|it| (1..=ONE_IN_MAX).contains(it)).ok_or(WANTED)?;
                Ok(LogShare { one_in })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn booking(number: u32) -> BookingId {
        BookingId::parse(&format!("b-{number}")).unwrap()
    }

    #[test]
    fn a_share_is_all_none_or_one_in_so_many() {
        assert_eq!("all".parse(), Ok(LogShare::ALL));
        assert_eq!("1/1".parse(), Ok(LogShare::ALL));
        assert_eq!("none".parse(), Ok(LogShare::NONE));
        assert_eq!("1/100".parse(), Ok(LogShare { one_in: 100 }));
        for wrong in ["", "some", "ALL", "2/3", "1/0", "1/-1", "1/1000001", "1/99999999999", "1/"] {
            let refused = wrong.parse::<LogShare>().unwrap_err();
            assert!(refused.contains("1/N"), "{wrong}");
        }
    }

    #[test]
    fn one_in_so_many_bookings_is_told_and_always_the_same() {
        let share: LogShare = "1/10".parse().unwrap();
        let told = || (0..10_000).filter(|it| share.has(&booking(*it))).collect::<Vec<_>>();
        assert!((800..1_200).contains(&told().len()), "{}", told().len());
        assert_eq!(told(), told());
        assert!((0..100).all(|it| LogShare::ALL.has(&booking(it))));
        assert!(!(0..100).any(|it| LogShare::NONE.has(&booking(it))));
    }
}
