//! Under what status lists a booking.

use super::{
    tests::{BR, PO, RI, SB, fold},
    *,
};
use crate::domain::{decision::Key, testing::*};

#[test]
fn a_row_is_listed_by_phase_newest_fact_departure_and_whether_it_is_open() {
    let listing = |facts: &[&str]| Statuses::listing(&fold(facts)).unwrap();
    let row = |phase: &str, newest, open| Listing {
        phase: phase.to_owned(),
        at_ms: at(newest).as_millisecond(),
        open,
        departure: Some(Departure {
            flight: "WA117".to_owned(),
            day: "2027-03-01".to_owned(),
            since_ms: at(newest).as_millisecond(),
        }),
    };
    // The time is that of hearing, since a client may write any time.
    assert_eq!(listing(&[BR, PO, SB]), row("confirmed", 7777.0, true));
    assert_eq!(listing(&[RI, PO, SB]), row("completed", 7777.0, false));
    let refused = Rejection { time: at(9.0), reason: "seats: expected a seat".to_owned() };
    let rejected = Record::default().rejecting(refused).unwrap();
    let nowhere = Listing { departure: None, ..row("rejected", 9.0, false) };
    assert_eq!(Statuses::listing(&rejected), Some(nowhere));
    // No event but these names a departure.
    assert_eq!(listing(&[PO]).departure, None);
    assert_eq!(listing(&[PO, SB]).departure, row("", 7777.0, true).departure);
    assert_eq!(Statuses::listing(&Record::default()), None);
}

/// Else a store would write its index by flight and day anew with each fact.
#[test]
fn the_departure_that_a_booking_is_listed_under_stays_whatever_else_is_heard() {
    let mut world = World::new(Statuses);
    let mut seen = Vec::new();
    for (heard, fact) in [10.0, 20.0, 30.0, 40.0].into_iter().zip([BR, PO, SB, RI]) {
        world.deliver(&said(fact), at(heard), &mut |_, never| match *never {});
        let listing = Statuses::listing(&world.rows[&Key::Booking(id("ada"))]).unwrap();
        assert_eq!(listing.at_ms, at(heard).as_millisecond());
        seen.push(listing.departure.unwrap());
    }
    assert_eq!(seen[0].since_ms, at(10.0).as_millisecond());
    assert!(seen.iter().all(|it| *it == seen[0]), "{seen:?}");
}
