//! Every ending of section G of the failure matrix, as (phase, final): the table of docs/PHASES.md.

use std::collections::BTreeSet;

use booking::domain::{
    RoleName,
    decision::{Key, Rows, Rules, Step},
    event::{About, Charge, Data, Event, Freed, Kind, NoCharge, NoSeat, Refund},
    ids::{Cause, Digest},
    seat::Seating,
    status::{Record, Rejection, Statuses},
};
use jiff::Timestamp;

use crate::harness::{Sketch, root};

/// One cell of the table such as `BR SB PF(declined)`: an event each.
fn event(word: &str) -> Event {
    let sketch = Sketch::new("b-1", &["12A"], "tok_visa");
    let mut request = sketch.event();
    let seating: Seating = sketch.request().seating;
    let charge = Charge { charge: "ch".into(), amount: sketch.request().payment.amount };
    let (code, reason) = word.split_once('(').unwrap_or((word, ""));
    let reason = reason.trim_end_matches(')');
    let data = match code {
        "BR" => return request,
        "BR'" => {
            request.digest = Digest::new([7; 32]);
            request.cause = Cause { source: "/test".into(), id: "other".into() };
            return request;
        }
        "SB" => Data::SeatBooked(seating),
        "SU" => Data::SeatUnavailable {
            reason: NoSeat::parse(reason).unwrap_or(NoSeat::Taken),
            seating,
        },
        "SR" => Data::SeatReleased { reason: Freed::PaymentFailed, seats: vec![] },
        "PO" => Data::PaymentOk(charge),
        "PF" => {
            Data::PaymentFailed { reason: NoCharge::parse(reason).unwrap_or(NoCharge::Declined) }
        }
        "RF" => {
            let Charge { charge, amount } = charge;
            Data::PaymentRefunded(Refund { refund: "re".into(), charge, amount })
        }
        "RI" => Data::ReceiptSent { receipt: "R-1".into() },
        other => panic!("docs/PHASES.md names an event {other:?}"),
    };
    let role = match data.kind() {
        Kind::SeatBooked | Kind::SeatUnavailable | Kind::SeatReleased => RoleName::Seats,
        Kind::ReceiptSent => RoleName::Receipt,
        _ => RoleName::Payment,
    };
    let about =
        About { booking: request.booking.clone(), digest: request.digest, traceparent: None };
    Event::outcome(role, &about, request.time, data)
}

fn record(facts: &str) -> Record {
    let mut record = Record::default();
    for word in facts.split_whitespace() {
        if word == "refused" {
            let refused = Rejection { time: Timestamp::UNIX_EPOCH, reason: "x".into() };
            record = record.rejecting(refused).unwrap();
            continue;
        }
        let event = event(word);
        let mut rows = Rows::default();
        rows.insert(Key::Booking(event.booking.clone()), Some(record.clone()));
        match Statuses.decide(&rows, &event, &[], Timestamp::UNIX_EPOCH) {
            Step::Nothing => {}
            Step::Settle(decision) => record = decision.own,
            other => panic!("{word}: {other:?}"),
        }
    }
    record
}

/// Failure matrix: section G.
#[test]
fn the_table_of_phases_is_what_status_says() {
    let text = std::fs::read_to_string(root().join("docs/PHASES.md")).unwrap();
    let rows = text.lines().filter(|it| it.starts_with("| ")).map(|it| {
        let cells: Vec<String> = it.split('|').map(|it| it.trim().replace('`', "")).collect();
        cells
    });
    let mut endings = BTreeSet::new();
    let mut checked = 0;
    for cells in rows.filter(|it| it.len() == 7 && it[2] != "facts" && !it[1].starts_with("---")) {
        let [_, ending, facts, phase, is_final, conflict, _] = &cells[..] else { unreachable!() };
        let standing = record(facts).standing();
        let told = (standing.phase.as_str(), standing.is_final, standing.conflict);
        let wanted = (phase.as_str(), is_final == "yes", conflict == "yes");
        assert_eq!(told, wanted, "{ending}: {facts}");
        assert_eq!(standing.is_final, standing.waiting_for.is_empty(), "{ending}");
        endings.insert(ending.clone());
        checked += 1;
    }
    assert!(checked >= 15, "only {checked} rows were read");
    // Every row of section G of the matrix is there, by its facts as the matrix words them.
    let matrix = std::fs::read_to_string(root().join("docs/FAILURE-MATRIX.md")).unwrap();
    let section = matrix.split("## G ").nth(1).unwrap().split("\n## ").next().unwrap();
    for row in section.lines().filter(|it| it.starts_with("| ") && !it.starts_with("| facts")) {
        let facts = row.split('|').nth(1).unwrap().trim();
        assert!(endings.contains(facts), "docs/PHASES.md does not have the ending {facts:?}");
    }
}
