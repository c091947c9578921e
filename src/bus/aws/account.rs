//! What there is in an account under one prefix, as SNS and SQS tell it. Reads, and changes
//! nothing.

use std::{collections::BTreeMap, error::Error};

use aws_sdk_sqs::{
    error::{ProvideErrorMetadata, SdkError},
    types::QueueAttributeName,
};
use serde_json::Value;

use super::{Clients, Home, Names, Place, clients::failure};
use crate::{
    aws::Right,
    bus::BusError,
    domain::{RoleName, event::Kind},
};

/// The most pages of subscriptions of one topic that are read: 100 subscriptions each.
const PAGES_MAX: usize = 100;
/// What SNS and SQS say of what is not there.
const ABSENT: [&str; 4] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "NotFound",
    "NotFoundException",
    "QueueDoesNotExist",
];

/// What is asked of a queue.
const ASKED: [QueueAttributeName; 6] = [
    QueueAttributeName::Policy,
    QueueAttributeName::RedrivePolicy,
    QueueAttributeName::MessageRetentionPeriod,
    QueueAttributeName::VisibilityTimeout,
    QueueAttributeName::MaximumMessageSize,
    QueueAttributeName::KmsMasterKeyId,
];

/// What was found.
#[derive(Clone, Debug)]
pub struct Account {
    /// Where it was looked for.
    pub home: Home,
    /// Under which names.
    pub names: Names,
    /// The topics that are there, with what subscribes to them.
    pub topics: BTreeMap<Kind, Vec<Subscription>>,
    /// The queues that are there.
    pub queues: BTreeMap<QueueOf, Queue>,
}

/// One of the three queues of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueOf {
    /// The role.
    pub role: RoleName,
    /// Which of its dead-letter queues; none for the queue it works from.
    pub place: Option<Place>,
}

/// What delivers a topic's messages somewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Its ARN; SNS gives one only when it is confirmed.
    pub arn: Option<String>,
    /// `sqs`, or another.
    pub protocol: String,
    /// The ARN of a queue, or something else.
    pub endpoint: String,
    /// Without the SNS envelope.
    pub raw: bool,
    /// The ARN of the queue for what cannot be delivered.
    pub dead_letters: Option<String>,
    /// Which messages alone are delivered.
    pub filter: Option<String>,
}

/// A queue's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Who may use it.
    pub policy: Option<Value>,
    /// Where SQS moves what was received too often.
    pub redrive: Option<Redrive>,
    /// How long it keeps a message.
    pub retention_s: u64,
    /// How long a received message is hidden unless the receive says.
    pub visibility_s: u64,
    /// The largest message it takes, in bytes; not every emulator tells.
    pub message_bytes_max: Option<u64>,
    /// The KMS key it is encrypted with.
    pub key: Option<String>,
}

/// Where SQS moves what was received too often, and how often that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The ARN of the dead-letter queue.
    pub to: String,
    /// After so many receives.
    pub receives_max: u64,
}

impl QueueOf {
    /// All twelve.
    pub fn all() -> impl Iterator<Item = QueueOf> {
        let places = [None, Some(Place::Dlq), Some(Place::Undelivered)];
        RoleName::ALL.into_iter().flat_map(move |role| places.map(|place| QueueOf { role, place }))
    }

    /// Its name.
    #[must_use]
    pub fn name(self, names: &Names) -> String {
        match self.place {
            None => names.queue(self.role),
            Some(Place::Dlq) => names.dead_letter_queue(self.role),
            Some(Place::Undelivered) => names.undelivered_queue(self.role),
        }
    }
}

impl Account {
    /// Looks at every topic and queue that should be there.
    ///
    /// # Errors
    /// When something may not be looked at, or AWS cannot be reached.
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

    /// The ARN of a queue, whether it is there or not.
    #[must_use]
    pub fn queue_arn(&self, queue: QueueOf) -> String {
        self.home.queue_arn(&queue.name(&self.names))
    }

    /// The ARN of a topic, whether it is there or not.
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
    let mut topics = BTreeMap::new();
    for topic in Kind::ALL {
        let (name, arn) = (names.topic(topic), home.topic_arn(names, topic));
        let there = clients.sns.get_topic_attributes().topic_arn(&arn).send().await;
        let right = Right { action: "sns:GetTopicAttributes", resource: arn.clone() };
        if present("look at", &name, right, there)?.is_some() {
            topics.insert(topic, subscriptions(clients, names, &name, &arn).await?);
        }
    }
    Ok(topics)
}

/// What delivers a topic's messages to queues with a name of ours. Others may listen as they like.
async fn subscriptions(
    clients: &Clients,
    names: &Names,
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
            if !QueueOf::all().any(|it| it.name(names) == queue) {
                continue;
            }
            // One that waits to be confirmed has a word there instead of an ARN.
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

/// A subscription with its settings; none when it has gone meanwhile.
async fn settled(
    clients: &Clients,
    topic: &str,
    seen: Subscription,
) -> Result<Option<Subscription>, BusError> {
    let Some(arn) = &seen.arn else { return Ok(Some(seen)) };
    let answer = clients.sns.get_subscription_attributes().subscription_arn(arn).send().await;
    // SNS knows no resource for this action: it is allowed everywhere or nowhere.
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
        // An empty one lets everything through.
        filter: text("FilterPolicy").filter(|it| it.as_str() != "{}").cloned(),
        ..seen
    }))
}

async fn observe_queues(
    clients: &Clients,
    names: &Names,
    home: &Home,
) -> Result<BTreeMap<QueueOf, Queue>, BusError> {
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
            Queue {
                policy: text(QueueAttributeName::Policy).and_then(|it| json(it)),
                redrive: text(QueueAttributeName::RedrivePolicy).and_then(|it| redrive(it)),
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

/// Reads the redrive policy of a queue.
pub(super) fn redrive(text: &str) -> Option<Redrive> {
    let policy = json(text)?;
    let count = &policy["maxReceiveCount"];
    // A number, or a number in quotes: both are on accounts.
    let receives_max = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    Some(Redrive { to: policy["deadLetterTargetArn"].as_str()?.to_owned(), receives_max })
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// The answer; none when what was asked about is not there.
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
