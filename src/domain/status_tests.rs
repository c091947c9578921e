//! The table of status in `docs/RULES.md`, and rows B, F and G of the failure matrix.

use super::*;
use crate::domain::{decision::Key, event::Kind, testing::*};

/// Plays the facts in every order, repeats each of them at the end, and expects the same standing
/// every time: the phase, then ` final`, ` conflict`, and `; event from role since seconds` for
/// each event that is waited for. `@` in a fact is the time when it was published.
#[track_caller]
fn check(facts: &[&str], stands: &str) -> Record {
    let mut orders = orders(facts).into_iter();
    let record = fold(&orders.next().unwrap());
    assert_eq!(tell_standing(&record.standing()), stands, "{facts:?}");
    for order in orders {
        assert_eq!(fold(&order), record, "{order:?}");
    }
    record
}

/// The row that these facts leave. Checks that hearing them again changes nothing.
pub(super) fn fold(facts: &[&str]) -> Record {
    let mut world = World::new(Statuses);
    let events: Vec<Event> = facts.iter().map(|it| said(it)).collect();
    for event in &events {
        let told = world.deliver(event, at(7777.0), &mut |_, never| match *never {});
        assert_eq!(told, "", "status announces nothing");
    }
    for event in events.iter().chain(events.iter().rev()) {
        assert_eq!(world.decide(event, &[], at(7777.0)), Step::Nothing, "{event:?} again");
    }
    world.rows.remove(&Key::Booking(id("ada"))).unwrap_or_default()
}

fn tell_standing(standing: &Standing) -> String {
    let Standing { phase, is_final, waiting_for, conflict } = standing;
    assert_eq!(*is_final, waiting_for.is_empty(), "an open booking waits for something");
    let mut told = phase.to_string();
    told += if *is_final { " final" } else { "" };
    told += if *conflict { " conflict" } else { "" };
    for Waiting { event, from, since } in waiting_for {
        told += &format!("; {event} from {from} since {}", seconds(*since));
    }
    told
}

pub(super) const BR: &str = "BR ada/1 12A @1";
pub(super) const SB: &str = "SB ada/1 12A @2";
const SU: &str = "SU ada/1 taken 12A @3";
const SR: &str = "SR ada/1 payment_failed 12A @4";
pub(super) const PO: &str = "PO ada/1 @5";
const PF: &str = "PF ada/1 declined @6";
const NEVER: &str = "PF ada/1 seat_unavailable @6";
const RF: &str = "RF ada/1 @7";
pub(super) const RI: &str = "RI ada/1 @8";

#[test]
fn the_receipt_is_the_one_of_the_request_that_was_answered_and_void_without_seats() {
    let earlier_of_another = fold(&["RI ada/2 @1", BR, SB, PO, RI]);
    assert!(earlier_of_another.receipt().is_some_and(|(_, valid)| valid));
    assert!(fold(&[BR, SB, PO, RI, SU]).receipt().is_some_and(|(_, valid)| !valid));
    assert_eq!(fold(&[BR, SB, PO]).receipt(), None);
}

/// The table of `docs/RULES.md`. The first line that has all its facts is the right one.
const TABLE: [(&[&str], Phase, bool); 10] = [
    (&[PO, "PF"], Phase::Inconsistent, true),
    (&[RF], Phase::Refunded, true),
    (&[NEVER], Phase::SeatUnavailable, true),
    (&["PF", SU], Phase::SeatAndPaymentFailed, true),
    (&["PF", SR], Phase::PaymentFailed, true),
    (&["PF"], Phase::PaymentFailed, false),
    (&[SU, PO], Phase::RefundPending, false),
    (&[SU], Phase::SeatUnavailable, false),
    (&[SB, PO, RI], Phase::Completed, true),
    (&[SB, PO], Phase::Confirmed, false),
];

/// Tests every set of facts, including those that should be impossible.
/// Failure matrix: F1.
#[test]
fn every_set_of_facts_stands_as_the_first_line_of_the_table_that_fits() {
    let facts = [BR, SB, SU, SR, PO, RF, RI];
    let mut told = 0;
    for set in 0..1_u32 << facts.len() {
        for failed in [None, Some(PF), Some(NEVER)] {
            let chosen = facts.iter().enumerate().filter(|(at, _)| set & 1 << at != 0);
            let chosen: Vec<&str> = chosen.map(|(_, it)| *it).chain(failed).collect();
            if chosen.is_empty() {
                continue;
            }
            let there = |it: &&str| chosen.iter().any(|fact| fact.starts_with(*it));
            let record = fold(&chosen);
            let standing = record.standing();
            let mut lines = TABLE.iter();
            if let Some((_, phase, ends)) = lines.find(|(all, _, _)| all.iter().all(there)) {
                assert_eq!((standing.phase, standing.is_final), (*phase, *ends), "{chosen:?}");
            } else {
                // It waits for those of request, seats and payment that are missing.
                let seats = there(&SB) || (there(&SR) && !there(&PO));
                let parts = [(there(&BR), "booking-requested"), (seats, "seat-booked")];
                // Seats frees seats only after a failed payment, so that event is missing.
                let money = if there(&SR) && !there(&PO) { "payment-failed" } else { "payment-ok" };
                let parts = parts.into_iter().chain([(there(&PO), money)]);
                let missing: Vec<_> = parts.filter(|it| !it.0).map(|it| it.1).collect();
                let waits: Vec<_> =
                    standing.waiting_for.iter().map(|it| it.event.as_str()).collect();
                assert_eq!((waits, standing.is_final), (missing, false), "{chosen:?}");
            }
            assert!(!standing.conflict);
            tell_standing(&standing);
            told += 1;
        }
    }
    assert_eq!(told, 128 * 3 - 1);
}

/// Failure matrix: F1, B1.
#[test]
fn order_and_repetition_do_not_matter() {
    check(&[BR, SB, PO, RI], "completed final");
    check(&[BR, SB, SU, PO, RF, RI], "refunded final");
    check(&[BR, SB, SR, SU, PO, PF], "inconsistent final");
}

/// The clock of status may have been set forward or back since the fact was first heard (A40).
/// Failure matrix: A25.
#[test]
fn a_fact_that_is_heard_again_under_a_clock_that_stepped_changes_nothing() {
    let mut world = World::new(Statuses);
    for fact in [BR, SB, PO, RI] {
        world.deliver(&said(fact), at(7777.0), &mut |_, never| match *never {});
    }
    for now in [0.0, 7776.0, 7778.0, -31_536_000.0, 31_536_000.0] {
        for fact in [BR, SB, PO, RI] {
            assert_eq!(world.decide(&said(fact), &[], at(now)), Step::Nothing, "{fact} at {now}");
        }
    }
}

/// Failure matrix: B2.
#[test]
fn a_request_sent_twice_is_one_fact_whichever_is_heard_first() {
    let waits = "; payment-ok from payment since 1";
    let record = check(&[BR, "BR ada/1 12A @9 again", SB], &format!("seat_booked{waits}"));
    assert_eq!(record.timeline().len(), 2);
    let again = check(
        &["BR ada/1 12A @9 again", "BR ada/1 12A @9", BR, SB],
        &format!("seat_booked{waits}"),
    );
    assert_eq!(again, record);
}

/// The waiting time begins with the booking's own request (failure matrix, I4).
#[test]
fn a_strangers_request_does_not_say_since_when_a_booking_waits() {
    let other = "BR ada/2 12B @0";
    check(&[other, BR, SB], "seat_booked conflict; payment-ok from payment since 1");
    check(&[BR, other, PO], "paid conflict; seat-booked from seats since 1");
    // Before one of them is answered, it waits since the first was heard, since a client may write
    // any time.
    let waits = "; seat-booked from seats since 7777; payment-ok from payment since 7777";
    check(&[BR, other], &format!("requested conflict{waits}"));
}

/// Failure matrix: B3.
#[test]
fn two_requests_under_one_id_are_flagged_and_change_no_phase() {
    let other = "BR ada/2 12B @9";
    for (facts, stands) in [
        (&[BR, SB, PO, RI][..], "completed final conflict"),
        (&[BR, SB, PO], "confirmed conflict; receipt-sent from receipt since 5"),
        (&[BR, SU, NEVER], "seat_unavailable final conflict"),
        (&[SU, PO], "refund_pending conflict; payment-refunded from payment since 5"),
        (&[BR, SB, SU, PO, RF], "refunded final conflict"),
    ] {
        check(&[facts, &[other]].concat(), stands);
    }
    // Seats accepted one request, payment the other.
    let apart = ["SB ada/1 12A @2", "PO ada/2 @5", "SU ada/1 conflict 12A @6", "RF ada/2 @7"];
    check(&apart, "refunded final conflict");
    check(&apart[..3], "refund_pending conflict; payment-refunded from payment since 6");
}

/// Failure matrix: B3.
#[test]
fn facts_under_one_id_are_kept_up_to_a_limit() {
    let mut world = World::new(Statuses);
    for request in 1..=REQUESTS_MAX + 1 {
        let told =
            world.deliver(&said(&format!("BR ada/{request} 12A")), at(0.0), &mut |_, never| {
                match *never {}
            });
        assert_eq!(told, if request > REQUESTS_MAX { "set aside" } else { "" }, "{request}");
    }
    let full = world.text();
    world.deliver(&said("BR ada/5 12A"), at(0.0), &mut |_, never| match *never {});
    assert_eq!(world.text(), full);
}

/// Failure matrix: F2.
#[test]
fn an_older_fact_after_a_final_one_is_history() {
    let without = check(&[SB, PO, RI], "completed final");
    let with = check(&[SB, PO, RI, BR], "completed final");
    let kinds = |it: &Record| it.timeline().iter().map(|it| it.kind).collect::<Vec<_>>();
    let all = [Kind::BookingRequested, Kind::SeatBooked, Kind::PaymentOk, Kind::ReceiptSent];
    assert_eq!((kinds(&without), kinds(&with)), (all[1..].to_vec(), all.to_vec()));
    // The facts have the order of their times, and at equal times the order of a booking's life.
    let told = check(&["BR ada/1 12A @5", PO, SB, RI], "completed final");
    assert_eq!(kinds(&told), [all[1], all[0], all[2], all[3]]);
    check(&[BR, SU, NEVER, SB, SR], "seat_unavailable final");
    check(&[SU, PO, RF, SB, BR, RI], "refunded final");
}

/// Failure matrix: F4.
#[test]
fn what_is_known_without_the_request_is_told_with_what_is_missing() {
    let request = "booking-requested from client since";
    let seats = "seat-booked from seats since";
    let money = "payment-ok from payment since";
    check(&[SB], &format!("seat_booked; {request} 2; {money} 2"));
    check(&[PO], &format!("paid; {request} 5; {seats} 5"));
    check(&[PF], "payment_failed; seat-released from seats since 6");
    check(&[BR], &format!("requested; {seats} 1; {money} 1"));
    check(&[BR, SB], &format!("seat_booked; {money} 1"));
    // It waits since the request, whatever the times of other events.
    check(&["BR ada/1 12A @4", SB], &format!("seat_booked; {money} 4"));
    check(&[BR, PO], &format!("paid; {seats} 1"));
    check(&[RI], &format!("requested; {request} 8; {seats} 8; {money} 8"));
    check(&[SR], &format!("payment_failed; {request} 4; payment-failed from payment since 4"));
}

/// Failure matrix: E6.
#[test]
fn seats_and_payment_without_a_request_wait_for_the_receipt() {
    check(&[SB, PO], "confirmed; receipt-sent from receipt since 5");
}

/// Failure matrix: F5.
#[test]
fn a_failed_payment_waits_for_the_seats_to_be_released() {
    let waits = "payment_failed; seat-released from seats since 6";
    check(&[BR, PF], waits);
    check(&[BR, SB, PF], waits);
    check(&[BR, SB, PF, SR], "payment_failed final");
    check(&[PF, "SR ada/1 never_held @7", BR], "payment_failed final");
}

/// Failure matrix: F6.
#[test]
fn no_seat_and_no_payment_fact_is_not_final() {
    let waits = "seat_unavailable; payment-failed from payment since 3";
    check(&[SU], waits);
    check(&[BR, SU], waits);
    check(&[BR, SB, SU], waits);
}

#[test]
fn f6b_no_seat_and_never_charged_is_final() {
    check(&[BR, SU, NEVER], "seat_unavailable final");
    check(&[NEVER], "seat_unavailable final");
}

#[test]
fn f6c_no_seat_and_a_failed_payment_leave_nothing_to_undo() {
    for reason in ["declined", "insufficient_funds", "invalid", "card_on_fire"] {
        let failed = format!("PF ada/1 {reason} @6");
        check(&[BR, SU, &failed], "seat_and_payment_failed final");
    }
}

/// Failure matrix: F7.
#[test]
fn paid_without_a_seat_waits_for_the_refund() {
    let waits = "refund_pending; payment-refunded from payment since";
    check(&[BR, SU, PO], &format!("{waits} 5"));
    check(&[BR, SB, PO, RI, "SU ada/1 expired 12A @9"], &format!("{waits} 9"));
    check(&[BR, SU, PO, RF], "refunded final");
}

/// Failure matrix: F8.
#[test]
fn paid_and_booked_waits_for_the_receipt_since_the_later_of_the_two() {
    check(&[BR, SB, PO], "confirmed; receipt-sent from receipt since 5");
    check(&[BR, "SB ada/1 12A @6.5", PO], "confirmed; receipt-sent from receipt since 6.5");
    check(&[BR, SB, PO, RI], "completed final");
}

/// Failure matrix: F9.
#[test]
fn paid_and_not_paid_is_never_hidden() {
    for more in [&[BR][..], &[SU], &[SB, RI], &[RF], &[SR, SU, RF]] {
        for failed in [PF, NEVER] {
            check(&[&[PO, failed], more].concat(), "inconsistent final");
        }
    }
}

/// This should be impossible, since payment decides once; but a clock must not decide it either.
/// Failure matrix: F9.
#[test]
fn of_two_failures_the_line_of_the_table_decides_and_not_a_clock() {
    for (declined, never) in [("@1", "@2"), ("@2", "@1")] {
        let declined = format!("PF ada/1 declined {declined}");
        let never = format!("PF ada/2 seat_unavailable {never}");
        check(&[&declined, &never], "seat_unavailable final conflict");
    }
}

/// Failure matrix: section G.
#[test]
fn every_ending_comes_out_in_every_order() {
    let expired = "SU ada/1 expired 12A @901";
    let since = "payment-refunded from payment since";
    for (facts, stands) in [
        (&[BR, SB, PO, RI][..], "completed final"),
        (&[BR, SB, PF, SR], "payment_failed final"),
        (&[PF, "SR ada/1 never_held @7", BR], "payment_failed final"),
        (&[BR, SU, NEVER], "seat_unavailable final"),
        (&[BR, SU, PO], &format!("refund_pending; {since} 5")),
        (&[BR, SU, PO, RF], "refunded final"),
        (&[BR, SU, PF], "seat_and_payment_failed final"),
        (&[BR, SB, "PO ada/1 @902", "RI ada/1 @903"], "completed final"),
        (&[BR, SB, expired, "PO ada/1 @902", "RF ada/1 @903"], "refunded final"),
        (&[BR, SB, expired, PO, "RF ada/1 @903", RI], "refunded final"),
        (&[BR, SB, expired, NEVER], "seat_unavailable final"),
        (&[BR, SB, expired, PF], "seat_and_payment_failed final"),
        (&[BR, SB], "seat_booked; payment-ok from payment since 1"),
        (&[PO], "paid; booking-requested from client since 5; seat-booked from seats since 5"),
        (&[PF, "SR ada/1 never_held @7"], "payment_failed final"),
        (&["BR ada/2 12B @1.5", BR, SB, PO, RI], "completed final conflict"),
        (
            &["BR ada/2 12B @1.5", BR, SB, SU, "PO ada/2 @5", "RF ada/2 @6"],
            "refunded final conflict",
        ),
    ] {
        check(facts, stands);
    }
}

/// Failure matrix: section G.
#[test]
fn a_request_that_the_parser_refused_is_rejected_unless_another_was_not() {
    let refused = Rejection { time: at(0.5), reason: "seats: expected a seat".to_owned() };
    let rejected = Record::default().rejecting(refused.clone()).unwrap();
    assert_eq!(rejected.rejecting(refused.clone()), None, "nothing is written for it");
    assert_eq!(rejected.rejections().collect::<Vec<_>>(), [&refused]);
    assert_eq!(tell_standing(&rejected.standing()), "rejected final");
    let known = fold(&[BR, SB, PO]).rejecting(refused.clone()).unwrap();
    assert_eq!(tell_standing(&known.standing()), tell_standing(&fold(&[BR, SB, PO]).standing()));
    // The refusal stays in the row when a fact comes.
    let mut world = World::new(Statuses);
    world.rows.insert(Key::Booking(id("ada")), rejected);
    world.deliver(&said(BR), at(0.0), &mut |_, never| match *never {});
    let row = &world.rows[&Key::Booking(id("ada"))];
    assert_eq!((row.standing().phase, row.rejections().count()), (Phase::Requested, 1));
}

#[test]
fn refused_requests_are_kept_up_to_a_limit_in_any_order() {
    let all: Vec<f64> = (0..REJECTIONS_MAX + 3).map(|it| it as f64).collect();
    let refused = |it: &f64| Rejection { time: at(*it), reason: format!("{it}") };
    let add = |it: Record, refused| it.rejecting(refused).unwrap_or(it);
    let keep = |it: Vec<Rejection>| it.into_iter().fold(Record::default(), add);
    let record = keep(all.iter().map(refused).collect());
    assert_eq!(record, keep(all.iter().rev().map(refused).collect()));
    let kept: Vec<f64> = record.rejections().map(|it| seconds(it.time)).collect();
    assert_eq!(kept, all[..REJECTIONS_MAX]);
}

#[test]
fn what_is_told_again_names_no_passenger_and_no_token() {
    let text = serde_json::to_string(&fold(&[BR, SB, SU, SR, PO, PF, RF, RI])).unwrap();
    for kept in ["12A", "EUR", "taken", "declined", ADAS_RECEIPT] {
        assert!(text.contains(kept), "{kept}");
    }
    for secret in ["Ada", "example.com", "tok_visa", "ch_ada", "re_ada"] {
        assert!(!text.contains(secret), "{secret}");
    }
}
