//! Traces that stay here: the spans that ended, as OpenTelemetry has them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use booking::traces::{Places, Sampling, Traces};
use opentelemetry::{Context, Value};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};

/// Keeps the spans that ended.
#[derive(Clone, Debug, Default)]
pub struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Ended {
    /// Traces whose spans end here.
    pub fn traces(&self, sampling: Sampling) -> Traces {
        let places = Places { queue: "q-seats".to_owned(), prefix: "p-".to_owned() };
        Traces::new(self.clone(), Resource::builder_empty().build(), sampling, &places)
    }

    pub fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub fn all(&self) -> Vec<SpanData> {
        self.0.lock().unwrap().clone()
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
