//! Sends spans to a collector, on a thread of its own. It must never block or fail what a
//! span tells about: a span that finds no room is dropped and counted.

use std::{
    fmt::Debug,
    sync::{Arc, PoisonError},
    thread,
    time::Duration,
};

use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter as _},
};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    post::{Post, Why},
    settings::{Settings, WrongSetting},
};
use crate::traces::Sink;

/// How long a process that ends waits until its last spans are sent.
const LAST_SPANS_MAX: Duration = Duration::from_secs(2);

/// Where spans go: to the thread that sends, if there is room.
#[derive(Clone, Debug)]
pub(super) struct Spans {
    queue: mpsc::Sender<SpanData>,
    /// Wakes the thread once a batch is full. It is not woken for each span, since that would cost
    /// more than the span.
    full: Arc<Notify>,
    batch: usize,
    dropped: Counter,
}

impl Sink for Spans {
    fn finds_room(&self) -> bool {
        let room = self.queue.capacity() > 0;
        if !room {
            self.dropped.inc();
        }
        room
    }

    fn take(&self, span: SpanData) {
        if self.queue.try_send(span).is_err() {
            self.dropped.inc();
        } else if self.queue.max_capacity() - self.queue.capacity() >= self.batch {
            self.full.notify_one();
        }
    }
}

/// The thread that sends the spans of a process.
#[derive(Debug)]
pub struct Export {
    stop: CancellationToken,
    flushes: mpsc::Sender<oneshot::Sender<()>>,
    ended: oneshot::Receiver<()>,
}

impl Export {
    /// Sends what is there, for at most two seconds and at most `most`: for a process that is
    /// frozen afterwards. What takes longer goes on when the process does.
    pub async fn flush(&self, most: Duration) {
        let (tell_sent, sent) = oneshot::channel();
        // If there is no room, or the thread has ended, nothing can be done here.
        if self.flushes.try_send(tell_sent).is_ok() {
            let _ = tokio::time::timeout(LAST_SPANS_MAX.min(most), sent).await;
        }
    }

    /// Sends what is left, for at most two seconds.
    pub async fn finish(self) {
        self.stop.cancel();
        if tokio::time::timeout(LAST_SPANS_MAX, self.ended).await.is_err() {
            warn!("the last spans were not sent: the collector takes too long");
        }
    }
}

/// Starts the thread that sends spans.
///
/// # Errors
/// If the exporter cannot be built, or the system gives no thread.
pub(super) fn start(
    settings: &Settings,
    resource: &Resource,
    dropped: Counter,
) -> Result<(Spans, Export), WrongSetting> {
    let unusable =
        |problem: &str| WrongSetting { setting: settings.named, problem: problem.to_owned() };
    let why = Why::default();
    let post = Post::new(&settings.endpoint, settings.timeout, Arc::clone(&why))
        .map_err(|_| unusable("the HTTP client cannot be built"))?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(post)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(settings.endpoint.as_str())
        .with_timeout(settings.timeout)
        // It would put this thread to sleep between two tries, and the client tries again itself.
        .with_retry_policy(RetryPolicy::disabled())
        .build();
    let mut exporter = exporter.map_err(|_| unusable("no spans can be sent there"))?;
    exporter.set_resource(resource);
    let (queue, waiting) = mpsc::channel(settings.queue);
    let (full, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let (tell_ended, ended) = oneshot::channel();
    let (flushes, asked) = mpsc::channel(1);
    let spans =
        Spans { queue, full: Arc::clone(&full), batch: settings.batch, dropped: dropped.clone() };
    let sender = Sender {
        waiting,
        full,
        asked,
        stop: stop.clone(),
        batch: settings.batch,
        delay: settings.delay,
        exporter,
        dropped,
        why,
        failing: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|_| unusable("the system gives no timer for its thread"))?;
    let thread = thread::Builder::new().name("traces".to_owned());
    let started = thread.spawn(move || {
        runtime.block_on(sender.run());
        // Whoever waits may be gone.
        let _ = tell_ended.send(());
        // What is left of a lookup of a name must not hold up the end.
        runtime.shutdown_background();
    });
    started.map_err(|_| unusable("the system gives no thread to send spans"))?;
    Ok((spans, Export { stop, flushes, ended }))
}

/// Collects spans into batches and sends them.
struct Sender<E> {
    waiting: mpsc::Receiver<SpanData>,
    full: Arc<Notify>,
    /// Who waits until what is there is sent.
    asked: mpsc::Receiver<oneshot::Sender<()>>,
    stop: CancellationToken,
    batch: usize,
    delay: Duration,
    exporter: E,
    dropped: Counter,
    why: Why,
    /// Whether the last batch could not be sent.
    failing: bool,
}

impl<E: opentelemetry_sdk::trace::SpanExporter> Sender<E> {
    /// Works until it is told to stop, and then sends what is left.
    async fn run(mut self) {
        loop {
            let mut waits = None;
            let stopping = tokio::select! {
                biased;
                () = self.stop.cancelled() => true,
                Some(it) = self.asked.recv() => {
                    waits = Some(it);
                    false
                }
                () = self.full.notified() => false,
                () = tokio::time::sleep(self.delay) => false,
            };
            self.send_all().await;
            if let Some(waits) = waits {
                // Whoever waited may have gone on.
                let _ = waits.send(());
            }
            if stopping {
                return;
            }
        }
    }

    /// Sends batches for as long as they are full, and then what is left.
    async fn send_all(&mut self) {
        loop {
            let mut batch = Vec::new();
            while batch.len() < self.batch
                && let Ok(span) = self.waiting.try_recv()
            {
                batch.push(span);
            }
            let count = batch.len();
            if count == 0 {
                return;
            }
            let sent = self.exporter.export(batch).await.is_ok();
            self.note(sent, count);
            if count < self.batch {
                return;
            }
        }
    }

    /// Counts spans that could not be sent. Logs only when that begins and when it ends.
    fn note(&mut self, sent: bool, count: usize) {
        if !sent {
            self.dropped.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
            if !self.failing {
                let why = self.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
                warn!(why, "spans cannot be sent to the collector; bookings go on without them");
            }
        } else if self.failing {
            info!("spans are sent again");
        }
        self.failing = !sent;
    }
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
