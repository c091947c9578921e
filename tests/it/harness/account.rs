//! Topics and queues of a test's own in LocalStack, made by the SDK from `topics/`: faster than
//! Terraform, which has tests of its own.

use aws_sdk_sqs::types::QueueAttributeName;
use booking::{
    aws::{Clients, Home, Names},
    bus::aws::AwsBus,
    domain::{RoleName, event::Kind},
    metrics::RequestCount,
    topics,
    wire::Intake,
};

use super::{LocalStack, emulator::REGION, eventually, localstack::ACCOUNT, unique};

/// A prefix in LocalStack with everything under it.
pub struct Account {
    pub prefix: String,
    pub names: Names,
    pub sns: aws_sdk_sns::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub count: RequestCount,
    clients: Clients,
}

/// A message on a dead-letter queue.
#[derive(Debug)]
pub struct Letter {
    pub body: String,
    pub attributes: std::collections::HashMap<String, String>,
}

/// What lets SNS put on a queue what the role hears, as `terraform/` has it.
fn delivery_policy(account: &Account, role: RoleName, queue: &str) -> String {
    let sources: Vec<String> =
        topics::subscriptions(role).into_iter().map(|it| account.topic_arn(it)).collect();
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn(queue),
            "Condition": {"ArnEquals": {"aws:SourceArn": sources}},
        }],
    })
    .to_string()
}

fn queue_arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

impl Account {
    /// What somebody else made under `prefix`.
    pub async fn existing(prefix: &str) -> Account {
        Account::at(LocalStack::running(), prefix).await
    }

    async fn at(localstack: &LocalStack, prefix: &str) -> Account {
        let config = localstack.config().await;
        let count = RequestCount::default();
        Account {
            prefix: prefix.to_owned(),
            names: Names::new(prefix),
            sns: aws_sdk_sns::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            clients: Clients::new(&config, count.clone()).unwrap(),
            count,
        }
    }

    /// Topics, queues and subscriptions as `topics/` has them. `raw`: without the SNS envelope.
    pub async fn make(raw: bool) -> Account {
        Account::make_in(LocalStack::running(), raw).await
    }

    /// The same in a LocalStack of the test's own.
    pub async fn make_in(localstack: &LocalStack, raw: bool) -> Account {
        let account = Account::at(localstack, &unique("t")).await;
        for role in RoleName::ALL {
            let dead = account.names.dead_letter_queue(role);
            account.sqs.create_queue().queue_name(&dead).send().await.unwrap();
            let undelivered = account.names.undelivered_queue(role);
            let queue = account.sqs.create_queue().queue_name(&undelivered);
            let policy = delivery_policy(&account, role, &undelivered);
            queue.attributes(QueueAttributeName::Policy, policy).send().await.unwrap();
            account.make_queue(role).await;
        }
        for topic in topics::all() {
            let name = account.names.topic(topic.topic);
            let arn =
                account.sns.create_topic().name(name).send().await.unwrap().topic_arn.unwrap();
            for it in topic.subscribers {
                let queue = account.names.queue(it.role);
                let subscribe = account.sns.subscribe().topic_arn(&arn).protocol("sqs");
                let subscribe =
                    subscribe.endpoint(format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"));
                let subscribe = subscribe.attributes("RawMessageDelivery", raw.to_string());
                let undelivered = account.names.undelivered_queue(it.role);
                let redrive = format!(
                    r#"{{"deadLetterTargetArn":"arn:aws:sqs:{REGION}:{ACCOUNT}:{undelivered}"}}"#
                );
                let subscribe = subscribe.attributes("RedrivePolicy", redrive);
                subscribe.send().await.unwrap();
            }
        }
        account
    }

    /// A role's queue alone.
    pub async fn make_queue(&self, role: RoleName) {
        let dead = self.names.dead_letter_queue(role);
        let redrive = format!(
            r#"{{"deadLetterTargetArn":"arn:aws:sqs:{REGION}:{ACCOUNT}:{dead}","maxReceiveCount":10}}"#
        );
        let name = self.names.queue(role);
        let queue = self.sqs.create_queue().queue_name(&name);
        let queue = queue.attributes(QueueAttributeName::RedrivePolicy, redrive);
        let policy = delivery_policy(self, role, &name);
        queue.attributes(QueueAttributeName::Policy, policy).send().await.unwrap();
    }

    pub async fn bus(&self, role: RoleName) -> AwsBus {
        let linger = std::time::Duration::ZERO;
        let (bus, _, mut drivers) =
            AwsBus::connect_traced(&self.clients, &self.names, role, linger, true).await.unwrap();
        drivers.detach_all();
        bus
    }

    /// What comes in from the topics of this account.
    pub fn intake(&self) -> Intake {
        Intake::enveloped(Home::new(REGION, ACCOUNT).topic_arns(&self.names))
    }

    pub fn queue_arn(&self, role: RoleName) -> String {
        queue_arn(&self.names.queue(role))
    }

    /// The ARN of the subscription of a role to a topic.
    pub async fn subscription(&self, topic: Kind, role: RoleName) -> String {
        let list = self.sns.list_subscriptions_by_topic().topic_arn(self.topic_arn(topic));
        let list = list.send().await.unwrap().subscriptions.unwrap();
        let endpoint = self.queue_arn(role);
        let found = list.into_iter().find(|it| it.endpoint.as_ref() == Some(&endpoint));
        found.unwrap().subscription_arn.unwrap()
    }

    pub fn topic_arn(&self, kind: Kind) -> String {
        format!("arn:aws:sns:{REGION}:{ACCOUNT}:{}", self.names.topic(kind))
    }

    /// Publishes any text as `aws sns publish` does; returns the MessageId.
    pub async fn publish(&self, kind: Kind, text: &str) -> String {
        let publish = self.sns.publish().topic_arn(self.topic_arn(kind)).message(text);
        publish.send().await.unwrap().message_id.unwrap()
    }

    /// Puts any text on any queue, as it is.
    pub async fn put(&self, queue: &str, text: &str) {
        let send = self.sqs.send_message().queue_url(self.url(queue).await);
        send.message_body(text).send().await.unwrap();
    }

    pub async fn url(&self, queue: &str) -> String {
        let url = self.sqs.get_queue_url().queue_name(queue).send().await.unwrap();
        url.queue_url.unwrap()
    }

    /// Waits until `count` messages are on a role's dead-letter queue, and takes them. A message
    /// that was set aside twice, as a service may after a delay, counts once.
    pub async fn dead_letters(&self, role: RoleName, count: usize) -> Vec<Letter> {
        let url = self.url(&self.names.dead_letter_queue(role)).await;
        let mut letters: Vec<Letter> = Vec::new();
        eventually(&format!("{count} dead letters of {role}"), async || {
            let receive = self.sqs.receive_message().queue_url(&url).max_number_of_messages(10);
            let receive = receive.message_attribute_names("All").visibility_timeout(600);
            for message in receive.send().await.unwrap().messages.unwrap_or_default() {
                let attributes = message.message_attributes.unwrap_or_default();
                let text = |it: aws_sdk_sqs::types::MessageAttributeValue| {
                    it.string_value.unwrap_or_default()
                };
                let attributes: std::collections::HashMap<String, String> =
                    attributes.into_iter().map(|(name, it)| (name, text(it))).collect();
                let id = attributes.get("message_id");
                if id.is_some_and(|id| {
                    letters.iter().any(|it| it.attributes.get("message_id") == Some(id))
                }) {
                    continue;
                }
                letters.push(Letter { body: message.body.unwrap(), attributes });
            }
            (letters.len() >= count).then_some(())
        })
        .await;
        letters
    }

    /// What all receipt handles of this account have in common: LocalStack makes them of the
    /// queue's ARN, in base64.
    pub async fn handle_piece(&self) -> String {
        let mut pieces = Vec::new();
        for role in [RoleName::Seats, RoleName::Status] {
            let url = self.url(&self.names.dead_letter_queue(role)).await;
            self.sqs.send_message().queue_url(&url).message_body("look").send().await.unwrap();
            let received = self.sqs.receive_message().queue_url(&url).send().await.unwrap();
            let handle = received.messages.unwrap().remove(0).receipt_handle.unwrap();
            // Behind a UUID, and before the name of the queue.
            pieces.push(handle[52..92].to_owned());
        }
        assert_eq!(pieces[0], pieces[1]);
        pieces.remove(0)
    }

    /// Messages on a role's queue: visible and in flight.
    pub async fn depth(&self, role: RoleName) -> (u64, u64) {
        self.depth_of(&self.names.queue(role)).await
    }

    /// Messages on any queue: visible and in flight.
    pub async fn depth_of(&self, queue: &str) -> (u64, u64) {
        let url = self.url(queue).await;
        let visible = QueueAttributeName::ApproximateNumberOfMessages;
        let hidden = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let ask = self.sqs.get_queue_attributes().queue_url(url);
        let answer =
            ask.attribute_names(visible.clone()).attribute_names(hidden.clone()).send().await;
        let attributes = answer.unwrap().attributes.unwrap();
        let number = |name| attributes.get(name).map_or(0, |it: &String| it.parse().unwrap());
        (number(&visible), number(&hidden))
    }
}
