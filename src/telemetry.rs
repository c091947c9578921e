//! Logs: text for people, JSON for machines; a service's are on stderr.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing::{Level, Metadata, Subscriber};
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
}

/// What makes those lines and writes them anywhere; only text is coloured. `RUST_LOG` says what is logged
/// of ours; what the libraries below say is never logged below info, whatever layer writes it, because the
/// AWS SDK and the HTTP client print whole messages there.
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
