//! What an answer of AWS tells somebody who only looks: the thing, or that there is no such thing.

use std::error::Error;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use serde_json::Value;

use crate::{
    aws::Right,
    bus::{BusError, aws::failure},
};

/// The most pages of one list that are read: 100 entries each.
pub(super) const PAGES_MAX: usize = 100;
/// The error codes with which SNS, SQS and EventBridge say that something does not exist.
const ABSENT: [&str; 5] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "NotFound",
    "NotFoundException",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
];

/// The answer; `None` when it says that what was asked for does not exist.
pub(super) fn present<T, E>(
    operation: &'static str,
    name: &str,
    right: Right,
    answer: Result<T, SdkError<E>>,
) -> Result<Option<T>, BusError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match answer {
        Ok(it) => Ok(Some(it)),
        Err(it) if it.code().is_some_and(|it| ABSENT.contains(&it)) => Ok(None),
        Err(it) => Err(failure(operation, name, right, it)),
    }
}

pub(super) fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// A filter policy or an event pattern. What is no JSON is kept as a text, since it is not nothing.
pub(super) fn filter(text: &str) -> Value {
    json(text).unwrap_or_else(|| Value::from(text))
}
