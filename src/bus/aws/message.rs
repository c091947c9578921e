//! Translates between SQS and the bus: messages, durations, and errors about receipt handles. It
//! must never read a body.

use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName;
use jiff::Timestamp;

use crate::{
    bus::{Delivery, ReceiptHandle},
    wire::{Hop, Incoming, TRACEPARENT, TRACESTATE, TraceContext},
};

/// Whether an error of SQS means that the receipt handle is no longer valid. SQS and its emulators
/// say that in several ways.
pub(super) fn stale(code: Option<&str>, message: Option<&str>) -> bool {
    let (code, message) = (code.unwrap_or_default(), message.unwrap_or_default());
    let gone = message.contains("not available for visibility timeout change")
        || message.contains("receipt handle has expired");
    code.contains("ReceiptHandleIsInvalid")
        || code.contains("MessageNotInflight")
        || (code.contains("InvalidParameterValue") && gone)
}

/// Whole seconds, rounded up, since SQS has no smaller unit.
pub(crate) fn seconds(duration: Duration) -> i32 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

/// A message of SQS as a delivery. `None` if it has no body or no receipt handle.
pub(crate) fn delivery(message: aws_sdk_sqs::types::Message) -> Option<Delivery> {
    let attributes = message.attributes.unwrap_or_default();
    let number = |name| attributes.get(&name).and_then(|it: &String| it.parse::<i64>().ok());
    let attempt = number(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(1);
    let sent_ms = number(MessageSystemAttributeName::SentTimestamp).unwrap_or(0);
    let header = attributes.get(&MessageSystemAttributeName::AwsTraceHeader);
    let mut texts = message.message_attributes.unwrap_or_default();
    let mut text = |name| texts.remove(name).and_then(|it| it.string_value);
    let (kind_attribute, parent, state) = (text("type"), text(TRACEPARENT), text(TRACESTATE));
    let context = parent.and_then(|it| TraceContext::read(&it, state.as_deref()));
    let context = context.or_else(|| TraceContext::of_x_ray(header?));
    Some(Delivery {
        incoming: Incoming {
            body: message.body?,
            kind_attribute,
            sent_at: Timestamp::from_millisecond(sent_ms).unwrap_or(Timestamp::UNIX_EPOCH),
            attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
            hop: context.map(|it| Box::new(Hop { context: Some(it), message_id: None })),
        },
        message_id: message.message_id.unwrap_or_default(),
        group: attributes.get(&MessageSystemAttributeName::MessageGroupId).cloned(),
        receipt_handle: ReceiptHandle(message.receipt_handle?),
    })
}
