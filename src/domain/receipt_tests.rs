//! The table of receipt in `docs/RULES.md`, and rows B, E and G of the failure matrix.

use super::*;
use crate::domain::{decision::Key, testing::*};

/// Plays a story from the beginning. Each row says what comes in, and what receipt then sends and
/// announces.
///
/// What comes in is an event. After each `>` follows what happens while the mail is being sent:
/// another delivery, or `crash`, or `sent` if something follows that happens during a second mail.
/// Without a `crash`, the mail is sent.
#[track_caller]
pub(super) fn check(story: &[impl AsRef<str> + std::fmt::Debug], ends: &str) -> World<Receipts> {
    let mut world = World::new(Receipts);
    for it in story {
        let (comes, says) = row(it.as_ref());
        let mut heard = Vec::new();
        deliver(&mut world, comes, &mut heard);
        assert_eq!(heard.join(", "), says, "{comes}");
    }
    assert_eq!(stands(&world), ends, "{story:?}");
    world
}

pub(super) fn deliver(world: &mut World<Receipts>, comes: &str, heard: &mut Vec<String>) {
    let mut words = comes.split(" > ");
    let event = said(words.next().unwrap());
    let told = world.deliver(&event, at(77.0), &mut |world, receipt| {
        assert_eq!(receipt.booking, event.booking);
        heard.push(tell_receipt(receipt));
        for meanwhile in words.by_ref() {
            match meanwhile {
                "crash" => return None,
                "sent" => break,
                comes => deliver(world, comes, heard),
            }
        }
        Some(Sent)
    });
    heard.extend(Some(told).filter(|it| !it.is_empty()));
}

/// Everything that a receipt says, except for what is the same in all of them.
fn tell_receipt(receipt: &Receipt) -> String {
    let Receipt { number, booking: _, seating, to, amount, paid_at, charge, voids } = receipt;
    let Addressee::Known(passenger) = to else { panic!("nobody was erased") };
    assert_eq!((&*passenger.email, charge.as_deref()), ("ada@example.com", Some("ch_ada")));
    assert_eq!((seating.flight.as_str(), amount.to_string().as_str()), ("WA117", "EUR 129.00"));
    let seats = crate::domain::seat::seat_list(&seating.seats);
    match voids {
        None => {
            assert_eq!(number, ADAS_RECEIPT);
            format!("mail to {} for {seats} paid @{}", passenger.name, seconds(*paid_at))
        }
        Some(Voided { number: receipt, lost_at }) => {
            assert_eq!((&**number, &**receipt), (ADAS_VOID, ADAS_RECEIPT));
            let lost_at = lost_at.map(seconds).expect("these rows have it");
            format!("void to {} for {seats} lost @{lost_at}", passenger.name)
        }
    }
}

/// The state of ada's booking. Also checks whether its receipt is valid.
fn stands(world: &World<Receipts>) -> String {
    let Some(join) = world.rows.get(&Key::Booking(id("ada"))) else {
        return "nothing".to_owned();
    };
    let (stands, valid) = match (join.issued, join.seat_unavailable) {
        (Issued::No, false) => ("waiting".to_owned(), false),
        (Issued::No, true) => ("closed".to_owned(), false),
        (Issued::Issuing { digest }, false) => {
            (format!("issuing/{}", request_number(digest)), false)
        }
        (Issued::Issuing { digest }, true) => {
            (format!("issuing void/{}", request_number(digest)), false)
        }
        (Issued::Yes { digest }, false) => (format!("valid/{}", request_number(digest)), true),
        (Issued::Yes { digest }, true) => (format!("void/{}", request_number(digest)), false),
    };
    assert_eq!(join.valid(), valid);
    assert_eq!(join.void_sent, stands.starts_with("void"), "who has a void receipt was told");
    assert_eq!(join.void(&id("ada")).is_some(), stands.contains("void"));
    let receipt = join.receipt(&id("ada")).map(|it| tell_receipt(&it));
    assert_eq!(receipt.is_some(), join.issued != Issued::No);
    stands
}

pub(super) const BR: &str = "BR ada/1 12A 12B";
pub(super) const SB: &str = "SB ada/1 12A 12B";
pub(super) const PO: &str = "PO ada/1 @5";
pub(super) const NO_SEAT: &str = "SU ada/1 expired 12A 12B @9";
/// The number of the mail that says that the receipt of `ada` is void. It must never change either.
const ADAS_VOID: &str = "V-X7E7-QA2B-FDS3";
/// What is sent and announced when the receipt goes out.
pub(super) const SENT: &str = "mail to Ada 1 for 12A, 12B paid @5, RI ada/1";
pub(super) const PO_SENDS: &str = "PO ada/1 @5 => mail to Ada 1 for 12A, 12B paid @5, RI ada/1";
/// The seats were lost after the receipt was sent.
pub(super) const VOIDS: &str = "SU ada/1 expired 12A 12B @9 => void to Ada 1 for 12A, 12B lost @9";
pub(super) const VOID_DIES: &str =
    "SU ada/1 expired 12A 12B @9 > crash => void to Ada 1 for 12A, 12B lost @9, unanswered";
pub(super) const PO_DIES: &str =
    "PO ada/1 @5 > crash => mail to Ada 1 for 12A, 12B paid @5, unanswered";

/// A story of these facts in this order: the fact at `last` leads to `says`, the others to nothing.
fn story(facts: &[&str], last: usize, says: &str) -> Vec<String> {
    let mut story: Vec<String> = facts.iter().map(|it| (*it).to_owned()).collect();
    story[last] += &format!(" => {says}");
    story
}

/// Failure matrix: B1, B2, E1, E2, E14.
#[test]
fn any_order_and_any_repetition_sends_one_receipt_with_one_content() {
    for order in orders(&[BR, SB, PO]) {
        check(&order[..1], "waiting");
        check(&order[..2], "waiting");
        check(&story(&order, 2, SENT), "valid/1");
        // Repeats each fact at each later position.
        for repeated in 0..3 {
            for place in repeated + 1..=3 {
                let mut all = order.clone();
                all.insert(place, order[repeated]);
                let last = if place == 3 { 2 } else { 3 };
                check(&story(&all, last, SENT), "valid/1");
            }
        }
    }
}

/// Failure matrix: A24, A25, B2, B7.
#[test]
fn nothing_but_a_lost_seat_matters_to_a_receipt_that_was_sent() {
    let before = check(&[BR, SB, PO_SENDS], "valid/1").text();
    for event in [every("ada", 1), every("ada", 2)].concat() {
        if !event.starts_with("SU") {
            let after = check(&[BR, SB, PO_SENDS, &event], "valid/1");
            assert_eq!(after.text(), before, "{event}");
        }
    }
}

/// Failure matrix: A24, A25.
#[test]
fn every_event_is_a_no_op_when_the_receipt_is_closed_or_void() {
    let finals: [(&[&str], &str); 3] = [
        (&[NO_SEAT], "closed"),
        (&[BR, SB, NO_SEAT], "closed"),
        (&[BR, SB, PO_SENDS, VOIDS], "void/1"),
    ];
    for (story, ends) in finals {
        let before = check(story, ends).text();
        for event in [every("ada", 1), every("ada", 2)].concat() {
            let after = check(&[story, &[&event]].concat(), ends);
            assert_eq!(after.text(), before, "{event}");
        }
    }
}

/// Failure matrix: E4.
#[test]
fn events_that_are_not_for_receipt_change_nothing_in_any_state() {
    let open: [(&[&str], &str); 3] =
        [(&[], "nothing"), (&[BR, SB], "waiting"), (&[BR, SB, PO_DIES], "issuing/1")];
    let theirs = |it: &String| !["BR", "SB", "SU", "PO"].contains(&&it[..2]);
    for (story, ends) in open {
        for event in [every("ada", 1), every("ada", 2)].concat().iter().filter(|it| theirs(it)) {
            check(&[story, &[event]].concat(), ends);
        }
    }
}

/// Failure matrix: E3.
#[test]
fn the_last_two_at_once_write_one_row_and_the_loser_sees_it() {
    let world = check(&[BR], "waiting");
    let one = [Key::Booking(id("ada"))];
    for fact in [SB, PO] {
        let event = said(fact);
        assert_eq!(written(&event.booking, &world.decide(&event, &[], at(0.0))), one);
    }
    // When both deliveries have the claim, one of them settles.
    let mail = SENT.replace(", RI ada/1", "");
    let twice = format!("{PO} > {PO} => {mail}, {SENT}");
    check(&[BR, SB, &twice], "valid/1");
}

/// Failure matrix: E4.
#[test]
fn a_failed_payment_at_any_position_never_has_a_receipt() {
    for order in orders(&[BR, SB, "PF ada/1 declined"]) {
        check(&order, "waiting");
    }
}

/// Failure matrix: E5.
#[test]
fn a_lost_seat_before_the_receipt_closes_it_for_good() {
    for order in orders(&[BR, SB, PO, NO_SEAT]) {
        if order[3] != NO_SEAT {
            check(&order, "closed");
        }
    }
    // The lost seat may answer another request.
    let other = "SU ada/2 conflict 12A";
    check(&[BR, SB, other, PO], "closed");
}

/// Failure matrix: E6.
#[test]
fn seats_and_payment_without_a_request_wait() {
    check(&[SB, PO], "waiting");
    check(&story(&[SB, PO, BR], 2, SENT), "valid/1");
}

/// Failure matrix: E8.
#[test]
fn a_crash_after_the_claim_sends_the_same_receipt_again() {
    for order in orders(&[BR, SB, PO]) {
        let died = SENT.replace("RI ada/1", "unanswered");
        let crash = format!("{} > crash => {died}", order[2]);
        let begun = [order[0], order[1], &crash, &crash];
        check(&begun, "issuing/1");
        // Any of the three messages may be redelivered first.
        for again in [BR, SB, PO] {
            let sends = format!("{again} => {SENT}");
            check(&[&begun[..], &[&sends, order[2]]].concat(), "valid/1");
        }
    }
}

/// Failure matrix: E8.
#[test]
fn a_receipt_that_is_being_sent_names_its_request_whatever_else_comes() {
    for other in ["BR ada/2 12C", "SB ada/2 12C", "PO ada/2 @9"] {
        check(&story(&[BR, SB, PO_DIES, other], 3, SENT), "valid/1");
    }
}

/// Failure matrix: B3, E12.
#[test]
fn only_facts_about_one_request_join() {
    let apart: [&[&str]; 4] = [
        &[BR, "SB ada/2 12A", "PO ada/2 @5"],
        &[BR, "SB ada/1 12A", "PO ada/2 @5"],
        &[BR, "SB ada/2 12A", "PO ada/1 @5"],
        &[BR, "BR ada/2 12C", "SB ada/1 12A", "PO ada/2 @5"],
    ];
    for order in apart.into_iter().flat_map(orders) {
        check(&order, "waiting");
    }
    // The first event of each type stands, since seats and payment decide once.
    let others = ["SB ada/2 12C", "PO ada/2 @9"];
    check(&[BR, SB, others[0], PO_SENDS], "valid/1");
    check(&story(&[BR, PO, others[1], SB], 3, SENT), "valid/1");
    // Of two requests, seats and payment both accepted the second.
    let mail = "mail to Ada 2 for 12C paid @5, RI ada/2";
    for order in orders(&[BR, "BR ada/2 12C", "SB ada/2 12C", "PO ada/2 @5"]) {
        let last = order.iter().rposition(|it| *it != BR).unwrap();
        check(&story(&order, last, mail), "valid/2");
    }
}

/// Failure matrix: B3.
#[test]
fn requests_under_one_id_are_remembered_up_to_a_limit() {
    let mut story: Vec<String> = (1..=9).map(|it| format!("BR ada/{it} 12A")).collect();
    story.push(story[3].clone());
    story[REQUESTS_MAX] += " => set aside";
    let world = check(&story, "waiting");
    assert_eq!(world.rows[&Key::Booking(id("ada"))].requests.len(), REQUESTS_MAX);
}

#[test]
fn the_payment_token_is_not_kept() {
    let text = check(&[BR], "waiting").text();
    assert!(text.contains("Ada 1") && !text.contains("tok_visa"), "{text}");
}

#[test]
fn a_passenger_is_erased_from_every_request_once_no_receipt_can_follow() {
    let stored =
        |story: &[&str]| check(story, &ends_of(story)).rows[&Key::Booking(id("ada"))].clone();
    let sent = [BR, "BR ada/2 12C", SB, PO_SENDS];
    for over in [&sent[..], &[BR, SB, NO_SEAT], &[BR, SB, PO_SENDS, VOIDS]] {
        let (before, after) = (stored(over), stored(over).erased(false).unwrap());
        let text = serde_json::to_string(&after).unwrap();
        assert!(!text.contains("Ada") && !text.contains("ada@"), "{text}");
        // Nothing else has changed, so the same events are still no-ops.
        assert_eq!(
            (after.issued, after.booked, after.paid),
            (before.issued, before.booked, before.paid)
        );
        assert_eq!(after.requests.len(), before.requests.len());
        assert_eq!(after.erased(false), Some(after));
    }
    // A receipt that waits, or is being sent (which may never succeed: failure matrix, E13), is
    // erased only when it is known that the booking has ended.
    for open in [&[BR, SB][..], &[BR, SB, PO_DIES]] {
        let open = stored(open);
        assert_eq!(open.erased(false), None);
        let erased = open.erased(true).unwrap();
        let sent = erased.receipt(&id("ada"));
        assert!(sent.is_none_or(|it| it.to == Addressee::Erased), "{erased:?}");
    }
    // A request that comes later does not bring the passenger back.
    let late = Join { erased: true, ..Join::default() };
    let Data::BookingRequested(request) = said(BR).data else { unreachable!() };
    let text = format!("{:?}", serde_json::to_string(&late.requested(said(BR).digest, &request)));
    assert!(text.contains("erased.invalid") && !text.contains("Ada"), "{text}");
}

/// In rows from before [`Addressee`] existed, the name alone does not mean that it was erased.
/// Failure matrix: A32.
#[test]
fn who_was_erased_is_told_by_the_row_and_not_by_a_name() {
    let row = check(&[BR, SB, PO_SENDS], "valid/1").rows[&Key::Booking(id("ada"))].clone();
    let mut row = serde_json::to_value(row).unwrap();
    let requests = row["requests"].as_object_mut().unwrap();
    for wanted in requests.values_mut() {
        wanted["passenger"] =
            serde_json::json!({"name": "erased", "email": "erased@erased.invalid"});
    }
    let to = |row: &serde_json::Value| {
        let join: Join = serde_json::from_value(row.clone()).unwrap();
        join.receipt(&id("ada")).unwrap().to
    };
    assert!(matches!(to(&row), Addressee::Known(it) if it.name == "erased"));
    row["erased"] = true.into();
    assert_eq!(to(&row), Addressee::Erased);
    // An older version finds the placeholder that it looks for in a row of this version.
    let join: Join = serde_json::from_value(row.clone()).unwrap();
    assert_eq!(serde_json::to_value(join.erased(false).unwrap()).unwrap(), row);
}

fn ends_of(story: &[&str]) -> String {
    let has = |it| story.contains(&it);
    match (has(PO_SENDS), has(NO_SEAT) || has(VOIDS), has(PO_DIES)) {
        (true, true, _) => "void/1",
        (true, false, _) => "valid/1",
        (_, true, _) => "closed",
        (_, _, true) => "issuing/1",
        _ => "waiting",
    }
    .to_owned()
}

#[test]
fn a_receipt_number_can_be_read_out_and_belongs_to_one_booking() {
    let (ada, bob) = (number(RECEIPT, &id("ada")), number(RECEIPT, &id("bob")));
    let void = number(VOID, &id("ada"));
    assert_eq!((&*ada, &*void), (ADAS_RECEIPT, ADAS_VOID));
    assert_ne!(ada, bob);
    assert_ne!(ada[1..], void[1..]);
    let plain = |it: char| it.is_ascii_digit() || (it.is_ascii_uppercase() && !"ILOU".contains(it));
    for number in [ada, bob, void] {
        let groups: Vec<&str> = number.split('-').collect();
        assert_eq!(groups.iter().map(|it| it.len()).collect::<Vec<_>>(), [1, 4, 4, 4]);
        assert!(groups[1..].iter().all(|it| it.chars().all(plain)), "{number}");
    }
}

/// The state of the receipt, in each ending that receipt hears of.
/// Failure matrix: section G.
#[test]
fn one_receipt_none_or_one_and_void() {
    let endings: [(&[&str], &str); 7] = [
        (&[BR, SB, PO_SENDS], "valid/1"),
        (&[BR, SB], "waiting"),
        (&[BR, NO_SEAT], "closed"),
        (&[BR, NO_SEAT, PO], "closed"),
        (&[BR, SB, NO_SEAT, PO], "closed"),
        (&[BR, SB, PO_SENDS, VOIDS], "void/1"),
        (&[PO], "waiting"),
    ];
    for (story, ends) in endings {
        check(story, ends);
    }
}
