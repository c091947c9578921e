//! `PutEvents` of EventBridge. Each entry gets its own answer: the request as a whole succeeds even
//! if every entry failed. An entry must never count as put unless it got an id.

use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};

use super::{
    failure::{failure, said},
    requests::all,
};
use crate::{
    aws::Right,
    bus::BusError,
    wire::{Message, TraceContext, bus_source},
};

const OPERATION: &str = "put events on";
const PUT: &str = "events:PutEvents";

/// One event bus, with the client that calls it.
#[derive(Clone, Debug)]
pub(super) struct EventBus {
    pub(super) events: aws_sdk_eventbridge::Client,
    pub(super) name: String,
    pub(super) arn: String,
}

impl EventBus {
    /// Puts at most ten events on the bus. Returns the id or the error of each, in the same order.
    pub(super) async fn put(&self, messages: Vec<Message>) -> Vec<Result<String, BusError>> {
        let count = messages.len();
        let entries = messages.into_iter().map(|it| self.entry(it)).collect();
        match self.events.put_events().set_entries(Some(entries)).send().await {
            Ok(it) => {
                let said = it.entries.unwrap_or_default();
                self.answers(count, said)
            }
            Err(it) => {
                let error = failure(OPERATION, &self.name, self.right(PUT), it);
                all(count, error).into_iter().map(|it| it.map(|()| String::new())).collect()
            }
        }
    }

    /// Looks at the bus.
    ///
    /// # Errors
    /// When it does not exist, or may not be looked at, or AWS cannot be reached.
    pub(super) async fn must_exist(&self) -> Result<(), BusError> {
        let asked = self.events.describe_event_bus().name(&self.name).send().await;
        let right = self.right("events:DescribeEventBus");
        asked.map(drop).map_err(|it| failure("find the event bus", &self.name, right, it))
    }

    fn entry(&self, message: Message) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(bus_source(message.kind))
            .detail_type(message.kind.topic())
            .detail(message.body)
            .set_trace_header(message.trace.as_ref().map(TraceContext::x_ray))
            .build()
    }

    /// What became of each entry: EventBridge answers in the order of the request.
    fn answers(
        &self,
        count: usize,
        said: Vec<PutEventsResultEntry>,
    ) -> Vec<Result<String, BusError>> {
        let mut said = said.into_iter();
        (0..count).map(|_| self.answer(said.next())).collect()
    }

    /// What became of an entry. One that the response does not mention has failed.
    fn answer(&self, entry: Option<PutEventsResultEntry>) -> Result<String, BusError> {
        let unsaid = || {
            let source = "the response does not mention this entry of the batch".into();
            BusError::Failed { operation: OPERATION, name: self.name.clone(), source }
        };
        let entry = entry.ok_or_else(unsaid)?;
        match (entry.error_code, entry.event_id) {
            (None, Some(id)) => Ok(id),
            (None, None) => Err(unsaid()),
            (Some(code), _) => {
                let message = entry.error_message.unwrap_or_default();
                let source = format!("{code}: {message}").into();
                Err(said(OPERATION, &self.name, self.right(PUT), Some(&code), source))
            }
        }
    }

    fn right(&self, action: &'static str) -> Right {
        Right { action, resource: self.arn.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::domain::event::Kind;

    fn bus() -> EventBus {
        let config = aws_sdk_eventbridge::Config::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .build();
        EventBus {
            events: aws_sdk_eventbridge::Client::from_conf(config),
            name: "s-booking".to_owned(),
            arn: "arn:aws:events:r:1:event-bus/s-booking".to_owned(),
        }
    }

    fn said(code: Option<&str>, id: Option<&str>) -> Option<PutEventsResultEntry> {
        let (code, id) = (code.map(str::to_owned), id.map(str::to_owned));
        let entry = PutEventsResultEntry::builder().set_error_code(code).set_event_id(id);
        Some(entry.error_message("said why").build())
    }

    /// Failure matrix: A12, K1.
    #[test]
    fn an_entry_is_put_only_if_it_got_an_id() {
        let bus = bus();
        assert_eq!(bus.answer(said(None, Some("e-1"))).unwrap(), "e-1");
        for entry in [None, said(None, None)] {
            let error = bus.answer(entry).unwrap_err();
            assert!(matches!(error, BusError::Failed { .. }), "put again, not lost");
        }
        let error = bus.answer(said(Some("InternalFailure"), None)).unwrap_err();
        assert!(matches!(error, BusError::Failed { .. }), "it may go away by itself");
        assert_eq!(error.source().unwrap().to_string(), "InternalFailure: said why");
    }

    /// Failure matrix: A12, K1.
    #[test]
    fn of_a_batch_exactly_the_entries_fail_that_have_no_id() {
        let said = [said(None, Some("e-1")), said(Some("ThrottlingException"), None)];
        let said = said.into_iter().flatten().collect();
        let answers = bus().answers(3, said);
        let put: Vec<Option<&str>> =
            answers.iter().map(|it| it.as_ref().ok().map(String::as_str)).collect();
        assert_eq!(put, [Some("e-1"), None, None]);
    }

    #[test]
    fn an_entry_that_iam_denies_names_the_right() {
        for code in [
            "AccessDeniedException",
            "NotAuthorizedForSourceException",
            "NotAuthorizedForDetailTypeException",
        ] {
            let error = bus().answer(said(Some(code), None)).unwrap_err();
            assert!(matches!(error, BusError::Refused { .. }), "{code}");
            let told = error.source().unwrap().to_string();
            let right = "`events:PutEvents` on `arn:aws:events:r:1:event-bus/s-booking`";
            assert_eq!(told, format!("IAM does not allow {right}"));
        }
    }

    #[test]
    fn an_entry_says_by_whom_and_what_it_is() {
        let trace = TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true, state: None };
        let header = trace.x_ray();
        let body = "{}".to_owned();
        let message = Message { kind: Kind::SeatBooked, body, trace: Some(trace) };
        let entry = bus().entry(message);
        assert_eq!(entry.source(), Some("booking.seats"));
        assert_eq!(entry.detail_type(), Some("seat-booked"));
        assert_eq!(entry.event_bus_name(), Some("s-booking"));
        assert_eq!((entry.detail(), entry.trace_header()), (Some("{}"), Some(header.as_str())));
    }
}
