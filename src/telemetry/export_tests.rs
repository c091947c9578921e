//! What becomes of spans when the collector works, fails or hangs.

use std::{sync::Mutex, time::SystemTime};

use opentelemetry::{
    InstrumentationScope,
    trace::{SpanContext, SpanId, SpanKind, Status},
};
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanEvents, SpanLinks},
};

use super::*;

/// How a collector behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Works,
    Fails,
    Hangs,
}

/// A collector that notes how large each batch was.
#[derive(Clone, Debug)]
struct Collector {
    way: Arc<Mutex<Way>>,
    batches: Arc<Mutex<Vec<usize>>>,
}

impl opentelemetry_sdk::trace::SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let way = *self.way.lock().unwrap();
        match way {
            Way::Works => self.batches.lock().unwrap().push(batch.len()),
            Way::Fails => return Err(OTelSdkError::InternalFailure("503".to_owned())),
            Way::Hangs => std::future::pending().await,
        }
        Ok(())
    }
}

fn span() -> SpanData {
    SpanData {
        span_context: SpanContext::empty_context(),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "settle".into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("booking").build(),
    }
}

struct Bench {
    spans: Spans,
    flushes: mpsc::Sender<oneshot::Sender<()>>,
    stop: CancellationToken,
    dropped: Counter,
    collector: Collector,
}

/// Room for eight spans, sent by fours.
fn bench(way: Way) -> (Bench, Sender<Collector>) {
    let (queue, waiting) = mpsc::channel(8);
    let (full, stop, dropped) =
        (Arc::new(Notify::new()), CancellationToken::new(), Counter::default());
    let batches = Arc::default();
    let (flushes, asked) = mpsc::channel(1);
    let collector = Collector { way: Arc::new(Mutex::new(way)), batches };
    let sender = Sender {
        waiting,
        full: Arc::clone(&full),
        asked,
        stop: stop.clone(),
        batch: 4,
        delay: Duration::from_secs(5),
        exporter: collector.clone(),
        dropped: dropped.clone(),
        why: Why::default(),
        failing: false,
    };
    let spans = Spans { queue, full, batch: 4, dropped: dropped.clone() };
    (Bench { spans, flushes, stop, dropped, collector }, sender)
}

#[tokio::test(start_paused = true)]
async fn spans_leave_by_full_batches_and_the_rest_after_a_while_or_at_the_end() {
    let (bench, sender) = bench(Way::Works);
    let batches = || bench.collector.batches.lock().unwrap().clone();
    let sending = tokio::spawn(sender.run());
    (0..5).for_each(|_| bench.spans.take(span()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(batches(), [4, 1], "a full batch waits for nothing");
    bench.spans.take(span());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(batches().len(), 2, "one span alone waits for others");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(batches(), [4, 1, 1]);
    bench.spans.take(span());
    bench.stop.cancel();
    sending.await.unwrap();
    assert_eq!(batches(), [4, 1, 1, 1]);
    assert_eq!(bench.dropped.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_until_what_is_there_is_sent_and_never_for_long() {
    let (bench, sender) = self::bench(Way::Works);
    let sending = tokio::spawn(sender.run());
    let (_, ended) = oneshot::channel();
    let export = Export { stop: bench.stop.clone(), flushes: bench.flushes.clone(), ended };
    let begun = tokio::time::Instant::now();
    bench.spans.take(span());
    export.flush(Duration::MAX).await;
    assert_eq!(*bench.collector.batches.lock().unwrap(), [1]);
    assert_eq!(begun.elapsed(), Duration::ZERO, "nothing waits for the next batch");
    *bench.collector.way.lock().unwrap() = Way::Hangs;
    bench.spans.take(span());
    export.flush(Duration::from_millis(300)).await;
    assert_eq!(begun.elapsed(), Duration::from_millis(300), "there is no more time than that");
    let begun = tokio::time::Instant::now();
    export.flush(Duration::MAX).await;
    assert_eq!(begun.elapsed(), LAST_SPANS_MAX);
    sending.abort();
    let _ = sending.await;
    export.flush(Duration::MAX).await;
    assert_eq!(begun.elapsed(), LAST_SPANS_MAX, "nobody sends any more");
}

/// Two threads that end spans at the same time may both see a queue that is longer than a batch.
#[tokio::test(start_paused = true)]
async fn a_queue_that_has_more_than_a_batch_is_sent_at_once() {
    let (bench, sender) = bench(Way::Works);
    let sending = tokio::spawn(sender.run());
    (0..4).for_each(|_| bench.spans.queue.try_send(span()).unwrap());
    bench.spans.take(span());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(*bench.collector.batches.lock().unwrap(), [4, 1]);
    bench.stop.cancel();
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_span_that_finds_no_room_is_dropped_at_once_and_counted() {
    let (bench, sender) = bench(Way::Hangs);
    let sending = tokio::spawn(sender.run());
    (0..4).for_each(|_| bench.spans.take(span()));
    // The first batch hangs from here on.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(bench.spans.finds_room());
    (0..8).for_each(|_| bench.spans.take(span()));
    assert_eq!(bench.dropped.get(), 0);
    (0..3).for_each(|_| bench.spans.take(span()));
    assert_eq!(bench.dropped.get(), 3);
    assert!(!bench.spans.finds_room(), "so that it is not made");
    assert_eq!(bench.dropped.get(), 4, "it is counted once");
    let (tell_ended, ended) = oneshot::channel();
    let begun = tokio::time::Instant::now();
    let (stop, flushes) = (bench.stop.clone(), bench.flushes.clone());
    Export { stop, flushes, ended }.finish().await;
    assert_eq!(begun.elapsed(), LAST_SPANS_MAX, "the end waits for two seconds and no longer");
    drop(tell_ended);
    sending.abort();
    let _ = sending.await;
    bench.spans.take(span());
    assert_eq!(bench.dropped.get(), 5, "nobody sends any more");
}

#[tokio::test(start_paused = true)]
async fn what_the_collector_refuses_is_counted_and_the_next_spans_are_sent() {
    let (bench, sender) = bench(Way::Fails);
    let sending = tokio::spawn(sender.run());
    (0..5).for_each(|_| bench.spans.take(span()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.dropped.get(), 5);
    *bench.collector.way.lock().unwrap() = Way::Works;
    bench.spans.take(span());
    bench.stop.cancel();
    sending.await.unwrap();
    assert_eq!((bench.dropped.get(), bench.collector.batches.lock().unwrap().len()), (5, 1));
}
