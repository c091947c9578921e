//! A booking ends once, whatever is heard of it, in whatever order, and however often.

use std::collections::BTreeSet;

use super::*;
use crate::domain::{
    request::Rejection,
    standing::Phase,
    testing::{at, orders, said},
};

const BR: &str = "BR ada/1 12A @1";
const SB: &str = "SB ada/1 12A @2";
const SU: &str = "SU ada/1 taken 12A @3";
const SR: &str = "SR ada/1 payment_failed 12A @4";
const PO: &str = "PO ada/1 @5";
const PF: &str = "PF ada/1 declined @6";
const NEVER: &str = "PF ada/1 seat_unavailable @6";
const RF: &str = "RF ada/1 @7";
const RI: &str = "RI ada/1 @8";

/// What one replica after the other says, each change of the record once: the phase and the
/// seconds.
#[derive(Default)]
struct Heard {
    record: Option<Record>,
    endings: Vec<(&'static str, f64)>,
}

impl Heard {
    fn hear(&mut self, fact: &str, now: f64) -> &mut Heard {
        let mut after = self.record.clone().unwrap_or_default();
        assert!(after.add(Fact::of(&said(fact), at(now))), "{fact}");
        self.become_record(after, now)
    }

    fn refuse(&mut self, sent: f64, now: f64) -> &mut Heard {
        let rejection = Rejection { time: at(sent), reason: format!("sent at {sent}") };
        match self.record.clone().unwrap_or_default().rejecting(rejection) {
            Some(after) => self.become_record(after, now),
            None => self,
        }
    }

    fn become_record(&mut self, after: Record, now: f64) -> &mut Heard {
        if self.record.as_ref() != Some(&after) {
            let ending = after.ending(self.record.as_ref(), at(now));
            self.endings.extend(ending.map(|it| (it.phase, it.took.as_secs_f64())));
            self.record = Some(after);
        }
        self
    }
}

/// Hears these facts, one a second from 100 on.
fn hear(facts: &[&str]) -> Heard {
    let mut heard = Heard::default();
    for (second, fact) in facts.iter().enumerate() {
        heard.hear(fact, 100.0 + second as f64);
    }
    heard
}

#[test]
fn a_booking_ends_once_in_every_order_and_however_often_it_is_told() {
    for order in orders(&[BR, SB, PO, RI]) {
        let twice: Vec<&str> = order.iter().flat_map(|it| [*it, *it]).collect();
        let heard = hear(&[&twice[..], &order, &order].concat());
        let [(phase, took)] = heard.endings[..] else { panic!("{order:?}: {:?}", heard.endings) };
        assert_eq!(phase, "completed", "{order:?}");
        // From the first fact to the one that was missing, each of which came twice.
        let last = order.iter().rposition(|it| *it != BR).unwrap();
        assert_eq!(took, 2.0 * last as f64, "{order:?}");
    }
}

/// The receipt may be heard of before the loss of the seats, and then the booking is at an end
/// twice.
#[test]
fn a_booking_that_leaves_its_end_again_has_ended_the_first_time() {
    assert_eq!(hear(&[BR, SB, PO, RI, SU, RF]).endings, [("completed", 3.0)]);
    assert_eq!(hear(&[BR, SB, PO, SU, RI, RF]).endings, [("refunded", 5.0)]);
    for order in orders(&[BR, SB, PO, RI, SU, RF]) {
        assert_eq!(hear(&order).endings.len(), 1, "{order:?}");
    }
    assert_eq!(hear(&[BR, SU, NEVER, PO]).endings, [("seat_unavailable", 2.0)]);
}

/// A client may write any time into its request, and another client may use the same id.
#[test]
fn neither_a_clients_time_nor_a_strangers_request_says_how_long_it_took() {
    for told in ["@-31536000", "@31536000"] {
        let request = format!("BR ada/1 12A {told}");
        assert_eq!(hear(&[&request, SB, PO, RI]).endings, [("completed", 3.0)], "{told}");
    }
    let mut heard = Heard::default();
    heard.hear("BR ada/2 12B", 0.0).hear(BR, 1000.0).hear(SB, 1001.0).hear(PO, 1002.0);
    heard.hear("BR ada/3 12C", 1003.0).hear(RI, 1004.0).hear("BR ada/4 12D", 1005.0);
    assert_eq!(heard.endings, [("completed", 4.0)]);
}

#[test]
fn a_clock_that_was_set_back_makes_no_negative_time() {
    let mut heard = Heard::default();
    heard.hear(BR, 100.0).hear(SB, 50.0).hear(PO, 40.0).hear(RI, 30.0);
    assert_eq!(heard.endings, [("completed", 0.0)]);
}

#[test]
fn a_refused_request_is_an_ending_of_its_own_and_once() {
    let mut heard = Heard::default();
    heard.refuse(1.0, 3.0).refuse(1.0, 4.0).refuse(2.0, 5.0);
    assert_eq!(heard.endings, [("rejected", 2.0)]);
    // The id is not lost for a booking.
    heard.hear(BR, 10.0).refuse(6.0, 11.0).hear(SB, 12.0).hear(PO, 13.0).hear(RI, 14.0);
    assert_eq!(heard.endings, [("rejected", 2.0), ("completed", 4.0)]);
    // A refused request beside a booking ends nothing.
    let mut heard = Heard::default();
    heard.hear(BR, 1.0).refuse(2.0, 3.0);
    assert!(heard.endings.is_empty(), "{:?}", heard.endings);
}

/// The names that the metrics have are exactly those that can occur.
#[test]
fn every_ending_has_a_name_that_is_known_before() {
    let facts = [BR, SB, SU, SR, PO, PF, NEVER, RF, RI];
    let mut ended = BTreeSet::from([Phase::Rejected.as_str()]);
    for set in 0..1_u32 << facts.len() {
        let chosen = facts.iter().enumerate().filter(|(at, _)| set & 1 << at != 0);
        let chosen: Vec<&str> = chosen.map(|(_, it)| *it).collect();
        ended.extend(hear(&chosen).endings.iter().map(|it| it.0));
    }
    assert_eq!(ended, Phase::ENDINGS.map(Phase::as_str).into());
}
