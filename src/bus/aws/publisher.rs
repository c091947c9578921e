//! Where events are published: on the SNS topics of one account, or on its event bus. Clients of
//! the choreography publish with this, and services too. It must never receive anything.

use super::{
    event_bus::EventBus,
    failure::failure,
    requests::{Topic, attribute, trace_attributes},
};
use crate::{
    aws::{Clients, Home, Names, Right},
    bus::{Answer, BusError},
    domain::event::Kind,
    wire::{FifoKey, Message},
};

/// The topics of one account, or its event bus.
#[derive(Clone, Debug)]
pub struct AwsPublisher {
    names: Names,
    home: Home,
    to: To,
}

#[derive(Clone, Debug)]
enum To {
    Topics {
        sns: aws_sdk_sns::Client,
        /// What makes the ids of messages, if the topics are FIFO.
        fifo: Option<FifoKey>,
    },
    EventBus(aws_sdk_eventbridge::Client),
}

impl AwsPublisher {
    /// Publishes on the topics that live in `home`.
    #[must_use]
    pub fn topics(clients: &Clients, names: Names, home: Home) -> AwsPublisher {
        let fifo = names.are_fifo().then(FifoKey::random);
        AwsPublisher { names, home, to: To::Topics { sns: clients.sns.clone(), fifo } }
    }

    /// Publishes on the event bus that lives in `home`.
    #[must_use]
    pub fn event_bus(
        events: aws_sdk_eventbridge::Client,
        names: Names,
        home: Home,
    ) -> AwsPublisher {
        AwsPublisher { names, home, to: To::EventBus(events) }
    }

    /// The ARN of the topic or the event bus on which events of this kind are published.
    #[must_use]
    pub fn place(&self, kind: Kind) -> String {
        match self.to {
            To::Topics { .. } => self.home.topic_arn(&self.names, kind),
            To::EventBus(_) => self.home.event_bus_arn(&self.names),
        }
    }

    /// The name of that topic or event bus.
    pub(super) fn name(&self, kind: Kind) -> String {
        match self.to {
            To::Topics { .. } => self.names.topic(kind),
            To::EventBus(_) => self.names.event_bus(),
        }
    }

    /// Makes sure that there is an event bus: EventBridge accepts events for a bus that does not
    /// exist, and drops them. SNS refuses them, so nothing is asked about topics.
    ///
    /// # Errors
    /// When there is no such bus, or it may not be looked at, or AWS cannot be reached.
    pub async fn must_exist(&self) -> Result<(), BusError> {
        match &self.to {
            To::Topics { .. } => Ok(()),
            To::EventBus(events) => self.bus(events).must_exist().await,
        }
    }

    /// Publishes one message, and returns the id that SNS or EventBridge gave to it.
    ///
    /// # Errors
    /// When the message was refused, or it is unknown whether it was accepted.
    pub async fn publish(&self, message: &Message) -> Result<String, BusError> {
        match &self.to {
            To::Topics { sns, fifo } => self.publish_on_topic(sns, fifo.as_ref(), message).await,
            To::EventBus(events) => {
                let mut put = self.bus(events).put(vec![message.clone()]).await;
                put.pop().expect("one event has one answer")
            }
        }
    }

    /// Publishes at most ten messages of one kind, and says of each what became of it.
    pub(super) async fn publish_all(&self, kind: Kind, messages: Vec<Message>) -> Vec<Answer> {
        match &self.to {
            To::Topics { sns, fifo } => {
                let (name, arn) = (self.name(kind), self.place(kind));
                let (sns, fifo) = (sns.clone(), fifo.clone());
                Topic { sns, kind, name, arn, fifo }.publish(messages).await
            }
            To::EventBus(events) => {
                let put = self.bus(events).put(messages).await;
                put.into_iter().map(|it| it.map(drop)).collect()
            }
        }
    }

    fn bus(&self, events: &aws_sdk_eventbridge::Client) -> EventBus {
        let (name, arn) = (self.names.event_bus(), self.home.event_bus_arn(&self.names));
        EventBus { events: events.clone(), name, arn }
    }

    async fn publish_on_topic(
        &self,
        sns: &aws_sdk_sns::Client,
        fifo: Option<&FifoKey>,
        message: &Message,
    ) -> Result<String, BusError> {
        let arn = self.place(message.kind);
        let ids = fifo.map(|it| it.ids(message));
        let (group, deduplication) = ids.map(|it| (it.group, it.deduplication)).unzip();
        let publish = sns
            .publish()
            .topic_arn(&arn)
            .message(&message.body)
            .set_message_group_id(group)
            .set_message_deduplication_id(deduplication)
            .message_attributes("type", attribute(message.kind.topic()));
        let trace = message.trace.iter().flat_map(trace_attributes);
        let published = trace
            .fold(publish, |it, (name, value)| it.message_attributes(name, value))
            .send()
            .await
            .map_err(|it| {
                let right = Right { action: "sns:Publish", resource: arn };
                failure("publish to", &self.name(message.kind), right, it)
            })?;
        Ok(published.message_id.unwrap_or_default())
    }
}
