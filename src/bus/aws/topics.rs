//! The SNS topics of one account. Clients of the choreography publish with this, and services
//! too. It must never receive anything.

use super::{
    failure::failure,
    requests::{Topic, attribute, trace_attributes},
};
use crate::{
    aws::{Clients, Home, Names, Right},
    bus::BusError,
    domain::event::Kind,
    wire::Message,
};

/// The topics of one account.
#[derive(Clone, Debug)]
pub struct AwsTopics {
    sns: aws_sdk_sns::Client,
    names: Names,
    home: Home,
}

impl AwsTopics {
    /// The topics that live in `home`.
    #[must_use]
    pub fn new(clients: &Clients, names: Names, home: Home) -> AwsTopics {
        AwsTopics { sns: clients.sns.clone(), names, home }
    }

    /// The ARN of a topic.
    #[must_use]
    pub fn arn(&self, kind: Kind) -> String {
        self.home.topic_arn(&self.names, kind)
    }

    pub(super) fn topic(&self, kind: Kind) -> Topic {
        let (name, arn) = (self.names.topic(kind), self.arn(kind));
        Topic { sns: self.sns.clone(), kind, name, arn }
    }

    /// Publishes one message, and returns the SNS MessageId.
    ///
    /// # Errors
    /// When SNS refused the message, or it is unknown whether SNS accepted it.
    pub async fn publish(&self, message: &Message) -> Result<String, BusError> {
        let publish = self
            .sns
            .publish()
            .topic_arn(self.arn(message.kind))
            .message(&message.body)
            .message_attributes("type", attribute(message.kind.topic()));
        let trace = message.trace.iter().flat_map(trace_attributes);
        let published = trace
            .fold(publish, |it, (name, value)| it.message_attributes(name, value))
            .send()
            .await
            .map_err(|it| {
                let right = Right { action: "sns:Publish", resource: self.arn(message.kind) };
                failure("publish to", &self.names.topic(message.kind), right, it)
            })?;
        Ok(published.message_id.unwrap_or_default())
    }
}
