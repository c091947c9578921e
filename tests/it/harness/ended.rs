//! Traces that stay here: the spans that ended, as OpenTelemetry has them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use booking::traces::{Places, Sampling, Sink, Traces};
use opentelemetry::Value;
use opentelemetry_sdk::trace::SpanData;

/// Keeps the spans that ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    spans: Arc<Mutex<Vec<SpanData>>>,
    full: Arc<AtomicBool>,
}

impl Sink for Ended {
    fn finds_room(&self) -> bool {
        !self.full.load(Ordering::SeqCst)
    }

    fn take(&self, span: SpanData) {
        self.spans.lock().unwrap().push(span);
    }
}

impl Ended {
    /// Traces whose spans end here.
    pub fn traces(&self, sampling: Sampling) -> Traces {
        let places = Places { queue: "q-seats".to_owned(), prefix: "p-".to_owned() };
        Traces::new(self.clone(), sampling, &places)
    }

    /// Says from now on whether there is no room for a span.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    pub fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut self.spans.lock().unwrap())
    }

    pub fn all(&self) -> Vec<SpanData> {
        self.spans.lock().unwrap().clone()
    }

    /// Those whose name begins so.
    pub fn named(&self, name: &str) -> Vec<SpanData> {
        self.all().into_iter().filter(|it| it.name.starts_with(name)).collect()
    }
}

/// The value of an attribute.
pub fn says(span: &SpanData, name: &str) -> Option<Value> {
    span.attributes.iter().find(|it| it.key.as_str() == name).map(|it| it.value.clone())
}
