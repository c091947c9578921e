//! The choreography, as the files of `topics/` have it: which events exist, who publishes each of
//! them, and who subscribes to it.
//!
//! It must be written nowhere else. Terraform reads the same files, and the tests compare the code
//! with them.
//!
//! A file may also name guests, which are services of other teams (docs/ADD-A-SERVICE.md). They get
//! a queue and a place in every form in which the choreography is printed. The four never look at
//! them.

mod asyncapi;
mod guests;
mod picture;

use serde::Deserialize;

use crate::domain::{RoleName, event::Kind};

pub use asyncapi::asyncapi;
pub use guests::{Guest, guests};
use guests::{Listeners, names};

pub use picture::svg;

/// The file of a topic. A new event does not compile until it has one.
const fn file(topic: Kind) -> &'static str {
    match topic {
        Kind::BookingRequested => include_str!("../topics/booking-requested.json"),
        Kind::SeatBooked => include_str!("../topics/seat-booked.json"),
        Kind::SeatUnavailable => include_str!("../topics/seat-unavailable.json"),
        Kind::SeatReleased => include_str!("../topics/seat-released.json"),
        Kind::PaymentOk => include_str!("../topics/payment-ok.json"),
        Kind::PaymentFailed => include_str!("../topics/payment-failed.json"),
        Kind::PaymentRefunded => include_str!("../topics/payment-refunded.json"),
        Kind::ReceiptSent => include_str!("../topics/receipt-sent.json"),
    }
}

/// One topic: an event type, its publisher and its subscribers.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "File")]
pub struct Topic {
    /// The topic's name without the prefix, which is also the event's type.
    pub topic: Kind,
    /// The meaning of the event.
    pub description: String,
    /// The publisher: a role, or `client`.
    pub publisher: String,
    /// The roles that hear it.
    pub subscribers: Vec<Subscriber>,
    /// The services of other teams that hear it.
    pub guests: Vec<Guest>,
    /// The JSON Schema of `data`.
    pub data: serde_json::Value,
    /// An example of the whole CloudEvent.
    pub example: serde_json::Value,
}

/// A topic as its file has it: roles and guests in one list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    topic: Kind,
    description: String,
    publisher: String,
    subscribers: Listeners,
    data: serde_json::Value,
    example: serde_json::Value,
}

impl From<File> for Topic {
    fn from(it: File) -> Topic {
        let File { topic, description, publisher, subscribers, data, example } = it;
        let Listeners { roles, guests } = subscribers;
        Topic { topic, description, publisher, subscribers: roles, guests, data, example }
    }
}

/// One subscription.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscriber {
    /// The role whose queue gets the event.
    pub role: RoleName,
    /// What the role does with the event.
    pub does: String,
}

/// The major version of every schema in `topics/`.
pub const SCHEMA_VERSION: u32 = 1;

/// What the events of a topic say in `dataschema`: the name of the schema of their `data`.
#[must_use]
pub fn dataschema(topic: Kind) -> String {
    format!("urn:booking:schema:{topic}:{SCHEMA_VERSION}")
}

/// The eight topics, in the order of a booking's life.
#[must_use]
pub fn all() -> Vec<Topic> {
    let parse =
        |topic| serde_json::from_str(file(topic)).expect("topics/ is compiled in and tested");
    Kind::ALL.into_iter().map(parse).collect()
}

/// The events that a role hears.
#[must_use]
pub fn subscriptions(role: RoleName) -> Vec<Kind> {
    let listens = |it: &Topic| it.subscribers.iter().any(|it| it.role == role);
    all().into_iter().filter(listens).map(|it| it.topic).collect()
}

/// The events that a role publishes and status hears.
#[must_use]
pub fn heard_by_status(role: RoleName) -> Vec<Kind> {
    let hears = |it: &Topic| it.subscribers.iter().any(|it| it.role == RoleName::Status);
    let says = |it: &Topic| it.publisher == role.as_str() && hears(it);
    all().into_iter().filter(says).map(|it| it.topic).collect()
}

/// The choreography as a Markdown table, as `booking topics` prints it.
#[must_use]
pub fn table() -> String {
    table_of(&all())
}

fn table_of(topics: &[Topic]) -> String {
    let services = names(topics);
    let mut text = format!("| topic | says | {} |\n", services.join(" | "));
    text.push_str(&format!("|---|---|{}\n", "---|".repeat(services.len())));
    for topic in topics {
        text.push_str(&format!("| `{}` | {} |", topic.topic, topic.publisher));
        for service in &services {
            let hears = topic.listeners().find(|(name, _)| name == service);
            text.push_str(&format!(" {} |", hears.map_or("", |(_, does)| does)));
        }
        text.push('\n');
    }
    text
}

/// The choreography as a Mermaid flowchart, with arrows from each publisher to its events, and from
/// each event to its subscribers.
#[must_use]
pub fn mermaid() -> String {
    mermaid_of(&all())
}

fn mermaid_of(topics: &[Topic]) -> String {
    let mut text = String::from("flowchart LR\n    client([client])\n");
    for name in names(topics) {
        text.push_str(&format!("    {}\n", node(name)));
    }
    for topic in topics {
        text.push_str(&format!("    {}{{{{{}}}}}\n", topic.topic, topic.topic));
        text.push_str(&format!("    {} --> {}\n", topic.publisher, topic.topic));
        for (name, _) in topic.listeners() {
            text.push_str(&format!("    {} --> {}\n", topic.topic, id(name)));
        }
    }
    text
}

/// A service in Mermaid. Any word may be the name of a guest, also `end` or `graph`, which Mermaid
/// takes for its own unless they are quoted, and part of a longer id.
fn node(name: &str) -> String {
    match RoleName::of_name(name) {
        Some(role) => format!("{role}[{role}]"),
        None => format!("{}[\"{name}\"]", id(name)),
    }
}

fn id(name: &str) -> String {
    match RoleName::of_name(name) {
        Some(role) => role.to_string(),
        None => format!("guest-{name}"),
    }
}

/// The choreography as a graph for Graphviz, with the arrows of [`mermaid`].
#[must_use]
pub fn dot() -> String {
    dot_of(&all())
}

fn dot_of(topics: &[Topic]) -> String {
    let mut text = String::from("digraph booking {\n    rankdir=LR\n    \"client\" [shape=oval]\n");
    for name in names(topics) {
        text.push_str(&format!("    \"{name}\" [shape=box, style=rounded]\n"));
    }
    for it in topics {
        let Topic { topic, publisher, .. } = it;
        text.push_str(&format!("    \"{topic}\" [shape=hexagon]\n"));
        text.push_str(&format!("    \"{publisher}\" -> \"{topic}\"\n"));
        for (name, _) in it.listeners() {
            text.push_str(&format!("    \"{topic}\" -> \"{name}\"\n"));
        }
    }
    text + "}\n"
}

/// The eight files as one JSON array.
#[must_use]
pub fn json() -> String {
    let files: Vec<serde_json::Value> = Kind::ALL
        .into_iter()
        .map(|it| serde_json::from_str(file(it)).expect("topics/ is compiled in and tested"))
        .collect();
    serde_json::to_string_pretty(&files).expect("JSON values are always JSON")
}
