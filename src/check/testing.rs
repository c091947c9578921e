//! An account as it should be, and what one change in it is found as: for the tests of the
//! comparison. Nothing else may use it.

use serde_json::json;

use super::{
    account::{Account, Carrier, Form, QueueSettings, Subscription, Via},
    compare::{compare, hops},
};
use crate::{
    aws::{DeadQueue, Home, Names, QueueOf, Redrive},
    domain::RoleName,
    topics::{self, Topic},
};

pub(super) const DAY_S: u64 = 86_400;

/// An account as `terraform/` makes it.
pub(super) fn well(carrier: Carrier) -> Account {
    let mut account = Account {
        home: Home::new("eu-central-1", "123456789012"),
        names: Names::new("test-"),
        carrier,
        topics: [].into(),
        strangers: Vec::new(),
        bus_policy: None,
        queues: [].into(),
    };
    let all = topics::all();
    for topic in &all {
        let of = |role| subscription(&account, topic, role);
        let subscriptions = topic.subscribers.iter().map(|it| of(it.role)).collect();
        account.topics.insert(topic.topic, subscriptions);
    }
    let principal = match carrier {
        Carrier::Sns => "sns.amazonaws.com",
        Carrier::EventBridge => "events.amazonaws.com",
    };
    for queue in QueueOf::all() {
        let hears = hops(&all).into_iter().filter(|it| it.role == queue.role);
        let sources: Vec<String> = hears.map(|it| account.sender_arn(it)).collect();
        let policy = json!({"Statement": [{"Effect": "Allow",
            "Principal": {"Service": principal}, "Action": "sqs:SendMessage",
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

fn subscription(account: &Account, topic: &Topic, role: RoleName) -> Subscription {
    let (kind, publisher) = (topic.topic, &topic.publisher);
    let (via, filter) = match account.carrier {
        Carrier::Sns => {
            let arn = format!("arn:aws:sns:eu-central-1:123456789012:test-{kind}:{role}");
            (Via::Topic { arn: Some(arn), protocol: "sqs".to_owned() }, None)
        }
        Carrier::EventBridge => {
            let name = format!("test-booking-{role}-{kind}");
            let pattern = if publisher == "client" {
                json!({"detail-type": [kind.topic()]})
            } else {
                json!({"source": [format!("booking.{publisher}")], "detail-type": [kind.topic()]})
            };
            (Via::Rule { name, target: role.to_string(), enabled: true }, Some(pattern))
        }
    };
    Subscription {
        via,
        endpoint: account.queue_arn(queue(role)),
        form: Form::Envelope,
        dead_letters: Some(account.queue_arn(undelivered(role))),
        filter,
    }
}

pub(super) fn queue(role: RoleName) -> QueueOf {
    QueueOf { role, dead: None }
}

pub(super) fn dlq(role: RoleName) -> QueueOf {
    QueueOf { role, dead: Some(DeadQueue::Dlq) }
}

pub(super) fn undelivered(role: RoleName) -> QueueOf {
    QueueOf { role, dead: Some(DeadQueue::Undelivered) }
}

/// Breaks one thing: exactly one finding, about it, with these words in it, cutting so many hops.
#[track_caller]
pub(super) fn check(
    carrier: Carrier,
    broken: impl FnOnce(&mut Account),
    subject: &str,
    words: &[&str],
    cut: usize,
) {
    let mut account = well(carrier);
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
