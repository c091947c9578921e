//! Creates the topics, queues and subscriptions of `topics/` in a backend, and the bench's own
//! queue. It talks to the backend directly: its requests must never be counted.

use std::net::SocketAddr;

use anyhow::Context;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::{config::Credentials, types::QueueAttributeName};
use booking::{
    aws::{Home, Names},
    domain::{RoleName, event::Kind},
    topics,
};

use crate::backend::REGION;

/// The account number of the backend.
const ACCOUNT: &str = "000000000000";
const OBSERVER: &str = "bench-observer";
/// Longer than any run, so that a received message is never delivered again.
const VISIBILITY_OBSERVER_S: &str = "43200";

pub struct Topology {
    pub sqs: aws_sdk_sqs::Client,
    pub observer_url: String,
    queue_urls: Vec<String>,
    dead_letter_urls: Vec<String>,
}

/// The prefix of the names of topics and queues.
pub const PREFIX: &str = "bench-";

/// The names of standard topics and queues.
pub fn names() -> Names {
    Names::new(PREFIX)
}

pub fn topic_arn(names: &Names, kind: Kind) -> String {
    Home::new(REGION, ACCOUNT).topic_arn(names, kind)
}

/// The configuration of the SDK for an endpoint at `address`.
pub async fn config(address: SocketAddr) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .endpoint_url(format!("http://{address}"))
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .load()
        .await
}

impl Topology {
    /// The topology under these names. The bench's own queue is a standard one.
    pub async fn make(backend: SocketAddr, names: &Names) -> anyhow::Result<Topology> {
        let config = config(backend).await;
        let (sns, sqs) = (aws_sdk_sns::Client::new(&config), aws_sdk_sqs::Client::new(&config));
        let home = Home::new(REGION, ACCOUNT);
        let queue = |name: &str| {
            let make = sqs.create_queue().queue_name(name);
            let fifo = names.are_fifo().then(|| "true".to_owned());
            make.set_attributes(fifo.map(|it| [(QueueAttributeName::FifoQueue, it)].into()))
        };
        let (mut queue_urls, mut dead_letter_urls) = (Vec::new(), Vec::new());
        for role in RoleName::ALL {
            let dead = names.dead_letter_queue(role);
            let made = queue(&dead).send().await?;
            dead_letter_urls.push(made.queue_url.context("a queue has a URL")?);
            let redrive = format!(
                r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":10}}"#,
                home.queue_arn(&dead)
            );
            let make = queue(&names.queue(role));
            let made = make.attributes(QueueAttributeName::RedrivePolicy, redrive).send().await?;
            queue_urls.push(made.queue_url.context("a queue has a URL")?);
        }
        let make = sqs.create_queue().queue_name(OBSERVER);
        let make = make.attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY_OBSERVER_S);
        let observer_url = make.send().await?.queue_url.context("a queue has a URL")?;
        for topic in topics::all() {
            let fifo = names.are_fifo().then(|| [("FifoTopic".to_owned(), "true".to_owned())]);
            let create = sns.create_topic().name(names.topic(topic.topic));
            create.set_attributes(fifo.map(Into::into)).send().await?;
            for it in topic.subscribers {
                let arn = topic_arn(names, topic.topic);
                let subscribe = sns.subscribe().topic_arn(arn).protocol("sqs");
                subscribe.endpoint(home.queue_arn(&names.queue(it.role))).send().await?;
            }
        }
        let subscribe = sns.subscribe().topic_arn(topic_arn(names, Kind::ReceiptSent));
        let subscribe = subscribe.protocol("sqs");
        let subscribe = subscribe.attributes("RawMessageDelivery", "true");
        subscribe.endpoint(home.queue_arn(OBSERVER)).send().await?;
        Ok(Topology { sqs, observer_url, queue_urls, dead_letter_urls })
    }

    /// How many announcements of receipts, repetitions included, the observer has not received yet.
    pub async fn announced(&self) -> anyhow::Result<usize> {
        Ok(self.depth(&self.observer_url).await?.0)
    }

    /// Whether the four queues are empty, with no message visible and none in flight.
    pub async fn at_rest(&self) -> anyhow::Result<bool> {
        for url in &self.queue_urls {
            if self.depth(url).await? != (0, 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many messages are on the dead-letter queues.
    pub async fn set_aside(&self) -> anyhow::Result<usize> {
        let mut messages = 0;
        for url in &self.dead_letter_urls {
            messages += self.depth(url).await?.0;
        }
        Ok(messages)
    }

    async fn depth(&self, url: &str) -> anyhow::Result<(usize, usize)> {
        let visible = QueueAttributeName::ApproximateNumberOfMessages;
        let hidden = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let ask = self.sqs.get_queue_attributes().queue_url(url);
        let ask = ask.attribute_names(visible.clone()).attribute_names(hidden.clone());
        let attributes = ask.send().await?.attributes.unwrap_or_default();
        let number = |name| attributes.get(name).and_then(|it| it.parse().ok()).context("no depth");
        Ok((number(&visible)?, number(&hidden)?))
    }
}
