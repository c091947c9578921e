//! The batch requests of SNS and SQS. Each entry gets its own answer, since SNS and SQS may refuse
//! some entries of a batch and accept the others. An entry must never count as done unless the
//! response says so.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use aws_sdk_sqs::{
    error::SdkError,
    operation::change_message_visibility_batch::{
        ChangeMessageVisibilityBatchError, ChangeMessageVisibilityBatchOutput,
    },
    types::{
        ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
        SendMessageBatchRequestEntry,
    },
};

use super::{
    super::{Answer, BusError, ReceiptHandle},
    failure::{failure, said},
    message::{seconds, stale},
};
use crate::{
    aws::Right,
    domain::event::Kind,
    wire::{FifoKey, Incoming, Message, TRACEPARENT, TRACESTATE, TraceContext},
};

/// One queue, with the client that calls it.
#[derive(Clone, Debug)]
pub(crate) struct SqsQueue {
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) arn: String,
}

/// One topic, with the client that calls it.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) sns: aws_sdk_sns::Client,
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) arn: String,
    /// What makes the ids of its messages, if it is a FIFO topic.
    pub(super) fifo: Option<FifoKey>,
}

/// A message that goes back to the queue from which it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Returned<'a> {
    pub(crate) incoming: &'a Incoming,
    /// Its group and its deduplication id, if the queue is FIFO.
    pub(crate) ids: Option<(&'a str, &'a str)>,
}

impl Topic {
    pub(super) async fn publish(&self, messages: Vec<Message>) -> Vec<Answer> {
        let operation = "publish to";
        let right = Right { action: "sns:Publish", resource: self.arn.clone() };
        let count = messages.len();
        let mut publish = self.sns.publish_batch().topic_arn(&self.arn);
        for (at, message) in messages.into_iter().enumerate() {
            let ids = self.fifo.as_ref().map(|it| it.ids(&message));
            let (group, deduplication) = ids.map(|it| (it.group, it.deduplication)).unzip();
            let Message { body, trace, .. } = message;
            let entry = PublishBatchRequestEntry::builder()
                .id(at.to_string())
                .message(body)
                .set_message_group_id(group)
                .set_message_deduplication_id(deduplication)
                .message_attributes("type", attribute(self.kind.topic()));
            let trace = trace.iter().flat_map(trace_attributes);
            let entry = trace.fold(entry, |it, (name, value)| it.message_attributes(name, value));
            let entry = entry.build().expect("id and message are given");
            publish = publish.publish_batch_request_entries(entry);
        }
        match publish.send().await {
            Ok(it) => {
                let done = it.successful.unwrap_or_default().into_iter().filter_map(|it| it.id);
                let failed = it.failed.unwrap_or_default().into_iter();
                let failed = failed.map(|it| (it.id, it.code, it.message));
                each(count, done, failed, operation, &self.name, &right)
            }
            Err(it) => all(count, failure(operation, &self.name, right, it)),
        }
    }
}

impl SqsQueue {
    /// The IAM permission that a call to this queue needs.
    pub(crate) fn right(&self, action: &'static str) -> Right {
        Right { action, resource: self.arn.clone() }
    }

    pub(crate) async fn delete(&self, handles: Vec<ReceiptHandle>) -> Vec<Answer> {
        let operation = "delete from";
        let right = self.right("sqs:DeleteMessage");
        let count = handles.len();
        let mut delete = self.sqs.delete_message_batch().queue_url(&self.url);
        for (at, handle) in handles.into_iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(handle.0)
                .build()
                .expect("id and receipt handle are given");
            delete = delete.entries(entry);
        }
        match delete.send().await {
            Ok(it) => {
                let done = it.successful.into_iter().map(|it| it.id);
                let failed = it.failed.into_iter().map(|it| (it.id, it.code, it.message));
                each(count, done, failed, operation, &self.name, &right)
            }
            Err(it) => all(count, failure(operation, &self.name, right, it)),
        }
    }

    /// Puts messages that came from this queue back on it, unchanged.
    pub(crate) async fn send(&self, messages: &[Returned<'_>]) -> Vec<Answer> {
        let operation = "put back on";
        let right = self.right("sqs:SendMessage");
        let mut send = self.sqs.send_message_batch().queue_url(&self.url);
        for (at, Returned { incoming, ids }) in messages.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder().id(at.to_string());
            let entry = entry.message_body(&incoming.body);
            let (group, deduplication) = ids.unzip();
            let entry = entry.set_message_group_id(group.map(str::to_owned));
            let entry = entry.set_message_deduplication_id(deduplication.map(str::to_owned));
            // Only a raw delivery has this attribute, and its body may not tell the type.
            let entry = match &incoming.kind_attribute {
                Some(kind) => entry.message_attributes("type", text(kind)),
                None => entry,
            };
            send = send.entries(entry.build().expect("id and body are given"));
        }
        match send.send().await {
            Ok(it) => {
                let done = it.successful.into_iter().map(|it| it.id);
                let failed = it.failed.into_iter().map(|it| (it.id, it.code, it.message));
                each(messages.len(), done, failed, operation, &self.name, &right)
            }
            Err(it) => all(messages.len(), failure(operation, &self.name, right, it)),
        }
    }

    pub(super) async fn give_back(&self, handles: Vec<(ReceiptHandle, Duration)>) -> Vec<Answer> {
        let changes = handles.iter().map(|(handle, after)| (handle, *after));
        self.hide("give messages back to", handles.len(), changes).await
    }

    /// Hides at most ten messages for `visibility` from now on.
    pub(super) async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Vec<Answer> {
        let changes = handles.iter().map(|it| (it, visibility));
        self.hide("extend the visibility timeout of messages on", handles.len(), changes).await
    }

    async fn hide(
        &self,
        operation: &'static str,
        count: usize,
        changes: impl Iterator<Item = (&ReceiptHandle, Duration)>,
    ) -> Vec<Answer> {
        let right = self.right("sqs:ChangeMessageVisibility");
        match change_visibility(&self.sqs, &self.url, changes).await {
            Ok(it) => {
                let done = it.successful.into_iter().map(|it| it.id);
                let failed = it.failed.into_iter().map(|it| (it.id, it.code, it.message));
                each(count, done, failed, operation, &self.name, &right)
            }
            Err(it) => all(count, failure(operation, &self.name, right, it)),
        }
    }
}

/// Changes the visibility timeout of at most ten received messages. The ids of the entries are
/// their indices.
pub(crate) async fn change_visibility(
    sqs: &aws_sdk_sqs::Client,
    url: &str,
    changes: impl Iterator<Item = (&ReceiptHandle, Duration)>,
) -> Result<ChangeMessageVisibilityBatchOutput, SdkError<ChangeMessageVisibilityBatchError>> {
    let entry = |(at, (handle, visibility)): (usize, (&ReceiptHandle, Duration))| {
        ChangeMessageVisibilityBatchRequestEntry::builder()
            .id(at.to_string())
            .receipt_handle(&handle.0)
            .visibility_timeout(seconds(visibility))
            .build()
            .expect("id and receipt handle are given")
    };
    let entries = changes.enumerate().map(entry).collect();
    let change = sqs.change_message_visibility_batch().queue_url(url);
    change.set_entries(Some(entries)).send().await
}

/// A text as a message attribute of SQS.
pub(super) fn text(value: &str) -> aws_sdk_sqs::types::MessageAttributeValue {
    aws_sdk_sqs::types::MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .expect("the data type is given")
}

/// A text as a message attribute of SNS.
pub(super) fn attribute(value: impl Into<String>) -> MessageAttributeValue {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .expect("the data type is given")
}

/// The SNS message attributes that carry the context of a hop: at most two beside `type`, and raw
/// delivery brings ten.
pub(super) fn trace_attributes(
    trace: &TraceContext,
) -> impl Iterator<Item = (&'static str, MessageAttributeValue)> {
    let state = trace.state.as_deref().map(|it| (TRACESTATE, attribute(it)));
    std::iter::once((TRACEPARENT, attribute(trace.parent()))).chain(state)
}

/// An entry that failed: its id, the error code and the error message.
type Failed = (String, String, Option<String>);

/// The receipt handle is no longer valid, and the request had no effect.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "the receipt handle is no longer valid: the message became visible again, or it was deleted"
)]
struct StaleHandle;

/// Whether the receipt handle is no longer valid.
pub(super) fn is_stale(error: &BusError) -> bool {
    matches!(error, BusError::Failed { source, .. } if source.is::<StaleHandle>())
}

/// The same answers, but an invalid receipt handle counts as success.
pub(super) fn stale_is_done(answers: Vec<Answer>) -> Vec<Answer> {
    let forgiven = |it: Answer| it.or_else(|it| if is_stale(&it) { Ok(()) } else { Err(it) });
    answers.into_iter().map(forgiven).collect()
}

/// The answers of a batch, entry by entry. An entry that the response does not mention has failed.
fn each(
    count: usize,
    done: impl Iterator<Item = String>,
    failed: impl Iterator<Item = Failed>,
    operation: &'static str,
    name: &str,
    right: &Right,
) -> Vec<Answer> {
    let unsaid = |_| {
        let source = "the response does not mention this entry of the batch".into();
        Err(BusError::Failed { operation, name: name.to_owned(), source })
    };
    let mut answers: Vec<Answer> = (0..count).map(unsaid).collect();
    let place = |id: &str| id.parse().ok().filter(|it: &usize| *it < count);
    for at in done.filter_map(|it| place(&it)) {
        answers[at] = Ok(());
    }
    for (id, code, message) in failed {
        let Some(at) = place(&id) else { continue };
        let answer = &mut answers[at];
        if stale(Some(&code), message.as_deref()) {
            let (name, source) = (name.to_owned(), StaleHandle.into());
            *answer = Err(BusError::Failed { operation, name, source });
            continue;
        }
        let source = format!("{code}: {}", message.unwrap_or_default()).into();
        *answer = Err(said(operation, name, right.clone(), Some(&code), source));
    }
    answers
}

/// The answers of a batch that failed as a whole: the same error for each entry.
pub(super) fn all(count: usize, error: BusError) -> Vec<Answer> {
    let (operation, name, source, refused) = match error {
        BusError::Refused { operation, name, source } => (operation, name, source, true),
        BusError::Failed { operation, name, source } => (operation, name, source, false),
    };
    let source = Shared(Arc::from(source));
    let answer = |_| {
        let (name, source) = (name.clone(), Box::new(source.clone()));
        Err(if refused {
            BusError::Refused { operation, name, source }
        } else {
            BusError::Failed { operation, name, source }
        })
    };
    (0..count).map(answer).collect()
}

/// One error that several entries share.
#[derive(Clone, Debug)]
struct Shared(Arc<dyn Error + Send + Sync>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(ids: &[&str]) -> impl Iterator<Item = String> {
        ids.iter().map(|it| (*it).to_owned())
    }

    fn failed(id: &str, code: &str) -> Failed {
        (id.to_owned(), code.to_owned(), Some("said why".to_owned()))
    }

    fn right() -> Right {
        Right { action: "sns:Publish", resource: "arn:aws:sns:r:1:seat-booked".to_owned() }
    }

    /// Failure matrix: A12.
    #[test]
    fn a_batch_of_which_one_entry_failed_has_done_the_others() {
        let failed = [failed("1", "InternalError"), failed("2", "AuthorizationError")];
        let (done, operation) = (done(&["3", "0"]), "publish to");
        let answers = each(4, done, failed.into_iter(), operation, "seat-booked", &right());
        assert!(answers[0].is_ok() && answers[3].is_ok());
        let Err(BusError::Failed { name, source, .. }) = &answers[1] else { panic!("{answers:?}") };
        assert_eq!(
            (name.as_str(), source.to_string()),
            ("seat-booked", "InternalError: said why".into())
        );
        let Err(error @ BusError::Refused { .. }) = &answers[2] else { panic!("{answers:?}") };
        assert_eq!(
            error.source().unwrap().to_string(),
            "IAM does not allow `sns:Publish` on `arn:aws:sns:r:1:seat-booked`"
        );
    }

    #[test]
    fn an_answer_about_an_entry_that_was_not_asked_for_is_nobodys() {
        let failed = ["7", "-1", "x", ""].map(|it| failed(it, "InternalError"));
        let done = done(&["0", "1", "2", "y"]);
        let answers = each(2, done, failed.into_iter(), "delete from", "q", &right());
        assert!(answers.iter().all(Result::is_ok));
    }

    /// Failure matrix: A10.
    #[test]
    fn an_entry_of_which_nothing_is_said_was_not_published() {
        let failed = [failed("x", "InternalError")];
        let (done, operation) = (done(&["1"]), "publish to");
        let answers = each(2, done, failed.into_iter(), operation, "seat-booked", &right());
        assert!(answers[1].is_ok());
        assert!(matches!(answers[0], Err(BusError::Failed { .. })), "published again, not lost");
    }

    /// Failure matrix: A10.
    #[test]
    fn a_handle_that_is_no_longer_good_is_no_failure_of_its_entry() {
        let failed = [failed("0", "ReceiptHandleIsInvalid"), failed("1", "InternalError")];
        let answers = each(3, done(&["2"]), failed.into_iter(), "delete from", "q", &right());
        let told = answers[0].as_ref().unwrap_err().source().unwrap().to_string();
        assert!(told.contains("no longer valid"), "{told}");
        let answers = stale_is_done(answers);
        assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok());
    }

    #[test]
    fn a_batch_that_failed_as_a_whole_has_failed_for_each_with_the_whole_reason() {
        let cause = std::io::Error::other("connection reset");
        let error = BusError::Failed {
            operation: "publish to",
            name: "t".to_owned(),
            source: cause.into(),
        };
        let answers = all(3, error);
        assert_eq!(answers.len(), 3);
        for answer in answers {
            let error = answer.unwrap_err();
            assert_eq!(error.to_string(), "could not publish to `t`");
            assert_eq!(error.source().unwrap().to_string(), "connection reset");
        }
    }
}
