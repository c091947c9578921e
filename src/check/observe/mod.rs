//! Observes what carries events and the queues of an account under one prefix, as AWS describes
//! them. This must never change anything.

mod answer;
mod event_bus;
mod sns;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

use self::answer::{json, present};
use super::account::{Account, Carrier, QueueSettings, Subscription, Topics};
use crate::{
    aws::{Clients, Home, Names, QueueOf, Redrive, Right},
    bus::BusError,
    topics,
};

/// The attributes that are read of a queue.
const ASKED: [QueueAttributeName; 6] = [
    QueueAttributeName::Policy,
    QueueAttributeName::RedrivePolicy,
    QueueAttributeName::MessageRetentionPeriod,
    QueueAttributeName::VisibilityTimeout,
    QueueAttributeName::MaximumMessageSize,
    QueueAttributeName::KmsMasterKeyId,
];

impl Account {
    /// Observes everything that should exist: the queues, and the topics or, if there is a client
    /// of EventBridge, the event bus.
    ///
    /// # Errors
    /// When a part of it may not be read, or AWS cannot be reached.
    pub async fn observe(
        clients: &Clients,
        event_bridge: Option<&aws_sdk_eventbridge::Client>,
        names: &Names,
        home: &Home,
    ) -> Result<Account, BusError> {
        let ((topics, strangers, bus_policy), queues) = tokio::try_join!(
            observe_subscriptions(clients, event_bridge, names, home),
            observe_queues(clients, names, home)
        )?;
        let carrier = match event_bridge {
            None => Carrier::Sns,
            Some(_) => Carrier::EventBridge,
        };
        let (home, names) = (home.clone(), names.clone());
        Ok(Account { home, names, carrier, topics, strangers, bus_policy, queues })
    }
}

/// What is there by topic, what else brings something to our queues, and the policy of the bus.
async fn observe_subscriptions(
    clients: &Clients,
    event_bridge: Option<&aws_sdk_eventbridge::Client>,
    names: &Names,
    home: &Home,
) -> Result<(Topics, Vec<Subscription>, Option<Value>), BusError> {
    let queues = queues_of_subscribers(names);
    match event_bridge {
        None => Ok((sns::observe(&clients.sns, &queues, names, home).await?, Vec::new(), None)),
        Some(it) => event_bus::observe(it, &queues, names, home).await,
    }
}

/// The names of all queues of roles, and of the queues that guests work from.
fn queues_of_subscribers(names: &Names) -> BTreeSet<String> {
    let topics = topics::all();
    let guests = topics::guests(&topics).into_iter().map(|(guest, _)| names.queue_named(guest));
    QueueOf::all().map(|it| it.name(names)).chain(guests).collect()
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
