//! The counts, and the positions of a stream.

use super::*;
use crate::page::testing::{at, booking};

#[test]
fn all_bookings_cover_a_minute_and_some_only_the_time_since_the_oldest_of_them() {
    let rows = [
        booking("b-3", &[(Kind::BookingRequested, 99.0)]),
        booking("b-2", &[(Kind::BookingRequested, 60.0), (Kind::SeatBooked, 95.0)]),
        booking("b-1", &[(Kind::BookingRequested, 30.0), (Kind::SeatBooked, 90.0)]),
    ];
    let counts = |is_all| {
        let rates = Flow::of(&rows, is_all, at(100.0)).rates;
        let count = |it| rates.count(it);
        (rates.window.as_secs(), count(Kind::BookingRequested), count(Kind::SeatBooked))
    };
    assert_eq!(counts(true), (60, 2, 2));
    // There may be older bookings: of them nothing is known up to 90.
    assert_eq!(counts(false), (10, 1, 1));
}

#[test]
fn without_a_booking_nothing_has_passed() {
    let none = Flow::of(&[], true, at(100.0));
    assert_eq!((none.rates.window.as_secs(), none.position()), (60, Position::default()));
    assert!(none.after(Position::default()).is_empty());
}

#[test]
fn a_position_goes_on_exactly_after_what_was_seen_also_within_a_millisecond() {
    let first = [booking("b-1", &[(Kind::BookingRequested, 1.0), (Kind::SeatBooked, 2.0)])];
    let seen = Flow::of(&first, true, at(3.0)).position();
    let then = [
        booking("b-2", &[(Kind::BookingRequested, 2.0)]),
        booking("b-1", &[(Kind::BookingRequested, 1.0), (Kind::SeatBooked, 2.0)]),
        booking("b-3", &[(Kind::BookingRequested, 2.5)]),
    ];
    let flow = Flow::of(&then, true, at(3.0));
    let after: Vec<&str> = flow.after(seen).iter().map(|it| it.booking.as_str()).collect();
    assert_eq!(after, ["b-2", "b-3"]);
    assert!(flow.after(flow.position()).is_empty());
    assert_eq!(flow.after(Position::default()).len(), 4);
}

#[test]
fn a_position_is_read_as_it_was_told_and_nothing_else_is_one() {
    for told in ["0-0", "1772357400000-17", "-7-3"] {
        assert_eq!(told.parse::<Position>().map(|it| it.to_string()).as_deref(), Ok(told));
    }
    for bad in ["", "7", "7-", "-", "+7-1", "7-01", "7-1\n", "9223372036854775808-1", "7-1-x"] {
        assert!(bad.parse::<Position>().is_err(), "{bad:?}");
    }
    // A position from far ahead, which somebody made up, finds nothing.
    let rows = [booking("b-1", &[(Kind::BookingRequested, 1.0)])];
    let flow = Flow::of(&rows, true, at(3.0));
    assert!(flow.after("9223372036854775807-0".parse().unwrap()).is_empty());
    assert_eq!(flow.after("-9223372036854775808-9".parse().unwrap()).len(), 1);
}
