//! The metrics of one process, as `/metrics` shows them. The registry is a value and must never be
//! global, so that each test has its own.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::AtomicU64},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric, text::encode},
    metrics::{
        MetricType,
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};

/// The upper bounds of the histogram of endings, in seconds: from a booking that met no queue to
/// one that waited for an operator. 120 is the default of `--stuck-after`, 900 of `--hold-limit`.
const ENDING_BOUNDS_S: [f64; 16] = [
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14_400.0,
    86_400.0,
];

/// The counters of one process. Copies share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    deliveries: Family<DeliveryLabels, Counter>,
    published: Family<EventLabels, Counter>,
    conflicts: Counter,
    receives_failed: Counter,
    canaries_dropped: Counter,
    handler_panics: Counter,
    effects: Family<EffectLabels, Counter>,
    spans_dropped: Counter,
    breaker: Family<DependencyLabels, Gauge>,
    endings: Family<EndingLabels, Histogram, fn() -> Histogram>,
    bookings: KnownBookings,
    survey: Arc<OnceLock<Box<dyn Survey>>>,
    pub in_flight: Gauge,
    /// Groups of a FIFO queue with a message that was given back.
    pub blocked_groups: Gauge,
    pub connections: Connections,
}

/// The HTTP connections of a process. Copies share the figures.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    /// Those that are open.
    pub open: Gauge,
    /// Those that were told to close because another one came.
    pub closed_for_room: Counter,
}

/// How many bookings are open, as a service that keeps them all knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bookings {
    /// Bookings that have not ended. At the bound of the count, there are at least so many.
    pub open: usize,
    /// Those of them without news for too long.
    pub stuck: usize,
    /// When the newest fact was heard, in milliseconds since 1970; `None` without any booking.
    pub newest_ms: Option<i64>,
}

/// Finds out what is not counted as it happens. It is called when somebody reads the metrics and
/// never otherwise, so it must bound and remember what is expensive.
pub trait Survey: fmt::Debug + Send + Sync {
    /// The bookings now, or a moment ago. `None` if they cannot be counted: their metrics are then
    /// left out, since an old figure would look like a new one.
    fn bookings(&self) -> Pin<Box<dyn Future<Output = Option<Bookings>> + Send + '_>>;
}

/// The metrics of [`Bookings`]. Without any, there are no samples.
#[derive(Clone, Debug, Default)]
struct KnownBookings(Arc<Mutex<Option<Bookings>>>);

impl Collector for KnownBookings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |it: usize| i64::try_from(it).unwrap_or(i64::MAX);
        let open = known.map(|it| count(it.open));
        tell(
            &mut encoder,
            "open_bookings",
            "Bookings that have not ended, or at least so many.",
            open,
        )?;
        let help = "Open bookings without news for longer than --stuck-after, or at least so many.";
        tell(&mut encoder, "stuck_bookings", help, known.map(|it| count(it.stuck)))?;
        let help = "When the newest fact of any booking was heard, in seconds since 1970.";
        let newest = known.and_then(|it| it.newest_ms).map(|it| it as f64 / 1000.0);
        tell(&mut encoder, "newest_fact_timestamp_seconds", help, newest)
    }
}

/// Writes one gauge; without a value, only what it is.
fn tell<N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: Option<N>,
) -> Result<(), fmt::Error> {
    let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    value.map_or(Ok(()), |it| ConstGauge::new(it).encode(gauge))
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EffectLabels {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndingLabels {
    ending: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DeliveryLabels {
    event: &'static str,
    verdict: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EventLabels {
    event: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DependencyLabels {
    on: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    service: String,
    operation: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CapacityLabels {
    operation: &'static str,
}

/// Counts requests to AWS, including retries, and the capacity units that DynamoDB reports for
/// them. Copies share the counters.
#[derive(Clone, Debug, Default)]
pub struct RequestCount {
    requests: Family<RequestLabels, Counter>,
    capacity: Family<CapacityLabels, Counter<f64, AtomicU64>>,
}

impl RequestCount {
    /// Counts one request.
    pub fn add(&self, service: &str, operation: &str) {
        let labels =
            RequestLabels { service: service.to_lowercase(), operation: operation.to_owned() };
        self.requests.get_or_create(&labels).inc();
    }

    /// Adds the capacity units that an operation on a table consumed.
    pub fn took(&self, operation: &'static str, units: f64) {
        self.capacity.get_or_create(&CapacityLabels { operation }).inc_by(units);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new(RequestCount::default())
    }
}

impl Metrics {
    /// All counters at zero, except for the requests in `aws_requests`, which counts from the first
    /// connection on.
    #[must_use]
    pub fn new(aws_requests: RequestCount) -> Metrics {
        let mut registry = Registry::with_prefix("booking");
        let deliveries = Family::default();
        let published = Family::default();
        let conflicts = Counter::default();
        let receives_failed = Counter::default();
        let canaries_dropped = Counter::default();
        let handler_panics = Counter::default();
        let (effects, breaker) = (Family::default(), Family::default());
        let (in_flight, connections) = (Gauge::default(), Connections::default());
        let bookings = KnownBookings::default();
        let endings = Family::new_with_constructor(histogram_of_endings as fn() -> Histogram);
        let spans_dropped = Counter::default();
        registry.register("deliveries", "Deliveries by event and verdict", deliveries.clone());
        registry.register("published", "Events published, repetitions included", published.clone());
        let help = "Version conflicts, after which a commit was tried again at once";
        registry.register("version_conflicts", help, conflicts.clone());
        registry.register("receives_failed", "Receives that failed", receives_failed.clone());
        let help = "Deliveries whose handler panicked; each was returned to its queue";
        registry.register("handler_panics", help, handler_panics.clone());
        let help = "Canaries that were not signed with this service's key";
        registry.register("canaries_dropped", help, canaries_dropped.clone());
        let help = "Effects asked of the outside, by result";
        registry.register("effects", help, effects.clone());
        let help = "Time from the first to the last that was heard of a booking, by its ending";
        registry.register_with_unit("time_to_ending", help, Unit::Seconds, endings.clone());
        registry.register_collector(Box::new(bookings.clone()));
        let help =
            "Spans of traces that were not sent: the queue was full, or the collector failed";
        registry.register("spans_dropped", help, spans_dropped.clone());
        let stopped = "1 while polling is stopped because this dependency is down";
        registry.register("breaker_open", stopped, breaker.clone());
        registry.register("in_hand", "Deliveries in flight", in_flight.clone());
        let blocked_groups = Gauge::default();
        let help = "Groups of a FIFO queue with a message that was given back";
        registry.register("blocked_groups", help, blocked_groups.clone());
        registry.register("http_connections", "Open HTTP connections", connections.open.clone());
        let help = "HTTP connections closed because another one came";
        let closed = connections.closed_for_room.clone();
        registry.register("http_connections_closed_for_room", help, closed);
        let RequestCount { requests, capacity } = aws_requests;
        registry.register("aws_requests", "Requests to AWS, retries included", requests);
        registry.register("capacity_units", "DynamoDB capacity units consumed", capacity);
        Metrics {
            registry: registry.into(),
            deliveries,
            published,
            conflicts,
            receives_failed,
            canaries_dropped,
            handler_panics,
            effects,
            spans_dropped,
            breaker,
            endings,
            bookings,
            survey: Arc::default(),
            in_flight,
            blocked_groups,
            connections,
        }
    }

    /// Counts effects with this result.
    pub fn effects(&self, result: &'static str, count: usize) {
        if count > 0 {
            self.effects.get_or_create(&EffectLabels { result }).inc_by(count as u64);
        }
    }

    /// Names the endings that there are, so that each of them begins at zero: Prometheus sees no
    /// increase from nothing to one.
    pub fn endings(&self, all: impl IntoIterator<Item = &'static str>) {
        for ending in all {
            drop(self.endings.get_or_create(&EndingLabels { ending }));
        }
    }

    /// Counts a booking that ended after `took_s` seconds.
    pub fn ended(&self, ending: &'static str, took_s: f64) {
        self.endings.get_or_create(&EndingLabels { ending }).observe(took_s);
    }

    /// Says who counts the bookings when somebody reads the metrics. Only the first one is asked.
    pub fn surveyed_by(&self, survey: impl Survey + 'static) {
        let _ = self.survey.set(Box::new(survey));
    }

    /// As [`Metrics::render`], after the bookings have been counted.
    pub async fn scrape(&self) -> String {
        if let Some(survey) = self.survey.get() {
            let found = survey.bookings().await;
            *self.bookings.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
        self.render()
    }

    /// Counts a delivery by its verdict. Without an event, because the message could not be read,
    /// the label is `none`.
    pub fn delivered(&self, event: Option<&'static str>, verdict: &'static str) {
        let event = event.unwrap_or("none");
        self.deliveries.get_or_create(&DeliveryLabels { event, verdict }).inc();
    }

    /// Counts a published event.
    pub fn published(&self, event: &'static str) {
        self.published.get_or_create(&EventLabels { event }).inc();
    }

    /// Counts version conflicts.
    pub fn conflicts(&self, count: u32) {
        self.conflicts.inc_by(count.into());
    }

    /// Counts a receive that failed.
    pub fn receive_failed(&self) {
        self.receives_failed.inc();
    }

    /// Counts a dropped canary, and returns how many have been dropped.
    pub fn canary_dropped(&self) -> u64 {
        self.canaries_dropped.inc() + 1
    }

    /// Counts a delivery whose handler panicked.
    pub fn handler_panicked(&self) {
        self.handler_panics.inc();
    }

    /// The counter of spans that were not sent.
    #[must_use]
    pub fn spans_dropped(&self) -> Counter {
        self.spans_dropped.clone()
    }

    /// Sets whether polling is stopped because the dependency `on` is down: `store`, `outside` or
    /// `topics`.
    pub fn breaker(&self, on: &'static str, open: bool) {
        self.breaker.get_or_create(&DependencyLabels { on }).set(i64::from(open));
    }

    /// All metrics in the text format of OpenMetrics.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(fmt::Error) => String::from("# EOF\n"),
        }
    }
}

fn histogram_of_endings() -> Histogram {
    Histogram::new(ENDING_BOUNDS_S)
}
