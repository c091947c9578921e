//! The table of payment in `docs/RULES.md`, and rows B, D and G of the failure matrix.

use super::*;
use crate::domain::{
    decision::{Key, Step},
    event::NoSeat,
    testing::*,
};

/// Plays a story from the beginning: each row is what comes in and what payment asks and says.
///
/// What comes is an event and, after each `>`, what the gateway does with the next question: an
/// answer (`charged`, `charged EUR 5.00`, `refunded`, or a reason of a decline), `nothing` for a
/// time-out or a crash, or another delivery that comes meanwhile, with its own answers after `=`.
#[track_caller]
fn check(story: &[&str], ends: &str) -> World<Payments> {
    let mut world = World::new(Payments);
    for it in story {
        let (comes, says) = row(it);
        let mut heard = Vec::new();
        deliver(&mut world, comes, &mut heard);
        assert_eq!(heard.join(", "), says, "{comes}");
    }
    let rows = world.rows.iter().map(|(key, row)| tell_row(key, row));
    assert_eq!(rows.collect::<Vec<_>>().join(", "), ends);
    world
}

fn deliver(world: &mut World<Payments>, comes: &str, heard: &mut Vec<String>) {
    let (event, script) = comes.split_once(" > ").unwrap_or((comes, ""));
    let event = said(event);
    let mut script = script.split(" > ").filter(|it| !it.is_empty());
    let told = world.deliver(&event, at(77.0), &mut |world, effect| {
        heard.push(ask(effect, &event));
        let mut next = script.next().expect("it asks more than it is answered");
        while next.starts_with(|it: char| it.is_ascii_uppercase()) {
            deliver(world, &next.replace(" = ", " > "), heard);
            next = script.next().expect("a delivery comes in while one is asking");
        }
        answer(next, effect)
    });
    assert_eq!(script.next(), None, "it asks less than it is answered: {comes}");
    heard.extend(Some(told).filter(|it| !it.is_empty()));
}

/// Tells a question, and holds it to be about the booking, and what the request has.
fn ask(effect: &Effect, event: &Event) -> String {
    let (booking, told) = match (effect, &event.data) {
        (
            Effect::Charge { booking, token, amount, asked_before },
            Data::BookingRequested(request),
        ) => {
            assert_eq!((token, amount), (&request.payment.token, &request.payment.amount));
            (booking, if *asked_before { "charge again" } else { "charge" })
        }
        (Effect::Refund { booking, charge }, _) => {
            assert_eq!(charge.charge, format!("ch_{booking}"));
            (booking, "refund")
        }
        (Effect::Charge { .. }, _) => panic!("{effect:?} for {event:?}"),
    };
    assert_eq!(*booking, event.booking);
    told.to_owned()
}

fn answer(word: &str, effect: &Effect) -> Option<Answer> {
    let (word, amount) = word.split_once(' ').unwrap_or((word, ""));
    Some(match (word, effect) {
        ("nothing", _) => return None,
        ("charged", Effect::Charge { booking, amount: asked, .. }) => {
            let answered = if amount.is_empty() { *asked } else { money(amount) };
            Answer::Charged(charge(booking.as_str(), &answered.to_string()))
        }
        ("refunded", Effect::Refund { booking, charge }) => {
            Answer::Refunded(refund(booking.as_str(), &charge.amount.to_string()))
        }
        (reason, Effect::Charge { .. }) => Answer::Declined(NoCharge::parse(reason).unwrap()),
        (word, effect) => panic!("{word} is no answer to {effect:?}"),
    })
}

fn tell_row(key: &Key, row: &Payment) -> String {
    let booking = key.to_string().replace("booking/", "");
    let (is, digest) = match row {
        Payment::Claimed { digest, seat_unavailable: false } => ("claimed", digest),
        Payment::Claimed { digest, seat_unavailable: true } => ("claimed, no seat", digest),
        Payment::Ok { digest, charge } => {
            assert_eq!(charge.charge, format!("ch_{booking}"));
            ("ok", digest)
        }
        Payment::Failed { digest } => ("failed", digest),
        Payment::Never { digest } => ("never", digest),
        Payment::Refunded { digest, refund } => {
            assert_eq!(refund.refund, format!("re_{booking}"));
            ("refunded", digest)
        }
    };
    format!("{booking}/{} {is}", request_number(*digest))
}

const CHARGED: &str = "BR ada/1 12A > charged => charge, PO ada/1";
const CLAIMED: &str = "BR ada/1 12A > nothing => charge, unanswered";
const DECLINED: &str = "BR ada/1 12A > declined => charge, PF ada/1 declined";
const NO_SEAT: &str = "SU ada/1 taken 12A => PF ada/1 seat_unavailable";
const REFUNDED: &str = "SU ada/1 taken 12A > refunded => refund, RF ada/1";

#[test]
fn a24_a25_b7_d10_d17_d19_every_event_is_a_no_op_in_a_final_state() {
    let finals: [(&[&str], &str); 4] = [
        (&[DECLINED], "ada/1 failed"),
        (&[NO_SEAT], "ada/1 never"),
        (&[CHARGED, REFUNDED], "ada/1 refunded"),
        (
            &["BR ada/1 12A > SU ada/1 taken 12A > charged > refunded \
                 => charge, refund, PO ada/1, RF ada/1"],
            "ada/1 refunded",
        ),
    ];
    for (story, ends) in finals {
        let before = check(story, ends).text();
        for event in [every("ada", 1), every("ada", 2)].concat() {
            let after = check(&[story, &[&event]].concat(), ends);
            assert_eq!(after.text(), before, "{event}");
        }
    }
}

#[test]
fn events_that_are_not_for_payment_change_nothing_in_any_state() {
    let open: [(&[&str], &str); 4] = [
        (&[], ""),
        (&[CLAIMED], "ada/1 claimed"),
        (&[CLAIMED, "SU ada/1 taken 12A"], "ada/1 claimed, no seat"),
        (&[CHARGED], "ada/1 ok"),
    ];
    let theirs = |it: &String| !["BR", "SU"].contains(&&it[..2]);
    for (story, ends) in open {
        for event in [every("ada", 1), every("ada", 2)].concat().iter().filter(|it| theirs(it)) {
            check(&[story, &[event]].concat(), ends);
        }
    }
}

#[test]
fn b1_b2_a_repeated_request_charges_nothing_more() {
    for again in ["BR ada/1 12A", "BR ada/1 12A again", "BR ada/1 12A @9999"] {
        check(&[CHARGED, again], "ada/1 ok");
    }
}

#[test]
fn b3_d17_another_request_under_the_id_is_set_aside_while_the_first_is_open() {
    for other in ["BR ada/2 12A EUR 5.00", "BR ada/2 12B", "BR ada/2 12A"] {
        let aside = format!("{other} => set aside");
        check(&[CLAIMED, &aside], "ada/1 claimed");
        check(&[CHARGED, &aside], "ada/1 ok");
    }
    let no_seat = [CLAIMED, "SU ada/1 taken 12A", "BR ada/2 12B => set aside"];
    check(&no_seat, "ada/1 claimed, no seat");
}

#[test]
fn b3_what_takes_back_does_not_look_at_the_request() {
    let conflict = "SU ada/2 conflict 12A > refunded => refund, RF ada/1";
    check(&[CHARGED, conflict], "ada/1 refunded");
    let meanwhile = "BR ada/1 12A > SU ada/2 conflict 12A > charged > refunded \
                     => charge, refund, PO ada/1, RF ada/1";
    check(&[meanwhile], "ada/1 refunded");
    let never = ["SU ada/2 taken 12A => PF ada/2 seat_unavailable", "BR ada/1 12A"];
    check(&never, "ada/2 never");
}

#[test]
fn b9_d2_a_decline_is_final_and_says_why() {
    for reason in ["declined", "insufficient_funds", "invalid", "card_on_fire"] {
        let declined = format!("BR ada/1 12A > {reason} => charge, PF ada/1 {reason}");
        check(&[&declined, "BR ada/1 12A"], "ada/1 failed");
    }
}

#[test]
fn d1_an_accepted_charge_is_announced_once() {
    check(&[CHARGED], "ada/1 ok");
    let yen = "BR ada/1 12A JPY 12900 > charged => charge, PO ada/1 JPY 12900";
    check(&[yen], "ada/1 ok");
}

#[test]
fn d3_a_time_out_is_no_answer_and_is_asked_again_under_the_same_key() {
    let again = "BR ada/1 12A > nothing => charge again, unanswered";
    let charged = "BR ada/1 12A > charged => charge again, PO ada/1";
    check(&[CLAIMED, again, again, charged, "BR ada/1 12A"], "ada/1 ok");
    let declined = "BR ada/1 12A again > declined => charge again, PF ada/1 declined";
    check(&[CLAIMED, declined], "ada/1 failed");
}

/// What a crash leaves is what a time-out leaves: the claim.
#[test]
fn d4_a_crash_after_the_charge_asks_again_and_says_it_once() {
    let redelivery = "BR ada/1 12A > charged => charge again, PO ada/1";
    check(&[CLAIMED, redelivery, "BR ada/1 12A"], "ada/1 ok");
}

#[test]
fn d5_of_two_workers_with_one_request_one_settles() {
    check(
        &["BR ada/1 12A > BR ada/1 12A = charged > charged => charge, charge again, PO ada/1"],
        "ada/1 ok",
    );
    check(
        &["BR ada/1 12A > BR ada/1 12A = declined > declined \
           => charge, charge again, PF ada/1 declined"],
        "ada/1 failed",
    );
    // The other one settles, and the money is already given back, when the first has its answer.
    check(
        &["BR ada/1 12A > BR ada/1 12A = charged > SU ada/1 taken 12A = refunded > charged \
           => charge, charge again, PO ada/1, refund, RF ada/1"],
        "ada/1 refunded",
    );
}

#[test]
fn d6_no_seat_before_the_request_is_never_charged() {
    for reason in [
        "taken",
        "unknown_flight",
        "unknown_seat",
        "not_on_sale",
        "fare",
        "expired",
        "conflict",
        "lightning",
    ] {
        assert!(NoSeat::parse(reason).is_ok());
        let again = format!("SU ada/1 {reason} 12A");
        let no_seat = format!("{again} => PF ada/1 seat_unavailable");
        check(&[&no_seat, "BR ada/1 12A", &again], "ada/1 never");
    }
}

/// The claim and "never" write the same row: one of them is told that it came too late.
#[test]
fn d6_no_seat_races_the_claim_for_one_row() {
    let world = check(&[], "");
    let claim = world.decide(&said("BR ada/1 12A"), &[], at(0.0));
    let never = world.decide(&said("SU ada/1 taken 12A"), &[], at(0.0));
    let written = |it| written(&id("ada"), it);
    assert_eq!(written(&claim), [Key::Booking(id("ada"))]);
    assert_eq!(written(&never), written(&claim));
}

#[test]
fn d7_d9_no_seat_after_the_charge_refunds_once() {
    check(&[CHARGED, REFUNDED, "SU ada/1 taken 12A"], "ada/1 refunded");
    let twice = "SU ada/1 taken 12A > SU ada/1 taken 12A = refunded > refunded \
                 => refund, refund, RF ada/1";
    check(&[CHARGED, twice], "ada/1 refunded");
}

#[test]
fn d8_no_seat_while_charging_is_recorded_and_refunded_in_one_settle() {
    let no_seat = "SU ada/1 taken 12A";
    // in flight
    let meanwhile = "BR ada/1 12A > SU ada/1 taken 12A > SU ada/1 taken 12A > charged > refunded \
                     => charge, refund, PO ada/1, RF ada/1";
    check(&[meanwhile], "ada/1 refunded");
    // not known how it went
    let later = "BR ada/1 12A > charged > refunded => charge again, refund, PO ada/1, RF ada/1";
    check(&[CLAIMED, no_seat, no_seat], "ada/1 claimed, no seat");
    check(&[CLAIMED, no_seat, no_seat, later], "ada/1 refunded");
}

#[test]
fn d8_no_seat_while_a_charge_is_declined_says_why_it_was_declined() {
    let comes = "BR ada/1 12A > SU ada/1 taken 12A > declined => charge, PF ada/1 declined";
    check(&[comes], "ada/1 failed");
}

#[test]
fn d12_d14_a_refund_without_an_answer_is_asked_for_again() {
    let lost = "SU ada/1 taken 12A > nothing => refund, unanswered";
    check(&[CHARGED, lost], "ada/1 ok");
    check(&[CHARGED, lost, lost, REFUNDED, "SU ada/1 taken 12A"], "ada/1 refunded");
    // the same inside the delivery of the request
    let lost = "BR ada/1 12A > SU ada/1 taken 12A > charged > nothing \
                => charge, refund, unanswered";
    let again = "BR ada/1 12A > charged > refunded => charge again, refund, PO ada/1, RF ada/1";
    check(&[lost], "ada/1 claimed, no seat");
    check(&[lost, again, "SU ada/1 taken 12A", "BR ada/1 12A"], "ada/1 refunded");
}

#[test]
fn d18_another_amount_or_currency_than_asked_is_given_back_and_not_paid() {
    let invalid = "charge, refund, PF ada/1 invalid";
    for amount in ["EUR 5.00", "USD 129.00", "EUR 129.01"] {
        let back = format!("BR ada/1 12A > charged {amount} > refunded => {invalid}");
        check(&[&back, "BR ada/1 12A"], "ada/1 failed");
        // also when there is no seat: no money was taken, in the end
        let su = "SU ada/1 taken 12A";
        let no_seat = format!("BR ada/1 12A > {su} > charged {amount} > refunded => {invalid}");
        check(&[&no_seat], "ada/1 failed");
        // the refund is lost
        let lost = format!("BR ada/1 12A > charged {amount} > nothing");
        let lost = lost + " => charge, refund, unanswered";
        let again = back.replace("=> charge,", "=> charge again,");
        check(&[&lost, &again], "ada/1 failed");
    }
}

#[test]
fn an_answer_to_another_question_is_set_aside() {
    let world = check(&[CLAIMED], "ada/1 claimed");
    let answers = [Answer::Refunded(refund("ada", "EUR 129.00"))];
    let step = world.decide(&said("BR ada/1 12A"), &answers, at(0.0));
    assert!(matches!(step, Step::SetAside(_)), "{step:?}");
}

/// What becomes of the money, in each ending that payment hears of.
#[test]
fn g_the_money_ends_charged_given_back_or_never_taken() {
    let expired = "SU ada/1 expired 12A > refunded => refund, RF ada/1";
    let expired_never = "SU ada/1 expired 12A => PF ada/1 seat_unavailable";
    let endings: [(&[&str], &str); 7] = [
        (&[CHARGED], "ada/1 ok"),
        (&[DECLINED], "ada/1 failed"),
        (&[NO_SEAT, "BR ada/1 12A"], "ada/1 never"),
        (&[CHARGED, REFUNDED], "ada/1 refunded"),
        (&[DECLINED, "SU ada/1 taken 12A"], "ada/1 failed"),
        (&[CHARGED, expired], "ada/1 refunded"),
        (&[expired_never, "BR ada/1 12A"], "ada/1 never"),
    ];
    for (story, ends) in endings {
        check(story, ends);
    }
}
