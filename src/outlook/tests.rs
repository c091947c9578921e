//! What the rules say is still to come, for every set of events that a booking can have.

use std::collections::BTreeSet;

use super::{play::Said, *};
use crate::domain::{
    decision::Key,
    status::Statuses,
    testing::{World, at, id, said},
};

/// The codes of the events in the order of [`Kind::ALL`], as the failure matrix has them.
const CODES: [&str; 8] = ["BR", "SB", "SU", "SR", "PO", "PF", "RF", "RI"];

/// Each course in one line, as `BR SB PF:declined SR:payment_failed`.
fn lines() -> Vec<String> {
    let code = |it: &Said| {
        let code = CODES[Kind::ALL.iter().position(|kind| *kind == it.kind).unwrap()];
        it.reason.as_ref().map_or(code.to_owned(), |reason| format!("{code}:{reason}"))
    };
    let line = |it: &super::play::Course| it.iter().map(code).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = COURSES.all().iter().map(line).collect();
    lines.sort();
    lines
}

/// The row of status after these events, written as the failure matrix writes them.
fn record(facts: &[String]) -> Record {
    let mut world = World::new(Statuses);
    for fact in facts {
        world.deliver(&said(fact), at(99.0), &mut |_, never| match *never {});
    }
    world.rows.remove(&Key::Booking(id("ada"))).unwrap_or_default()
}

/// The codes of the events that have this prospect.
fn those(facts: &[&str], wanted: fn(Prospect) -> bool) -> String {
    let facts: Vec<String> = facts.iter().map(|it| (*it).to_owned()).collect();
    let all = outlook(&record(&facts)).into_iter().enumerate();
    let codes = all.filter(|(_, (_, it))| wanted(*it)).map(|(number, _)| CODES[number]);
    codes.collect::<Vec<_>>().join(" ")
}

fn impossible(facts: &[&str]) -> String {
    those(facts, |it| it == Prospect::Impossible)
}

fn awaited(facts: &[&str]) -> String {
    those(facts, |it| matches!(it, Prospect::Awaited { .. }))
}

#[test]
fn the_courses_of_a_booking_are_those_of_the_failure_matrix() {
    let lines = lines();
    for line in [
        "BR SB PO RI",
        "BR SB SR:payment_failed PF:declined",
        "BR SR:never_held PF:declined",
        "BR SU:taken PF:seat_unavailable",
        "BR SU:taken PO RF",
        "BR SU:taken PF:declined",
        "BR SB SU:expired PO RF",
        "BR SB SU:expired PO RF RI",
    ] {
        assert!(lines.iter().any(|it| it == line), "{line} is none of {lines:#?}");
    }
}

/// Only where status has heard of a receipt and not of the payment for it does its standing wait
/// for something that cannot come.
#[test]
fn what_is_awaited_can_come_whatever_status_has_heard() {
    let mut looked_at = 0;
    for course in COURSES.all() {
        let all: Vec<Said> = course.iter().cloned().collect();
        for chosen in 0..1_u32 << all.len() {
            let numbered = all.iter().enumerate();
            let heard: Vec<Said> = numbered
                .filter(|(it, _)| chosen >> it & 1 == 1)
                .map(|(_, it)| it.clone())
                .collect();
            let still = COURSES.after(&heard);
            let has = |kind| heard.iter().any(|it| it.kind == kind);
            if has(Kind::ReceiptSent) && !has(Kind::PaymentOk) {
                continue;
            }
            let facts: Vec<String> = heard.iter().map(told).collect();
            for waiting in record(&facts).standing().waiting_for {
                let kind = Kind::of_topic(&waiting.event).unwrap();
                assert!(still.contains(&kind), "{kind} cannot come after {facts:?}");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 100, "{looked_at}");
}

/// The event in the notation of the failure matrix.
fn told(said: &Said) -> String {
    let code = CODES[Kind::ALL.iter().position(|it| *it == said.kind).unwrap()];
    format!("{code} ada/1 {} 12A @1", said.reason.as_deref().unwrap_or_default())
}

#[test]
fn a_declined_card_leaves_no_receipt_and_no_refund() {
    let heard = ["BR ada/1 12A @1", "SB ada/1 12A @2", "PF ada/1 declined @3"];
    assert_eq!(awaited(&heard), "SR");
    assert_eq!(impossible(&heard), "PO RF RI");
}

#[test]
fn a_taken_seat_leaves_a_refund_or_no_charge() {
    let heard = ["BR ada/1 12A @1", "SU ada/1 taken 12A @2"];
    assert_eq!(awaited(&heard), "PF");
    assert_eq!(impossible(&heard), "SB SR RI");
    let paid = ["BR ada/1 12A @1", "SU ada/1 taken 12A @2", "PO ada/1 @3"];
    assert_eq!(awaited(&paid), "RF");
    assert_eq!(impossible(&paid), "SB SR PF RI");
}

#[test]
fn a_reason_that_no_rule_knows_rules_nothing_out_but_its_own_event() {
    let heard = ["BR ada/1 12A @1", "SB ada/1 12A @2", "PF ada/1 bank_is_closed @3"];
    assert_eq!(impossible(&heard), "PO RF RI");
}

#[test]
fn of_a_booking_that_is_both_paid_and_not_paid_nothing_is_ruled_out() {
    let heard = ["BR ada/1 12A @1", "PO ada/1 @2", "PF ada/1 declined @3"];
    assert_eq!(impossible(&heard), "");
}

#[test]
fn before_anything_was_heard_everything_can_come() {
    assert_eq!(impossible(&[]), "");
    let none: BTreeSet<Kind> = COURSES.after(&[]);
    assert_eq!(none.len(), Kind::ALL.len());
}
