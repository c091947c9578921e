//! Observes the topics and their subscriptions, as SNS describes them. This must never change any
//! of them.

use std::collections::BTreeSet;

use aws_sdk_sns::{Client, types};

use super::answer::{PAGES_MAX, filter, json, present};
use crate::{
    aws::{Home, Names, Right},
    bus::BusError,
    check::account::{Form, Subscription, Topics, Via},
    domain::event::Kind,
};

/// The topics that exist, with the subscriptions whose endpoint has the name of one of these
/// queues. All other subscriptions are no concern of this check.
pub(super) async fn observe(
    sns: &Client,
    queues: &BTreeSet<String>,
    names: &Names,
    home: &Home,
) -> Result<Topics, BusError> {
    let mut topics = Topics::new();
    for topic in Kind::ALL {
        let (name, arn) = (names.topic(topic), home.topic_arn(names, topic));
        let there = sns.get_topic_attributes().topic_arn(&arn).send().await;
        let right = Right { action: "sns:GetTopicAttributes", resource: arn.clone() };
        if present("look at", &name, right, there)?.is_some() {
            topics.insert(topic, subscriptions(sns, queues, &name, &arn).await?);
        }
    }
    Ok(topics)
}

async fn subscriptions(
    sns: &Client,
    queues: &BTreeSet<String>,
    name: &str,
    arn: &str,
) -> Result<Vec<Subscription>, BusError> {
    let mut found = Vec::new();
    let mut pages = sns.list_subscriptions_by_topic().topic_arn(arn).into_paginator().send();
    for _ in 0..PAGES_MAX {
        let Some(page) = pages.next().await else { break };
        let right = Right { action: "sns:ListSubscriptionsByTopic", resource: arn.to_owned() };
        let page = present("list the subscriptions of", name, right, page)?;
        let Some(page) = page else { break };
        for it in page.subscriptions.unwrap_or_default() {
            let endpoint = it.endpoint.as_deref().unwrap_or_default();
            if queues.contains(endpoint.rsplit(':').next().unwrap_or_default()) {
                found.extend(settled(sns, name, it).await?);
            }
        }
    }
    Ok(found)
}

/// A subscription with its settings; `None` when it was deleted meanwhile.
async fn settled(
    sns: &Client,
    topic: &str,
    seen: types::Subscription,
) -> Result<Option<Subscription>, BusError> {
    let endpoint = seen.endpoint.unwrap_or_default();
    let protocol = seen.protocol.unwrap_or_default();
    // A subscription that is not confirmed has a word here, such as `PendingConfirmation`.
    let Some(arn) = seen.subscription_arn.filter(|it| it.starts_with("arn:")) else {
        let (via, form) = (Via::Topic { arn: None, protocol }, Form::Envelope);
        return Ok(Some(Subscription { via, endpoint, form, dead_letters: None, filter: None }));
    };
    let answer = sns.get_subscription_attributes().subscription_arn(&arn).send().await;
    // IAM knows no resource for this action: it is allowed for all subscriptions or for none.
    let right = Right { action: "sns:GetSubscriptionAttributes", resource: "*".to_owned() };
    let Some(answer) = present("look at a subscription of", topic, right, answer)? else {
        return Ok(None);
    };
    let attributes = answer.attributes.unwrap_or_default();
    let text = |name: &str| attributes.get(name).filter(|it| !it.is_empty());
    let is = |name: &str| text(name).is_some_and(|it| it == "true");
    let redrive = text("RedrivePolicy").and_then(|it| json(it));
    let arn = Some(arn).filter(|_| !is("PendingConfirmation"));
    Ok(Some(Subscription {
        via: Via::Topic { arn, protocol },
        endpoint,
        form: if is("RawMessageDelivery") { Form::Raw } else { Form::Envelope },
        dead_letters: redrive.and_then(|it| Some(it["deadLetterTargetArn"].as_str()?.to_owned())),
        // An empty filter lets every message through.
        filter: text("FilterPolicy").filter(|it| it.as_str() != "{}").map(|it| filter(it)),
    }))
}
