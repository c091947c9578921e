//! What can be wrong with a queue.

use super::{
    compare::{APPLY, Comparison, Finding},
    policy::gate,
};
use crate::{
    bus::aws::{
        Place,
        account::{Queue, QueueOf},
    },
    domain::{canary::Hop, event::Kind},
    runtime::Limits,
};

/// Below this a service that is stopped and started a few times loses messages to its dead letters.
const RECEIVES_MIN: u64 = 5;
/// What SQS allows, in bytes. SNS takes a quarter of it, and what it takes can be more than twice
/// as large in its envelope.
const MESSAGE_BYTES: u64 = 1024 * 1024;
/// The key that AWS manages for SQS: no other service may use it.
const SQS_KEY: &str = "alias/aws/sqs";

impl Comparison<'_> {
    pub(super) fn missing_queue(&self, queue: QueueOf) -> Finding {
        let QueueOf { role, place } = queue;
        let (breaks, mend, hops) = match place {
            None => (
                format!(
                    "{role} has nothing to work from; what it should hear waits on {}, if its subscriptions are still there",
                    self.account.names.undelivered_queue(role)
                ),
                format!("{APPLY}, then `booking dlq redrive {role}` for what waited"),
                self.heard(role),
            ),
            Some(Place::Dlq) => (
                format!(
                    "{role} does not start, and a message that it can never deal with is not set aside but comes again and again"
                ),
                APPLY.to_owned(),
                Vec::new(),
            ),
            Some(Place::Undelivered) => (
                format!(
                    "what SNS cannot deliver to {} is lost, and nobody is told",
                    self.own(role)
                ),
                APPLY.to_owned(),
                Vec::new(),
            ),
        };
        let subject = format!("queue {}", self.name(queue));
        Finding { subject, wrong: "it does not exist".to_owned(), breaks, mend, hops }
    }

    pub(super) fn queue(&self, queue: QueueOf, seen: &Queue) -> Vec<Finding> {
        let found = [
            self.key(queue, seen),
            self.policy(queue, seen),
            self.redrive(queue, seen),
            self.retention(queue, seen),
            self.visibility(queue, seen),
            self.size(queue, seen),
        ];
        found.into_iter().flatten().collect()
    }

    fn key(&self, queue: QueueOf, seen: &Queue) -> Option<Finding> {
        let sns_sends = queue.place != Some(Place::Dlq);
        (sns_sends && seen.key.as_deref() == Some(SQS_KEY)).then(|| Finding {
            subject: format!("queue {}", self.name(queue)),
            wrong: format!("it is encrypted with {SQS_KEY}, a key that SNS may not use"),
            breaks: "SNS can deliver nothing to it".to_owned(),
            mend: format!("{APPLY}: with SSE-SQS, or with a key of your own (kms_key_arn)"),
            hops: if queue.place.is_none() { self.heard(queue.role) } else { Vec::new() },
        })
    }

    fn policy(&self, queue: QueueOf, seen: &Queue) -> Option<Finding> {
        let QueueOf { role, place } = queue;
        if place == Some(Place::Dlq) {
            return None;
        }
        let heard: Vec<Kind> = self.heard(role).into_iter().map(|it| it.topic).collect();
        let arns: Vec<String> = heard.iter().map(|it| self.account.topic_arn(*it)).collect();
        let found = gate(seen.policy.as_ref(), &self.account.queue_arn(queue), &arns);
        let shut: Vec<Kind> = (heard.iter().zip(&arns))
            .filter(|(_, arn)| found.shut_out.contains(arn))
            .map(|(topic, _)| *topic)
            .collect();
        let names: Vec<&str> = shut.iter().map(|it| it.topic()).collect();
        let (names, strangers) = (names.join(", "), found.strangers.join(", "));
        let mut wrong = Vec::new();
        let mut breaks = Vec::new();
        if !shut.is_empty() {
            wrong.push(match &seen.policy {
                None => "it has no policy, so SNS may not put anything on it".to_owned(),
                Some(_) => format!("its policy does not let SNS deliver {names}"),
            });
            breaks.push(match place {
                None => format!(
                    "{role} does not hear {names}; SNS puts it on {} instead",
                    self.account.names.undelivered_queue(role)
                ),
                _ => format!("what SNS cannot deliver to {} is lost", self.own(role)),
            });
        }
        if !strangers.is_empty() {
            wrong.push(format!("its policy also lets SNS deliver from {strangers}"));
            breaks.push(format!("who can publish there can put messages on a queue of {role}"));
        }
        let redrive = match place {
            None if !shut.is_empty() => format!(", then `booking dlq redrive {role}`"),
            _ => String::new(),
        };
        let cut = if place.is_none() { shut } else { Vec::new() };
        (!wrong.is_empty()).then(|| Finding {
            subject: format!("queue {}", self.name(queue)),
            wrong: wrong.join("; "),
            breaks: breaks.join("; "),
            mend: format!("{APPLY}{redrive}"),
            hops: cut.into_iter().map(|topic| Hop { topic, role }).collect(),
        })
    }

    /// Where SQS moves what was received too often.
    fn redrive(&self, queue: QueueOf, seen: &Queue) -> Option<Finding> {
        let role = queue.role;
        if queue.place.is_some() {
            return None;
        }
        let dlq = QueueOf { role, place: Some(Place::Dlq) };
        let (wrong, breaks) = match &seen.redrive {
            None if !self.there(role, dlq.place) => return None,
            None => (
                "it has no redrive policy".to_owned(),
                format!(
                    "a message that {role} fails on again and again goes round until it is too old, and is gone then, instead of waiting on {}",
                    self.name(dlq)
                ),
            ),
            Some(it) if it.to != self.account.queue_arn(dlq) => (
                format!("it moves what fails too often to {}, not to {}", it.to, self.name(dlq)),
                format!(
                    "`booking dlq` does not find it, and no alarm watches it: {role}'s bookings just stop"
                ),
            ),
            Some(it) if it.receives_max < RECEIVES_MIN => (
                format!(
                    "it gives a message up after {} receives, fewer than {RECEIVES_MIN}",
                    it.receives_max
                ),
                format!(
                    "a short outage or a few restarts of {role} make dead letters of good messages"
                ),
            ),
            Some(_) => return None,
        };
        let subject = format!("queue {}", self.name(queue));
        Some(Finding { subject, wrong, breaks, mend: APPLY.to_owned(), hops: Vec::new() })
    }

    /// Dead letters outlast the queue they come from.
    fn retention(&self, queue: QueueOf, seen: &Queue) -> Option<Finding> {
        queue.place?;
        let own = self.account.queues.get(&QueueOf { place: None, ..queue })?;
        (seen.retention_s < own.retention_s).then(|| Finding {
            subject: format!("queue {}", self.name(queue)),
            wrong: format!(
                "it keeps messages for {}, {} keeps them for {}",
                days(seen.retention_s),
                self.own(queue.role),
                days(own.retention_s)
            ),
            breaks: "SQS counts from when a message was first sent: a dead letter can be gone before anybody has looked".to_owned(),
            mend: format!("{APPLY}, with dead_letter_retention_s (default 14 days) at least message_retention_s (default 4 days)"),
            hops: Vec::new(),
        })
    }

    /// The services say how long with each receive; others who receive may not.
    fn visibility(&self, queue: QueueOf, seen: &Queue) -> Option<Finding> {
        let needed_s = Limits::default().visibility_min().as_secs();
        (queue.place.is_none() && seen.visibility_s < needed_s).then(|| Finding {
            subject: format!("queue {}", self.name(queue)),
            wrong: format!("its visibility timeout is {} s, less than {needed_s} s", seen.visibility_s),
            breaks: format!(
                "a message that is received without saying for how long, as by hand, comes back while an outside effect of {} may still be under way",
                queue.role
            ),
            mend: format!("{APPLY}, with visibility_timeout_s (default 60) above the longest effect"),
            hops: Vec::new(),
        })
    }

    /// SNS does not ask how much a queue takes before it says that a message is published.
    fn size(&self, queue: QueueOf, seen: &Queue) -> Option<Finding> {
        let most = seen.message_bytes_max.filter(|it| *it < MESSAGE_BYTES)?;
        Some(Finding {
            subject: format!("queue {}", self.name(queue)),
            wrong: format!("it takes messages of at most {most} bytes, less than {MESSAGE_BYTES}"),
            breaks: match queue.place {
                None => format!(
                    "a large event with many quotation marks is published, and {} never hears it",
                    queue.role
                ),
                Some(_) => {
                    "a message that is too large for it is gone, and nobody is told".to_owned()
                }
            },
            mend: format!(
                "aws sqs set-queue-attributes --attributes MaximumMessageSize={MESSAGE_BYTES} --queue-url \
                 URL-OF-IT; docs/EVENTS.md has it for all twelve, and terraform apply leaves it"
            ),
            hops: Vec::new(),
        })
    }
}

fn days(seconds: u64) -> String {
    match (seconds / 86_400, seconds % 86_400) {
        (days, 0) => format!("{days} days"),
        (_, _) => format!("{seconds} s"),
    }
}
