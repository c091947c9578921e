//! Logs: text for people, JSON for machines. A service logs to stderr. Traces: spans for a
//! collector, if there is one. Nothing personal or secret, and no contents of a message, may ever
//! reach a log or a span.

mod export;
mod json;
mod post;
mod settings;

pub use export::Export;
pub use settings::WrongSetting;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    env,
    io::IsTerminal,
    panic::PanicHookInfo,
    thread,
};

use clap::ValueEnum;
use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use prometheus_client::metrics::counter::Counter;
use tracing::{Level, Metadata, Subscriber, error, info};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::filter_fn,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::traces::{Places, Traces};

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people
    Text,
    /// One JSON object on each line
    Json,
}

/// Starts logging to stderr. Must be called once in a process.
pub fn start(format: LogFormat) {
    lines(format, std::io::stderr().is_terminal(), std::io::stderr).init();
    std::panic::set_hook(Box::new(log_panic));
}

/// Starts to send traces to the collector that OpenTelemetry's standard variables name. `service`
/// is the name of this process unless a variable gives another, and `dropped` counts the spans that
/// could not be sent. Without a collector, traces are off, and there is nothing to finish.
///
/// # Errors
/// For a variable whose value makes no sense.
pub fn traces(
    service: String,
    places: &Places,
    dropped: Counter,
) -> Result<(Traces, Option<Export>), WrongSetting> {
    let Some(settings) = settings::read(|name| env::var(name).ok())? else {
        return Ok((Traces::default(), None));
    };
    let resource = resource(service);
    let (spans, export) = export::start(&settings, &resource, dropped)?;
    info!("traces are on: spans are sent over OTLP");
    Ok((Traces::new(spans, settings.sampling, places), Some(export)))
}

/// What all spans say about this process: what the variables say, and what they leave open.
fn resource(service: String) -> Resource {
    let set = Resource::builder().build();
    let says = |name: &'static str| set.get(&Key::from_static_str(name));
    // What the SDK calls a process that nobody named.
    let nameless = says("service.name").is_none_or(|it| it.as_str().starts_with("unknown_service"));
    let ours = [
        ("service.name", service),
        ("service.namespace", "booking".to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", uuid::Uuid::now_v7().to_string()),
    ];
    let missing = ours
        .into_iter()
        .filter(|(name, _)| says(name).is_none() || (*name == "service.name" && nameless));
    let missing = missing.map(|(name, value)| KeyValue::new(name, value));
    Resource::builder().with_attributes(missing).build()
}

/// Logs a panic and where it happened, in the span of the delivery that it happened in. The text of
/// the panic may quote a message, so it is not logged.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let current = thread::current();
    let thread = current.name().unwrap_or("without a name");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        error!(at, thread, %backtrace, "panic: this is a bug");
    } else {
        error!(at, thread, "panic: this is a bug; set RUST_BACKTRACE=1 for a backtrace");
    }
}

/// A subscriber that writes log lines to `to`; only text can be `coloured`. `RUST_LOG` sets the
/// level for this program. Libraries are never logged below info, whatever it says, because the AWS
/// SDK and the HTTP client print whole messages at those levels.
pub fn lines<W>(format: LogFormat, coloured: bool, to: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wanted = EnvFilter::builder().with_default_directive(Level::INFO.into()).from_env_lossy();
    let lines = fmt::layer().with_writer(to);
    let layer = match format {
        LogFormat::Text => lines.with_target(false).with_ansi(coloured).boxed(),
        LogFormat::Json => lines.fmt_fields(json::Members).event_format(json::Line).boxed(),
    };
    tracing_subscriber::registry().with(wanted).with(filter_fn(harmless)).with(layer)
}

fn harmless(metadata: &Metadata<'_>) -> bool {
    // That the machine knows no region is told six times, each time with a whole answer of HTTP.
    // `AwsError::NoRegion` says it in one line.
    // And what a function could not do is told by the function, while the runtime crate would tell
    // the whole error once more.
    let told_elsewhere = metadata.target() == "aws_config::imds::region"
        || metadata.target().starts_with("lambda_runtime::layers");
    metadata.target().starts_with("booking") || *metadata.level() <= Level::INFO && !told_elsewhere
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        panic::{catch_unwind, set_hook, take_hook},
        sync::{Arc, Mutex},
    };

    use super::*;

    /// Collects what is logged.
    #[derive(Clone, Default)]
    pub(super) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_machine_that_knows_no_region_is_not_told_by_the_sdk() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let written = Written::default();
            let to = written.clone();
            tracing::subscriber::with_default(lines(format, false, move || to.clone()), || {
                tracing::warn!(target: "aws_config::imds::region", "failed to load region");
                tracing::warn!(target: "aws_config::imds::credentials", "failed to load keys");
            });
            let log = written.text();
            assert!(!log.contains("region") && log.contains("failed to load keys"), "{log}");
        }
    }

    #[test]
    fn of_a_panic_place_and_thread_are_logged_and_nothing_that_it_says() {
        let secret = "Ada ada@example.com tok_visa";
        let died = move || {
            let own = thread::current().id();
            let others = take_hook();
            // Other tests of this process may panic meanwhile.
            set_hook(Box::new(move |it| {
                if thread::current().id() == own { log_panic(it) } else { others(it) }
            }));
            let ways: [fn(&str); 3] = [
                |secret| panic!("cannot read {secret}"),
                |secret| assert_eq!(secret, "another"),
                |secret| std::panic::panic_any(secret.to_owned()),
            ];
            for panics in ways {
                assert!(catch_unwind(|| panics(secret)).is_err());
            }
            let _ = take_hook();
        };
        for format in [LogFormat::Text, LogFormat::Json] {
            let written = Written::default();
            let to = written.clone();
            let lines = lines(format, false, move || to.clone());
            let named = thread::Builder::new().name("the-one-that-panics".to_owned());
            let ended = named.spawn(move || tracing::subscriber::with_default(lines, died));
            ended.unwrap().join().unwrap();
            let log = written.text();
            assert_eq!(log.matches("panic: this is a bug").count(), 3, "{log}");
            // A backtrace, if there is one, names further places.
            assert!(log.matches("src/telemetry.rs:").count() >= 3, "{log}");
            assert_eq!(log.matches("the-one-that-panics").count(), 3, "{log}");
            for secret in secret.split(' ').chain(["another"]) {
                assert!(!log.contains(secret), "{log}");
            }
        }
    }
}
