//! An account as it should be, and what one change in it is found as.

use serde_json::json;

use super::*;
use crate::{
    aws::{Home, Names, Redrive},
    check::account::{Account, QueueSettings},
    domain::event::Kind,
};

const DAY_S: u64 = 86_400;

/// An account as `terraform/` makes it.
fn well() -> Account {
    let mut account = Account {
        home: Home::new("eu-central-1", "123456789012"),
        names: Names::new("test-"),
        topics: [].into(),
        queues: [].into(),
    };
    let all = topics::all();
    for topic in &all {
        let subscription = |role| Subscription {
            arn: Some(format!("{}:{role}", account.topic_arn(topic.topic))),
            protocol: "sqs".to_owned(),
            endpoint: account.queue_arn(queue(role)),
            raw: false,
            dead_letters: Some(account.queue_arn(undelivered(role))),
            filter: None,
        };
        let subscriptions = topic.subscribers.iter().map(|it| subscription(it.role)).collect();
        account.topics.insert(topic.topic, subscriptions);
    }
    for queue in QueueOf::all() {
        let hears = hops(&all).into_iter().filter(|it| it.role == queue.role);
        let sources: Vec<String> = hears.map(|it| account.topic_arn(it.topic)).collect();
        let policy = json!({"Statement": [{"Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": account.queue_arn(queue),
            "Condition": {"ArnEquals": {"aws:SourceArn": sources}}}]});
        let to = account.queue_arn(QueueOf { dead: Some(DeadQueue::Dlq), ..queue });
        let own = queue.dead.is_none();
        let seen = QueueSettings {
            policy: (queue.dead != Some(DeadQueue::Dlq)).then_some(policy),
            redrive: own.then_some(Redrive { to, receives_max: 10 }),
            retention_s: if own { 4 * DAY_S } else { 14 * DAY_S },
            visibility_s: 60,
            message_bytes_max: Some(1024 * 1024),
            key: None,
        };
        account.queues.insert(queue, seen);
    }
    account
}

fn queue(role: RoleName) -> QueueOf {
    QueueOf { role, dead: None }
}

fn dlq(role: RoleName) -> QueueOf {
    QueueOf { role, dead: Some(DeadQueue::Dlq) }
}

fn undelivered(role: RoleName) -> QueueOf {
    QueueOf { role, dead: Some(DeadQueue::Undelivered) }
}

/// Breaks one thing: exactly one finding, about it, with these words in it, cutting so many hops.
#[track_caller]
fn check(broken: impl FnOnce(&mut Account), subject: &str, words: &[&str], cut: usize) {
    let mut account = well();
    broken(&mut account);
    let found = compare(&account);
    let [it] = found.as_slice() else { panic!("one finding, not {found:#?}") };
    assert_eq!(it.subject, subject);
    let text = format!("{} / {} / {}", it.wrong, it.breaks, it.mend);
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
    assert_eq!(it.hops.len(), cut, "{:?}", it.hops);
}

/// Breaks one subscription.
#[track_caller]
fn check_subscription(broken: impl FnOnce(&mut Subscription), words: &[&str], cut: usize) {
    let subject = "subscription of test-booking-receipt to test-seat-booked";
    let receipt = |it: &&mut Subscription| it.endpoint.ends_with("booking-receipt");
    let broken = |it: &mut Account| {
        broken(it.topics.get_mut(&Kind::SeatBooked).unwrap().iter_mut().find(receipt).unwrap());
    };
    check(broken, subject, words, cut);
}

fn seats(account: &mut Account) -> &mut QueueSettings {
    account.queues.get_mut(&queue(RoleName::Seats)).unwrap()
}

#[test]
fn an_account_as_terraform_makes_it_has_no_findings() {
    assert_eq!(compare(&well()), []);
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
fn a_missing_queue_is_one_finding_and_what_hangs_on_it_is_none() {
    let gone = |it: &mut Account| {
        it.queues.remove(&queue(RoleName::Payment));
        for subscriptions in it.topics.values_mut() {
            subscriptions.retain(|it| !it.endpoint.ends_with("booking-payment"));
        }
    };
    let words = ["nothing to work from", "`booking dlq redrive payment`"];
    check(gone, "queue test-booking-payment", &words, 2);

    let gone = |it: &mut Account| {
        it.queues.remove(&dlq(RoleName::Seats));
        seats(it).redrive = None;
    };
    check(gone, "queue test-booking-seats-dlq", &["seats does not start"], 0);

    let gone = |it: &mut Account| {
        it.queues.remove(&undelivered(RoleName::Status));
        for it in it.topics.values_mut().flatten() {
            it.dead_letters = it.dead_letters.take().filter(|it| !it.contains("status"));
        }
    };
    check(gone, "queue test-booking-status-undelivered", &["is lost, and nobody is told"], 0);
}

#[test]
fn an_account_with_nothing_in_it_is_one_finding() {
    let gone = |it: &mut Account| {
        it.topics.clear();
        it.queues.clear();
    };
    let words = ["no topic and no queue", "\"test-\"", "look at --prefix"];
    check(gone, "account 123456789012 in eu-central-1", &words, 17);
}

#[test]
fn a_missing_subscription_says_what_nobody_does_now() {
    let gone = |it: &mut Account| {
        let all = it.topics.get_mut(&Kind::PaymentFailed).unwrap();
        all.retain(|it| !it.endpoint.ends_with("booking-seats"));
    };
    let words = ["does not exist", "so nobody frees the seats", "booking resend"];
    check(gone, "subscription of test-booking-seats to test-payment-failed", &words, 1);
}

#[test]
fn a_subscription_that_is_there_and_wrong_is_one_finding() {
    let abroad = "arn:aws:sqs:us-east-1:123456789012:test-booking-receipt";
    check_subscription(|it| it.endpoint = abroad.to_owned(), &["it goes to", "us-east-1"], 1);
    check_subscription(|it| it.protocol = "https".to_owned(), &["its protocol is \"https\""], 1);
    check_subscription(|it| it.arn = None, &["not confirmed"], 1);
    check_subscription(
        |it| it.raw = true,
        &["raw message delivery is on", "any event in any name"],
        0,
    );
    check_subscription(|it| it.dead_letters = None, &["no dead-letter queue", "is lost"], 0);
    let other = "arn:aws:sqs:eu-central-1:123456789012:other";
    check_subscription(
        |it| it.dead_letters = Some(other.to_owned()),
        &["not test-booking-receipt-undelivered"],
        0,
    );
    let filter = r#"{"type":["seat-booked"]}"#;
    check_subscription(|it| it.filter = Some(filter.to_owned()), &["filter policy", filter], 1);
}

#[test]
fn two_subscriptions_of_the_same_are_one_finding() {
    let twice = |it: &mut Account| {
        let all = it.topics.get_mut(&Kind::ReceiptSent).unwrap();
        all.push(Subscription { arn: Some("arn:other".to_owned()), ..all[0].clone() });
    };
    let words = ["there are 2 of them", "2 times", "unsubscribe --subscription-arn arn:other"];
    check(twice, "subscription of test-booking-status to test-receipt-sent", &words, 0);
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
    check(|it| stranger(it, queue(RoleName::Seats)), subject, &words, 1);
    let subject = "subscription of test-booking-seats-dlq to test-seat-released";
    check(|it| stranger(it, dlq(RoleName::Seats)), subject, &["looks like a dead letter"], 0);
}

#[test]
fn a_queue_policy_that_is_gone_or_lets_in_too_few_or_too_many_is_one_finding() {
    let subject = "queue test-booking-seats";
    let words = [
        "no policy",
        "booking-requested, payment-ok, payment-failed",
        "test-booking-seats-undelivered instead",
    ];
    check(|it| seats(it).policy = None, subject, &words, 3);

    let sources = "/Statement/0/Condition/ArnEquals/aws:SourceArn";
    let fewer = |it: &mut Account| {
        let policy = seats(it).policy.as_mut().unwrap();
        policy.pointer_mut(sources).unwrap().as_array_mut().unwrap().remove(0);
    };
    check(fewer, subject, &["does not let SNS deliver booking-requested", "redrive seats"], 1);

    let more = |it: &mut Account| {
        let policy = seats(it).policy.as_mut().unwrap();
        policy.pointer_mut(sources).unwrap().as_array_mut().unwrap().push(json!("arn:else"));
    };
    check(more, subject, &["also lets SNS deliver from arn:else"], 0);

    let gone = |it: &mut Account| {
        it.queues.get_mut(&undelivered(RoleName::Seats)).unwrap().policy = None;
    };
    let words = ["no policy", "what SNS cannot deliver to test-booking-seats is lost"];
    check(gone, "queue test-booking-seats-undelivered", &words, 0);
}

#[test]
fn a_key_that_sns_may_not_use_is_one_finding() {
    let aws_own = |it: &mut Account| seats(it).key = Some("alias/aws/sqs".to_owned());
    check(aws_own, "queue test-booking-seats", &["SNS may not use", "kms_key_arn"], 3);
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
fn a_queue_that_cannot_hold_what_sns_takes_is_one_finding() {
    for (queue, name) in [
        (queue(RoleName::Seats), "queue test-booking-seats"),
        (dlq(RoleName::Seats), "queue test-booking-seats-dlq"),
        (undelivered(RoleName::Seats), "queue test-booking-seats-undelivered"),
    ] {
        let small = |it: &mut Account| {
            it.queues.get_mut(&queue).unwrap().message_bytes_max = Some(256 * 1024);
        };
        check(small, name, &["at most 262144 bytes, less than 1048576"], 0);
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
    let mut account = well();
    let mut topics = topics::all();
    let heard = topics.iter_mut().find(|it| it.topic == Kind::ReceiptSent).unwrap();
    heard.guests.push(Guest { guest: "loyalty".to_owned(), does: "gives a point".to_owned() });
    let heard = heard.clone();
    let found = Comparison { account: &account, topics: topics.clone() }.topic(&heard);
    let [it] = found.as_slice() else { panic!("one finding, not {found:#?}") };
    assert_eq!(it.subject, "subscription of test-booking-loyalty to test-receipt-sent");
    assert_eq!((it.wrong.as_str(), it.hops.len()), ("it does not exist", 0));
    assert!(it.breaks.contains("loyalty does not hear every receipt-sent"), "{}", it.breaks);

    let endpoint = account.home.queue_arn("test-booking-loyalty");
    let mut seen = Subscription { endpoint, ..Subscription::default() };
    account.topics.get_mut(&Kind::ReceiptSent).unwrap().push(seen.clone());
    assert_eq!(Comparison { account: &account, topics: topics.clone() }.topic(&heard), []);
    seen.filter = Some(r#"{"type": ["x"]}"#.to_owned());
    *account.topics.get_mut(&Kind::ReceiptSent).unwrap().last_mut().unwrap() = seen;
    let found = Comparison { account: &account, topics }.topic(&heard);
    assert_eq!(found.len(), 1, "{found:#?}");
}
