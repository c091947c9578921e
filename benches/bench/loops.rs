//! The yardstick loops, which the services are compared with: loops as people write them, over the
//! same SDK and HTTP client, but without a store and without regard to crashes. Each role is one
//! process, as with the services. They must never be less efficient than needed, or the comparison
//! would flatter the services.

use std::{
    collections::HashMap,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use booking::{
    clock::Clock,
    config::Span,
    domain::{RoleName, event::Kind},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::topology::{names, topic_arn};

const RECEIVE_MAX: i32 = 10;
const LONG_POLL_S: i32 = 20;
/// How many receives of a careful loop are open at the same time: as many as the services may have.
const POLLERS: usize = 4;
/// The facts that a receipt needs: the request, the seats and the payment.
const FACTS: usize = 3;

/// How a loop works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Receives ten messages, then publishes and deletes for one after the other.
    Plain,
    /// Has four receives open. The messages of one receive share one publish and one delete. After
    /// a receive that was not full, it waits for `pause`.
    Careful { pause: Duration },
}

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    role: String,
    #[arg(long)]
    careful: bool,
    #[arg(long, default_value = "0ms")]
    pause: Span,
}

/// The command that starts the process of one role.
pub fn command(style: Style, role: RoleName) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["loop", role.as_str()]);
    if let Style::Careful { pause } = style {
        command.args(["--careful", "--pause", &format!("{}ms", pause.as_millis())]);
    }
    Ok(command)
}

/// Works until the process is killed.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let role = RoleName::ALL.into_iter().find(|it| it.as_str() == args.role);
    let role = role.context("seats, payment, receipt or status")?;
    // The same runtime as the services have, with one thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let worker = Arc::new(Worker::connect(role).await?);
        if !args.careful {
            return worker.plainly().await;
        }
        let mut pollers = JoinSet::new();
        for _ in 0..POLLERS {
            pollers.spawn(Arc::clone(&worker).carefully(args.pause.0));
        }
        pollers.join_next().await.context("four pollers")??
    })
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Message")]
    message: String,
}

struct Worker {
    role: RoleName,
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
    url: String,
    /// For the role receipt: how many facts of each booking have arrived.
    facts: Mutex<HashMap<String, usize>>,
}

/// An event to be published.
struct Outcome {
    kind: Kind,
    body: String,
}

impl Worker {
    async fn connect(role: RoleName) -> anyhow::Result<Worker> {
        // The configuration that the services use, so that the HTTP client is the same.
        let config = booking::aws::load().await?;
        let (sns, sqs) = (aws_sdk_sns::Client::new(&config), aws_sdk_sqs::Client::new(&config));
        let url = sqs.get_queue_url().queue_name(names().queue(role)).send().await?;
        let url = url.queue_url.context("a queue has a URL")?;
        Ok(Worker { role, sns, sqs, url, facts: Mutex::default() })
    }

    async fn plainly(&self) -> anyhow::Result<()> {
        loop {
            for message in self.receive().await? {
                if let Some(it) = self.outcome(&message)? {
                    let publish = self.sns.publish().topic_arn(topic_arn(&names(), it.kind));
                    let publish = publish.message_attributes("type", attribute(it.kind)?);
                    publish.message(it.body).send().await?;
                }
                let handle = message.receipt_handle.context("a message has a handle")?;
                let delete = self.sqs.delete_message().queue_url(&self.url);
                delete.receipt_handle(handle).send().await?;
            }
        }
    }

    async fn carefully(self: Arc<Self>, pause: Duration) -> anyhow::Result<()> {
        loop {
            let messages = self.receive().await?;
            if messages.is_empty() {
                continue;
            }
            // Each role publishes only one kind of event, so this is one request.
            let mut publish: Option<
                aws_sdk_sns::operation::publish_batch::builders::PublishBatchFluentBuilder,
            > = None;
            let mut delete = self.sqs.delete_message_batch().queue_url(&self.url);
            let short = messages.len() < RECEIVE_MAX as usize;
            for (at, message) in messages.into_iter().enumerate() {
                if let Some(it) = self.outcome(&message)? {
                    let entry = PublishBatchRequestEntry::builder().id(at.to_string());
                    let entry = entry.message_attributes("type", attribute(it.kind)?);
                    let so_far = publish.take().unwrap_or_else(|| {
                        self.sns.publish_batch().topic_arn(topic_arn(&names(), it.kind))
                    });
                    let entry = entry.message(it.body).build()?;
                    publish = Some(so_far.publish_batch_request_entries(entry));
                }
                let handle = message.receipt_handle.context("a message has a handle")?;
                let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string());
                delete = delete.entries(entry.receipt_handle(handle).build()?);
            }
            if let Some(it) = publish {
                it.send().await?;
            }
            delete.send().await?;
            if short {
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn receive(&self) -> anyhow::Result<Vec<Message>> {
        let receive = self.sqs.receive_message().queue_url(&self.url);
        let receive = receive.max_number_of_messages(RECEIVE_MAX).wait_time_seconds(LONG_POLL_S);
        Ok(receive.send().await?.messages.unwrap_or_default())
    }

    /// The event that the role publishes because of a message, if any.
    fn outcome(&self, message: &Message) -> anyhow::Result<Option<Outcome>> {
        let envelope: Envelope = serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
        let event: Value = serde_json::from_str(&envelope.message)?;
        // A request has no type, since the bench publishes it as bare data.
        let kind = event["type"].as_str().unwrap_or("booking-requested");
        let booking = event["subject"].as_str().or(event["booking_id"].as_str());
        let booking = booking.context("an event has a booking")?;
        let said = match (self.role, kind) {
            (RoleName::Seats, "booking-requested") => Some((
                Kind::SeatBooked,
                json!({"flight": event["flight"], "date": event["date"], "seats": event["seats"]}),
            )),
            (RoleName::Payment, "booking-requested") => Some((
                Kind::PaymentOk,
                json!({"charge": "ch_5f0c1d2e3a4b", "amount": event["payment"]["amount"]}),
            )),
            (RoleName::Receipt, _) if self.is_last_fact(booking) => {
                Some((Kind::ReceiptSent, json!({"receipt": "R-4F7K-9QXM-2DTA"})))
            }
            _ => None,
        };
        Ok(said.map(|(kind, data)| self.event(kind, booking, &data)))
    }

    fn is_last_fact(&self, booking: &str) -> bool {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = facts.entry(booking.to_owned()).or_default();
        *heard += 1;
        *heard == FACTS
    }

    /// An event with the same fields and the same size as those of the services.
    fn event(&self, kind: Kind, booking: &str, data: &Value) -> Outcome {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{booking}/{kind}").as_bytes());
        let event = json!({
            "specversion": "1.0",
            "id": id.to_string(),
            "source": format!("/booking/{}", self.role),
            "type": kind,
            "subject": booking,
            "time": Clock::Machine.now(),
            "datacontenttype": "application/json",
            "dataschema": format!("urn:booking:schema:{kind}:1"),
            "requestdigest": "96a79e5fc1b005edcf17c3a0d0f027a411c086e0dccba68f0fde2330f9fd8f7d",
            "data": data,
        });
        Outcome { kind, body: event.to_string() }
    }
}

fn attribute(kind: Kind) -> anyhow::Result<MessageAttributeValue> {
    let value = MessageAttributeValue::builder().data_type("String").string_value(kind.topic());
    Ok(value.build()?)
}
