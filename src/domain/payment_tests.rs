//! The table of payment in `docs/RULES.md`, and rows B, D and G of the failure matrix.

use super::*;
use crate::domain::{
    decision::{Key, Step},
    event::NoSeat,
    testing::*,
};

/// Plays a story from the beginning. Each row says what comes in, and what payment then asks of the
/// gateway and announces.
///
/// What comes in is an event. After each `>` follows what the gateway does with the next question:
/// an answer (`charged`, `charged EUR 5.00`, `refunded`, or the reason of a decline), `nothing` for
/// a time-out or a crash, or another delivery that comes meanwhile, with its own answers after `=`.
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

/// Writes a question to the gateway, and checks that it is about the booking and has the token and
/// the amount of the request.
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
        (Effect::Undo { booking, charge }, _) => {
            assert_eq!(*charge, format!("ch_{booking}"));
            (booking, "undo")
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
        ("charged_other", Effect::Charge { booking, .. }) => {
            Answer::ChargedOther { charge: format!("ch_{booking}") }
        }
        ("undone", Effect::Undo { .. }) => Answer::Undone,
        ("given_back", Effect::Charge { .. }) => Answer::GivenBack,
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

/// Failure matrix: A24, A25, B7, D10, D17, D19.
#[test]
fn every_event_is_a_no_op_in_a_final_state() {
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

/// Failure matrix: B1, B2.
#[test]
fn a_repeated_request_charges_nothing_more() {
    for again in ["BR ada/1 12A", "BR ada/1 12A again", "BR ada/1 12A @9999"] {
        check(&[CHARGED, again], "ada/1 ok");
    }
}

/// Failure matrix: B3, D17.
#[test]
fn another_request_under_the_id_is_set_aside_while_the_first_is_open() {
    for other in ["BR ada/2 12A EUR 5.00", "BR ada/2 12B", "BR ada/2 12A"] {
        let aside = format!("{other} => set aside");
        check(&[CLAIMED, &aside], "ada/1 claimed");
        check(&[CHARGED, &aside], "ada/1 ok");
    }
    let no_seat = [CLAIMED, "SU ada/1 taken 12A", "BR ada/2 12B => set aside"];
    check(&no_seat, "ada/1 claimed, no seat");
}

/// Failure matrix: B3.
#[test]
fn what_takes_back_does_not_look_at_the_request() {
    let conflict = "SU ada/2 conflict 12A > refunded => refund, RF ada/1";
    check(&[CHARGED, conflict], "ada/1 refunded");
    let meanwhile = "BR ada/1 12A > SU ada/2 conflict 12A > charged > refunded \
                     => charge, refund, PO ada/1, RF ada/1";
    check(&[meanwhile], "ada/1 refunded");
    let never = ["SU ada/2 taken 12A => PF ada/2 seat_unavailable", "BR ada/1 12A"];
    check(&never, "ada/2 never");
}

/// Failure matrix: B9, D2.
#[test]
fn a_decline_is_final_and_says_why() {
    for reason in ["declined", "insufficient_funds", "invalid", "card_on_fire"] {
        let declined = format!("BR ada/1 12A > {reason} => charge, PF ada/1 {reason}");
        check(&[&declined, "BR ada/1 12A"], "ada/1 failed");
    }
}

/// Failure matrix: D2.
#[test]
fn a_charge_that_a_person_gave_back_is_not_paid_and_ends_as_a_decline() {
    let given_back = "BR ada/1 12A > given_back => charge again, PF ada/1 declined";
    check(&[CLAIMED, given_back, "BR ada/1 12A"], "ada/1 failed");
}

/// Failure matrix: D1.
#[test]
fn an_accepted_charge_is_announced_once() {
    check(&[CHARGED], "ada/1 ok");
    let yen = "BR ada/1 12A JPY 12900 > charged => charge, PO ada/1 JPY 12900";
    check(&[yen], "ada/1 ok");
}

/// Failure matrix: D3.
#[test]
fn a_time_out_is_no_answer_and_is_asked_again_under_the_same_key() {
    let again = "BR ada/1 12A > nothing => charge again, unanswered";
    let charged = "BR ada/1 12A > charged => charge again, PO ada/1";
    check(&[CLAIMED, again, again, charged, "BR ada/1 12A"], "ada/1 ok");
    let declined = "BR ada/1 12A again > declined => charge again, PF ada/1 declined";
    check(&[CLAIMED, declined], "ada/1 failed");
}

/// A crash leaves the same as a time-out: the claim.
/// Failure matrix: D4.
#[test]
fn a_crash_after_the_charge_asks_again_and_says_it_once() {
    let redelivery = "BR ada/1 12A > charged => charge again, PO ada/1";
    check(&[CLAIMED, redelivery, "BR ada/1 12A"], "ada/1 ok");
}

/// Failure matrix: D5.
#[test]
fn of_two_workers_with_one_request_one_settles() {
    check(
        &["BR ada/1 12A > BR ada/1 12A = charged > charged => charge, charge again, PO ada/1"],
        "ada/1 ok",
    );
    check(
        &["BR ada/1 12A > BR ada/1 12A = declined > declined \
           => charge, charge again, PF ada/1 declined"],
        "ada/1 failed",
    );
    // The second delivery has settled, and the refund is done, before the first has its answer.
    check(
        &["BR ada/1 12A > BR ada/1 12A = charged > SU ada/1 taken 12A = refunded > charged \
           => charge, charge again, PO ada/1, refund, RF ada/1"],
        "ada/1 refunded",
    );
}

/// Failure matrix: D6.
#[test]
fn no_seat_before_the_request_is_never_charged() {
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

/// The claim and "never" write the same row, so one of the two commits is a conflict.
/// Failure matrix: D6.
#[test]
fn no_seat_races_the_claim_for_one_row() {
    let world = check(&[], "");
    let claim = world.decide(&said("BR ada/1 12A"), &[], at(0.0));
    let never = world.decide(&said("SU ada/1 taken 12A"), &[], at(0.0));
    let written = |it| written(&id("ada"), it);
    assert_eq!(written(&claim), [Key::Booking(id("ada"))]);
    assert_eq!(written(&never), written(&claim));
}

/// Failure matrix: D7, D9.
#[test]
fn no_seat_after_the_charge_refunds_once() {
    check(&[CHARGED, REFUNDED, "SU ada/1 taken 12A"], "ada/1 refunded");
    let twice = "SU ada/1 taken 12A > SU ada/1 taken 12A = refunded > refunded \
                 => refund, refund, RF ada/1";
    check(&[CHARGED, twice], "ada/1 refunded");
}

/// Failure matrix: D8.
#[test]
fn no_seat_while_charging_is_recorded_and_refunded_in_one_settle() {
    let no_seat = "SU ada/1 taken 12A";
    // The charge is in flight.
    let meanwhile = "BR ada/1 12A > SU ada/1 taken 12A > SU ada/1 taken 12A > charged > refunded \
                     => charge, refund, PO ada/1, RF ada/1";
    check(&[meanwhile], "ada/1 refunded");
    // It is not known whether the charge succeeded.
    let later = "BR ada/1 12A > charged > refunded => charge again, refund, PO ada/1, RF ada/1";
    check(&[CLAIMED, no_seat, no_seat], "ada/1 claimed, no seat");
    check(&[CLAIMED, no_seat, no_seat, later], "ada/1 refunded");
}

/// Failure matrix: D8.
#[test]
fn no_seat_while_a_charge_is_declined_says_why_it_was_declined() {
    let comes = "BR ada/1 12A > SU ada/1 taken 12A > declined => charge, PF ada/1 declined";
    check(&[comes], "ada/1 failed");
}

/// Failure matrix: D12, D14.
#[test]
fn a_refund_without_an_answer_is_asked_for_again() {
    let lost = "SU ada/1 taken 12A > nothing => refund, unanswered";
    check(&[CHARGED, lost], "ada/1 ok");
    check(&[CHARGED, lost, lost, REFUNDED, "SU ada/1 taken 12A"], "ada/1 refunded");
    // The same, within the delivery of the request.
    let lost = "BR ada/1 12A > SU ada/1 taken 12A > charged > nothing \
                => charge, refund, unanswered";
    let again = "BR ada/1 12A > charged > refunded => charge again, refund, PO ada/1, RF ada/1";
    check(&[lost], "ada/1 claimed, no seat");
    check(&[lost, again, "SU ada/1 taken 12A", "BR ada/1 12A"], "ada/1 refunded");
}

/// Failure matrix: D18.
#[test]
fn another_amount_or_currency_than_asked_is_given_back_and_not_paid() {
    let invalid = "charge, refund, PF ada/1 invalid";
    for amount in ["EUR 5.00", "USD 129.00", "EUR 129.01"] {
        let back = format!("BR ada/1 12A > charged {amount} > refunded => {invalid}");
        check(&[&back, "BR ada/1 12A"], "ada/1 failed");
        // Without a seat it ends the same, since in the end no money was taken.
        let su = "SU ada/1 taken 12A";
        let no_seat = format!("BR ada/1 12A > {su} > charged {amount} > refunded => {invalid}");
        check(&[&no_seat], "ada/1 failed");
        // The refund gets no answer.
        let lost = format!("BR ada/1 12A > charged {amount} > nothing");
        let lost = lost + " => charge, refund, unanswered";
        let again = back.replace("=> charge,", "=> charge again,");
        check(&[&lost, &again], "ada/1 failed");
    }
}

/// Failure matrix: D18.
#[test]
fn an_amount_that_no_request_can_have_is_given_back_and_not_paid() {
    let invalid = "charge, undo, PF ada/1 invalid";
    let back = format!("BR ada/1 12A > charged_other > undone => {invalid}");
    check(&[&back, "BR ada/1 12A"], "ada/1 failed");
    let no_seat =
        format!("BR ada/1 12A > SU ada/1 taken 12A > charged_other > undone => {invalid}");
    check(&[&no_seat], "ada/1 failed");
    // It gets no answer.
    let lost = "BR ada/1 12A > charged_other > nothing => charge, undo, unanswered";
    let again = back.replace("=> charge,", "=> charge again,");
    check(&[lost, &again], "ada/1 failed");
}

#[test]
fn an_answer_to_another_question_is_set_aside() {
    let world = check(&[CLAIMED], "ada/1 claimed");
    for answer in [Answer::Refunded(refund("ada", "EUR 129.00")), Answer::Undone] {
        let step = world.decide(&said("BR ada/1 12A"), &[answer], at(0.0));
        assert!(matches!(step, Step::SetAside(_)), "{step:?}");
    }
}

/// Where the money is, in each ending that payment hears of.
/// Failure matrix: section G.
#[test]
fn the_money_ends_charged_given_back_or_never_taken() {
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
