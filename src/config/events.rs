//! By what events come to the queues of the services.

use clap::{Args, ValueEnum, builder::BoolishValueParser};

/// What carries events from their publisher to the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Events {
    /// SNS topics, one for each type of event
    Sns,
    /// An event bus of EventBridge, with a rule for each subscription
    #[value(name = "eventbridge")]
    EventBridge,
}

/// What carries events.
#[derive(Clone, Copy, Debug, Args)]
pub struct EventsArgs {
    /// What carries events to the queues: SNS topics, or the event bus PREFIXbooking of EventBridge
    /// (docs/EVENTBRIDGE.md)
    #[arg(long, env = "BOOKING_EVENTS", value_enum, default_value_t = Events::Sns)]
    pub events: Events,

    /// Topics and queues are FIFO, as Terraform makes them with `fifo = true`: their names end in
    /// .fifo, and the messages of one booking come one after the other (docs/FIFO.md)
    #[arg(long, env = "BOOKING_FIFO", value_parser = BoolishValueParser::new())]
    pub fifo: bool,
}

impl EventsArgs {
    /// Whether anything but the default was named.
    #[must_use]
    pub fn are_named(&self) -> bool {
        self.events != Events::Sns || self.fifo
    }
}

/// How events arrive on a queue.
#[derive(Clone, Copy, Debug, Args)]
pub struct DeliveryArgs {
    #[command(flatten)]
    pub events: EventsArgs,

    /// Accept outcomes without an SNS envelope, from subscriptions with raw message delivery; `dlq`
    /// then reads messages as such a service does. Such a message does not show its topic,
    /// so a publisher of one topic is trusted with all topics
    #[arg(long, env = "BOOKING_RAW_DELIVERY", value_parser = BoolishValueParser::new())]
    pub raw_delivery: bool,
}
