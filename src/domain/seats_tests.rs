//! The table of seats in `docs/RULES.md`, and rows B, C and G of the failure matrix.
//!
//! One file: its stories share one notation.

use super::*;
use crate::domain::testing::*;

/// The limit of a hold. A hold from `@0` is within the limit at `@900` and older at `@901`.
const LIMIT: SignedDuration = SignedDuration::from_secs(900);

/// Plays a story from the beginning. Each row says what comes in (`@` is the time, by the clock of
/// seats) and what is announced. `ends` describes the rows of the bookings.
#[track_caller]
fn check(story: &[&str], ends: &str) -> World<Seats> {
    let mut world = World::new(Seats { schedule: Schedule::sample(), hold_limit: LIMIT });
    for it in story {
        let (comes, says) = row(it);
        let mut event = said(comes);
        // The publisher's time must not matter, so it is a wrong one.
        let now = std::mem::replace(&mut event.time, at(-86_400.0));
        let told = world.deliver(&event, now, &mut |_, never| match *never {});
        assert_eq!(told, says, "{comes}");
        a_seat_has_one_holder_and_a_holder_its_seats(&world);
    }
    let holds = world.rows.iter().filter_map(|(key, row)| Some((key, hold(row)?)));
    let told: Vec<String> = holds.map(|(key, it)| tell_hold(key, it)).collect();
    assert_eq!(told.join(", "), ends);
    world
}

fn hold(row: &Row) -> Option<&Hold> {
    match row {
        Row::Booking(hold) => Some(hold),
        Row::Seat { .. } => None,
    }
}

fn tell_hold(key: &Key, hold: &Hold) -> String {
    let booking = key.to_string().replace("booking/", "");
    let (is, digest, rest) = match hold {
        Hold::Paid { digest } => ("paid", digest, String::new()),
        Hold::Held(it) => ("held", &it.digest, list(&it.seating)),
        Hold::Confirmed { digest, seating } => ("confirmed", digest, list(seating)),
        Hold::Refused { digest, taken_over_by: None } => ("refused", digest, String::new()),
        Hold::Refused { digest, taken_over_by: Some(by) } => {
            ("refused", digest, format!(" by {by}"))
        }
        Hold::Released { digest } => ("released", digest, String::new()),
    };
    format!("{booking} {is}/{}{rest}", request_number(*digest))
}

fn list(seating: &Seating) -> String {
    seating.seats.iter().map(|it| format!(" {it}")).collect()
}

/// Checks invariant H1 of the failure matrix in both directions, so that a story need not describe
/// the rows of the seats.
fn a_seat_has_one_holder_and_a_holder_its_seats(world: &World<Seats>) {
    let mut theirs = std::collections::BTreeMap::new();
    for (key, row) in &world.rows {
        if let (
            Key::Booking(id),
            Row::Booking(Hold::Held(Held { seating, .. }) | Hold::Confirmed { seating, .. }),
        ) = (key, row)
        {
            for seat in keys(seating) {
                assert_eq!(theirs.insert(seat, id), None, "two bookings have one seat");
            }
        }
    }
    let held = world.rows.iter().filter_map(|(key, row)| match row {
        Row::Seat { holder: Some(holder) } => Some((key.clone(), holder)),
        Row::Seat { holder: None } | Row::Booking(_) => None,
    });
    assert_eq!(held.collect::<std::collections::BTreeMap<_, _>>(), theirs);
}

const HELD: &str = "BR ada/1 12A => SB ada/1 12A";
const PAID: &str = "PO ada/1";
const RELEASED: &str = "PF ada/1 declined => SR ada/1 payment_failed 12A";
const NEVER_HELD: &str = "PF ada/1 declined => SR ada/1 never_held";
const BOB: &str = "BR bob/2 12A => SB bob/2 12A";
const TAKEN_OVER: &str = "BR bob/2 12A @901 => SB bob/2 12A, SU ada/1 expired 12A";

/// Stories that end in a final state, each with the row that it leaves.
const FINAL: [(&[&str], &str); 7] = [
    (&[HELD, PAID], "ada confirmed/1 12A"),
    (&[PAID, HELD], "ada confirmed/1 12A"),
    (&["BR ada/1 99A => SU ada/1 unknown_seat 99A"], "ada refused/1"),
    (&[HELD, "PO ada/2 => SU ada/1 conflict 12A"], "ada refused/1"),
    (&[HELD, TAKEN_OVER], "ada refused/1 by bob, bob held/2 12A"),
    (&[NEVER_HELD], "ada released/1"),
    (&[HELD, RELEASED], "ada released/1"),
];

/// Failure matrix: A24, A25, B7, C7, C9, C23.
#[test]
fn every_event_is_a_no_op_in_a_final_state_of_seats() {
    for (story, ends) in FINAL {
        let before = check(story, ends).text();
        for event in [every("ada", 1), every("ada", 2)].concat() {
            let late = format!("{event} @9999");
            let after = check(&[story, &[&late]].concat(), ends);
            assert_eq!(after.text(), before, "{event}");
        }
    }
}

#[test]
fn events_that_are_not_for_seats_change_nothing_in_any_state() {
    let open: [(&[&str], &str); 3] =
        [(&[], ""), (&[PAID], "ada paid/1"), (&[HELD], "ada held/1 12A")];
    let theirs = |it: &String| !["BR", "PO", "PF"].contains(&&it[..2]);
    for (story, ends) in open {
        for event in [every("ada", 1), every("ada", 2)].concat().iter().filter(|it| theirs(it)) {
            check(&[story, &[event]].concat(), ends);
        }
    }
}

/// Failure matrix: B1, B2.
#[test]
fn a_repeated_request_is_a_no_op() {
    for again in ["BR ada/1 12A", "BR ada/1 12A again", "BR ada/1 12A @9999"] {
        check(&[HELD, again], "ada held/1 12A");
    }
}

/// Failure matrix: B3.
#[test]
fn another_request_under_the_id_of_a_hold_is_set_aside() {
    check(&[HELD, "BR ada/2 12B => set aside"], "ada held/1 12A");
}

/// Failure matrix: B3.
#[test]
fn a_payment_of_another_request_frees_the_seats_for_good() {
    check(
        &[
            "BR ada/1 12A 12B => SB ada/1 12A 12B",
            "PO ada/2 => SU ada/1 conflict 12A 12B",
            "BR ada/2 12A",
            "BR bob/3 12A 12B => SB bob/3 12A 12B",
        ],
        "ada refused/1, bob held/3 12A 12B",
    );
}

/// Failure matrix: B3.
#[test]
fn a_request_other_than_the_paid_one_is_set_aside_and_the_paid_one_has_its_seats() {
    let other = "BR ada/1 12A 12B => set aside";
    check(&["PO ada/2", other, other], "ada paid/2");
    check(&["PO ada/2", other, "BR ada/2 12C => SB ada/2 12C"], "ada confirmed/2 12C");
}

/// Failure matrix: B5.
#[test]
fn an_unknown_flight_or_seat_is_an_answer_that_names_what_is_missing() {
    for refused in [
        "BR ada/1 ZZ999 12A 12B => SU ada/1 unknown_flight ZZ999 12A 12B",
        "BR ada/1 12A 13A 99A => SU ada/1 unknown_seat 13A 99A",
    ] {
        check(&[refused], "ada refused/1");
        check(&[PAID, refused], "ada refused/1");
    }
}

/// Failure matrix: B6.
#[test]
fn a_taken_seat_among_free_ones_refuses_all_and_names_only_the_missing() {
    check(
        &[
            "BR bob/2 12B => SB bob/2 12B",
            "BR ada/1 12A 12B 12C => SU ada/1 taken 12B",
            "BR eve/3 12A 12C => SB eve/3 12A 12C",
        ],
        "ada refused/1, bob held/2 12B, eve held/3 12A 12C",
    );
}

/// Failure matrix: C1, C2, C17.
#[test]
fn free_seats_are_held_and_taken_ones_refused_for_good() {
    check(
        &[
            BOB,
            "BR ada/1 12A => SU ada/1 taken 12A",
            "PF bob/2 declined => SR bob/2 payment_failed 12A",
            "BR ada/1 12A",
            "BR eve/3 12A => SB eve/3 12A",
        ],
        "ada refused/1, bob released/2, eve held/3 12A",
    );
}

#[test]
fn the_same_seat_of_another_flight_is_another_seat() {
    check(&[HELD, "BR bob/2 WA118 12A => SB bob/2 WA118 12A"], "ada held/1 12A, bob held/2 12A");
}

/// Two workers decide on the same rows. They must write a row in common, so that only one of them
/// can commit.
/// Failure matrix: C3, C6, C14.
#[test]
fn racing_decisions_write_a_row_in_common() {
    let nobody: (&[&str], &str) = (&[], "");
    let ada: (&[&str], &str) = (&[HELD], "ada held/1 12A");
    for ((story, ends), one, other, both) in [
        (nobody, "BR ada/1 12A 12B", "BR bob/2 12B 12C", "seat/WA117/2027-03-01/12B"),
        (nobody, "BR ada/1 12A", "PF ada/1 declined", "booking/ada"),
        (nobody, "BR ada/1 12A", PAID, "booking/ada"),
        (ada, PAID, "BR bob/2 12A 12B", "booking/ada"),
        (ada, "PF ada/1 declined", "BR bob/2 12A 12B", "booking/ada"),
        (ada, "PO ada/2", "PF ada/1 declined", "booking/ada"),
    ] {
        let world = check(story, ends);
        let writes = |it| {
            let event = said(it);
            written(&event.booking, &world.decide(&event, &[], at(901.0)))
        };
        let theirs = writes(other);
        let common = |it: &Key| theirs.contains(it) && it.to_string() == both;
        assert!(writes(one).iter().any(common), "{one}, {other}");
    }
}

/// Failure matrix: C4, C7.
#[test]
fn a_decline_frees_the_seats_once() {
    check(
        &[
            "BR ada/1 12A 12B => SB ada/1 12A 12B",
            "PF ada/1 declined => SR ada/1 payment_failed 12A 12B",
            "PF ada/1 declined",
            "BR bob/2 12A 12B => SB bob/2 12A 12B",
        ],
        "ada released/1, bob held/2 12A 12B",
    );
}

/// Failure matrix: C4.
#[test]
fn a_decline_frees_whatever_request_it_answers() {
    check(&[HELD, "PF ada/2 declined => SR ada/1 payment_failed 12A"], "ada released/1");
}

/// Failure matrix: C5, C22.
#[test]
fn a_decline_before_the_request_never_holds() {
    check(&[NEVER_HELD], "ada released/1");
    check(&[NEVER_HELD, "BR ada/1 12A"], "ada released/1");
    check(&[NEVER_HELD, "BR ada/2 12A"], "ada released/1");
}

/// Failure matrix: C8.
#[test]
fn a_duplicate_decline_leaves_a_resold_seat_alone() {
    check(&[HELD, RELEASED, BOB, "PF ada/1 declined"], "ada released/1, bob held/2 12A");
}

/// The state of this test should be impossible, but freeing the seat would be the worst outcome of
/// all, so the holder is compared.
/// Failure matrix: C8.
#[test]
fn a_seat_is_freed_only_from_its_holder() {
    for comes in ["PF ada/1 declined", "PO ada/2", "BR eve/3 12B @901"] {
        let mut world = check(&["BR ada/1 12A 12B => SB ada/1 12A 12B"], "ada held/1 12A 12B");
        let seat = Key::Seat("WA117/2027-03-01/12A".to_owned());
        let bobs = Row::Seat { holder: Some(id("bob")) };
        world.rows.insert(seat.clone(), bobs.clone());
        let event = said(comes);
        world.deliver(&event, event.time, &mut |_, never| match *never {});
        assert_eq!(world.rows[&seat], bobs, "{comes}");
    }
}

/// Failure matrix: C10.
#[test]
fn an_unpaid_hold_can_be_taken_over_when_it_is_older_than_the_limit() {
    for early in ["@0", "@899", "@900", "@-5", "@-31536000"] {
        let bob = format!("BR bob/2 12A {early} => SU bob/2 taken 12A");
        check(&[HELD, &bob], "ada held/1 12A, bob refused/2");
    }
    for late in ["@900.001", "@901", "@86400", "@31536000"] {
        let bob = format!("BR bob/2 12A {late} => SB bob/2 12A, SU ada/1 expired 12A");
        check(&[HELD, &bob], "ada refused/1 by bob, bob held/2 12A");
    }
}

/// Failure matrix: C10.
#[test]
fn a_take_over_frees_all_seats_of_the_displaced_booking() {
    check(
        &[
            "BR ada/1 12A 12B 12C => SB ada/1 12A 12B 12C",
            "BR bob/2 12B 12D @901 => SB bob/2 12B 12D, SU ada/1 expired 12A 12B 12C",
            "BR eve/3 12A 12C @902 => SB eve/3 12A 12C",
        ],
        "ada refused/1 by bob, bob held/2 12B 12D, eve held/3 12A 12C",
    );
    // It is displaced once, even if several of its seats are wanted.
    check(
        &[
            "BR ada/1 12A 12B 12C => SB ada/1 12A 12B 12C",
            "BR bob/2 12A 12B @901 => SB bob/2 12A 12B, SU ada/1 expired 12A 12B 12C",
        ],
        "ada refused/1 by bob, bob held/2 12A 12B",
    );
}

/// Failure matrix: C10.
#[test]
fn two_holders_are_displaced_at_once_and_a_hold_is_young_again() {
    check(
        &[
            "BR ada/1 12A 12B => SB ada/1 12A 12B",
            "BR bob/2 12C 12D => SB bob/2 12C 12D",
            "BR eve/3 12B 12C @901 \
             => SB eve/3 12B 12C, SU ada/1 expired 12A 12B, SU bob/2 expired 12C 12D",
            "BR ada/4 12A @902",
            "BR dan/5 12C 12D @1801 => SU dan/5 taken 12C",
            "BR fay/6 12C 12D @1802 => SB fay/6 12C 12D, SU eve/3 expired 12B 12C",
        ],
        "ada refused/1 by eve, bob refused/2 by eve, dan refused/5, eve refused/3 by fay, \
         fay held/6 12C 12D",
    );
}

/// Failure matrix: C10.
#[test]
fn nobody_is_displaced_when_one_of_the_seats_cannot_be_had() {
    check(
        &[
            HELD,
            "BR bob/2 12B @500 => SB bob/2 12B",
            "BR dan/3 12C => SB dan/3 12C",
            "PO dan/3",
            "BR eve/4 12A 12B 12C 12D @901 => SU eve/4 taken 12B 12C",
        ],
        "ada held/1 12A, bob held/2 12B, dan confirmed/3 12C, eve refused/4",
    );
}

/// Failure matrix: C10.
#[test]
fn nine_seats_of_nine_holders_of_nine_fit_one_transaction() {
    const ROW: &str = "5A 5B 5C 5D 5E 5F 5G 5H 5J";
    let (mut story, mut ends) = (Vec::new(), Vec::new());
    for letter in "ABCDEFGHJ".chars() {
        let seats: String = (1..=9).map(|row| format!(" {row}{letter}")).collect();
        story.push(format!("BR {letter}/1 WA240{seats} => SB {letter}/1 WA240{seats}"));
        ends.push(format!("{letter} held/1{seats}"));
    }
    let story: Vec<&str> = story.iter().map(|it| &**it).collect();
    let world = check(&story, &ends.join(", "));
    let event = said(&format!("BR z/2 WA240 {ROW}"));
    let Step::Settle(decision) = world.decide(&event, &[], at(901.0)) else {
        panic!("not settled")
    };
    let (rows, said) = (1 + decision.others.len(), decision.announce.len());
    assert_eq!((rows, said), (1 + 9 + 81, 1 + 9));
    let expired = |it: &Event| tell(it).contains(" expired WA240 ");
    assert!(decision.announce[1..].iter().all(expired));
    // The whole story ends as expected.
    let said: Vec<String> = decision.announce.iter().map(tell).collect();
    let taken_over = format!("BR z/2 WA240 {ROW} @901 => {}", said.join(", "));
    let all = [&story[..], &[&taken_over]].concat();
    let ends = "A B C D E F G H J".replace(' ', " refused/1 by z, ");
    check(&all, &format!("{ends} refused/1 by z, z held/2 {ROW}"));
}

/// `tell` compares whole events, so other tests cover this as well; this one says it plainly.
/// Failure matrix: C10.
#[test]
fn a_displaced_booking_keeps_its_digest_and_trace() {
    let world = check(&[HELD], "ada held/1 12A");
    let Step::Settle(decision) = world.decide(&said("BR bob/2 12A"), &[], at(901.0)) else {
        panic!("not settled")
    };
    let told =
        |it: &Event| (it.booking.to_string(), request_number(it.digest), it.traceparent.clone());
    assert_eq!(
        decision.announce.iter().map(told).collect::<Vec<_>>(),
        [
            ("bob".to_owned(), 2, Some("trace of bob".to_owned())),
            ("ada".to_owned(), 1, Some("trace of ada".to_owned())),
        ]
    );
}

/// Failure matrix: C11.
#[test]
fn a_paid_hold_is_confirmed_and_never_expires() {
    check(
        &[HELD, PAID, PAID, "BR bob/2 12A @99999 => SU bob/2 taken 12A"],
        "ada confirmed/1 12A, bob refused/2",
    );
}

/// Failure matrix: C12.
#[test]
fn a_payment_before_the_request_is_remembered() {
    check(&[PAID, PAID, "PO ada/2"], "ada paid/1");
    check(&[PAID, "BR ada/1 12A 12B => SB ada/1 12A 12B"], "ada confirmed/1 12A 12B");
    let taken = "BR ada/1 12A 12B => SU ada/1 taken 12A";
    check(&[BOB, PAID, taken], "ada refused/1, bob held/2 12A");
    let over = "BR ada/1 12A 12B @901 => SB ada/1 12A 12B, SU bob/2 expired 12A";
    check(&[BOB, PAID, over], "ada confirmed/1 12A 12B, bob refused/2 by ada");
}

/// Failure matrix: C13.
#[test]
fn an_expired_hold_that_nobody_took_is_still_a_hold() {
    check(&[HELD, "PO ada/1 @9999"], "ada confirmed/1 12A");
    let failed = "PF ada/1 declined @9999 => SR ada/1 payment_failed 12A";
    check(&[HELD, failed], "ada released/1");
    let other = "BR bob/2 12B @9999 => SB bob/2 12B";
    check(&[HELD, other], "ada held/1 12A, bob held/2 12B");
}

/// Failure matrix: C13.
#[test]
fn a_payment_after_a_take_over_comes_too_late() {
    let over = [HELD, TAKEN_OVER, "PO ada/1 @902"];
    check(&over, "ada refused/1 by bob, bob held/2 12A");
}

/// Failure matrix: C15.
#[test]
fn of_two_contradictory_payments_the_first_stands() {
    check(&[PAID, "PF ada/1 declined => set aside"], "ada paid/1");
    check(&[PAID, "PF ada/2 declined => set aside", HELD], "ada confirmed/1 12A");
    check(&[HELD, PAID, "PF ada/1 declined"], "ada confirmed/1 12A");
    check(&[NEVER_HELD, PAID], "ada released/1");
}

/// The state of the booking after every order of its facts, when no other booking interferes.
/// Failure matrix: section G.
#[test]
fn the_seat_ends_the_same_in_every_order_and_however_often() {
    let (br, po, pf) = ("BR ada/1 12A", "PO ada/1", "PF ada/1 declined");
    for (facts, ends) in [
        ([br, po, br], "ada confirmed/1 12A"),
        ([br, po, po], "ada confirmed/1 12A"),
        (["BR ada/1 12A @901", "PO ada/1 @1802", po], "ada confirmed/1 12A"),
        ([br, pf, "BR ada/1 12A again"], "ada released/1"),
        ([br, pf, pf], "ada released/1"),
        (["BR ada/1 99A", po, po], "ada refused/1"),
        ([br, br, br], "ada held/1 12A"),
        ([po, po, po], "ada paid/1"),
        ([pf, pf, pf], "ada released/1"),
    ] {
        for order in orders(&facts) {
            let mut world = check(&[], "");
            let mut nobody = |_: &mut World<Seats>, never: &Infallible| match *never {};
            for fact in order.iter().map(|it| said(it)) {
                world.deliver(&fact, fact.time, &mut nobody);
            }
            let key = Key::Booking(id("ada"));
            assert_eq!(tell_hold(&key, hold(&world.rows[&key]).unwrap()), ends, "{order:?}");
        }
    }
}
