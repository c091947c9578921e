//! Fares and sales of `docs/RULES.md`, rows I8 and I9 of the failure matrix: what the schedule does
//! not sell is refused whether it is paid or not, and no seat is held meanwhile.

use super::*;
use crate::domain::testing::*;

/// WA117 of 1 March 2027 leaves at 07:25 in Lisbon, which is `@3885900` of the stories.
const FLIGHTS: &str = r#"{
    "sells": { "days_ahead": 60 },
    "flights": [{
        "flight": "WA117", "from": "LIS", "to": "FRA",
        "departs": "07:25", "zone": "Europe/Lisbon",
        "cabin": { "rows": 30, "letters": "ABCDEF" },
        "fares": { "currency": "EUR", "rows": [
            { "from": 1, "to": 4, "minor": 39900 },
            { "from": 5, "to": 30, "minor": 12900 }
        ] }
    }]
}"#;

/// Plays a story from the beginning: what comes in, and what is announced. Returns how many seats
/// are held or sold at its end.
#[track_caller]
fn seats_gone(story: &[&str]) -> usize {
    let schedule = Schedule::parse(FLIGHTS).unwrap();
    let mut world = World::new(Seats { schedule, hold_limit: SignedDuration::from_mins(15) });
    for it in story {
        let (comes, says) = row(it);
        let mut event = said(comes);
        // The time that a client writes must not matter, so it is a wrong one.
        let now = std::mem::replace(&mut event.time, at(-86_400.0 * 365.0));
        let told = world.deliver(&event, now, &mut |_, never| match *never {});
        assert_eq!(told, says, "{comes}");
    }
    let gone = |it: &&Row| matches!(it, Row::Seat { holder: Some(_) });
    world.rows.values().filter(gone).count()
}

/// Failure matrix: I8.
#[test]
fn another_amount_is_refused_before_payment_and_after_it() {
    for wrong in ["EUR 0.01", "EUR 128.99", "EUR 129.01", "EUR 399.00", "USD 129.00", "JPY 12900"] {
        let request = format!("BR ada/1 12A {wrong} => SU ada/1 fare 12A");
        let paid = format!("PO ada/1 {wrong}");
        assert_eq!(seats_gone(&[&request]), 0, "{wrong}");
        assert_eq!(seats_gone(&[&request, &paid]), 0, "{wrong}");
        assert_eq!(seats_gone(&[&paid, &request]), 0, "{wrong}");
        // The refusal is final, even if a later request has the right amount.
        assert_eq!(seats_gone(&[&request, "BR ada/2 12A", "PO ada/2"]), 0, "{wrong}");
        // Another booking can have the seat.
        assert_eq!(seats_gone(&[&request, "BR bob/2 12A => SB bob/2 12A"]), 1, "{wrong}");
    }
}

/// Failure matrix: I8.
#[test]
fn the_fare_of_each_seat_is_its_rows_and_a_booking_pays_the_sum() {
    for (right, seats) in [
        ("BR ada/1 12A EUR 129.00 => SB ada/1 12A", 1),
        ("BR ada/1 4F EUR 399.00 => SB ada/1 4F", 1),
        ("BR ada/1 4F 5A 5B EUR 657.00 => SB ada/1 4F 5A 5B", 3),
    ] {
        assert_eq!(seats_gone(&[right]), seats);
        let (request, _) = row(right);
        let paid = request.replace("BR", "PO");
        assert_eq!(seats_gone(&[right, &paid]), seats);
        assert_eq!(seats_gone(&[&paid, right]), seats);
    }
    for wrong in [
        "BR ada/1 12A 12B EUR 129.00 => SU ada/1 fare 12A 12B",
        "BR ada/1 4F 5A 5B EUR 656.99 => SU ada/1 fare 4F 5A 5B",
        "BR ada/1 4F 5A 5B EUR 657.01 => SU ada/1 fare 4F 5A 5B",
        "BR ada/1 1A EUR 129.00 => SU ada/1 fare 1A",
    ] {
        assert_eq!(seats_gone(&[wrong]), 0);
    }
}

/// Failure matrix: I8.
#[test]
fn a_wrong_amount_learns_nothing_of_who_has_the_seat_and_displaces_nobody() {
    let held = "BR bob/2 12A => SB bob/2 12A";
    assert_eq!(seats_gone(&[held, "BR ada/1 12A EUR 0.01 => SU ada/1 fare 12A"]), 1);
    let late = "BR ada/1 12A EUR 0.01 @901 => SU ada/1 fare 12A";
    assert_eq!(seats_gone(&[held, late, "PO bob/2 @902"]), 1);
}

/// Failure matrix: I9.
#[test]
fn a_departure_is_booked_until_it_leaves_and_never_after() {
    let last = "BR ada/1 12A @3885899.999 => SB ada/1 12A";
    let (left, paid) = ("BR ada/1 12A @3885900 => SU ada/1 not_on_sale 12A", "PO ada/1 @3885900");
    assert_eq!(seats_gone(&[last]), 1);
    assert_eq!(seats_gone(&[left]), 0);
    assert_eq!(seats_gone(&[left, paid]), 0);
    // It was paid in time, but the request came hours later.
    assert_eq!(seats_gone(&["PO ada/1 @3885000", left]), 0);
    // It was held in time, so the hold decides what follows, and a redelivery changes nothing.
    assert_eq!(seats_gone(&[last, paid, "BR ada/1 12A @3885901"]), 1);
    assert_eq!(seats_gone(&[last, "BR ada/1 12A again @3885901"]), 1);
    // An expired hold is not taken over once the flight has left.
    assert_eq!(seats_gone(&[last, "BR bob/2 12A @3889999 => SU bob/2 not_on_sale 12A", paid]), 1);
}

/// Failure matrix: I9.
#[test]
fn a_day_is_booked_from_its_airports_midnight_and_never_before() {
    // 60 days before 1 March is 31 December; the stories begin on 15 January at 08:00.
    let midnight = -(15 * 86_400 + 8 * 3600);
    let early = format!("BR ada/1 12A @{} => SU ada/1 not_on_sale 12A", midnight - 1);
    let first = format!("BR ada/1 12A @{midnight} => SB ada/1 12A");
    assert_eq!(seats_gone(&[&early]), 0);
    assert_eq!(seats_gone(&["PO ada/1", &early]), 0);
    assert_eq!(seats_gone(&[&first]), 1);
    assert_eq!(seats_gone(&["PO ada/1", &first]), 1);
}

/// Failure matrix: I8, I9.
#[test]
fn another_request_under_the_paid_id_is_set_aside_whatever_its_price_and_day() {
    let other = "BR ada/1 12A EUR 0.01 @3885900 => set aside";
    assert_eq!(seats_gone(&["PO ada/2", other]), 0);
}
