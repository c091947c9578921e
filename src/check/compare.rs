//! Compares the account with `topics/`. Must stay pure, so that its tests are data, and must report
//! one broken thing once: nothing else is said about a topic or a queue that does not exist.

use serde::Serialize;

use super::account::{Account, Carrier};
use crate::{
    aws::{DeadQueue, QueueOf},
    domain::{RoleName, canary::Hop},
    topics::{self, Topic},
};

pub(crate) const APPLY: &str =
    "terraform apply in terraform/, with this prefix, account and region";

/// One thing in the account that is not as it should be, in words for an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The resource, such as `queue staging-booking-seats`.
    pub(crate) subject: String,
    pub(crate) wrong: String,
    pub(crate) breaks: String,
    pub(crate) mend: String,
    /// The hops that a canary cannot make because of this, or that it makes only because of this.
    #[serde(skip)]
    pub(crate) hops: Vec<Hop>,
}

/// Every hop of `topics/`.
pub(crate) fn hops(topics: &[Topic]) -> Vec<Hop> {
    let of = |it: &Topic| {
        let topic = it.topic;
        it.subscribers.iter().map(move |it| Hop { topic, role: it.role }).collect::<Vec<_>>()
    };
    topics.iter().flat_map(of).collect()
}

/// Finds everything in the account that is not as `topics/` and the services need it.
pub(crate) fn compare(account: &Account) -> Vec<Finding> {
    if account.topics.is_empty() && account.queues.is_empty() {
        return vec![nothing_there(account)];
    }
    let it = Comparison { account, topics: topics::all() };
    let mut findings = it.carried();
    for queue in QueueOf::all() {
        match it.account.queues.get(&queue) {
            None => findings.push(it.missing_queue(queue)),
            Some(seen) => findings.extend(it.queue(queue, seen)),
        }
    }
    findings
}

fn nothing_there(account: &Account) -> Finding {
    let prefix = account.names.prefix();
    let carrier = match account.carrier {
        Carrier::Sns => "topic",
        Carrier::EventBridge => "event bus",
    };
    Finding {
        subject: format!("account {} in {}", account.home.account(), account.home.region()),
        wrong: format!("it has no {carrier} and no queue of booking with the prefix {prefix:?}"),
        breaks: "nothing can be booked".to_owned(),
        mend: format!(
            "look at --prefix, AWS_REGION and the credentials; if they are right, {APPLY}"
        ),
        hops: hops(&topics::all()),
    }
}

pub(crate) struct Comparison<'a> {
    pub(crate) account: &'a Account,
    topics: Vec<Topic>,
}

impl Comparison<'_> {
    pub(crate) fn name(&self, queue: QueueOf) -> String {
        queue.name(&self.account.names)
    }

    pub(crate) fn own(&self, role: RoleName) -> String {
        self.account.names.queue(role)
    }

    /// The name of what carries events.
    pub(crate) fn carrier(&self) -> &'static str {
        self.account.carrier.name()
    }

    /// Checks what carries the events: the topics, or the event bus.
    fn carried(&self) -> Vec<Finding> {
        if self.account.carrier == Carrier::EventBridge && self.account.topics.is_empty() {
            return vec![self.missing_bus()];
        }
        let topics = self.topics.iter().flat_map(|it| self.topic(it));
        topics.chain(self.strange_rules()).chain(self.open_bus()).collect()
    }

    /// The finding about a policy of the bus: Terraform makes none.
    fn open_bus(&self) -> Option<Finding> {
        let policy = self.account.bus_policy.as_ref()?;
        let bus = self.account.names.event_bus();
        Some(Finding {
            subject: format!("event bus {bus}"),
            wrong: format!("it has a policy of its own: {policy}"),
            breaks: "whoever it lets put events can speak for every service, if it does not hold \
                     source and type (docs/EVENTBRIDGE.md, \"Who may say what\")"
                .to_owned(),
            mend: format!(
                "aws events remove-permission --event-bus-name {bus} --remove-all-permissions"
            ),
            hops: Vec::new(),
        })
    }

    fn missing_bus(&self) -> Finding {
        Finding {
            subject: format!("event bus {}", self.account.names.event_bus()),
            wrong: "it does not exist".to_owned(),
            breaks: "no service starts, and nobody hears anything: EventBridge accepts events for \
                     a bus that does not exist, and drops them"
                .to_owned(),
            mend: format!(
                "{APPLY} and events = \"eventbridge\", which makes the bus and its rules; if the \
                 services have --events sns, say so here too"
            ),
            hops: hops(&self.topics),
        }
    }

    fn topic(&self, topic: &Topic) -> Vec<Finding> {
        let Some(seen) = self.account.topics.get(&topic.topic) else {
            return vec![self.missing_topic(topic)];
        };
        let mut findings = Vec::new();
        for queue in QueueOf::all() {
            let hop = Hop { topic: topic.topic, role: queue.role };
            let wanted =
                queue.dead.is_none() && topic.subscribers.iter().any(|it| it.role == queue.role);
            if wanted {
                findings.extend(self.subscription(hop, seen));
            } else {
                findings.extend(self.strangers(hop, queue, seen));
            }
        }
        findings.extend(topic.guests.iter().filter_map(|it| self.guest(topic.topic, it, seen)));
        findings
    }

    fn missing_topic(&self, topic: &Topic) -> Finding {
        let services: Vec<&str> = topic.listeners().map(|(name, _)| name).collect();
        Finding {
            subject: format!("topic {}", self.account.names.topic(topic.topic)),
            wrong: "it does not exist".to_owned(),
            breaks: format!(
                "{} cannot publish {}, and {} never hear it; a service that cannot publish an \
                 outcome retries the message until SQS moves it to the dead-letter queue",
                topic.publisher,
                topic.topic,
                services.join(", ")
            ),
            mend: format!("{APPLY}, which makes the topic and its subscriptions"),
            hops: hops(std::slice::from_ref(topic)),
        }
    }

    /// What the role does with the event, in the words of `topics/`.
    pub(crate) fn does(&self, hop: Hop) -> String {
        let topic = self.topics.iter().find(|it| it.topic == hop.topic);
        let it = topic.and_then(|it| it.subscribers.iter().find(|it| it.role == hop.role));
        it.map(|it| it.does.clone()).unwrap_or_default()
    }

    pub(crate) fn there(&self, role: RoleName, dead: Option<DeadQueue>) -> bool {
        self.account.queues.contains_key(&QueueOf { role, dead })
    }

    pub(crate) fn heard(&self, role: RoleName) -> Vec<Hop> {
        hops(&self.topics).into_iter().filter(|it| it.role == role).collect()
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
