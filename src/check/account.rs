//! Observes the topics, subscriptions and queues of an account under one prefix, as SNS and SQS
//! describe them. This must never change anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
};

use aws_sdk_sqs::{
    error::{ProvideErrorMetadata, SdkError},
    types::QueueAttributeName,
};
use serde_json::Value;

use crate::{
    aws::{Clients, Home, Names, QueueOf, Redrive, Right},
    bus::{BusError, aws::failure},
    domain::event::Kind,
    topics,
};

/// The most pages of subscriptions of one topic that are read: 100 subscriptions each.
const PAGES_MAX: usize = 100;
/// The error codes with which SNS and SQS say that a topic, subscription or queue does not exist.
const ABSENT: [&str; 4] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "NotFound",
    "NotFoundException",
    "QueueDoesNotExist",
];

/// The attributes that are read of a queue.
const ASKED: [QueueAttributeName; 6] = [
    QueueAttributeName::Policy,
    QueueAttributeName::RedrivePolicy,
    QueueAttributeName::MessageRetentionPeriod,
    QueueAttributeName::VisibilityTimeout,
    QueueAttributeName::MaximumMessageSize,
    QueueAttributeName::KmsMasterKeyId,
];

/// What was observed in an account.
#[derive(Clone, Debug)]
pub struct Account {
    /// The account and region that were observed.
    pub home: Home,
    /// The names of our topics and queues there.
    pub names: Names,
    /// The topics that exist, with their subscriptions.
    pub topics: BTreeMap<Kind, Vec<Subscription>>,
    /// The queues that exist.
    pub queues: BTreeMap<QueueOf, QueueSettings>,
}

/// One subscription to a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Its ARN; `None` while it is not confirmed.
    pub arn: Option<String>,
    /// `sqs`, or another protocol.
    pub protocol: String,
    /// The ARN of a queue, or the address of something else.
    pub endpoint: String,
    /// Whether messages are delivered without the SNS envelope.
    pub raw: bool,
    /// The ARN of the queue for messages that cannot be delivered.
    pub dead_letters: Option<String>,
    /// The filter policy: only messages that match it are delivered.
    pub filter: Option<String>,
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
    /// Observes every topic and queue that should exist.
    ///
    /// # Errors
    /// When one of them may not be read, or AWS cannot be reached.
    pub async fn observe(
        clients: &Clients,
        names: &Names,
        home: &Home,
    ) -> Result<Account, BusError> {
        let (topics, queues) = tokio::try_join!(
            observe_topics(clients, names, home),
            observe_queues(clients, names, home)
        )?;
        Ok(Account { home: home.clone(), names: names.clone(), topics, queues })
    }

    /// The ARN of a queue, whether it exists or not.
    #[must_use]
    pub fn queue_arn(&self, queue: QueueOf) -> String {
        self.home.queue_arn(&queue.name(&self.names))
    }

    /// The ARN of a topic, whether it exists or not.
    #[must_use]
    pub fn topic_arn(&self, topic: Kind) -> String {
        self.home.topic_arn(&self.names, topic)
    }
}

async fn observe_topics(
    clients: &Clients,
    names: &Names,
    home: &Home,
) -> Result<BTreeMap<Kind, Vec<Subscription>>, BusError> {
    let (mut topics, queues) = (BTreeMap::new(), queues_of_subscribers(names));
    for topic in Kind::ALL {
        let (name, arn) = (names.topic(topic), home.topic_arn(names, topic));
        let there = clients.sns.get_topic_attributes().topic_arn(&arn).send().await;
        let right = Right { action: "sns:GetTopicAttributes", resource: arn.clone() };
        if present("look at", &name, right, there)?.is_some() {
            topics.insert(topic, subscriptions(clients, &queues, &name, &arn).await?);
        }
    }
    Ok(topics)
}

/// The names of all queues of roles, and of the queues that guests work from.
fn queues_of_subscribers(names: &Names) -> BTreeSet<String> {
    let topics = topics::all();
    let guests = topics::guests(&topics).into_iter().map(|(guest, _)| names.queue_named(guest));
    QueueOf::all().map(|it| it.name(names)).chain(guests).collect()
}

/// The subscriptions of a topic whose endpoint has one of these names. All other subscriptions are
/// no concern of this check.
async fn subscriptions(
    clients: &Clients,
    queues: &BTreeSet<String>,
    name: &str,
    arn: &str,
) -> Result<Vec<Subscription>, BusError> {
    let mut found = Vec::new();
    let mut pages =
        clients.sns.list_subscriptions_by_topic().topic_arn(arn).into_paginator().send();
    for _ in 0..PAGES_MAX {
        let Some(page) = pages.next().await else { break };
        let right = Right { action: "sns:ListSubscriptionsByTopic", resource: arn.to_owned() };
        let page = present("list the subscriptions of", name, right, page)?;
        let Some(page) = page else { break };
        for it in page.subscriptions.unwrap_or_default() {
            let endpoint = it.endpoint.unwrap_or_default();
            let queue = endpoint.rsplit(':').next().unwrap_or_default();
            if !queues.contains(queue) {
                continue;
            }
            // A subscription that is not confirmed has a word here, such as `PendingConfirmation`.
            let arn = it.subscription_arn.filter(|it| it.starts_with("arn:"));
            let seen = Subscription {
                arn,
                protocol: it.protocol.unwrap_or_default(),
                endpoint,
                ..Subscription::default()
            };
            found.extend(settled(clients, name, seen).await?);
        }
    }
    Ok(found)
}

/// A subscription with its settings; `None` when it was deleted meanwhile.
async fn settled(
    clients: &Clients,
    topic: &str,
    seen: Subscription,
) -> Result<Option<Subscription>, BusError> {
    let Some(arn) = &seen.arn else { return Ok(Some(seen)) };
    let answer = clients.sns.get_subscription_attributes().subscription_arn(arn).send().await;
    // IAM knows no resource for this action: it is allowed for all subscriptions or for none.
    let right = Right { action: "sns:GetSubscriptionAttributes", resource: "*".to_owned() };
    let Some(answer) = present("look at a subscription of", topic, right, answer)? else {
        return Ok(None);
    };
    let attributes = answer.attributes.unwrap_or_default();
    let text = |name: &str| attributes.get(name).filter(|it| !it.is_empty());
    let pending = text("PendingConfirmation").is_some_and(|it| it == "true");
    let redrive = text("RedrivePolicy").and_then(|it| json(it));
    Ok(Some(Subscription {
        arn: seen.arn.filter(|_| !pending),
        raw: text("RawMessageDelivery").is_some_and(|it| it == "true"),
        dead_letters: redrive.and_then(|it| Some(it["deadLetterTargetArn"].as_str()?.to_owned())),
        // An empty filter lets every message through.
        filter: text("FilterPolicy").filter(|it| it.as_str() != "{}").cloned(),
        ..seen
    }))
}

async fn observe_queues(
    clients: &Clients,
    names: &Names,
    home: &Home,
) -> Result<BTreeMap<QueueOf, QueueSettings>, BusError> {
    let mut queues = BTreeMap::new();
    for queue in QueueOf::all() {
        let name = queue.name(names);
        let url = clients.sqs.get_queue_url().queue_name(&name).send().await;
        let right = |action| Right { action, resource: home.queue_arn(&name) };
        let url = present("find", &name, right("sqs:GetQueueUrl"), url)?;
        let Some(url) = url.and_then(|it| it.queue_url) else { continue };
        let ask = clients.sqs.get_queue_attributes().queue_url(url);
        let answer = ask.set_attribute_names(Some(ASKED.to_vec())).send().await;
        let answer = present("look at", &name, right("sqs:GetQueueAttributes"), answer)?;
        let Some(answer) = answer else { continue };
        let attributes = answer.attributes.unwrap_or_default();
        let text = |name| attributes.get(&name).filter(|it| !it.is_empty());
        let number = |name| text(name).and_then(|it| it.parse().ok()).unwrap_or_default();
        queues.insert(
            queue,
            QueueSettings {
                policy: text(QueueAttributeName::Policy).and_then(|it| json(it)),
                redrive: text(QueueAttributeName::RedrivePolicy)
                    .and_then(|it| Redrive::of_policy(it)),
                retention_s: number(QueueAttributeName::MessageRetentionPeriod),
                visibility_s: number(QueueAttributeName::VisibilityTimeout),
                message_bytes_max: text(QueueAttributeName::MaximumMessageSize)
                    .and_then(|it| it.parse().ok()),
                key: text(QueueAttributeName::KmsMasterKeyId).cloned(),
            },
        );
    }
    Ok(queues)
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// The answer; `None` when it says that the topic, subscription or queue does not exist.
fn present<T, E>(
    operation: &'static str,
    name: &str,
    right: Right,
    answer: Result<T, SdkError<E>>,
) -> Result<Option<T>, BusError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match answer {
        Ok(it) => Ok(Some(it)),
        Err(it) if it.code().is_some_and(|it| ABSENT.contains(&it)) => Ok(None),
        Err(it) => Err(failure(operation, name, right, it)),
    }
}
