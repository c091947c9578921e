//! What one process tells, span by span.

use booking::{
    domain::{event::Kind, ids::BookingId},
    traces::{Processing, Sampling, Traces},
    wire::{Hop, Message, TraceContext},
};
use opentelemetry::trace::{SpanKind, Status};

use crate::harness::{Ended, says};

fn traces(sampling: Sampling) -> (Traces, Ended) {
    let ended = Ended::default();
    (ended.traces(sampling), ended)
}

const ALL: f64 = 1.0;

fn kept() -> (Traces, Ended) {
    traces(Sampling::new(ALL, true))
}

fn context(parent: &str) -> TraceContext {
    TraceContext::read(parent, Some("vendor=Ada")).unwrap()
}

const CLIENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER: &str = "00-11111111111111111111111111111111-2222222222222222-01";

fn booking() -> BookingId {
    BookingId::parse("b-1").unwrap()
}

fn request<'a>(booking: &'a BookingId, hop: Option<&'a Hop>) -> Processing<'a> {
    let kind = Some(Kind::BookingRequested);
    Processing { ours: false, kind, booking: Some(booking), stored: None, hop, attempt: 1 }
}

fn announced(subject: &str, stored: Option<&str>) -> Message {
    let event = serde_json::json!({"id": "e-1", "subject": subject, "traceparent": stored});
    Message { kind: Kind::SeatBooked, body: event.to_string(), trace: None }
}

#[test]
fn without_traces_there_is_no_span_no_time_and_no_context() {
    let (traces, booking) = (Traces::default(), booking());
    assert!(!traces.on() && traces.now().is_none());
    let mut span = traces.process(None, &request(&booking, None));
    span.note("x", "y");
    let publish = span.publish(&announced("b-1", Some(CLIENT)), true);
    assert!(span.context().is_none() && span.trace_id().is_none() && publish.context().is_none());
}

#[test]
fn what_a_client_publishes_is_processed_as_a_part_of_its_trace() {
    let (traces, ended) = kept();
    let booking = booking();
    let hop = Hop { context: Some(context(CLIENT)), message_id: Some("m-1".to_owned()) };
    let process = traces.process(None, &request(&booking, Some(&hop)));
    let publish = process.publish(&announced("b-1", None), false);
    drop((process.effect("charge"), process.settle()));
    let (process_at, next) = (process.context().unwrap(), publish.context().unwrap());
    drop((publish, process));
    let [effect, settle, publish, process] = &ended.take()[..] else { panic!("four spans") };
    for (span, name, kind) in [
        (process, "process q-seats", SpanKind::Consumer),
        (publish, "publish p-seat-booked", SpanKind::Producer),
        (settle, "settle q-seats", SpanKind::Internal),
        (effect, "effect charge", SpanKind::Client),
    ] {
        assert_eq!((span.name.as_ref(), &span.span_kind), (name, &kind));
        assert_eq!(span.span_context.trace_id().to_bytes(), hop.context.clone().unwrap().trace_id);
        assert_eq!(says(span, "messaging.message.conversation_id"), Some("b-1".into()), "{name}");
    }
    assert_eq!(process.parent_span_id.to_bytes(), hop.context.clone().unwrap().span_id);
    assert_eq!(says(process, "messaging.operation.type"), Some("process".into()));
    assert_eq!(says(process, "messaging.system"), Some("aws_sqs".into()));
    assert_eq!(says(process, "booking.sns.message_id"), Some("m-1".into()));
    assert_eq!(says(publish, "messaging.system"), Some("aws.sns".into()));
    assert_eq!(says(publish, "messaging.operation.type"), Some("send".into()));
    assert_eq!(says(settle, "messaging.operation.type"), Some("settle".into()));
    for child in [effect, settle, publish] {
        assert_eq!(child.parent_span_id, process.span_context.span_id());
    }
    assert_eq!(process_at.span_id, process.span_context.span_id().to_bytes());
    assert_eq!(next.span_id, publish.span_context.span_id().to_bytes());
    // What other systems added is passed on, and no span has it.
    assert_eq!(next.state.as_deref(), Some("vendor=Ada"));
    assert!(!format!("{process:?}{publish:?}").contains("Ada"));
}

#[test]
fn a_booking_without_any_context_has_one_trace_in_all_services() {
    let booking = booking();
    let trace = |message_id: &str| {
        let (traces, ended) = kept();
        let hop = Hop { context: None, message_id: Some(message_id.to_owned()) };
        drop(traces.process(None, &request(&booking, Some(&hop))));
        let [span] = &ended.take()[..] else { panic!("one span") };
        assert_eq!(span.parent_span_id.to_bytes(), [0; 8]);
        span.span_context.trace_id()
    };
    assert_eq!(trace("m-1"), trace("m-2"));
}

#[test]
fn the_event_itself_says_the_trace_when_nothing_else_does() {
    let (traces, ended) = kept();
    let booking = booking();
    let stored = Processing { stored: Some(CLIENT), ..request(&booking, None) };
    drop(traces.process(None, &stored));
    let hop = Hop { context: Some(context(OTHER)), message_id: None };
    drop(traces.process(None, &Processing { hop: Some(&hop), ..stored }));
    drop(traces.process(None, &Processing { stored: Some("nonsense"), ..stored }));
    let parents: Vec<String> =
        ended.take().iter().map(|it| it.parent_span_id.to_string()).collect();
    assert_eq!(parents, ["b7ad6b7169203331", "2222222222222222", "0000000000000000"]);
}

#[test]
fn what_a_memo_recalls_starts_from_the_stored_context_and_says_so() {
    let (traces, ended) = kept();
    let booking = booking();
    let hop = Hop { context: Some(context(OTHER)), message_id: None };
    let process = traces.process(None, &request(&booking, Some(&hop)));
    let own = process.context().unwrap();
    for (message, parent, linked) in [
        (announced("b-1", Some(CLIENT)), "b7ad6b7169203331".to_owned(), true),
        (announced("b-1", None), process.span_id().unwrap(), false),
    ] {
        drop(process.publish(&message, true));
        let [publish] = &ended.take()[..] else { panic!("one span") };
        assert_eq!(publish.parent_span_id.to_string(), parent);
        assert_eq!(says(publish, "booking.recalled"), Some(true.into()));
        let links: Vec<[u8; 8]> =
            publish.links.iter().map(|it| it.span_context.span_id().to_bytes()).collect();
        assert_eq!(links, if linked { vec![own.span_id] } else { vec![] });
    }
}

#[test]
fn what_is_said_about_another_booking_belongs_to_its_trace() {
    let (traces, ended) = kept();
    let (booking, other) = (booking(), BookingId::parse("b-2").unwrap());
    let process = traces.process(None, &request(&booking, None));
    drop(process.publish(&announced("b-2", None), false));
    drop(process.publish(&announced("b-2", Some(CLIENT)), false));
    drop(traces.process(None, &request(&other, None)));
    let [untold, told, own] = &ended.take()[..] else { panic!("three spans") };
    assert_eq!(untold.span_context.trace_id(), own.span_context.trace_id());
    assert_eq!(told.parent_span_id.to_string(), "b7ad6b7169203331");
    for span in [untold, told] {
        assert_eq!(says(span, "messaging.message.conversation_id"), Some("b-2".into()));
        assert_eq!(span.links.len(), 1, "linked to what caused it");
        assert_eq!(says(span, "booking.recalled"), None);
    }
}

#[test]
fn a_receive_is_linked_to_what_published_its_messages() {
    let (traces, ended) = kept();
    let hops = [CLIENT, OTHER].map(|it| Hop { context: Some(context(it)), message_id: None });
    traces.received(traces.now(), [Some(&hops[0]), None, Some(&hops[1])].into_iter());
    traces.received(traces.now(), std::iter::empty::<Option<&Hop>>());
    let [receive] = &ended.take()[..] else { panic!("a receive without messages tells nothing") };
    assert_eq!(receive.name, "receive q-seats");
    assert_eq!(says(receive, "messaging.batch.message_count"), Some(3.into()));
    let links: Vec<String> =
        receive.links.iter().map(|it| it.span_context.span_id().to_string()).collect();
    assert_eq!(links, ["b7ad6b7169203331", "2222222222222222"]);
    assert_eq!(receive.parent_span_id.to_bytes(), [0; 8], "it belongs to no single booking");
}

#[test]
fn a_trace_that_is_not_kept_costs_no_span_and_the_next_hop_is_told() {
    let (traces, ended) = traces(Sampling::new(0.0, true));
    let booking = booking();
    for hop in [None, Some(Hop { context: Some(context(CLIENT)), message_id: None })] {
        let process = traces.process(None, &request(&booking, hop.as_ref()));
        let publish = process.publish(&announced("b-1", None), false);
        let next = publish.context().unwrap();
        assert!(!next.sampled && process.span_id().is_none());
        drop((process.settle(), process.effect("charge"), publish, process));
        // And so says the next service, even if it would keep a trace of its own.
        let (next_service, ended) = kept();
        let hop = Hop { context: Some(next), message_id: None };
        let ours = Processing { ours: true, ..request(&booking, Some(&hop)) };
        drop(next_service.process(None, &ours));
        assert_eq!(ended.take().len(), 0);
    }
    assert_eq!(ended.take().len(), 0);
}

/// A collector that hangs, and the spans of a backlog: what will be dropped is not made first.
#[test]
fn a_span_without_room_is_not_made_and_what_comes_next_stays_in_the_trace() {
    let (traces, ended) = kept();
    let booking = booking();
    let hop = Hop { context: Some(context(CLIENT)), message_id: Some("m-1".to_owned()) };
    ended.set_full(true);
    let mut process = traces.process(None, &request(&booking, Some(&hop)));
    process.note("x", "y");
    assert!(!process.is_kept() && process.span_id().is_none());
    assert_eq!(process.trace_id().unwrap(), CLIENT[3..35], "log lines can still be found");
    // Only that context tells of the client's trace, so it is passed on.
    let publish = process.publish(&announced("b-1", None), false);
    assert_eq!(publish.context().unwrap().parent(), CLIENT);
    let other = process.publish(&announced("b-2", Some(OTHER)), false).context().unwrap();
    assert_eq!(other.parent(), OTHER, "another booking stays in its own trace");
    ended.set_full(false);
    drop(process.settle());
    drop(process);
    let [settle] = &ended.take()[..] else { panic!("of four spans one found room") };
    assert_eq!(settle.parent_span_id.to_string(), "b7ad6b7169203331");
    assert!(settle.parent_span_is_remote, "it is the client's");

    // What is stored in each event, or follows from the booking, need not be told.
    ended.set_full(true);
    let stored = Processing { stored: Some(CLIENT), ..request(&booking, Some(&hop)) };
    for found in [stored, Processing { stored: Some(CLIENT), ..request(&booking, None) }] {
        let process = traces.process(None, &found);
        assert_eq!(process.trace_id().unwrap(), CLIENT[3..35]);
        assert_eq!(process.publish(&announced("b-1", Some(CLIENT)), false).context(), None);
    }
    let first = traces.process(None, &request(&booking, None));
    assert_eq!(first.publish(&announced("b-1", None), false).context(), None);
    ended.set_full(false);
    let kept = traces.process(None, &request(&booking, None));
    assert_eq!(first.trace_id(), kept.trace_id(), "the booking has its one trace");
}

/// A client may send as many flags and trace ids as it likes: of its requests no more are kept, and
/// no more of what our services say about them.
#[test]
fn a_client_cannot_make_us_keep_more_traces_than_we_want() {
    const MANY: usize = 2000;
    // The smallest trace id is kept by every sampler that looks at it.
    const WISHED: &str = "00-00000000000000000000000000000001-2222222222222222-01";
    let booking = booking();
    let kept = |heeds_parent: bool, ours: bool, beside: bool| {
        let (traces, ended) = traces(Sampling::new(0.1, heeds_parent));
        for at in 0..MANY {
            let context = beside.then(|| context(WISHED));
            let hop = Hop { context, message_id: Some(format!("m-{at}")) };
            let stored = Some(WISHED);
            let what = Processing { ours, stored, ..request(&booking, Some(&hop)) };
            drop(traces.process(None, &what));
        }
        ended.take().len()
    };
    for (heeds_parent, ours, beside) in [
        (true, false, true),
        (true, false, false),
        // The service that published it sends no traces, so its event has the client's word alone.
        (true, true, false),
        (false, false, true),
        // Our service passed the client's trace id on.
        (false, true, true),
    ] {
        let kept = kept(heeds_parent, ours, beside);
        let fair = (MANY / 20..MANY / 5).contains(&kept);
        assert!(fair, "{kept} of {MANY}: {heeds_parent} {ours} {beside}");
    }
    assert_eq!(kept(true, true, true), MANY, "our service has decided");
}

#[test]
fn a_failure_is_told_by_its_kind_alone() {
    let (traces, ended) = kept();
    let booking = booking();
    let mut process = traces.process(None, &request(&booking, None));
    process.fail("conflict");
    drop(process);
    let [span] = &ended.take()[..] else { panic!("one span") };
    assert_eq!(says(span, "error.type"), Some("conflict".into()));
    assert_eq!(span.status, Status::error(""));
}
