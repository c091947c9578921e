//! Compares the account with `topics/`. Must stay pure, so that its tests are data, and must report
//! one broken thing once: nothing else is said about a topic or a queue that does not exist.

use serde::Serialize;

use super::account::{Account, Subscription};
use crate::{
    aws::{DeadQueue, QueueOf},
    domain::{RoleName, canary::Hop, event::Kind},
    topics::{self, Guest, Topic},
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
    let mut findings: Vec<Finding> = it.topics.iter().flat_map(|topic| it.topic(topic)).collect();
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
    Finding {
        subject: format!("account {} in {}", account.home.account(), account.home.region()),
        wrong: format!("it has no topic and no queue of booking with the prefix {prefix:?}"),
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

    fn topic(&self, topic: &Topic) -> Vec<Finding> {
        let name = self.account.names.topic(topic.topic);
        let Some(seen) = self.account.topics.get(&topic.topic) else {
            let services: Vec<&str> = topic.listeners().map(|(name, _)| name).collect();
            return vec![Finding {
                subject: format!("topic {name}"),
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
            }];
        };
        let mut findings = Vec::new();
        for queue in QueueOf::all() {
            let arn = self.account.queue_arn(queue);
            let to_it: Vec<&Subscription> = seen.iter().filter(|it| it.endpoint == arn).collect();
            let hop = Hop { topic: topic.topic, role: queue.role };
            let wanted =
                queue.dead.is_none() && topic.subscribers.iter().any(|it| it.role == queue.role);
            if wanted {
                findings.extend(self.subscription(hop, &to_it, seen));
            } else {
                findings.extend(to_it.iter().map(|it| self.stranger(hop, queue, it)));
            }
        }
        findings.extend(topic.guests.iter().filter_map(|it| self.guest(topic.topic, it, seen)));
        findings
    }

    /// Checks the subscription of a guest. Its queues are watched by its own team.
    fn guest(&self, topic: Kind, it: &Guest, all: &[Subscription]) -> Option<Finding> {
        let Guest { guest, does } = it;
        let queue = self.account.names.queue_named(guest);
        let arn = self.account.home.queue_arn(&queue);
        let wrong = match all.iter().find(|it| it.endpoint == arn) {
            None => "it does not exist".to_owned(),
            Some(Subscription { filter: Some(filter), .. }) => {
                format!("it has a filter policy, {filter}")
            }
            Some(_) => return None,
        };
        Some(Finding {
            subject: format!("subscription of {queue} to {}", self.account.names.topic(topic)),
            wrong,
            breaks: format!("{guest} does not hear every {topic}: for the others nobody {does}"),
            mend: APPLY.to_owned(),
            hops: Vec::new(),
        })
    }

    /// Checks the one subscription that a hop needs. `seen` are the topic's subscriptions of the
    /// role's queue, `all` are all subscriptions of the topic.
    fn subscription(
        &self,
        hop: Hop,
        seen: &[&Subscription],
        all: &[Subscription],
    ) -> Option<Finding> {
        let Hop { topic, role } = hop;
        let (queue, name) = (self.own(role), self.account.names.topic(topic));
        let does = self.does(hop);
        let finding = |wrong: String, breaks: String, mend: String, cut: bool| {
            let subject = format!("subscription of {queue} to {name}");
            let hops = if cut { vec![hop] } else { Vec::new() };
            Some(Finding { subject, wrong, breaks, mend, hops })
        };
        let deaf = format!("{role} does not hear {topic}, so nobody {does}");
        let again = format!(
            "{APPLY}; events that were published meanwhile do not come by themselves: `booking list \
             --open` shows the bookings that wait, `booking resend` announces them again"
        );
        let [it] = seen else {
            if let [first, ..] = seen {
                let arns: Vec<&str> = seen.iter().filter_map(|it| it.arn.as_deref()).collect();
                let last = arns.last().copied().unwrap_or(&first.endpoint);
                return finding(
                    format!("there are {} of them: {}", seen.len(), arns.join(", ")),
                    format!(
                        "{role} gets every {topic} {} times, which harms no booking but costs more",
                        seen.len()
                    ),
                    format!("aws sns unsubscribe --subscription-arn {last}"),
                    false,
                );
            }
            let astray = all.iter().find(|it| it.endpoint.ends_with(&format!(":{queue}")));
            return match astray {
                Some(it) => finding(
                    format!(
                        "it goes to {}, not to {}",
                        it.endpoint,
                        self.account.queue_arn(QueueOf { role, dead: None })
                    ),
                    deaf,
                    again,
                    true,
                ),
                // The missing queue is a finding of its own.
                None if !self.there(role, None) => None,
                None => finding("it does not exist".to_owned(), deaf, again, true),
            };
        };
        if it.protocol != "sqs" {
            let wrong = format!("its protocol is {:?}, not \"sqs\"", it.protocol);
            return finding(wrong, deaf, again, true);
        }
        if it.arn.is_none() {
            return finding(
                "it is not confirmed".to_owned(),
                deaf,
                format!(
                    "delete it, then {APPLY}: a subscription that the account of the queue makes \
                     needs no confirmation"
                ),
                true,
            );
        }
        if let Some(filter) = &it.filter {
            return finding(
                format!("it has a filter policy, {filter}"),
                format!(
                    "{role} hears only those {topic} that match it; for the others nobody {does}"
                ),
                format!("{APPLY}; it can take 15 minutes until SNS stops filtering"),
                true,
            );
        }
        if it.raw {
            return finding(
                "raw message delivery is on".to_owned(),
                format!(
                    "{role} gets the text of the publisher without the envelope of SNS: anybody who \
                     may publish {topic} can send any event in any name (docs/SECURITY.md, \"Raw \
                     delivery\"); a request without an id of its own is set aside here, although the \
                     other roles accept it"
                ),
                APPLY.to_owned(),
                false,
            );
        }
        let undelivered = QueueOf { role, dead: Some(DeadQueue::Undelivered) };
        let lost =
            format!("a {topic} that SNS cannot deliver to {queue} is lost, and nobody is told");
        match &it.dead_letters {
            Some(arn) if *arn == self.account.queue_arn(undelivered) => None,
            Some(arn) => finding(
                format!("its dead-letter queue is {arn}, not {}", self.name(undelivered)),
                format!("`booking dlq` does not find what SNS could not deliver: {lost}"),
                APPLY.to_owned(),
                false,
            ),
            None if !self.there(role, Some(DeadQueue::Undelivered)) => None,
            None => finding(
                "it has no dead-letter queue (no redrive policy)".to_owned(),
                lost,
                APPLY.to_owned(),
                false,
            ),
        }
    }

    /// What the role does with the event, in the words of `topics/`.
    fn does(&self, hop: Hop) -> String {
        let topic = self.topics.iter().find(|it| it.topic == hop.topic);
        let it = topic.and_then(|it| it.subscribers.iter().find(|it| it.role == hop.role));
        it.map(|it| it.does.clone()).unwrap_or_default()
    }

    /// A subscription of one of our queues to a topic that it should not hear.
    fn stranger(&self, hop: Hop, queue: QueueOf, seen: &Subscription) -> Finding {
        let Hop { topic, role } = hop;
        let name = self.name(queue);
        let breaks = match queue.dead {
            None => format!(
                "{role} does nothing with {topic}: each one is received for nothing or, if the policy \
                 of the queue refuses it, kept as undelivered or lost"
            ),
            Some(_) => format!("every {topic} looks like a dead letter of {role}"),
        };
        let mend = match &seen.arn {
            Some(arn) => format!("aws sns unsubscribe --subscription-arn {arn}"),
            None => "nothing: it is not confirmed, so SNS deletes it by itself".to_owned(),
        };
        Finding {
            subject: format!("subscription of {name} to {}", self.account.names.topic(topic)),
            wrong: format!("topics/ has no such subscription: {role} must not hear {topic} there"),
            breaks,
            mend,
            hops: if queue.dead.is_none() { vec![hop] } else { Vec::new() },
        }
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
