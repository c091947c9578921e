//! What one change in a subscription of SNS, or in a rule of EventBridge, is found as.

use super::*;
use crate::{
    check::{
        account::Account,
        testing::{check, dlq, queue},
    },
    domain::RoleName,
};

const ABROAD: &str = "arn:aws:sqs:us-east-1:123456789012:test-booking-receipt";
const OTHER: &str = "arn:aws:sqs:eu-central-1:123456789012:other";

fn receipt(account: &mut Account) -> &mut Subscription {
    let is_receipts = |it: &&mut Subscription| it.endpoint.ends_with("booking-receipt");
    account.topics.get_mut(&Kind::SeatBooked).unwrap().iter_mut().find(is_receipts).unwrap()
}

/// Breaks one subscription of SNS.
#[track_caller]
fn check_sns(broken: impl FnOnce(&mut Subscription), words: &[&str], cut: usize) {
    let subject = "subscription of test-booking-receipt to test-seat-booked";
    check(Carrier::Sns, |it| broken(receipt(it)), subject, words, cut);
}

/// Breaks one rule or its target.
#[track_caller]
fn check_rule(broken: impl FnOnce(&mut Subscription), words: &[&str], cut: usize) {
    let subject = "rule test-booking-receipt-seat-booked";
    check(Carrier::EventBridge, |it| broken(receipt(it)), subject, words, cut);
}

#[test]
fn a_missing_subscription_says_what_nobody_does_now() {
    for (carrier, subject) in [
        (Carrier::Sns, "subscription of test-booking-seats to test-payment-failed"),
        (Carrier::EventBridge, "rule test-booking-seats-payment-failed"),
    ] {
        let gone = |it: &mut Account| {
            let all = it.topics.get_mut(&Kind::PaymentFailed).unwrap();
            all.retain(|it| !it.endpoint.ends_with("booking-seats"));
        };
        let words = ["does not exist", "so nobody frees the seats", "booking resend"];
        check(carrier, gone, subject, &words, 1);
    }
}

#[test]
fn a_subscription_that_is_there_and_wrong_is_one_finding() {
    check_sns(|it| it.endpoint = ABROAD.to_owned(), &["it goes to", "us-east-1"], 1);
    let via = |arn: Option<&str>, protocol: &str| {
        let (arn, protocol) = (arn.map(str::to_owned), protocol.to_owned());
        Via::Topic { arn, protocol }
    };
    let https = via(Some("arn:x"), "https");
    check_sns(|it| it.via = https, &["its protocol is \"https\""], 1);
    let pending = via(None, SQS);
    check_sns(|it| it.via = pending, &["not confirmed", "delete it, then terraform apply"], 1);
    check_sns(
        |it| it.form = Form::Raw,
        &["raw message delivery is on", "any event in any name"],
        0,
    );
    check_sns(|it| it.dead_letters = None, &["no dead-letter queue", "is lost"], 0);
    check_sns(
        |it| it.dead_letters = Some(OTHER.to_owned()),
        &["not test-booking-receipt-undelivered"],
        0,
    );
    let filter = json!({"type": ["seat-booked"]});
    let words = ["it has a filter policy, {\"type\":[\"seat-booked\"]}", "15 minutes"];
    check_sns(|it| it.filter = Some(filter), &words, 1);
}

#[test]
fn a_rule_that_is_there_and_wrong_is_one_finding() {
    check_rule(|it| it.endpoint = ABROAD.to_owned(), &["it goes to", "us-east-1"], 1);
    check_rule(|it| it.endpoint = String::new(), &["it has no target", "does not hear"], 1);
    let off = |it: &mut Subscription| {
        let Via::Rule { enabled, .. } = &mut it.via else { panic!("{it:?}") };
        *enabled = false;
    };
    check_rule(off, &["it is not enabled", "receipt does not hear seat-booked"], 1);
    for setting in ["Input", "InputPath", "InputTransformer"] {
        let changed = format!("its target has an {setting}");
        let words = [changed.as_str(), "the envelope of EventBridge"];
        check_rule(|it| it.form = Form::Changed(setting), &words, 1);
    }
    check_rule(|it| it.dead_letters = None, &["its target has no dead-letter queue"], 0);
    check_rule(
        |it| it.dead_letters = Some(OTHER.to_owned()),
        &["not test-booking-receipt-undelivered", "what EventBridge could not deliver"],
        0,
    );
}

#[test]
fn a_rule_with_any_other_pattern_is_one_finding() {
    for pattern in [
        json!({"detail-type": ["seat-booked"]}),
        json!({"detail-type": ["seat-booked"], "source": ["booking.payment"]}),
        json!({"detail-type": ["seat-booked", "payment-ok"], "source": ["booking.seats"]}),
        json!({"detail-type": ["seat-booked"], "source": ["booking.seats"], "account": ["1"]}),
        json!({"detail-type": [{"prefix": "seat-booked"}], "source": ["booking.seats"]}),
        json!("no pattern"),
    ] {
        let wrong = format!("its event pattern is {pattern}, not {{");
        check_rule(|it| it.filter = Some(pattern), &[&wrong], 1);
    }
    check_rule(|it| it.filter = None, &["its event pattern is nothing, not {"], 1);

    // The other way round: anybody may ask, so a rule for requests must not name a source.
    let narrow = |it: &mut Account| {
        let all = it.topics.get_mut(&Kind::BookingRequested).unwrap();
        let pattern = json!({"detail-type": ["booking-requested"], "source": ["booking.client"]});
        all[0].filter = Some(pattern);
    };
    let words = ["not {\"detail-type\":[\"booking-requested\"]}", "nobody books the seats"];
    check(Carrier::EventBridge, narrow, "rule test-booking-seats-booking-requested", &words, 1);
}

#[test]
fn two_subscriptions_of_the_same_are_one_finding() {
    let twice = |it: &mut Account| {
        let all = it.topics.get_mut(&Kind::ReceiptSent).unwrap();
        let (arn, protocol) = (Some("arn:other".to_owned()), SQS.to_owned());
        all.push(Subscription { via: Via::Topic { arn, protocol }, ..all[0].clone() });
    };
    let words = ["there are 2 of them", "2 times", "unsubscribe --subscription-arn arn:other"];
    let subject = "subscription of test-booking-status to test-receipt-sent";
    check(Carrier::Sns, twice, subject, &words, 0);
}

/// Puts a second target on a rule.
fn another_target(account: &mut Account, endpoint: &str) {
    let all = account.topics.get_mut(&Kind::SeatBooked).unwrap();
    let is_receipts = |it: &&Subscription| it.endpoint.ends_with("booking-receipt");
    let mut other = all.iter().find(is_receipts).unwrap().clone();
    let Via::Rule { target, .. } = &mut other.via else { panic!("{other:?}") };
    *target = "mine".to_owned();
    other.endpoint = endpoint.to_owned();
    // As EventBridge may list them: the strange one first.
    all.insert(0, other);
}

#[test]
fn a_rule_with_two_targets_is_one_finding() {
    let subject = "rule test-booking-receipt-seat-booked";
    let removal = "aws events remove-targets --event-bus-name test-booking \
                   --rule test-booking-receipt-seat-booked --ids mine";
    let check = |endpoint: &str, words: &[&str], cut| {
        let words = [words, &["it has 2 targets: arn:", removal]].concat();
        check(Carrier::EventBridge, |it| another_target(it, endpoint), subject, &words, cut);
    };
    check(OTHER, &["every seat-booked also goes to arn:", ":other"], 0);
    let seats = "arn:aws:sqs:eu-central-1:123456789012:test-booking-seats";
    check(seats, &["every seat-booked also goes to arn:", "test-booking-seats"], 1);
    let own = "arn:aws:sqs:eu-central-1:123456789012:test-booking-receipt";
    check(own, &["receipt gets every seat-booked 2 times"], 0);
}

#[test]
fn a_rule_with_two_targets_of_which_none_is_right_says_what_nobody_does() {
    let astray = |it: &mut Account| {
        receipt(it).endpoint = ABROAD.to_owned();
        let all = it.topics.get_mut(&Kind::SeatBooked).unwrap();
        let at = all.iter().position(|it| it.endpoint == ABROAD).unwrap();
        all.push(Subscription { endpoint: OTHER.to_owned(), ..all[at].clone() });
    };
    let words = ["it has 2 targets", "receipt does not hear seat-booked", "; then terraform apply"];
    check(Carrier::EventBridge, astray, "rule test-booking-receipt-seat-booked", &words, 1);
}

#[test]
fn a_rule_that_goes_to_another_role_explains_both_hops() {
    let swapped = |it: &mut Account| {
        let payment = it.queue_arn(queue(RoleName::Payment));
        receipt(it).endpoint = payment;
    };
    let words = ["it goes to", "booking-payment, not to"];
    check(Carrier::EventBridge, swapped, "rule test-booking-receipt-seat-booked", &words, 2);
}

#[test]
fn a_queue_that_hears_what_it_should_not_is_one_finding() {
    let stranger = |it: &mut Account, hears: QueueOf| {
        let endpoint = it.queue_arn(hears);
        let all = it.topics.get_mut(&Kind::SeatReleased).unwrap();
        all.push(Subscription { endpoint, ..all[0].clone() });
    };
    let words = ["no such subscription", "aws sns unsubscribe --subscription-arn arn:aws:sns:"];
    let subject = "subscription of test-booking-seats to test-seat-released";
    check(Carrier::Sns, |it| stranger(it, queue(RoleName::Seats)), subject, &words, 1);
    let subject = "subscription of test-booking-seats-dlq to test-seat-released";
    let words = ["looks like a dead letter"];
    check(Carrier::Sns, |it| stranger(it, dlq(RoleName::Seats)), subject, &words, 0);
}

#[test]
fn a_strange_rule_that_goes_to_a_queue_of_ours_is_one_finding() {
    let stranger = |it: &mut Account, endpoint: String| {
        let (name, target) = ("copy".to_owned(), "1".to_owned());
        it.strangers.push(Subscription {
            via: Via::Rule { name, target, enabled: true },
            endpoint,
            form: Form::Envelope,
            dead_letters: None,
            filter: Some(json!({"source": [{"prefix": "booking."}]})),
        });
    };
    let words = [
        "no such rule: it brings what matches {\"source\":[{\"prefix\":\"booking.\"}]} to \
         test-booking-seats",
        "aws events remove-targets --event-bus-name test-booking --rule copy --ids 1",
    ];
    let to = |it: &mut Account, queue: QueueOf| {
        let endpoint = it.queue_arn(queue);
        stranger(it, endpoint);
    };
    // Seats hears three of the eight topics.
    let own = |it: &mut Account| to(it, queue(RoleName::Seats));
    check(Carrier::EventBridge, own, "rule copy", &words, 5);
    let dead = |it: &mut Account| to(it, dlq(RoleName::Seats));
    check(Carrier::EventBridge, dead, "rule copy", &["looks like dead letters of seats"], 0);

    // A queue of the same name somewhere else is none of ours.
    let mut account = crate::check::testing::well(Carrier::EventBridge);
    stranger(&mut account, ABROAD.to_owned());
    assert_eq!(crate::check::compare::compare(&account), []);
}
