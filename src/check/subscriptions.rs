//! What can be wrong with what brings events to the queues: with a subscription of SNS, or with a
//! rule of EventBridge and its target. Pure, like the rest of the comparison.

use serde_json::{Value, json};

use super::{
    account::{Carrier, Form, Subscription, Via},
    compare::{APPLY, Comparison, Finding},
};
use crate::{
    aws::{DeadQueue, QueueOf},
    domain::{canary::Hop, event::Kind},
    topics::Guest,
    wire::bus_source,
};

/// The protocol by which SNS delivers to queues.
const SQS: &str = "sqs";

impl Comparison<'_> {
    /// Checks the one subscription that a hop needs. `all` are the subscriptions of the topic.
    pub(crate) fn subscription(&self, hop: Hop, all: &[Subscription]) -> Option<Finding> {
        let seen = self.of(hop.role.as_str(), hop.topic, all);
        match seen.as_slice() {
            [] => self.missing(hop, all),
            [it] => (self.astray_from(hop, it))
                .or_else(|| self.at_rest(hop, it))
                .or_else(|| self.filtered(hop, it))
                .or_else(|| self.changed(hop, it))
                .or_else(|| self.without_dead_letters(hop, it)),
            [..] => Some(self.one_of_many(hop, &seen)),
        }
    }

    /// Checks the subscription of a guest. Its queues are watched by its own team.
    pub(crate) fn guest(&self, topic: Kind, it: &Guest, all: &[Subscription]) -> Option<Finding> {
        let Guest { guest, does } = it;
        let queue = self.account.home.queue_arn(&self.account.names.queue_named(guest));
        let seen = self.of(guest, topic, all);
        let wrong = match seen.as_slice() {
            [] => "it does not exist".to_owned(),
            [first, _, ..] if !first.is_of_topic() => {
                let right = seen.iter().position(|it| it.endpoint == queue);
                let extra = seen.iter().enumerate().filter(|(at, _)| Some(*at) != right);
                let removals: Vec<String> = extra.map(|(_, it)| self.removal(it)).collect();
                let targets: Vec<&str> = seen.iter().map(|it| it.endpoint.as_str()).collect();
                return Some(Finding {
                    subject: self.subject(guest, topic),
                    wrong: format!("it has {} targets: {}", seen.len(), targets.join(", ")),
                    breaks: format!("every {topic} for {guest} goes to each of them"),
                    mend: removals.join("; "),
                    hops: Vec::new(),
                });
            }
            [it, ..] => (astray(it, &queue))
                .or_else(|| rest(it))
                .or_else(|| self.other_filter(topic, it))?,
        };
        Some(Finding {
            subject: self.subject(guest, topic),
            wrong,
            breaks: format!("{guest} does not hear every {topic}: for the others nobody {does}"),
            mend: APPLY.to_owned(),
            hops: Vec::new(),
        })
    }

    /// What is there of the subscription of a service to a topic. SNS knows it by the queue;
    /// EventBridge by the name of the rule, which the policy of the queue has in it.
    fn of<'s>(&self, service: &str, topic: Kind, all: &'s [Subscription]) -> Vec<&'s Subscription> {
        let names = &self.account.names;
        let queue = self.account.home.queue_arn(&names.queue_named(service));
        let rule = names.rule(service, topic);
        let is_it = |it: &&Subscription| match &it.via {
            Via::Topic { .. } => it.endpoint == queue,
            Via::Rule { name, .. } => *name == rule,
        };
        all.iter().filter(is_it).collect()
    }

    fn subject(&self, service: &str, topic: Kind) -> String {
        let names = &self.account.names;
        match self.account.carrier {
            Carrier::Sns => {
                format!("subscription of {} to {}", names.queue_named(service), names.topic(topic))
            }
            Carrier::EventBridge => format!("rule {}", names.rule(service, topic)),
        }
    }

    fn finding(&self, hop: Hop, wrong: String, breaks: String, mend: String) -> Finding {
        let subject = self.subject(hop.role.as_str(), hop.topic);
        Finding { subject, wrong, breaks, mend, hops: Vec::new() }
    }

    /// The finding about a subscription that brings nothing.
    fn deaf(&self, hop: Hop, wrong: String) -> Finding {
        let Hop { topic, role } = hop;
        let breaks = format!("{role} does not hear {topic}, so nobody {}", self.does(hop));
        let mend = format!(
            "{APPLY}; events that were published meanwhile do not come by themselves: `booking list \
             --open` shows the bookings that wait, `booking resend` announces them again"
        );
        Finding { hops: vec![hop], ..self.finding(hop, wrong, breaks, mend) }
    }

    fn missing(&self, hop: Hop, all: &[Subscription]) -> Option<Finding> {
        let abroad = format!(":{}", self.own(hop.role));
        match all.iter().find(|it| it.is_of_topic() && it.endpoint.ends_with(&abroad)) {
            Some(it) => self.astray_from(hop, it),
            // The missing queue is a finding of its own.
            None if !self.there(hop.role, None) => None,
            None => Some(self.deaf(hop, "it does not exist".to_owned())),
        }
    }

    fn astray_from(&self, hop: Hop, it: &Subscription) -> Option<Finding> {
        let Hop { topic, role } = hop;
        let wrong = astray(it, &self.account.queue_arn(QueueOf { role, dead: None }))?;
        let mut found = self.deaf(hop, wrong);
        found.hops.extend(self.hop_to(topic, it));
        // A rule without a target is what a missing queue leaves.
        (!it.endpoint.is_empty() || self.there(role, None)).then_some(found)
    }

    fn at_rest(&self, hop: Hop, it: &Subscription) -> Option<Finding> {
        let found = self.deaf(hop, rest(it)?);
        if !matches!(&it.via, Via::Topic { arn: None, protocol } if protocol == SQS) {
            return Some(found);
        }
        let mend = format!(
            "delete it, then {APPLY}: a subscription that the account of the queue makes needs no \
             confirmation"
        );
        Some(Finding { mend, ..found })
    }

    fn filtered(&self, hop: Hop, it: &Subscription) -> Option<Finding> {
        let Hop { topic, role } = hop;
        let wrong = self.other_filter(topic, it)?;
        let does = self.does(hop);
        let (breaks, mend) = match self.account.carrier {
            Carrier::Sns => (
                format!(
                    "{role} hears only those {topic} that match it; for the others nobody {does}"
                ),
                format!("{APPLY}; it can take 15 minutes until SNS stops filtering"),
            ),
            Carrier::EventBridge => (
                format!(
                    "{role} does not hear every {topic}, and for the others nobody {does}; or it gets \
                     what it does nothing with"
                ),
                APPLY.to_owned(),
            ),
        };
        Some(Finding { hops: vec![hop], ..self.finding(hop, wrong, breaks, mend) })
    }

    /// In what way a subscription lets other events through than those of the topic.
    fn other_filter(&self, topic: Kind, it: &Subscription) -> Option<String> {
        let wanted = match self.account.carrier {
            Carrier::Sns => None,
            Carrier::EventBridge => Some(pattern(topic)),
        };
        (it.filter != wanted).then(|| match wanted {
            None => format!("it has a filter policy, {}", it.filter_text()),
            Some(wanted) => format!("its event pattern is {}, not {wanted}", it.filter_text()),
        })
    }

    fn changed(&self, hop: Hop, it: &Subscription) -> Option<Finding> {
        let Hop { topic, role } = hop;
        match it.form {
            Form::Envelope => None,
            Form::Raw => Some(self.finding(
                hop,
                "raw message delivery is on".to_owned(),
                format!(
                    "{role} gets the text of the publisher without the envelope of SNS: anybody who \
                     may publish {topic} can send any event in any name (docs/SECURITY.md, \"Raw \
                     delivery\"); a request without an id of its own is set aside here, although the \
                     other roles accept it"
                ),
                APPLY.to_owned(),
            )),
            Form::Changed(setting) => {
                let breaks = format!(
                    "{role} does not get the envelope of EventBridge, which says who published the \
                     event, and may set {topic} aside: then nobody {}",
                    self.does(hop)
                );
                let wrong = format!("its target has an {setting}");
                Some(Finding { breaks, ..self.deaf(hop, wrong) })
            }
        }
    }

    fn without_dead_letters(&self, hop: Hop, it: &Subscription) -> Option<Finding> {
        let Hop { topic, role } = hop;
        let undelivered = QueueOf { role, dead: Some(DeadQueue::Undelivered) };
        let (carrier, queue) = (self.carrier(), self.own(role));
        let lost = format!(
            "a {topic} that {carrier} cannot deliver to {queue} is lost, and nobody is told"
        );
        let (wrong, breaks) = match &it.dead_letters {
            Some(arn) if *arn == self.account.queue_arn(undelivered) => return None,
            Some(arn) => (
                format!("its dead-letter queue is {arn}, not {}", self.name(undelivered)),
                format!("`booking dlq` does not find what {carrier} could not deliver: {lost}"),
            ),
            None if !self.there(role, Some(DeadQueue::Undelivered)) => return None,
            None => match it.via {
                Via::Topic { .. } => {
                    ("it has no dead-letter queue (no redrive policy)".to_owned(), lost)
                }
                Via::Rule { .. } => ("its target has no dead-letter queue".to_owned(), lost),
            },
        };
        Some(self.finding(hop, wrong, breaks, APPLY.to_owned()))
    }

    /// The finding about several subscriptions, or about a rule with several targets.
    fn one_of_many(&self, hop: Hop, seen: &[&Subscription]) -> Finding {
        let Hop { topic, role } = hop;
        let (own, many) = (self.account.queue_arn(QueueOf { role, dead: None }), seen.len());
        let is_right = |it: &Subscription| it.endpoint == own && !it.is_unconfirmed();
        let right = seen.iter().enumerate().filter(|(_, it)| is_right(it));
        // Of two targets that go to the queue, the one that Terraform knows is kept.
        let right = right.min_by_key(|(_, it)| !it.is_target(role.as_str())).map(|(at, _)| at);
        let extra = seen.iter().enumerate().filter(|(at, _)| Some(*at) != right);
        let extra: Vec<&Subscription> = extra.map(|(_, it)| *it).collect();
        let wrong = match self.account.carrier {
            Carrier::Sns => {
                let arns: Vec<&str> = seen.iter().filter_map(|it| it.arn()).collect();
                format!("there are {many} of them: {}", arns.join(", "))
            }
            Carrier::EventBridge => {
                let targets: Vec<&str> = seen.iter().map(|it| it.endpoint.as_str()).collect();
                format!("it has {many} targets: {}", targets.join(", "))
            }
        };
        let removals: Vec<String> = extra.iter().map(|it| self.removal(it)).collect();
        let removals = removals.join("; ");
        if right.is_none() {
            let found = self.deaf(hop, wrong);
            let mend = format!("{removals}; then {}", found.mend);
            return Finding { mend, ..found };
        }
        let elsewhere: Vec<&Subscription> =
            extra.into_iter().filter(|it| it.endpoint != own).collect();
        let breaks = if elsewhere.is_empty() {
            format!("{role} gets every {topic} {many} times, which harms no booking but costs more")
        } else {
            let places: Vec<&str> = elsewhere.iter().map(|it| it.endpoint.as_str()).collect();
            format!("every {topic} also goes to {}", places.join(", "))
        };
        let hops = elsewhere.into_iter().filter_map(|it| self.hop_to(topic, it)).collect();
        Finding { hops, ..self.finding(hop, wrong, breaks, removals) }
    }

    /// The hop that a canary makes only because a subscription goes to the queue of a role.
    fn hop_to(&self, topic: Kind, it: &Subscription) -> Option<Hop> {
        let is_there =
            |queue: &QueueOf| queue.dead.is_none() && self.account.queue_arn(*queue) == it.endpoint;
        QueueOf::all().find(is_there).map(|QueueOf { role, .. }| Hop { topic, role })
    }
}

impl Subscription {
    fn is_unconfirmed(&self) -> bool {
        matches!(self.via, Via::Topic { arn: None, .. })
    }

    /// Whether it is the target of a rule with this id.
    fn is_target(&self, id: &str) -> bool {
        matches!(&self.via, Via::Rule { target, .. } if target == id)
    }

    /// The ARN of a subscription of SNS.
    fn arn(&self) -> Option<&str> {
        match &self.via {
            Via::Topic { arn, .. } => arn.as_deref(),
            Via::Rule { .. } => None,
        }
    }
}

/// Where a subscription goes, if not to this queue.
fn astray(it: &Subscription, queue: &str) -> Option<String> {
    (it.endpoint != queue).then(|| match it.endpoint.as_str() {
        "" => "it has no target".to_owned(),
        other => format!("it goes to {other}, not to {queue}"),
    })
}

/// Why a subscription brings nothing at all.
fn rest(it: &Subscription) -> Option<String> {
    match &it.via {
        Via::Topic { protocol, .. } if protocol != SQS => {
            Some(format!("its protocol is {protocol:?}, not {SQS:?}"))
        }
        Via::Topic { arn: None, .. } => Some("it is not confirmed".to_owned()),
        Via::Rule { enabled: false, .. } => Some("it is not enabled".to_owned()),
        Via::Topic { .. } | Via::Rule { .. } => None,
    }
}

/// The event pattern of a topic's rules. Anybody may ask for a booking, in any source; the services
/// refuse requests in their own names.
fn pattern(topic: Kind) -> Value {
    match topic.publisher() {
        Some(_) => json!({"detail-type": [topic.topic()], "source": [bus_source(topic)]}),
        None => json!({"detail-type": [topic.topic()]}),
    }
}

#[cfg(test)]
#[path = "subscriptions_tests.rs"]
mod tests;
