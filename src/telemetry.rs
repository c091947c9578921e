//! Logs: text for people, JSON for machines; a service's are on stderr.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    panic::PanicHookInfo,
};

use clap::ValueEnum;
use tracing::{Level, Metadata, Subscriber, error};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::filter_fn,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to stderr, once a process.
pub fn start(format: LogFormat) {
    lines(format, std::io::stderr().is_terminal(), std::io::stderr).init();
    std::panic::set_hook(Box::new(log_panic));
}

/// A panic as a log line, in the span of the delivery that met it. A text that was put together
/// when it happened may quote a message, and is not told.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let said = panic.payload().downcast_ref::<&'static str>().copied();
    let said = said.unwrap_or("what it says may quote a message");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        error!(at, said, %backtrace, "panic: this is a bug");
    } else {
        error!(at, said, "panic: this is a bug; RUST_BACKTRACE=1 tells more");
    }
}

/// What makes those lines and writes them anywhere; only text is coloured. `RUST_LOG` says what is
/// logged of ours; what the libraries below say is never logged below info, whatever layer writes
/// it, because the AWS SDK and the HTTP client print whole messages there.
pub fn lines<W>(format: LogFormat, coloured: bool, to: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wanted = EnvFilter::builder().with_default_directive(Level::INFO.into()).from_env_lossy();
    let lines = fmt::layer().with_writer(to);
    let layer = match format {
        LogFormat::Text => lines.with_target(false).with_ansi(coloured).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(wanted).with(filter_fn(harmless)).with(layer)
}

fn harmless(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("booking") || *metadata.level() <= Level::INFO
}
