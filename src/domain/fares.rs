//! What the seats of a flight cost, if the schedule says so. A flight without fares is sold at any
//! amount that a request names.

use serde::Deserialize;

use super::{
    money::{Currency, MINOR_MAX, Money},
    seat::{SEATS_MAX, SeatId},
};

/// The most that one seat may cost, in minor units: the largest booking must not cost more than
/// [`MINOR_MAX`].
pub const FARE_MAX_MINOR: u64 = MINOR_MAX / SEATS_MAX as u64;

/// The fares of one flight, in one currency. After [`check`](Fares::check), each row of the cabin
/// has exactly one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fares {
    currency: Currency,
    rows: Vec<Fare>,
}

/// What each seat of a range of rows costs.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fare {
    /// The first row.
    from: u16,
    /// The last row, inclusive.
    to: u16,
    /// The price of one seat, in minor units.
    minor: u64,
}

/// Why the fares of a flight do not fit its cabin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaresError {
    /// A row has no fare.
    #[error("row {row} has no fare: give each of the cabin's rows 1 to {rows} exactly one")]
    Missing {
        /// The first such row.
        row: u16,
        /// The cabin's last row.
        rows: u16,
    },
    /// A row has more than one fare.
    #[error("row {row} has more than one fare: give it exactly one")]
    Twice {
        /// The first such row.
        row: u16,
    },
    /// A fare names rows that the cabin does not have.
    #[error(
        "a fare from row {from} to row {to}: expected a first and a last row, in this order, of 1 \
         to {rows}"
    )]
    NoSuchRows {
        from: u16,
        to: u16,
        /// The cabin's last row.
        rows: u16,
    },
    /// A seat costs nothing, or too much.
    #[error(
        "the fare from row {from} to row {to}: expected 1 to {FARE_MAX_MINOR} minor units a seat"
    )]
    Amount { from: u16, to: u16 },
}

impl Fares {
    /// Checks that each of the rows 1 to `rows` has exactly one fare, and no other row has any.
    ///
    /// # Errors
    /// Names the first fare that is impossible, or the first row that has no fare or several.
    pub fn check(&self, rows: u16) -> Result<(), FaresError> {
        for &Fare { from, to, minor } in &self.rows {
            if from < 1 || from > to || to > rows {
                return Err(FaresError::NoSuchRows { from, to, rows });
            }
            if !(1..=FARE_MAX_MINOR).contains(&minor) {
                return Err(FaresError::Amount { from, to });
            }
        }
        for row in 1..=rows {
            match self.rows.iter().filter(|it| it.is_of(row)).count() {
                0 => return Err(FaresError::Missing { row, rows }),
                1 => {}
                _ => return Err(FaresError::Twice { row }),
            }
        }
        Ok(())
    }

    /// Whether `seats` together cost exactly `amount`.
    #[must_use]
    pub fn come_to(&self, amount: Money, seats: &[SeatId]) -> bool {
        let sum: Option<u64> = seats.iter().map(|it| self.minor_of(*it)).sum();
        self.currency == amount.currency() && sum == Some(amount.minor())
    }

    /// What one seat costs, in minor units; `None` for a row without a fare.
    fn minor_of(&self, seat: SeatId) -> Option<u64> {
        self.rows.iter().find(|it| it.is_of(seat.row())).map(|it| it.minor)
    }
}

impl Fare {
    fn is_of(self, row: u16) -> bool {
        (self.from..=self.to).contains(&row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fares(rows: &str) -> Result<Fares, serde_json::Error> {
        serde_json::from_str(&format!(r#"{{"currency": "EUR", "rows": [{rows}]}}"#))
    }

    fn fare(from: u16, to: u16, minor: u64) -> String {
        format!(r#"{{"from": {from}, "to": {to}, "minor": {minor}}}"#)
    }

    fn seats(text: &str) -> Vec<SeatId> {
        text.split_whitespace().map(|it| SeatId::parse(it).unwrap()).collect()
    }

    /// Failure matrix: I8.
    #[test]
    fn a_booking_costs_the_sum_of_its_seats_in_the_flights_currency_and_nothing_else() {
        let fares = fares(&[fare(5, 30, 12_900), fare(1, 4, 39_900)].join(", ")).unwrap();
        fares.check(30).unwrap();
        for (amount, wanted, right) in [
            ("EUR 129.00", "12A", true),
            ("EUR 129.00", "5A", true),
            ("EUR 129.00", "30F", true),
            ("EUR 399.00", "1A", true),
            ("EUR 399.00", "4F", true),
            ("EUR 528.00", "4F 5A", true),
            ("EUR 387.00", "12A 12B 12C", true),
            ("EUR 1161.00", "5A 5B 5C 5D 5E 5F 6A 6B 6C", true),
            ("EUR 129.00", "12A 12B", false),
            ("EUR 129.01", "12A", false),
            ("EUR 128.99", "12A", false),
            ("EUR 0.01", "12A", false),
            ("EUR 399.00", "12A", false),
            ("EUR 129.00", "4F", false),
            ("EUR 10000000000.00", "12A", false),
            ("USD 129.00", "12A", false),
            ("JPY 12900", "12A", false),
        ] {
            let amount = Money::parse(amount).unwrap();
            assert_eq!(fares.come_to(amount, &seats(wanted)), right, "{amount} for {wanted}");
        }
    }

    #[test]
    fn fares_that_do_not_fit_the_cabin_are_refused_and_say_where() {
        let (first, last) = (fare(1, 4, 39_900), fare(5, 30, 12_900));
        for (rows, wrong) in [
            (vec![], "row 1 has no fare: give each of the cabin's rows 1 to 30 exactly one"),
            (
                vec![first.clone()],
                "row 5 has no fare: give each of the cabin's rows 1 to 30 exactly one",
            ),
            (
                vec![first.clone(), fare(6, 30, 1)],
                "row 5 has no fare: give each of the cabin's rows 1 to 30 exactly one",
            ),
            (
                vec![first.clone(), last.clone(), fare(30, 30, 1)],
                "row 30 has more than one fare: give it exactly one",
            ),
            (
                vec![fare(1, 5, 1), last.clone()],
                "row 5 has more than one fare: give it exactly one",
            ),
            (
                vec![first.clone(), fare(5, 31, 1)],
                "a fare from row 5 to row 31: expected a first and a last row, in this order, of 1 \
                 to 30",
            ),
            (
                vec![fare(0, 4, 1), last.clone()],
                "a fare from row 0 to row 4: expected a first and a last row, in this order, of 1 \
                 to 30",
            ),
            (
                vec![fare(4, 1, 1), last.clone()],
                "a fare from row 4 to row 1: expected a first and a last row, in this order, of 1 \
                 to 30",
            ),
            (
                vec![fare(1, 4, 0), last],
                "the fare from row 1 to row 4: expected 1 to 111111111111 minor units a seat",
            ),
            (
                vec![first, fare(5, 30, FARE_MAX_MINOR + 1)],
                "the fare from row 5 to row 30: expected 1 to 111111111111 minor units a seat",
            ),
        ] {
            let found = fares(&rows.join(", ")).unwrap().check(30).unwrap_err();
            assert_eq!(found.to_string(), wrong, "{rows:?}");
        }
    }

    #[test]
    fn the_dearest_seats_of_the_largest_booking_are_still_an_amount() {
        let fares = fares(&fare(1, 1, FARE_MAX_MINOR)).unwrap();
        fares.check(1).unwrap();
        let nine = seats("1A 1B 1C 1D 1E 1F 1G 1H 1J");
        let sum = Money::new(FARE_MAX_MINOR * 9, Currency::parse("EUR").unwrap()).unwrap();
        assert!(fares.come_to(sum, &nine));
    }

    #[test]
    fn a_fare_without_a_row_an_amount_or_a_known_currency_is_no_fare() {
        for bad in [
            r#"{"currency": "EUR"}"#,
            r#"{"rows": []}"#,
            r#"{"currency": "XXY", "rows": []}"#,
            r#"{"currency": "EUR", "rows": [{"from": 1, "to": 4}]}"#,
            r#"{"currency": "EUR", "rows": [{"from": 1, "to": 4, "minor": 1.5}]}"#,
            r#"{"currency": "EUR", "rows": [{"from": 1, "to": 4, "minor": -1}]}"#,
            r#"{"currency": "EUR", "rows": [{"from": 1, "to": 4, "minor": 1, "currency": "USD"}]}"#,
        ] {
            assert!(serde_json::from_str::<Fares>(bad).is_err(), "{bad}");
        }
    }
}
