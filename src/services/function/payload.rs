//! What Lambda hands to a function: a batch of its queue, or a request to its function URL. Nothing
//! that a client can choose decides which of them it is. Must never tell what is in a message.

use std::fmt;

use aws_lambda_events::{
    lambda_function_urls::LambdaFunctionUrlRequest,
    sqs::{SqsEvent, SqsMessage},
};
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use serde_json::Value;

use crate::bus::{Delivery, aws::delivery};

/// One invocation.
#[derive(Debug)]
pub(super) enum Payload {
    /// Each delivery has a message id.
    Batch(Vec<Delivery>),
    Request(Box<LambdaFunctionUrlRequest>),
}

/// Why an invocation is not for this function. Somebody who may invoke it has made a mistake, or
/// tries something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Neither a batch nor a request.
    Shape,
    /// A record lacks what SQS gives every message.
    Record { number: usize },
    /// A record of another queue, or of none.
    OtherQueue { number: usize, expected: String },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Shape => f.write_str(
                "neither a batch of an event source mapping of SQS, nor a request to a function URL",
            ),
            Unreadable::Record { number } => {
                write!(f, "record {number} lacks its message id, its receipt handle or its body")
            }
            Unreadable::OtherQueue { number, expected } => {
                write!(f, "record {number} is not of the queue {expected}: mend the mapping")
            }
        }
    }
}

/// Reads an invocation. A batch is accepted whole or not at all, and only from the queue
/// `queue_arn`.
pub(super) fn read(payload: Value, queue_arn: &str) -> Result<Payload, Unreadable> {
    // Lambda writes these itself; what a client says is in texts further inside.
    if payload.get("Records").is_some() {
        let batch: SqsEvent = serde_json::from_value(payload).map_err(|_| Unreadable::Shape)?;
        let deliveries = batch.records.into_iter().enumerate();
        let deliveries = deliveries.map(|(at, it)| of_record(it, at + 1, queue_arn));
        return deliveries.collect::<Result<_, _>>().map(Payload::Batch);
    }
    if payload.pointer("/requestContext/http").is_some() {
        let request = serde_json::from_value(payload).map_err(|_| Unreadable::Shape)?;
        return Ok(Payload::Request(Box::new(request)));
    }
    Err(Unreadable::Shape)
}

fn of_record(record: SqsMessage, number: usize, queue_arn: &str) -> Result<Delivery, Unreadable> {
    if record.event_source_arn.as_deref() != Some(queue_arn) {
        return Err(Unreadable::OtherQueue { number, expected: queue_arn.to_owned() });
    }
    let mut message = Message::builder()
        .set_message_id(record.message_id)
        .set_receipt_handle(record.receipt_handle)
        .set_body(record.body);
    for (name, value) in record.attributes {
        message = message.attributes(MessageSystemAttributeName::from(name.as_str()), value);
    }
    for (name, value) in record.message_attributes {
        let value = MessageAttributeValue::builder()
            .data_type(value.data_type.unwrap_or_default())
            .set_string_value(value.string_value)
            .build();
        message = message.message_attributes(name, value.map_err(|_| Unreadable::Shape)?);
    }
    let delivery = delivery(message.build()).ok_or(Unreadable::Record { number })?;
    if delivery.message_id.is_empty() {
        return Err(Unreadable::Record { number });
    }
    // On a standard queue a group means nothing, whatever a client wrote there.
    Ok(Delivery { group: None, ..delivery })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUEUE: &str = "arn:aws:sqs:eu-central-1:123456789012:booking-seats";

    fn record(arn: &str) -> Value {
        json!({
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "body": "{}",
            "attributes": {
                "ApproximateReceiveCount": "3",
                "SentTimestamp": "1545082649183",
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "MessageGroupId": "ada@example.com",
                "ApproximateFirstReceiveTimestamp": "1545082649185",
            },
            "messageAttributes": {
                "type": {"stringValue": "seat-booked", "dataType": "String"},
                "hash": {"binaryValue": "aGFzaA==", "dataType": "Binary"},
            },
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": "eu-central-1",
        })
    }

    #[test]
    fn a_record_is_a_delivery_as_a_receive_would_bring_it() {
        let Ok(Payload::Batch(all)) = read(json!({"Records": [record(QUEUE)]}), QUEUE) else {
            panic!("not a batch")
        };
        let [it] = &all[..] else { panic!("{all:?}") };
        assert_eq!(it.message_id, "059f36b4-87a3-44ab-83d2-661975830a7d");
        assert_eq!(it.receipt_handle.0, "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a");
        assert_eq!((it.incoming.attempt, it.incoming.body.as_str()), (3, "{}"));
        assert_eq!(it.incoming.sent_at.as_millisecond(), 1_545_082_649_183);
        assert_eq!(it.incoming.kind_attribute.as_deref(), Some("seat-booked"));
        assert_eq!(it.group, None);
    }

    #[test]
    fn a_batch_that_is_not_all_of_the_own_queue_is_refused_whole() {
        let other = QUEUE.replace("seats", "payment");
        let read = |it: Value| read(it, QUEUE).unwrap_err();
        let mixed = json!({"Records": [record(QUEUE), record(&other)]});
        let expected = QUEUE.to_owned();
        assert_eq!(read(mixed), Unreadable::OtherQueue { number: 2, expected });
        let mut nameless = record(QUEUE);
        nameless.as_object_mut().unwrap().remove("eventSourceARN");
        assert!(matches!(
            read(json!({"Records": [nameless]})),
            Unreadable::OtherQueue { number: 1, .. }
        ));
        for lacks in ["messageId", "receiptHandle", "body"] {
            let mut record = record(QUEUE);
            record.as_object_mut().unwrap().remove(lacks);
            let said = read(json!({"Records": [record]}));
            assert_eq!(said, Unreadable::Record { number: 1 }, "{lacks}");
        }
    }

    #[test]
    fn what_is_neither_a_batch_nor_a_request_is_refused_and_not_repeated() {
        for strange in [
            json!(null),
            json!("Ada ada@example.com"),
            json!({"detail": {"email": "ada@example.com"}}),
            json!({"Records": "ada@example.com"}),
            json!({"Records": [{"messageId": ["ada@example.com"]}]}),
            json!({"requestContext": {"http": "ada@example.com"}}),
        ] {
            let said = read(strange.clone(), QUEUE).unwrap_err();
            assert_eq!(said, Unreadable::Shape, "{strange}");
            assert!(!said.to_string().contains("ada"), "{said}");
        }
    }
}
