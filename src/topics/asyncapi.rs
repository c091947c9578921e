//! The choreography as an AsyncAPI 3 document, for the tools of other teams: a channel for each
//! topic, and an operation for each service that publishes an event or hears it. It is made of
//! `topics/` alone.

use serde_json::{Map, Value, json};

use super::{Topic, all};
use crate::domain::RoleName;

/// The dialect of the schemas in `topics/`, as AsyncAPI names it.
const SCHEMA_FORMAT: &str = "application/schema+json;version=draft-2020-12";
/// How an event is sent: the structured JSON format of CloudEvents.
const CONTENT_TYPE: &str = "application/cloudevents+json";
/// The most characters of an id or a source.
const NAME_CHARS_MAX: usize = 255;

/// The document, as JSON.
#[must_use]
pub fn asyncapi() -> String {
    asyncapi_of(&all())
}

pub(super) fn asyncapi_of(topics: &[Topic]) -> String {
    let channels: Map<String, Value> =
        topics.iter().map(|it| (it.topic.to_string(), channel(it))).collect();
    let messages: Map<String, Value> =
        topics.iter().map(|it| (it.topic.to_string(), message(it))).collect();
    let operations: Map<String, Value> = topics.iter().flat_map(operations).collect();
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "booking",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Airline seat booking by four choreographed services. Each channel is an \
                            SNS topic; each service that hears it has a subscription of its SQS \
                            queue.",
            "license": {"name": env!("CARGO_PKG_LICENSE")},
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    });
    serde_json::to_string_pretty(&document).expect("JSON values are always JSON")
}

fn channel(Topic { topic, description, .. }: &Topic) -> Value {
    let name = topic.to_string();
    json!({
        "address": format!("{{prefix}}{name}"),
        "title": name,
        "description": description,
        "parameters": {
            "prefix": {"description": "What the names of a deployment begin with; often nothing"},
        },
        "messages": {name.as_str(): {"$ref": format!("#/components/messages/{name}")}},
    })
}

fn message(topic: &Topic) -> Value {
    let Topic { topic: kind, description, example, .. } = topic;
    json!({
        "name": kind.topic(),
        "title": kind.topic(),
        "summary": description,
        "contentType": CONTENT_TYPE,
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": event(topic)},
        "examples": [{"payload": example}],
    })
}

/// The schema of the whole CloudEvent. An outcome must say which booking it is about and which
/// request it answers; a request may leave both out.
fn event(Topic { topic, publisher, data, .. }: &Topic) -> Value {
    let mut required = vec!["specversion", "id", "source", "type", "data"];
    let mut source = json!({"type": "string", "minLength": 1, "maxLength": NAME_CHARS_MAX});
    match topic.publisher() {
        Some(role) => {
            required.extend(["subject", "requestdigest"]);
            source = json!({"const": role.source()});
        }
        None => {
            let ours: Vec<&str> = RoleName::ALL.iter().map(|it| it.source()).collect();
            source["not"] = json!({"enum": ours});
        }
    }
    json!({
        "type": "object",
        "title": topic.topic(),
        "description": format!("Published by {publisher}"),
        "required": required,
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1, "maxLength": NAME_CHARS_MAX},
            "source": source,
            "type": {"const": topic.topic()},
            "subject": {"type": "string", "description": "The booking id."},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"type": "string", "description": "A JSON type."},
            "dataschema": {
                "type": "string",
                "format": "uri",
                "description": "Ends in the major version, 1. Status answers with the schema at \
                                /schemas/ followed by this.",
            },
            "traceparent": {"type": "string", "description": "A W3C trace context."},
            "requestdigest": {
                "type": "string",
                "pattern": "^[0-9a-f]{64}$",
                "description": "The SHA-256 of the request that this is about.",
            },
            "data": data,
        },
    })
}

/// What each service does with an event, under the names `seats.publishes.seat-booked` and
/// `payment.hears.booking-requested`.
fn operations(topic: &Topic) -> Vec<(String, Value)> {
    let name = topic.topic.to_string();
    let operation = |service: &str, action: &str, does: &str| {
        let channel = format!("#/channels/{name}");
        let of = json!([{"$ref": format!("{channel}/messages/{name}")}]);
        json!({
            "action": action,
            "channel": {"$ref": channel},
            "messages": of,
            "summary": does,
            "tags": [{"name": service}],
        })
    };
    let publisher = topic.publisher.as_str();
    let mut all = vec![(
        format!("{publisher}.publishes.{name}"),
        operation(publisher, "send", "publishes it"),
    )];
    for (service, does) in topic.listeners() {
        all.push((format!("{service}.hears.{name}"), operation(service, "receive", does)));
    }
    all
}
