//! What came before, the event that is put back, and what a dry run says of it.

use jiff::SignedDuration;

use super::*;
use crate::domain::{
    decision::Step,
    payment::{Answer, Effect},
    receipt::Sent,
    schedule::Schedule,
    testing::{Outside, World, charge, refund, said},
};

/// Each row: the events that came before, the event that is put back, and the words of the dry run.
/// A number after `@` is the time in seconds.
#[track_caller]
fn check<R: Tell + Clone>(rules: &R, outside: &mut Outside<'_, R>, rows: &[(&[&str], &str, &str)]) {
    for (before, back, words) in rows {
        let mut world = World::new(rules.clone());
        for it in *before {
            let event = said(it);
            world.deliver(&event, event.time, outside);
        }
        let event = said(back);
        let row = world.rows.get(&Key::Booking(event.booking.clone())).cloned();
        let preview = match world.decide(&event, &[], event.time) {
            Step::Ask { effect, .. } => Preview::Asks(effect),
            Step::Nothing => Preview::Nothing { row },
            Step::Settle(decision) => Preview::Settles { row, decision },
            Step::SetAside(reason) => Preview::SetAside(reason),
            Step::Read(_) => unreachable!("decide has read it"),
        };
        assert_eq!(tell::<R>(&preview, &event).to_string(), *words, "{before:?} {back}");
    }
}

#[test]
fn seats_says_what_it_would_hold_confirm_and_release() {
    let seats = Seats { schedule: Schedule::sample(), hold_limit: SignedDuration::from_mins(15) };
    let asked: &[&str] = &["BR ada/1 12A 12B"];
    let paid: &[&str] = &["BR ada/1 12A 12B", "PO ada/1"];
    check(
        &seats,
        &mut |_, never| match *never {},
        &[
            (&[], "BR ada/1 12A 12B", "would hold 12A, 12B, announce seat-booked"),
            (&[], "PO ada/1", "would remember that it is paid until its request comes"),
            (
                &[],
                "PF ada/1 declined",
                "would never hold a seat for it, announce seat-released (never_held)",
            ),
            (asked, "PO ada/1", "would confirm 12A, 12B"),
            (
                asked,
                "PF ada/1 declined",
                "would release 12A, 12B, announce seat-released (payment_failed)",
            ),
            (asked, "BR bob/1 12B", "would refuse it, announce seat-unavailable (taken)"),
            (
                asked,
                "BR bob/1 12B @901",
                "would release 12A, hold 12B, end the expired hold of booking ada, \
             announce seat-booked, announce seat-unavailable (expired)",
            ),
            (asked, "BR ada/1 12A 12B", "no-op: already holding 12A, 12B"),
            (paid, "PO ada/1", "no-op: already confirmed for 12A, 12B"),
            (
                &[],
                "BR ada/1 WA241 12A EUR 0.01",
                "would refuse it, announce seat-unavailable (fare)",
            ),
            (&["BR ada/1 99A"], "PO ada/1", "no-op: already without a seat, for good"),
            (&["PF ada/1 declined"], "BR ada/1 12A", "no-op: already released, for good"),
            (&[], "RI ada/1", "no-op: seats does nothing with receipt-sent"),
            (
                asked,
                "BR ada/2 12C",
                "still poison: a different request under the id of a booking whose seats are held",
            ),
        ],
    );
}

#[test]
fn payment_names_the_question_and_asks_nobody() {
    let mut gateway = |_: &mut World<Payments>, effect: &Effect| {
        Some(match effect {
            Effect::Charge { .. } => Answer::Charged(charge("ada", "EUR 129.00")),
            Effect::Refund { .. } => Answer::Refunded(refund("ada", "EUR 129.00")),
            Effect::Undo { .. } => Answer::Undone,
        })
    };
    let asked: &[&str] = &["BR ada/1 12A"];
    let lost: &[&str] = &["BR ada/1 12A", "SU ada/1 taken 12A"];
    check(
        &Payments,
        &mut gateway,
        &[
            (&[], "BR ada/1 12A", "would ask the gateway to charge EUR 129.00 (key ada)"),
            (
                &[],
                "SU ada/1 taken 12A",
                "would never charge it, announce payment-failed (seat_unavailable)",
            ),
            (
                asked,
                "SU ada/1 taken 12A",
                "would ask the gateway to refund EUR 129.00 (key ada:refund)",
            ),
            (asked, "BR ada/1 12A", "no-op: already charged EUR 129.00"),
            (lost, "BR ada/1 12A", "no-op: already refunded EUR 129.00"),
        ],
    );
    let mut silent = |_: &mut World<Payments>, _: &Effect| None;
    check(
        &Payments,
        &mut silent,
        &[
            (
                asked,
                "BR ada/1 12A",
                "would look the charge up, and else ask the gateway to charge EUR 129.00 (key ada)",
            ),
            (asked, "SU ada/1 taken 12A", "would tell the charge under way that there is no seat"),
        ],
    );
}

#[test]
fn receipt_says_what_it_waits_for_and_masks_the_address() {
    let sent: &[&str] = &["BR ada/1 12A", "SB ada/1 12A", "PO ada/1"];
    check(
        &Receipts,
        &mut |_, _| Some(Sent),
        &[
            (
                &[],
                "BR ada/1 12A",
                "would remember booking-requested; it waits for the seats and the payment",
            ),
            (
                &sent[..2],
                "PO ada/1",
                "would ask the mailer to send receipt R-J3RS-45VZ-YPM6 to a***@e***.com",
            ),
            (&sent[..2], "SU ada/1 taken 12A", "would close it: no receipt goes out"),
            (sent, "PO ada/1", "no-op: already sent"),
            (
                sent,
                "SU ada/1 taken 12A",
                "would void receipt R-J3RS-45VZ-YPM6 and ask the mailer to send V-X7E7-QA2B-FDS3 to \
                 a***@e***.com, which says so",
            ),
        ],
    );
}

#[test]
fn status_says_what_the_booking_becomes() {
    let done: &[&str] = &["BR ada/1 12A", "SB ada/1 12A", "PO ada/1", "RI ada/1"];
    check(
        &Statuses,
        &mut |_, never| match *never {},
        &[
            (done, "PO ada/1", "no-op: already completed"),
            (&done[..3], "RI ada/1", "would record receipt-sent: the booking becomes completed"),
            (
                done,
                "SR ada/1 payment_failed 12A",
                "would record seat-released: the booking stays completed",
            ),
        ],
    );
}
