//! The rates, by bookings as status stores them.

use serde_json::json;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + ms).expect("in range")
}

/// A booking of which these events were heard at these times, in milliseconds.
fn record(heard: &[(Kind, i64)]) -> Record {
    let fact = |(kind, ms): &(Kind, i64)| {
        json!({"kind": kind, "digest": "a".repeat(64), "time": at(*ms), "source": "client", "id": "",
               "heard": at(*ms)})
    };
    let facts: Vec<_> = heard.iter().map(fact).collect();
    serde_json::from_value(json!({ "facts": facts })).expect("a record")
}

#[track_caller]
fn check(records: &[Record], is_all: bool, now: i64, window_ms: i64, wanted: &[(Kind, u64)]) {
    let rates = rates(records, is_all, at(now));
    assert_eq!(rates.window, SignedDuration::from_millis(window_ms));
    assert_eq!(rates.heard.iter().map(|it| it.0).collect::<Vec<_>>(), Kind::ALL);
    let counted: Vec<(Kind, u64)> = rates.heard.into_iter().filter(|it| it.1 > 0).collect();
    assert_eq!(counted, wanted);
}

#[test]
fn if_these_are_all_bookings_the_last_minute_counts_and_nothing_before() {
    let old = record(&[(Kind::BookingRequested, -1), (Kind::SeatBooked, 0)]);
    let new = record(&[(Kind::BookingRequested, 1), (Kind::SeatBooked, 60_000)]);
    let wanted = [(Kind::BookingRequested, 1), (Kind::SeatBooked, 1)];
    check(&[new, old], true, 60_000, 60_000, &wanted);
    check(&[], true, 60_000, 60_000, &[]);
}

#[test]
fn if_there_are_older_bookings_only_the_time_that_these_cover_counts() {
    let first = record(&[(Kind::BookingRequested, 100), (Kind::PaymentOk, 900)]);
    let last = record(&[(Kind::BookingRequested, 50), (Kind::SeatBooked, 400)]);
    // At 400 and before, bookings that are not here may have had news.
    check(&[first.clone(), last.clone()], false, 1_000, 600, &[(Kind::PaymentOk, 1)]);
    let rates = rates(&[first, last], false, at(1_000));
    assert!((rates.per_second(Kind::PaymentOk) - 1.0 / 0.6).abs() < 1e-9);
    assert!(rates.per_second(Kind::SeatBooked).abs() < f64::EPSILON);
}

#[test]
fn many_bookings_within_one_millisecond_have_no_rate_and_no_division_by_zero() {
    let records = vec![record(&[(Kind::BookingRequested, 7)]); ROWS];
    check(&records, false, 7, 0, &[]);
    let rates = rates(&records, false, at(7));
    assert!(rates.per_second(Kind::BookingRequested).abs() < f64::EPSILON);
}

#[test]
fn what_a_replica_whose_clock_is_ahead_has_heard_counts_up_to_then() {
    let ahead = record(&[(Kind::BookingRequested, 2_000)]);
    check(std::slice::from_ref(&ahead), true, 0, 60_000, &[(Kind::BookingRequested, 1)]);
    assert_eq!(rates(std::slice::from_ref(&ahead), true, at(0)).until, at(2_000));
    assert_eq!(rates(&[ahead], true, at(2_500)).until, at(2_500));
}
