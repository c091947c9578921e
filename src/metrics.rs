//! What `/metrics` shows. A registry that is a value: each process, and each test, has its own.

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
    breaker: Family<DependsLabels, Gauge>,
    /// Deliveries being worked on.
    pub in_hand: Gauge,
    aws_requests: RequestCount,
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
struct DependsLabels {
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

/// Counts requests to AWS, retries included, and what DynamoDB says they took of its capacity.
/// Copies share the count.
#[derive(Clone, Debug, Default)]
pub struct RequestCount {
    requests: Family<RequestLabels, Counter>,
    capacity: Family<CapacityLabels, Counter<f64, AtomicU64>>,
}

impl RequestCount {
    /// One more request went out.
    pub fn add(&self, service: &str, operation: &str) {
        let labels =
            RequestLabels { service: service.to_lowercase(), operation: operation.to_owned() };
        self.requests.get_or_create(&labels).inc();
    }

    /// An operation on a table took so many capacity units.
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
    /// All counters at zero, but for the requests that were counted while connecting.
    #[must_use]
    pub fn new(aws_requests: RequestCount) -> Metrics {
        let mut registry = Registry::with_prefix("booking");
        let deliveries = Family::default();
        let published = Family::default();
        let conflicts = Counter::default();
        let receives_failed = Counter::default();
        let canaries_dropped = Counter::default();
        let handler_panics = Counter::default();
        let breaker = Family::default();
        let in_hand = Gauge::default();
        registry.register("deliveries", "Deliveries by event and verdict", deliveries.clone());
        registry.register("published", "Events published, repetitions included", published.clone());
        registry.register("version_conflicts", "Commits tried again at once", conflicts.clone());
        registry.register("receives_failed", "Receives that failed", receives_failed.clone());
        let help = "Deliveries whose handler met a bug: each is given back";
        registry.register("handler_panics", help, handler_panics.clone());
        let help = "Canaries that were not made with this service's key";
        registry.register("canaries_dropped", help, canaries_dropped.clone());
        let stopped = "1 while polling has stopped because of what deliveries depend on";
        registry.register("breaker_open", stopped, breaker.clone());
        registry.register("in_hand", "Deliveries being worked on", in_hand.clone());
        let requests = aws_requests.requests.clone();
        registry.register("aws_requests", "Requests to AWS, retries included", requests);
        let capacity = aws_requests.capacity.clone();
        registry.register("capacity_units", "DynamoDB capacity units consumed", capacity);
        Metrics {
            registry: registry.into(),
            deliveries,
            published,
            conflicts,
            receives_failed,
            canaries_dropped,
            handler_panics,
            breaker,
            in_hand,
            aws_requests,
        }
    }

    /// A delivery got its verdict. `event` is `none` when it could not be read.
    pub fn delivered(&self, event: Option<&'static str>, verdict: &'static str) {
        let event = event.unwrap_or("none");
        self.deliveries.get_or_create(&DeliveryLabels { event, verdict }).inc();
    }

    /// An event went out.
    pub fn published(&self, event: &'static str) {
        self.published.get_or_create(&EventLabels { event }).inc();
    }

    /// Version conflicts were met.
    pub fn conflicts(&self, count: u32) {
        self.conflicts.inc_by(count.into());
    }

    /// A receive failed.
    pub fn receive_failed(&self) {
        self.receives_failed.inc();
    }

    /// A canary was dropped; returns how many there were.
    pub fn canary_dropped(&self) -> u64 {
        self.canaries_dropped.inc() + 1
    }

    /// A handler met a bug.
    pub fn handler_panicked(&self) {
        self.handler_panics.inc();
    }

    /// Whether polling has stopped because of what deliveries depend on: `store`, `outside` or
    /// `topics`.
    pub fn breaker(&self, on: &'static str, open: bool) {
        self.breaker.get_or_create(&DependsLabels { on }).set(i64::from(open));
    }

    /// The count that the AWS clients add to.
    #[must_use]
    pub fn aws_requests(&self) -> RequestCount {
        self.aws_requests.clone()
    }

    /// Everything in the text format of OpenMetrics.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(fmt::Error) => String::from("# EOF\n"),
        }
    }
}
