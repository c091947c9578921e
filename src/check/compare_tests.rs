//! An account as it should be, and what one change in its topics or queues is found as.

use serde_json::json;

use super::*;
use crate::{
    aws::{Names, Redrive},
    check::{
        account::{Account, Form, QueueSettings, Subscription, Via},
        testing::{self, DAY_S, dlq, queue, undelivered},
    },
    domain::event::Kind,
    topics::Guest,
};

const BOTH: [Carrier; 2] = [Carrier::Sns, Carrier::EventBridge];

fn well() -> Account {
    testing::well(Carrier::Sns)
}

/// Breaks one thing where SNS carries events.
#[track_caller]
fn check(broken: impl FnOnce(&mut Account), subject: &str, words: &[&str], cut: usize) {
    testing::check(Carrier::Sns, broken, subject, words, cut);
}

fn seats(account: &mut Account) -> &mut QueueSettings {
    account.queues.get_mut(&queue(RoleName::Seats)).unwrap()
}

#[test]
fn an_account_as_terraform_makes_it_has_no_findings() {
    for carrier in BOTH {
        assert_eq!(compare(&testing::well(carrier)), []);
    }
}

#[test]
fn a_missing_topic_is_one_finding_and_its_subscriptions_are_none() {
    let gone = |it: &mut Account| drop(it.topics.remove(&Kind::PaymentOk));
    let words = [
        "does not exist",
        "payment cannot publish payment-ok",
        "seats, receipt, status never hear",
    ];
    check(gone, "topic test-payment-ok", &words, 3);
}

#[test]
fn a_missing_event_bus_is_one_finding_and_its_rules_are_none() {
    let gone = |it: &mut Account| it.topics.clear();
    let words = ["does not exist", "nobody hears anything", "events = \"eventbridge\""];
    testing::check(Carrier::EventBridge, gone, "event bus test-booking", &words, 17);
}

#[test]
fn a_missing_queue_is_one_finding_and_what_hangs_on_it_is_none() {
    for carrier in BOTH {
        let gone = |it: &mut Account| {
            it.queues.remove(&queue(RoleName::Payment));
            for subscriptions in it.topics.values_mut() {
                subscriptions.retain(|it| !it.endpoint.ends_with("booking-payment"));
            }
        };
        let words = ["nothing to work from", "`booking dlq redrive payment`"];
        testing::check(carrier, gone, "queue test-booking-payment", &words, 2);

        let gone = |it: &mut Account| {
            it.queues.remove(&dlq(RoleName::Seats));
            seats(it).redrive = None;
        };
        let words = ["seats does not start"];
        testing::check(carrier, gone, "queue test-booking-seats-dlq", &words, 0);

        let gone = |it: &mut Account| {
            it.queues.remove(&undelivered(RoleName::Status));
            for it in it.topics.values_mut().flatten() {
                it.dead_letters = it.dead_letters.take().filter(|it| !it.contains("status"));
            }
        };
        let lost = format!("what {} cannot deliver to test-booking-status is lost", carrier.name());
        testing::check(carrier, gone, "queue test-booking-status-undelivered", &[&lost], 0);
    }
}

#[test]
fn an_account_with_nothing_in_it_is_one_finding() {
    let gone = |it: &mut Account| {
        it.topics.clear();
        it.queues.clear();
    };
    let subject = "account 123456789012 in eu-central-1";
    let words = ["no topic and no queue", "\"test-\"", "look at --prefix"];
    check(gone, subject, &words, 17);
    let words = ["no event bus and no queue", "\"test-\"", "look at --prefix"];
    testing::check(Carrier::EventBridge, gone, subject, &words, 17);
}

#[test]
fn a_queue_policy_that_is_gone_or_lets_in_too_few_or_too_many_is_one_finding() {
    for carrier in BOTH {
        let (subject, name) = ("queue test-booking-seats", carrier.name());
        let words = [
            "no policy",
            "booking-requested, payment-ok, payment-failed",
            "test-booking-seats-undelivered instead",
        ];
        testing::check(carrier, |it| seats(it).policy = None, subject, &words, 3);

        let sources = "/Statement/0/Condition/ArnEquals/aws:SourceArn";
        let fewer = |it: &mut Account| {
            let policy = seats(it).policy.as_mut().unwrap();
            policy.pointer_mut(sources).unwrap().as_array_mut().unwrap().remove(0);
        };
        let shut = format!("does not let {name} deliver booking-requested");
        testing::check(carrier, fewer, subject, &[&shut, "redrive seats"], 1);

        let more = |it: &mut Account| {
            let policy = seats(it).policy.as_mut().unwrap();
            policy.pointer_mut(sources).unwrap().as_array_mut().unwrap().push(json!("arn:else"));
        };
        let open = format!("also lets {name} deliver from arn:else");
        testing::check(carrier, more, subject, &[&open], 0);

        let gone = |it: &mut Account| {
            it.queues.get_mut(&undelivered(RoleName::Seats)).unwrap().policy = None;
        };
        let lost = format!("what {name} cannot deliver to test-booking-seats is lost");
        let subject = "queue test-booking-seats-undelivered";
        testing::check(carrier, gone, subject, &["no policy", &lost], 0);
    }
}

#[test]
fn a_queue_policy_that_lets_in_the_other_carrier_is_one_finding() {
    for carrier in BOTH {
        let other = carrier.other();
        let both = |it: &mut Account| {
            let mut more = seats(&mut testing::well(other)).policy.take().unwrap();
            let policy = seats(it).policy.as_mut().unwrap();
            policy["Statement"].as_array_mut().unwrap().push(more["Statement"][0].take());
        };
        let words = format!("its policy also lets {} deliver", other.name());
        testing::check(carrier, both, "queue test-booking-seats", &[&words], 0);

        // As if the account had been made for the other one.
        let swapped = |it: &mut Account| {
            seats(it).policy = seats(&mut testing::well(other)).policy.take();
        };
        let shut = format!("its policy does not let {} deliver", carrier.name());
        testing::check(carrier, swapped, "queue test-booking-seats", &[&shut, &words], 3);
    }
}

#[test]
fn a_key_that_sns_may_not_use_is_one_finding() {
    let aws_own = |it: &mut Account| seats(it).key = Some("alias/aws/sqs".to_owned());
    let subject = "queue test-booking-seats";
    check(aws_own, subject, &["SNS may not use", "kms_key_arn"], 3);
    let words = ["EventBridge may not use", "kms_key_arn"];
    testing::check(Carrier::EventBridge, aws_own, subject, &words, 3);
    let mut account = well();
    seats(&mut account).key = Some("arn:aws:kms:eu-central-1:123456789012:key/1".to_owned());
    assert_eq!(compare(&account), []);
}

#[test]
fn a_redrive_policy_that_is_gone_goes_elsewhere_or_gives_up_early_is_one_finding() {
    let subject = "queue test-booking-seats";
    check(|it| seats(it).redrive = None, subject, &["no redrive policy", "goes round"], 0);
    let elsewhere = |it: &mut Account| {
        seats(it).redrive = Some(Redrive { to: "arn:else".to_owned(), receives_max: 10 });
    };
    check(elsewhere, subject, &["to arn:else, not to test-booking-seats-dlq"], 0);
    let early = |it: &mut Account| seats(it).redrive.as_mut().unwrap().receives_max = 3;
    check(early, subject, &["after 3 receives, fewer than 5"], 0);
}

#[test]
fn dead_letters_that_go_before_their_queue_does_are_one_finding() {
    for dead in [dlq(RoleName::Receipt), undelivered(RoleName::Receipt)] {
        let subject = format!("queue {}", dead.name(&Names::new("test-")));
        let soon = |it: &mut Account| it.queues.get_mut(&dead).unwrap().retention_s = DAY_S * 2;
        check(soon, &subject, &["for 2 days", "for 4 days", "dead_letter_retention_s"], 0);
        let equal = |it: &mut Account| it.queues.get_mut(&dead).unwrap().retention_s = DAY_S * 4;
        let mut account = well();
        equal(&mut account);
        assert_eq!(compare(&account), []);
    }
}

#[test]
fn a_visibility_timeout_shorter_than_an_effect_is_one_finding() {
    let short = |it: &mut Account| seats(it).visibility_s = 5;
    check(short, "queue test-booking-seats", &["is 5 s, less than 12 s"], 0);
}

#[test]
fn a_queue_that_cannot_hold_what_is_published_is_one_finding() {
    for (queue, name) in [
        (queue(RoleName::Seats), "queue test-booking-seats"),
        (dlq(RoleName::Seats), "queue test-booking-seats-dlq"),
        (undelivered(RoleName::Seats), "queue test-booking-seats-undelivered"),
    ] {
        for carrier in BOTH {
            let small = |it: &mut Account| {
                it.queues.get_mut(&queue).unwrap().message_bytes_max = Some(256 * 1024);
            };
            let words = ["at most 262144 bytes, less than 1048576"];
            testing::check(carrier, small, name, &words, 0);
        }
    }
    let mut account = well();
    seats(&mut account).message_bytes_max = None;
    assert_eq!(compare(&account), [], "what an emulator does not tell is nothing wrong");
}

#[test]
fn two_broken_things_are_two_findings() {
    let mut account = well();
    account.topics.remove(&Kind::PaymentOk);
    seats(&mut account).redrive = None;
    assert_eq!(compare(&account).len(), 2);
}

/// A guest is checked as far as the account has to bring it its events, and no role's hop is cut.
#[test]
fn a_guest_that_does_not_hear_what_topics_gives_it_is_one_finding() {
    let mut topics = topics::all();
    let heard = topics.iter_mut().find(|it| it.topic == Kind::ReceiptSent).unwrap();
    heard.guests.push(Guest { guest: "loyalty".to_owned(), does: "gives a point".to_owned() });
    let heard = heard.clone();
    let found = |account: &Account| Comparison { account, topics: topics.clone() }.topic(&heard);
    for (carrier, subject) in [
        (Carrier::Sns, "subscription of test-booking-loyalty to test-receipt-sent"),
        (Carrier::EventBridge, "rule test-booking-loyalty-receipt-sent"),
    ] {
        let mut account = testing::well(carrier);
        let all = found(&account);
        let [it] = all.as_slice() else { panic!("one finding, not {all:#?}") };
        assert_eq!(it.subject, subject);
        assert_eq!((it.wrong.as_str(), it.hops.len()), ("it does not exist", 0));
        assert!(it.breaks.contains("loyalty does not hear every receipt-sent"), "{}", it.breaks);

        let (via, off, filter) = match carrier {
            Carrier::Sns => {
                let (arn, protocol) = (Some("arn:x".to_owned()), "sqs".to_owned());
                let off = Via::Topic { arn: None, protocol: protocol.clone() };
                (Via::Topic { arn, protocol }, off, None)
            }
            Carrier::EventBridge => {
                let name = "test-booking-loyalty-receipt-sent".to_owned();
                let rule = |enabled| {
                    let (name, target) = (name.clone(), "loyalty".to_owned());
                    Via::Rule { name, target, enabled }
                };
                let (kinds, sources) = (["receipt-sent"], ["booking.receipt"]);
                let pattern = json!({"detail-type": kinds, "source": sources});
                (rule(true), rule(false), Some(pattern))
            }
        };
        let queue = |name| account.home.queue_arn(name);
        let (endpoint, elsewhere) = (queue("test-booking-loyalty"), queue("other"));
        let (form, dead_letters) = (Form::Envelope, None);
        let right = Subscription { via, endpoint, form, dead_letters, filter };
        let well = account.topics[&Kind::ReceiptSent].clone();
        let mut with = |it: Subscription| {
            account.topics.insert(Kind::ReceiptSent, [&well[..], &[it]].concat());
            found(&account)
        };
        assert_eq!(with(right.clone()), []);
        if carrier == Carrier::EventBridge {
            let other = Subscription { endpoint: elsewhere.clone(), ..right.clone() };
            account.topics.insert(Kind::ReceiptSent, [&well[..], &[other, right.clone()]].concat());
            let all = found(&account);
            let [it] = all.as_slice() else { panic!("one finding, not {all:#?}") };
            assert!(it.wrong.contains("2 targets") && it.mend.contains("remove-targets"), "{it:?}");
        }
        let mut with = |it: Subscription| {
            account.topics.insert(Kind::ReceiptSent, [&well[..], &[it]].concat());
            found(&account)
        };
        let filtered = Some(json!({"type": ["x"]}));
        assert_eq!(with(Subscription { filter: filtered, ..right.clone() }).len(), 1);
        assert_eq!(with(Subscription { via: off, ..right.clone() }).len(), 1);
        assert_eq!(with(Subscription { endpoint: elsewhere, ..right }).len(), 1);
    }
}

#[test]
fn a_policy_of_the_bus_is_found_since_it_may_let_anybody_speak() {
    let open = |it: &mut Account| it.bus_policy = Some(json!({"Statement": []}));
    let words = ["it has a policy of its own", "speak for every service", "remove-permission"];
    crate::check::testing::check(Carrier::EventBridge, open, "event bus test-booking", &words, 0);
}
