//! An account as it was observed: what the comparison reads. It must never ask AWS anything.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    aws::{Home, Names, QueueOf, Redrive},
    domain::{canary::Hop, event::Kind},
};

/// What was observed in an account.
#[derive(Clone, Debug)]
pub struct Account {
    /// The account and region that were observed.
    pub home: Home,
    /// The names of our topics, rules and queues there.
    pub names: Names,
    /// What should carry events there.
    pub carrier: Carrier,
    /// The topics that exist, with their subscriptions. An event bus is every topic or, if it does
    /// not exist, none.
    pub topics: Topics,
    /// On an event bus, the targets of rules that are in no topic, as far as they are queues that
    /// are ours by their names.
    pub strangers: Vec<Subscription>,
    /// Who else may put events on the bus, if that has a policy.
    pub bus_policy: Option<Value>,
    /// The queues that exist.
    pub queues: BTreeMap<QueueOf, QueueSettings>,
}

/// Topics, each with its subscriptions.
pub type Topics = BTreeMap<Kind, Vec<Subscription>>;

/// What carries events to the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The topics of SNS, and their subscriptions.
    Sns,
    /// An event bus of EventBridge, with a rule for each subscription.
    EventBridge,
}

/// What brings the events of a topic to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// What it is to AWS.
    pub via: Via,
    /// The ARN of a queue, or the address of something else. Empty for a rule without a target.
    pub endpoint: String,
    /// In what form events arrive.
    pub form: Form,
    /// The ARN of the queue for messages that cannot be delivered.
    pub dead_letters: Option<String>,
    /// The filter policy of a subscription or the event pattern of a rule: only what matches it is
    /// delivered. A text that is no JSON is a string here.
    pub filter: Option<Value>,
}

/// What a subscription is to AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// A subscription to a topic of SNS.
    Topic {
        /// Its ARN; `None` while it is not confirmed.
        arn: Option<String>,
        /// `sqs`, or another protocol.
        protocol: String,
    },
    /// One target of a rule of EventBridge.
    Rule {
        /// The name of the rule.
        name: String,
        /// The id of the target. Empty for a rule without one.
        target: String,
        /// Whether the rule is at work.
        enabled: bool,
    },
}

/// In what form events arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In the envelope of the carrier.
    Envelope,
    /// As published, without the envelope of SNS.
    Raw,
    /// As this setting of a target of EventBridge makes them.
    Changed(&'static str),
}

/// The settings of one queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueSettings {
    /// Who may use it.
    pub policy: Option<Value>,
    /// Where SQS moves a message that was received too often.
    pub redrive: Option<Redrive>,
    /// How long the queue keeps a message, in seconds.
    pub retention_s: u64,
    /// How long a received message is hidden, in seconds, unless the receive says otherwise.
    pub visibility_s: u64,
    /// The largest message that the queue accepts, in bytes; `None` from an emulator that does not
    /// say.
    pub message_bytes_max: Option<u64>,
    /// The KMS key that the queue is encrypted with.
    pub key: Option<String>,
}

impl Account {
    /// The ARN of a queue, whether it exists or not.
    #[must_use]
    pub fn queue_arn(&self, queue: QueueOf) -> String {
        self.home.queue_arn(&queue.name(&self.names))
    }

    /// The ARN of what puts the events of a hop on the role's queue, whether it exists or not: of
    /// the topic or, on an event bus, of the rule.
    #[must_use]
    pub fn sender_arn(&self, hop: Hop) -> String {
        match self.carrier {
            Carrier::Sns => self.home.topic_arn(&self.names, hop.topic),
            Carrier::EventBridge => self.home.rule_arn(&self.names, hop.role.as_str(), hop.topic),
        }
    }
}

impl Subscription {
    /// Whether it is a subscription of SNS, and no rule.
    #[must_use]
    pub const fn is_of_topic(&self) -> bool {
        matches!(self.via, Via::Topic { .. })
    }

    /// What it lets through, in words for an operator.
    #[must_use]
    pub fn filter_text(&self) -> String {
        self.filter.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string)
    }
}

impl Carrier {
    /// Its name, in words for an operator.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Carrier::Sns => "SNS",
            Carrier::EventBridge => "EventBridge",
        }
    }

    /// The principal in whose name it puts messages on queues.
    #[must_use]
    pub const fn principal(self) -> &'static str {
        match self {
            Carrier::Sns => "sns.amazonaws.com",
            Carrier::EventBridge => "events.amazonaws.com",
        }
    }

    /// The one that should not be at work beside it.
    #[must_use]
    pub const fn other(self) -> Carrier {
        match self {
            Carrier::Sns => Carrier::EventBridge,
            Carrier::EventBridge => Carrier::Sns,
        }
    }
}
