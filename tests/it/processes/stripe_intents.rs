//! Checks which intents the gateway `stripe` makes, cancels and finds. What happened must be read
//! from the provider's own lists.

use booking::{
    domain::{event::NoCharge, ids::BookingId},
    gateway::{Charged, Gateway},
};

use crate::{
    contracts::gateway::{booking, fare, token},
    harness::{Stripe, skipped},
};

/// Failure matrix: D23.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_wants_its_holder_is_cancelled_at_the_provider_and_declined() {
    if skipped("stripe") {
        return;
    }
    let stripe = Stripe::running();
    let (gateway, a) = (stripe.gateway(), booking("a"));
    for _ in 0..2 {
        let answer = gateway.charge(&a, &token("tok_wants_its_holder"), fare()).await.unwrap();
        assert_eq!(answer, Charged::No(NoCharge::AuthenticationRequired));
        let moved = stripe.moved_of(&a).await;
        assert_eq!((moved.charges.len(), moved.others), (0, vec!["canceled".to_owned()]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decline_that_is_asked_for_again_makes_no_second_intent() {
    if skipped("stripe") {
        return;
    }
    let stripe = Stripe::running();
    let a = booking("a");
    for _ in 0..2 {
        let answer = stripe.gateway().charge(&a, &token("tok_declined"), fare()).await.unwrap();
        assert_eq!(answer, Charged::No(NoCharge::Declined));
    }
    assert_eq!(stripe.moved_of(&a).await.others, ["requires_payment_method"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_is_asked_to_take_the_money_before_it_is_answered() {
    if skipped("stripe") {
        return;
    }
    let (stripe, a) = (Stripe::running(), booking("a"));
    stripe.gateway().charge(&a, &token("tok_visa"), fare()).await.unwrap();
    assert_eq!(stripe.intents_of(&a).await[0]["capture_method"], "automatic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_that_a_person_gave_back_is_told_as_that_and_a_part_of_it_needs_a_person() {
    if skipped("stripe") {
        return;
    }
    let stripe = Stripe::running();
    let gateway = stripe.gateway();
    let (whole, part) = (booking("whole"), booking("part"));
    for (id, amount) in [(&whole, None), (&part, Some(100))] {
        gateway.charge(id, &token("tok_visa"), fare()).await.unwrap();
        stripe.give_back_by_hand(&stripe.intents_of(id).await[0], amount).await;
    }
    // Found by the look-up, and by a charge whose first answer Stripe has stored.
    let found = gateway.find(&whole).await.unwrap();
    assert_eq!(found, Some(Charged::GivenBack));
    let again = gateway.charge(&whole, &token("tok_visa"), fare()).await.unwrap();
    assert_eq!(again, Charged::GivenBack);
    let refused = gateway.find(&part).await.unwrap_err().to_string();
    assert!(refused.contains("part of it was given back"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_that_a_person_gave_back_in_parts_is_no_refund_of_ours() {
    if skipped("stripe") {
        return;
    }
    let stripe = Stripe::running();
    let (gateway, a) = (stripe.gateway(), booking("parts"));
    let charged = gateway.charge(&a, &token("tok_visa"), fare()).await.unwrap();
    let Charged::Yes(charge) = charged else { panic!("{charged:?}") };
    let intent = &stripe.intents_of(&a).await[0];
    for amount in [100, 12_800] {
        stripe.give_back_by_hand(intent, Some(amount)).await;
    }
    let refunded = gateway.refund(&a, &charge).await.map(drop);
    for refused in [refunded, gateway.undo(&a, &charge.charge).await] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("it was given back in parts, or not by us"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_charges_are_refused_until_a_person_gives_one_back_and_then_the_other_is_the_answer() {
    if skipped("stripe") {
        return;
    }
    let (stripe, a) = (Stripe::running(), booking("a"));
    let gateway = stripe.gateway();
    stripe.plan(&a, &[("charge", &["ok", "forgotten", "forgotten", "forgotten"])]).await;
    // A decline beside the charges changes nothing: money that was taken is the answer.
    for it in ["tok_declined", "tok_visa", "tok_declined"] {
        gateway.charge(&a, &token(it), fare()).await.unwrap();
    }
    let found = gateway.find(&a).await.unwrap();
    assert!(matches!(&found, Some(Charged::Yes(_))), "{found:?}");
    gateway.charge(&a, &token("tok_visa"), fare()).await.unwrap();
    let refused = gateway.find(&a).await.unwrap_err().to_string();
    assert!(refused.contains("two charges for one booking"), "{refused}");

    let intents = stripe.intents_of(&a).await;
    let mut taken = intents.iter().filter(|it| it["status"] == "succeeded");
    let (one, other) = (taken.next().unwrap(), taken.next().unwrap());
    stripe.give_back_by_hand(one, None).await;
    let found = gateway.find(&a).await.unwrap();
    assert!(matches!(&found, Some(Charged::Yes(it)) if it.charge == other["id"]), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_who_confirms_first_has_paid_and_a_second_charge_beside_that_one_is_refused() {
    if skipped("stripe") {
        return;
    }
    let (stripe, a) = (Stripe::running(), booking("a"));
    let (gateway, wanting) = (stripe.gateway(), token("tok_wants_its_holder"));
    stripe.plan(&a, &[("charge", &["cut_after", "ok", "forgotten"])]).await;
    gateway.charge(&a, &wanting, fare()).await.unwrap_err();
    stripe.confirm_as_the_holder(&stripe.intents_of(&a).await[0]).await;
    // The stored answer still says that the holder has to confirm, so the intent is cancelled, and
    // Stripe refuses that.
    let answer = gateway.charge(&a, &wanting, fare()).await.unwrap();
    assert!(matches!(&answer, Charged::Yes(it) if it.amount == fare()), "{answer:?}");
    gateway.charge(&a, &token("tok_visa"), fare()).await.unwrap();
    let refused = gateway.find(&a).await.unwrap_err().to_string();
    assert!(refused.contains("two charges for one booking"), "{refused}");
}

/// Failure matrix: D21.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_bookings_whose_ids_differ_in_capitals_are_two_bookings() {
    if skipped("stripe") {
        return;
    }
    let gateway = Stripe::running().gateway();
    let small = booking("a");
    let capital = BookingId::parse(&small.as_str().to_uppercase()).unwrap();
    gateway.charge(&small, &token("tok_visa"), fare()).await.unwrap();
    assert!(gateway.find(&small).await.unwrap().is_some());
    assert_eq!(gateway.find(&capital).await.unwrap(), None);
}

/// Stripe's search ignores the case of letters. A client that books other spellings of an id must
/// not hide the charge of this booking behind them.
///
/// Failure matrix: D21.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_is_found_among_many_bookings_whose_ids_differ_only_in_capitals() {
    if skipped("stripe") {
        return;
    }
    let gateway = Stripe::running().gateway();
    let own = booking("spelling");
    // Sixteen spellings of the last four letters.
    let (before, letters) = own.as_str().split_at(own.as_str().len() - 4);
    for spelling in 1..16_u32 {
        let spelled = |(at, it): (usize, char)| {
            if spelling >> at & 1 == 1 { it.to_ascii_uppercase() } else { it }
        };
        let other: String = letters.chars().enumerate().map(spelled).collect();
        let other = BookingId::parse(&format!("{before}{other}")).unwrap();
        gateway.charge(&other, &token("tok_declined"), fare()).await.unwrap();
    }
    gateway.charge(&own, &token("tok_visa"), fare()).await.unwrap();
    let found = gateway.find(&own).await.unwrap();
    assert!(matches!(&found, Some(Charged::Yes(it)) if it.amount == fare()), "{found:?}");
}
