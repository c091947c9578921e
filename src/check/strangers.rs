//! What brings events to our queues although `topics/` does not have it: subscriptions of SNS, or
//! rules of EventBridge. Pure, like the rest of the comparison.

use super::{
    account::{Subscription, Via},
    compare::{Comparison, Finding},
};
use crate::{
    aws::QueueOf,
    domain::{canary::Hop, event::Kind},
};

impl Comparison<'_> {
    /// The subscriptions of one of our queues to a topic that it should not hear.
    pub(crate) fn strangers(&self, hop: Hop, queue: QueueOf, all: &[Subscription]) -> Vec<Finding> {
        let Hop { topic, role } = hop;
        let (name, arn) = (self.name(queue), self.account.queue_arn(queue));
        let breaks = match queue.dead {
            None => format!(
                "{role} does nothing with {topic}: each one is received for nothing or, if the policy \
                 of the queue refuses it, kept as undelivered or lost"
            ),
            Some(_) => format!("every {topic} looks like a dead letter of {role}"),
        };
        // A rule in a topic is the rule of a listener, wherever its targets are.
        let strange = all.iter().filter(|it| it.endpoint == arn && it.is_of_topic());
        let finding = |it: &Subscription| Finding {
            subject: format!("subscription of {name} to {}", self.account.names.topic(topic)),
            wrong: format!("topics/ has no such subscription: {role} must not hear {topic} there"),
            breaks: breaks.clone(),
            mend: self.removal(it),
            hops: if queue.dead.is_none() { vec![hop] } else { Vec::new() },
        };
        strange.map(finding).collect()
    }

    /// The rules that `topics/` does not have, and that bring something to one of our queues.
    pub(crate) fn strange_rules(&self) -> Vec<Finding> {
        let queue_of = |it: &Subscription| {
            QueueOf::all().find(|queue| self.account.queue_arn(*queue) == it.endpoint)
        };
        let strange = self.account.strangers.iter();
        strange.filter_map(|it| Some(self.strange_rule(queue_of(it)?, it))).collect()
    }

    fn strange_rule(&self, queue: QueueOf, it: &Subscription) -> Finding {
        let (role, name) = (queue.role, self.name(queue));
        let rule = match &it.via {
            Via::Rule { name, .. } => name.as_str(),
            Via::Topic { .. } => "",
        };
        let (all, heard) = (Kind::ALL.map(|topic| Hop { topic, role }), self.heard(role));
        Finding {
            subject: format!("rule {rule}"),
            wrong: format!(
                "topics/ has no such rule: it brings what matches {} to {name}",
                it.filter_text()
            ),
            breaks: match queue.dead {
                None => format!(
                    "{role} gets events that it does nothing with, or gets events twice; what the \
                     policy of the queue refuses is kept as undelivered or lost"
                ),
                Some(_) => format!("all that it brings looks like dead letters of {role}"),
            },
            mend: self.removal(it),
            hops: match queue.dead {
                // Each of them may match.
                None => all.into_iter().filter(|it| !heard.contains(it)).collect(),
                Some(_) => Vec::new(),
            },
        }
    }

    /// What removes a subscription, or the target of a rule.
    pub(crate) fn removal(&self, it: &Subscription) -> String {
        match &it.via {
            Via::Topic { arn: Some(arn), .. } => {
                format!("aws sns unsubscribe --subscription-arn {arn}")
            }
            Via::Topic { arn: None, .. } => {
                "nothing: it is not confirmed, so SNS deletes it by itself".to_owned()
            }
            Via::Rule { name, target, .. } => {
                let bus = self.account.names.event_bus();
                format!(
                    "aws events remove-targets --event-bus-name {bus} --rule {name} --ids {target}"
                )
            }
        }
    }
}
