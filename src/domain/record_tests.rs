//! What a record keeps of repetitions, and which phases are failures.

use super::*;
use crate::domain::{
    status::Phase,
    testing::{at, said},
};

#[test]
fn a_booking_has_failed_exactly_if_it_ended_or_will_end_unsold() {
    let sold =
        [Phase::Requested, Phase::SeatBooked, Phase::Paid, Phase::Confirmed, Phase::Completed];
    for phase in Phase::ALL {
        assert_eq!(phase.is_failure(), !sold.contains(&phase), "{phase}");
    }
}

/// A client may send its request again with another trace or without one.
#[test]
fn the_trace_of_a_booking_is_that_of_its_request_in_whatever_order_repetitions_come() {
    let traced = |trace: &str| Event {
        traceparent: Some(format!("00-{trace}-b7ad6b7169203331-01")),
        ..said("BR ada/1 12A @1")
    };
    let (one, two) = ("1".repeat(32), "2".repeat(32));
    let zero = "0".repeat(32);
    let events = [
        said("BR ada/1 12A @1"),
        traced(&two),
        traced(&one),
        traced(&zero),
        said("SB ada/1 12A @2"),
    ];
    for turn in 0..events.len() {
        let mut record = Record::default();
        for event in events.iter().cycle().skip(turn).take(events.len()) {
            assert!(record.add(Fact::of(event, at(9.0))));
        }
        assert_eq!(record.trace().map(|it| it.to_string()), Some(one.clone()));
        let row = serde_json::to_string(&record).unwrap();
        assert_eq!(row.matches("\"trace\"").count(), 1, "{row}");
        assert_eq!(serde_json::from_str::<Record>(&row).unwrap(), record);
    }
    // Of two requests under one id that nobody answered, neither.
    let mut record = Record::default();
    record.add(Fact::of(&traced(&one), at(9.0)));
    record.add(Fact::of(&said("BR ada/2 12A @1"), at(9.0)));
    assert_eq!(record.trace(), None);
}
