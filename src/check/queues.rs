//! What can be wrong with one queue: its policy, its key, its redrive policy and its limits. Pure,
//! like the rest of the comparison.

use super::{
    account::{Carrier, QueueSettings},
    compare::{APPLY, Comparison, Finding},
    policy::senders,
};
use crate::{
    aws::{DeadQueue, QueueOf},
    domain::{canary::Hop, event::Kind},
    runtime::Limits,
};

/// The least `maxReceiveCount`. With fewer receives, a few restarts of a service turn good messages
/// into dead letters.
const RECEIVES_MIN: u64 = 5;
/// The most bytes of a message in SQS, which every queue should accept. SNS and our services accept
/// events of a quarter of this size, but an envelope can make them more than twice as large.
const MESSAGE_BYTES: u64 = 1024 * 1024;
/// The key that AWS manages for SQS, which no other service may use.
const SQS_KEY: &str = "alias/aws/sqs";

impl Comparison<'_> {
    pub(crate) fn missing_queue(&self, queue: QueueOf) -> Finding {
        let QueueOf { role, dead } = queue;
        let (breaks, mend, hops) = match dead {
            None => (
                format!(
                    "{role} has nothing to work from; the events for it wait on {}, if its \
                     subscriptions still exist",
                    self.account.names.undelivered_queue(role)
                ),
                format!("{APPLY}, then `booking dlq redrive {role}` for the events that waited"),
                self.heard(role),
            ),
            Some(DeadQueue::Dlq) => (
                format!(
                    "{role} does not start, and a message that it can never process is not set aside \
                     but comes again and again"
                ),
                APPLY.to_owned(),
                Vec::new(),
            ),
            Some(DeadQueue::Undelivered) => (
                format!(
                    "what {} cannot deliver to {} is lost, and nobody is told",
                    self.carrier(),
                    self.own(role)
                ),
                APPLY.to_owned(),
                Vec::new(),
            ),
        };
        let subject = format!("queue {}", self.name(queue));
        Finding { subject, wrong: "it does not exist".to_owned(), breaks, mend, hops }
    }

    pub(crate) fn queue(&self, queue: QueueOf, seen: &QueueSettings) -> Vec<Finding> {
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

    fn key(&self, queue: QueueOf, seen: &QueueSettings) -> Option<Finding> {
        let (carrier, delivers) = (self.carrier(), queue.dead != Some(DeadQueue::Dlq));
        (delivers && seen.key.as_deref() == Some(SQS_KEY)).then(|| Finding {
            subject: format!("queue {}", self.name(queue)),
            wrong: format!("it is encrypted with {SQS_KEY}, a key that {carrier} may not use"),
            breaks: format!("{carrier} can deliver nothing to it"),
            mend: format!("{APPLY}: with SSE-SQS, or with a key of your own (kms_key_arn)"),
            hops: if queue.dead.is_none() { self.heard(queue.role) } else { Vec::new() },
        })
    }

    fn policy(&self, queue: QueueOf, seen: &QueueSettings) -> Option<Finding> {
        let QueueOf { role, dead } = queue;
        if dead == Some(DeadQueue::Dlq) {
            return None;
        }
        let (carrier, other) = (self.carrier(), self.account.carrier.other().name());
        let heard = self.heard(role);
        let arns: Vec<String> = heard.iter().map(|it| self.account.sender_arn(*it)).collect();
        let arn = self.account.queue_arn(queue);
        let found = senders(seen.policy.as_ref(), &arn, self.account.carrier, &arns);
        let shut: Vec<Kind> = (heard.iter().zip(&arns))
            .filter(|(_, arn)| found.shut_out.contains(arn))
            .map(|(hop, _)| hop.topic)
            .collect();
        let names: Vec<&str> = shut.iter().map(|it| it.topic()).collect();
        let (names, strangers) = (names.join(", "), found.strangers.join(", "));
        let mut wrong = Vec::new();
        let mut breaks = Vec::new();
        if !shut.is_empty() {
            wrong.push(match &seen.policy {
                None => format!("it has no policy, so {carrier} may not put anything on it"),
                Some(_) => format!("its policy does not let {carrier} deliver {names}"),
            });
            breaks.push(match dead {
                None => format!(
                    "{role} does not hear {names}; {carrier} puts it on {} instead",
                    self.account.names.undelivered_queue(role)
                ),
                _ => format!("what {carrier} cannot deliver to {} is lost", self.own(role)),
            });
        }
        if !strangers.is_empty() {
            wrong.push(format!("its policy also lets {carrier} deliver from {strangers}"));
            let anybody = "anybody who can publish there can put messages on a queue of";
            breaks.push(format!("{anybody} {role}"));
        }
        if found.other_carrier {
            wrong.push(format!("its policy also lets {other} deliver"));
            breaks.push(format!(
                "{role} sets aside what {other} brings: the services have --events {}",
                match self.account.carrier {
                    Carrier::Sns => "sns",
                    Carrier::EventBridge => "eventbridge",
                }
            ));
        }
        let redrive = match dead {
            None if !shut.is_empty() => format!(", then `booking dlq redrive {role}`"),
            _ => String::new(),
        };
        let cut = if dead.is_none() { shut } else { Vec::new() };
        (!wrong.is_empty()).then(|| Finding {
            subject: format!("queue {}", self.name(queue)),
            wrong: wrong.join("; "),
            breaks: breaks.join("; "),
            mend: format!("{APPLY}{redrive}"),
            hops: cut.into_iter().map(|topic| Hop { topic, role }).collect(),
        })
    }

    /// Checks where SQS moves messages that were received too often.
    fn redrive(&self, queue: QueueOf, seen: &QueueSettings) -> Option<Finding> {
        let role = queue.role;
        if queue.dead.is_some() {
            return None;
        }
        let dlq = QueueOf { role, dead: Some(DeadQueue::Dlq) };
        let (wrong, breaks) = match &seen.redrive {
            None if !self.there(role, dlq.dead) => return None,
            None => (
                "it has no redrive policy".to_owned(),
                format!(
                    "a message on which {role} always fails goes round until it is too old and is \
                     deleted then, instead of waiting on {}",
                    self.name(dlq)
                ),
            ),
            Some(it) if it.to != self.account.queue_arn(dlq) => (
                format!(
                    "it moves messages that fail too often to {}, not to {}",
                    it.to,
                    self.name(dlq)
                ),
                format!(
                    "`booking dlq` does not find them, and no alarm watches that queue: bookings stop \
                     at {role} without notice"
                ),
            ),
            Some(it) if it.receives_max < RECEIVES_MIN => (
                format!(
                    "it gives a message up after {} receives, fewer than {RECEIVES_MIN}",
                    it.receives_max
                ),
                format!(
                    "a short outage or a few restarts of {role} turn good messages into dead letters"
                ),
            ),
            Some(_) => return None,
        };
        let subject = format!("queue {}", self.name(queue));
        Some(Finding { subject, wrong, breaks, mend: APPLY.to_owned(), hops: Vec::new() })
    }

    /// Checks that a dead-letter queue keeps messages for at least as long as the role's own queue.
    fn retention(&self, queue: QueueOf, seen: &QueueSettings) -> Option<Finding> {
        queue.dead?;
        let own = self.account.queues.get(&QueueOf { dead: None, ..queue })?;
        (seen.retention_s < own.retention_s).then(|| Finding {
            subject: format!("queue {}", self.name(queue)),
            wrong: format!(
                "it keeps messages for {}, {} keeps them for {}",
                days(seen.retention_s),
                self.own(queue.role),
                days(own.retention_s)
            ),
            breaks: "SQS counts from when a message was first sent, so a dead letter can be deleted \
                     before anybody has seen it"
                .to_owned(),
            mend: format!("{APPLY}, with dead_letter_retention_s (default 14 days) at least message_retention_s (default 4 days)"),
            hops: Vec::new(),
        })
    }

    /// Checks the default visibility timeout. The services state one with each receive, but another
    /// receiver may rely on the default.
    fn visibility(&self, queue: QueueOf, seen: &QueueSettings) -> Option<Finding> {
        let needed_s = Limits::default().visibility_min().as_secs();
        (queue.dead.is_none() && seen.visibility_s < needed_s).then(|| Finding {
            subject: format!("queue {}", self.name(queue)),
            wrong: format!("its visibility timeout is {} s, less than {needed_s} s", seen.visibility_s),
            breaks: format!(
                "a message that is received without a visibility timeout of its own, for example by \
                 hand, comes back while a call of {} to the outside may still be under way",
                queue.role
            ),
            mend: format!("{APPLY}, with visibility_timeout_s (default 60) above the longest effect"),
            hops: Vec::new(),
        })
    }

    /// Checks the largest message that the queue accepts. An event is accepted without asking the
    /// queues how large it may be.
    fn size(&self, queue: QueueOf, seen: &QueueSettings) -> Option<Finding> {
        let most = seen.message_bytes_max.filter(|it| *it < MESSAGE_BYTES)?;
        let that = match self.account.carrier {
            // Its envelope has the event as a text within a text.
            Carrier::Sns => " with many quotation marks",
            Carrier::EventBridge => "",
        };
        Some(Finding {
            subject: format!("queue {}", self.name(queue)),
            wrong: format!("it takes messages of at most {most} bytes, less than {MESSAGE_BYTES}"),
            breaks: match queue.dead {
                None => {
                    format!("a large event{that} is published, and {} never hears it", queue.role)
                }
                Some(_) => {
                    "a message that is too large for it is lost, and nobody is told".to_owned()
                }
            },
            mend: format!(
                "aws sqs set-queue-attributes --attributes MaximumMessageSize={MESSAGE_BYTES} --queue-url \
                 URL; docs/EVENTS.md has the command for all twelve queues, and terraform apply does \
                 not undo it"
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
