//! The metrics of one process, as `/metrics` shows them. The registry is a value and must never be
//! global, so that each test has its own.

use std::{fmt, sync::atomic::AtomicU64};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The counters of one process. Copies share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: std::sync::Arc<Registry>,
    deliveries: Family<DeliveryLabels, Counter>,
    published: Family<EventLabels, Counter>,
    conflicts: Counter,
    receives_failed: Counter,
    canaries_dropped: Counter,
    handler_panics: Counter,
    spans_dropped: Counter,
    breaker: Family<DependencyLabels, Gauge>,
    pub in_flight: Gauge,
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
        let spans_dropped = Counter::default();
        let breaker = Family::default();
        let in_flight = Gauge::default();
        registry.register("deliveries", "Deliveries by event and verdict", deliveries.clone());
        registry.register("published", "Events published, repetitions included", published.clone());
        let help = "Version conflicts, after which a commit was tried again at once";
        registry.register("version_conflicts", help, conflicts.clone());
        registry.register("receives_failed", "Receives that failed", receives_failed.clone());
        let help = "Deliveries whose handler panicked; each was returned to its queue";
        registry.register("handler_panics", help, handler_panics.clone());
        let help = "Canaries that were not signed with this service's key";
        registry.register("canaries_dropped", help, canaries_dropped.clone());
        let help =
            "Spans of traces that were not sent: the queue was full, or the collector failed";
        registry.register("spans_dropped", help, spans_dropped.clone());
        let stopped = "1 while polling is stopped because this dependency is down";
        registry.register("breaker_open", stopped, breaker.clone());
        registry.register("in_hand", "Deliveries in flight", in_flight.clone());
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
            spans_dropped,
            breaker,
            in_flight,
        }
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
