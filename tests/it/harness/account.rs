//! Topics and queues of a test's own in LocalStack, made by the SDK from `topics/`: faster than
//! Terraform, which has tests of its own.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::{DeadLetterConfig, PutEventsRequestEntry, Target};
use aws_sdk_sns::types::PublishBatchRequestEntry;
use aws_sdk_sqs::{
    operation::create_queue::builders::CreateQueueFluentBuilder, types::QueueAttributeName,
};
use booking::{
    aws::{Clients, Home, Names, event_bridge},
    bus::aws::AwsBus,
    domain::{RoleName, ServiceName, event::Kind},
    metrics::RequestCount,
    topics,
    wire::{self, Intake},
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
    /// What carries the events: an event bus, or else topics.
    events: Option<aws_sdk_eventbridge::Client>,
}

/// A message on a dead-letter queue.
#[derive(Debug)]
pub struct Letter {
    pub body: String,
    pub attributes: std::collections::HashMap<String, String>,
}

/// What lets SNS or EventBridge put on a queue what the service hears, as `terraform/` has it.
fn delivery_policy(account: &Account, service: ServiceName, hears: &[Kind], queue: &str) -> String {
    let home = Home::new(REGION, ACCOUNT);
    let rule = |it: &Kind| home.rule_arn(&account.names, service.as_str(), *it);
    let (carrier, sources): (_, Vec<String>) = match account.events {
        None => ("sns.amazonaws.com", hears.iter().map(|it| account.topic_arn(*it)).collect()),
        Some(_) => ("events.amazonaws.com", hears.iter().map(rule).collect()),
    };
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": carrier},
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
        Account::of(&LocalStack::running().config().await, prefix)
    }

    fn of(config: &SdkConfig, prefix: &str) -> Account {
        let count = RequestCount::default();
        Account {
            prefix: prefix.to_owned(),
            names: Names::new(prefix),
            sns: aws_sdk_sns::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            clients: Clients::new(config, count.clone()).unwrap(),
            count,
            events: None,
        }
    }

    /// An event bus, queues and rules as `topics/` has them.
    pub async fn on_event_bus() -> Account {
        let config = LocalStack::running().config().await;
        let account = Account::of(&config, &unique("t"));
        let events = event_bridge(&config, account.count.clone());
        events.create_event_bus().name(account.names.event_bus()).send().await.unwrap();
        let account = Account { events: Some(events), ..account };
        account.listeners(false).await;
        account
    }

    /// Whether an event bus carries the events.
    pub fn is_event_bus(&self) -> bool {
        self.events.is_some()
    }

    /// What somebody else made under `prefix` on an event bus.
    pub async fn existing_on_event_bus(prefix: &str) -> Account {
        let account = Account::existing(prefix).await;
        let events = event_bridge(&LocalStack::running().config().await, account.count.clone());
        Account { events: Some(events), ..account }
    }

    /// The client of the event bus.
    pub fn events(&self) -> &aws_sdk_eventbridge::Client {
        self.events.as_ref().unwrap()
    }

    /// FIFO topics and queues, and subscriptions as `topics/` has them.
    pub async fn fifo() -> Account {
        let account = Account::existing(&unique("t")).await.and_fifo();
        account.topics(false).await;
        account
    }

    /// The same account, but with FIFO topics and queues.
    #[must_use]
    pub fn and_fifo(self) -> Account {
        Account { names: self.names.and_fifo(true), ..self }
    }

    /// The clients of a service.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Topics, queues and subscriptions as `topics/` has them. `raw`: without the SNS envelope.
    pub async fn make(raw: bool) -> Account {
        Account::make_at(&LocalStack::running().config().await, raw).await
    }

    /// The same wherever a configuration leads.
    pub async fn make_at(config: &SdkConfig, raw: bool) -> Account {
        let account = Account::of(config, &unique("t"));
        account.topics(raw).await;
        account
    }

    async fn topics(&self, raw: bool) {
        for topic in Kind::ALL {
            let create = self.sns.create_topic().name(self.names.topic(topic));
            let fifo = self.names.are_fifo().then(|| [("FifoTopic".into(), "true".into())].into());
            create.set_attributes(fifo).send().await.unwrap();
        }
        self.listeners(raw).await;
    }

    /// A queue, FIFO if its name says so.
    fn create_queue(&self, name: &str) -> CreateQueueFluentBuilder {
        let create = self.sqs.create_queue().queue_name(name);
        if self.names.are_fifo() {
            create
                .attributes(QueueAttributeName::FifoQueue, "true")
                .attributes(QueueAttributeName::DeduplicationScope, "messageGroup")
                .attributes(QueueAttributeName::FifoThroughputLimit, "perMessageGroupId")
        } else {
            create
        }
    }

    async fn listeners(&self, raw: bool) {
        for role in RoleName::ALL {
            self.service(role.into(), &topics::subscriptions(role), raw).await;
        }
        for (guest, hears) in topics::guests(&topics::all()) {
            // A name of the files, of which there are few.
            let guest = ServiceName::guest(guest.to_owned().leak());
            self.service(guest, &hears, raw).await;
        }
    }

    /// The three queues of one more service, and its subscriptions to these topics.
    pub async fn guest(&self, guest: ServiceName, hears: &[Kind]) {
        self.service(guest, hears, false).await;
    }

    async fn service(&self, service: ServiceName, hears: &[Kind], raw: bool) {
        let dead = self.names.dead_letter_queue(service);
        self.create_queue(&dead).send().await.unwrap();
        let undelivered = self.names.undelivered_queue(service);
        let queue = self.create_queue(&undelivered);
        let policy = delivery_policy(self, service, hears, &undelivered);
        queue.attributes(QueueAttributeName::Policy, policy).send().await.unwrap();
        self.make_queue_of(service, hears).await;
        if self.events.is_some() {
            for topic in hears {
                self.rule(service, *topic).await;
            }
            return;
        }
        for topic in hears {
            let subscribe = self.sns.subscribe().topic_arn(self.topic_arn(*topic)).protocol("sqs");
            let subscribe = subscribe.endpoint(queue_arn(&self.names.queue(service)));
            let subscribe = subscribe.attributes("RawMessageDelivery", raw.to_string());
            let redrive = format!(r#"{{"deadLetterTargetArn":"{}"}}"#, queue_arn(&undelivered));
            let subscribe = subscribe.attributes("RedrivePolicy", redrive);
            subscribe.send().await.unwrap();
        }
    }

    /// The rule by which a service hears a type of event.
    async fn rule(&self, service: ServiceName, topic: Kind) {
        let (bus, rule) = (self.names.event_bus(), self.names.rule(service.as_str(), topic));
        let mut pattern = serde_json::json!({"detail-type": [topic.topic()]});
        if topic.publisher().is_some() {
            pattern["source"] = serde_json::json!([wire::bus_source(topic)]);
        }
        let put = self.events().put_rule().name(&rule).event_bus_name(&bus);
        put.event_pattern(pattern.to_string()).send().await.unwrap();
        let dead = queue_arn(&self.names.undelivered_queue(service));
        let target = Target::builder()
            .id(service.as_str())
            .arn(queue_arn(&self.names.queue(service)))
            .dead_letter_config(DeadLetterConfig::builder().arn(dead).build());
        let put = self.events().put_targets().rule(rule).event_bus_name(bus);
        let put = put.targets(target.build().unwrap()).send().await.unwrap();
        assert_eq!(put.failed_entry_count(), 0, "{put:?}");
    }

    /// A role's queue alone.
    pub async fn make_queue(&self, role: RoleName) {
        self.make_queue_of(role.into(), &topics::subscriptions(role)).await;
    }

    async fn make_queue_of(&self, service: ServiceName, hears: &[Kind]) {
        let dead = queue_arn(&self.names.dead_letter_queue(service));
        let redrive = format!(r#"{{"deadLetterTargetArn":"{dead}","maxReceiveCount":10}}"#);
        let name = self.names.queue(service);
        let queue = self.create_queue(&name);
        let queue = queue.attributes(QueueAttributeName::RedrivePolicy, redrive);
        let policy = delivery_policy(self, service, hears, &name);
        queue.attributes(QueueAttributeName::Policy, policy).send().await.unwrap();
    }

    pub async fn bus(&self, role: RoleName) -> AwsBus {
        let linger = std::time::Duration::ZERO;
        let (bus, _, mut drivers) =
            AwsBus::connect_by(&self.clients, &self.names, role, linger, true, self.events.clone())
                .await
                .unwrap();
        drivers.detach_all();
        bus
    }

    /// What comes in from the topics or the event bus of this account.
    pub fn intake(&self) -> Intake {
        match self.events {
            None if self.names.are_fifo() => {
                Intake::of_fifo_topics(Home::new(REGION, ACCOUNT).topic_arns(&self.names))
            }
            None => Intake::enveloped(Home::new(REGION, ACCOUNT).topic_arns(&self.names)),
            Some(_) => Intake::of_event_bus(ACCOUNT, REGION),
        }
    }

    /// Puts any text on the event bus as `aws events put-events` does; returns the EventId.
    pub async fn put_event(&self, source: &str, kind: &str, text: &str) -> String {
        let entry = PutEventsRequestEntry::builder().event_bus_name(self.names.event_bus());
        let entry = entry.source(source).detail_type(kind).detail(text).build();
        let put = self.events().put_events().entries(entry).send().await.unwrap();
        put.entries()[0].event_id().unwrap_or_else(|| panic!("{put:?}")).to_owned()
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

    pub fn event_bus_arn(&self) -> String {
        Home::new(REGION, ACCOUNT).event_bus_arn(&self.names)
    }

    /// Publishes any text as `aws sns publish` does, or `aws events put-events`; returns the id
    /// that AWS gave to it.
    pub async fn publish(&self, kind: Kind, text: &str) -> String {
        if self.is_event_bus() {
            return self.put_event(&wire::bus_source(kind), kind.topic(), text).await;
        }
        let mut publish = self.sns.publish().topic_arn(self.topic_arn(kind)).message(text);
        if self.names.are_fifo() {
            // As docs/FIFO.md says it: the booking, if the text names one, and a new id.
            let text: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
            let id = unique("typed");
            let group = text["subject"].as_str().or(text["booking_id"].as_str()).unwrap_or(&id);
            publish = publish.message_group_id(group).message_deduplication_id(&id);
        }
        publish.send().await.unwrap().message_id.unwrap()
    }

    /// The same request to all four, when SNS may not answer.
    pub async fn try_publish(&self, text: &str) -> Result<(), impl std::error::Error> {
        let topic = self.topic_arn(Kind::BookingRequested);
        self.sns.publish().topic_arn(topic).message(text).send().await.map(drop)
    }

    /// Publishes some texts, in as few requests as SNS takes.
    pub async fn publish_all(&self, kind: Kind, texts: impl IntoIterator<Item = String>) {
        let entry = |(at, text): (usize, String)| {
            let entry = PublishBatchRequestEntry::builder().id(at.to_string()).message(text);
            entry.build().unwrap()
        };
        let entries: Vec<_> = texts.into_iter().enumerate().map(entry).collect();
        for entries in entries.chunks(10) {
            let publish = self.sns.publish_batch().topic_arn(self.topic_arn(kind));
            let publish = publish.set_publish_batch_request_entries(Some(entries.to_vec()));
            let failed = publish.send().await.unwrap().failed.unwrap_or_default();
            assert!(failed.is_empty(), "{failed:?}");
        }
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

    /// Waits until `count` messages are on a service's dead-letter queue, and takes them. A message
    /// that was set aside twice, as a service may after a delay, counts once.
    pub async fn dead_letters(&self, role: impl Into<ServiceName>, count: usize) -> Vec<Letter> {
        let role = role.into();
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
    pub async fn depth(&self, role: impl Into<ServiceName>) -> (u64, u64) {
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
