//! The rows E10 and E15 of the failure matrix: what becomes of a receipt whose seats are lost.

use super::{
    tests::{BR, NO_SEAT, PO, PO_DIES, PO_SENDS, SB, SENT, VOID_DIES, VOIDS, check, deliver},
    *,
};
use crate::domain::{decision::Key, testing::*};

/// Failure matrix: E10, E15.
#[test]
fn a_lost_seat_after_the_receipt_makes_it_void_and_is_told_once() {
    for reason in ["expired", "conflict", "lightning"] {
        let no_seat = format!("SU ada/1 {reason} 12A 12B @9");
        let told = format!("{no_seat} => void to Ada 1 for 12A, 12B lost @9");
        check(&[BR, SB, PO_SENDS, &told, &no_seat], "void/1");
    }
}

/// Failure matrix: E10, E15.
#[test]
fn a_receipt_that_is_being_sent_is_finished_and_void_when_the_seat_is_lost() {
    let both = SENT.replace(", RI", ", void to Ada 1 for 12A, 12B lost @9, RI");
    let meanwhile = format!("{PO} > {NO_SEAT} => {both}");
    check(&[BR, SB, &meanwhile], "void/1");
    check(&[BR, SB, PO_DIES, NO_SEAT, NO_SEAT], "issuing void/1");
    let sends = format!("{PO} => {both}");
    check(&[BR, SB, PO_DIES, NO_SEAT, &sends, NO_SEAT], "void/1");
    // If the process dies between the two mails, both are sent again.
    let dies =
        format!("{PO} > {NO_SEAT} > sent > crash => {}", both.replace("RI ada/1", "unanswered"));
    let again = format!("{BR} => {both}");
    check(&[BR, SB, &dies, &again], "void/1");
}

/// Failure matrix: E15.
#[test]
fn a_crash_after_the_claim_says_the_same_again_that_a_receipt_is_void() {
    let begun = [BR, SB, PO_SENDS, VOID_DIES];
    let again: Vec<&str> = [&begun[..], &[VOID_DIES, VOIDS, NO_SEAT]].concat();
    check(&again, "void/1");
    let mut world = World::new(Receipts);
    let mut heard = Vec::new();
    begun.iter().for_each(|it| deliver(&mut world, row(it).0, &mut heard));
    let claimed = &world.rows[&Key::Booking(id("ada"))];
    assert!(!claimed.valid() && !claimed.void_sent, "the claim is that it is void: {claimed:?}");
    // Nothing but the lost seat leads to the mail.
    for event in [every("ada", 1), every("ada", 2)].concat() {
        if !event.starts_with("SU") {
            deliver(&mut world, &event, &mut heard);
        }
    }
    assert!(!world.rows[&Key::Booking(id("ada"))].void_sent);
}

/// Failure matrix: E15.
#[test]
fn of_two_deliveries_of_a_lost_seat_one_settles() {
    let twice = format!(
        "{NO_SEAT} > {NO_SEAT} => void to Ada 1 for 12A, 12B lost @9, \
         void to Ada 1 for 12A, 12B lost @9"
    );
    check(&[BR, SB, PO_SENDS, &twice], "void/1");
}

/// Nobody is told whose name and address were erased, and the receipt is void all the same.
/// Failure matrix: E15.
#[test]
fn nobody_is_told_of_a_void_receipt_who_was_erased() {
    let mut world = check(&[BR, SB, PO_SENDS], "valid/1");
    let row = world.rows.get_mut(&Key::Booking(id("ada"))).unwrap();
    *row = row.erased(false).unwrap();
    let mut heard = Vec::new();
    for _ in 0..2 {
        deliver(&mut world, NO_SEAT, &mut heard);
    }
    assert_eq!(heard, Vec::<String>::new());
    let row = &world.rows[&Key::Booking(id("ada"))];
    assert!(!row.valid() && row.seat_unavailable && !row.void_sent, "{row:?}");
}

/// A row of an earlier version has neither the charge nor the time, and whoever has its receipt is
/// told if the lost seat is heard of again.
/// Failure matrix: A32, E15.
#[test]
fn a_void_receipt_of_an_earlier_version_is_told_when_it_is_heard_again() {
    let mut world = check(&[BR, SB, PO_SENDS], "valid/1");
    let row = world.rows.get_mut(&Key::Booking(id("ada"))).unwrap();
    let mut earlier = serde_json::to_value(&*row).unwrap();
    earlier["seat_unavailable"] = true.into();
    for newer in ["charge", "lost_at", "void_sent"] {
        earlier.as_object_mut().unwrap().remove(newer);
    }
    *row = serde_json::from_value(earlier).unwrap();
    let void = row.void(&id("ada")).unwrap();
    assert_eq!((void.charge.clone(), void.issued_at()), (None, at(5.0)), "when it was paid");
    let mut sent = Vec::new();
    for _ in 0..2 {
        world.deliver(&said(NO_SEAT), at(77.0), &mut |_, receipt| {
            sent.push(receipt.clone());
            Some(Sent)
        });
    }
    assert_eq!(sent, [void]);
}
