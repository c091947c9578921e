//! A service is late when a stuck booking waits for it, and behind when its queue is long.

use jiff::Timestamp;

use super::*;
use crate::{
    domain::event::Kind,
    http::view::BookingView,
    page::testing::{STUCK_AFTER, at, booking, completed, record_of, stuck},
};

fn told(rows: &[Row], vitals: Option<&Vitals>) -> Vec<(&'static str, &'static str, String)> {
    let flow = Flow::of(rows, true, at(1_000.0));
    let states = states(rows.iter(), &flow, vitals, at(1_000.0), STUCK_AFTER);
    states.into_iter().map(|it| (it.name, it.state, it.words)).collect()
}

fn queue(role: RoleName, waiting: u64) -> ServiceVitals {
    ServiceVitals { waiting, ..ServiceVitals::nothing(role) }
}

#[test]
fn only_the_service_that_a_stuck_booking_waits_for_is_late_and_the_oldest_counts() {
    let rows =
        [completed("b-1", 999.0), stuck("b-2", 990.0), stuck("b-3", 700.0), stuck("b-4", 400.0)];
    for (name, state, words) in told(&rows, None) {
        match name {
            "payment" => assert_eq!((state, words.as_str()), ("late", "waits 10 min")),
            _ => assert_eq!(state, "ok", "{name}: {words}"),
        }
    }
}

#[test]
fn whoever_waits_the_longest_for_a_service_is_told_whether_stuck_or_not() {
    let rows = [completed("b-1", 100.0), stuck("b-2", 990.0), stuck("b-3", 700.0)];
    let flow = Flow::of(&rows, true, at(1_000.0));
    for (named, wanted) in [(3, Some(at(699.0))), (2, Some(at(989.0))), (1, None)] {
        let states = states(rows[..named].iter(), &flow, None, at(1_000.0), STUCK_AFTER);
        for it in states {
            let wanted = wanted.filter(|_| it.name == "payment");
            assert_eq!(it.awaited_since, wanted, "{named} {}", it.name);
        }
    }
}

#[test]
fn a_request_with_a_time_of_long_ago_makes_nobody_look_late_for_longer_than_it_is_known() {
    let mut row = booking("b-1", &[(Kind::BookingRequested, 900.0)]);
    let mut record = serde_json::to_value(&row.record).unwrap();
    record["facts"][0]["time"] = serde_json::json!("1970-01-01T00:00:00Z");
    row.record = record_of(record);
    assert_eq!(row.record.standing().waiting_for[0].since, Timestamp::UNIX_EPOCH);
    let view = BookingView::of(&row.id, &row.record, at(1_000.0), STUCK_AFTER);
    assert_eq!(view.waiting_for[0].since, at(900.0), "what people and programs are told");
    let flow = Flow::of(std::slice::from_ref(&row), true, at(1_000.0));
    let states = states(std::iter::once(&row), &flow, None, at(1_000.0), STUCK_AFTER);
    let of_payment = states.iter().find(|it| it.name == "payment").unwrap();
    assert_eq!(of_payment.awaited_since, Some(at(900.0)));
}

#[test]
fn an_outcome_without_its_request_waits_for_the_client() {
    let rows = [booking("b-1", &[(Kind::SeatBooked, 700.0), (Kind::PaymentOk, 700.0)])];
    let states: Vec<_> = told(&rows, None).into_iter().filter(|it| it.1 == "late").collect();
    assert_eq!(states.len(), 1, "{states:?}");
    assert_eq!(states[0].0, "receipt");
}

#[test]
fn a_queue_is_a_backlog_if_it_is_more_than_half_a_minute_of_what_its_service_hears() {
    let rows: Vec<Row> = (0..60).map(|it| completed(&format!("b-{it}"), 999.0)).collect();
    for (waiting, state) in [(100, "ok"), (101, "behind"), (90, "ok")] {
        // Receipt hears three of the events of each: three a second, so 90 in half a minute.
        let services =
            RoleName::ALL.map(|it| queue(it, if it == RoleName::Receipt { waiting } else { 0 }));
        let vitals = Vitals { read: Timestamp::UNIX_EPOCH, services: services.to_vec() };
        let told = told(&rows, Some(&vitals));
        let receipt = told.iter().find(|it| it.0 == "receipt").unwrap();
        assert_eq!(receipt.1, state, "{waiting}: {receipt:?}");
    }
}
