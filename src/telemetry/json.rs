//! Log lines as JSON: an object on each line, with the span it belongs to as `span`. It must never
//! let a value end a line or an object.
//!
//! Logs are paid by the byte, and most lines say that something went well. So a line of this
//! program at INFO does not say where in it it is from, and a span of this program has no name:
//! there is one.
//!
//! `tracing-subscriber` has such a format, too. It parses the fields of the span from its own JSON
//! for each line.

use std::fmt::{self, Write};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::LookupSpan,
};

use crate::clock::Clock;

/// The fields of a span or an event as members of an object: `"a":1,"b":"text"`.
#[derive(Debug)]
pub(super) struct Members;

/// A line of the log.
#[derive(Debug)]
pub(super) struct Line;

impl<S> FormatEvent<S, Members> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Members>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let about = event.metadata();
        write!(to, r#"{{"timestamp":"{:.3}","level":"{}""#, Clock::Machine.now(), about.level())?;
        let mut members = Visitor { any: true, ..Visitor::new(to.by_ref()) };
        event.record(&mut members);
        members.finish()?;
        if *about.level() != Level::INFO || !is_ours(about) {
            to.write_str(r#","target":"#)?;
            quoted(&mut to, format_args!("{}", about.target()))?;
        }
        if let Some(span) =
            event.parent().map_or_else(|| context.lookup_current(), |id| context.span(id))
        {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<Members>>().map_or("", |it| &it.fields);
            write!(to, r#","span":{{{fields}"#)?;
            if !is_ours(span.metadata()) {
                let comma = if fields.is_empty() { "" } else { "," };
                write!(to, r#"{comma}"name":"{}""#, span.name())?;
            }
            to.write_char('}')?;
        }
        to.write_str("}\n")
    }
}

impl<'w> FormatFields<'w> for Members {
    fn format_fields<R: RecordFields>(&self, to: Writer<'w>, fields: R) -> fmt::Result {
        let mut members = Visitor::new(to);
        fields.record(&mut members);
        members.finish()
    }

    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let any = !current.fields.is_empty();
        let mut members = Visitor { any, ..Visitor::new(current.as_writer()) };
        fields.record(&mut members);
        members.finish()
    }
}

/// Writes fields one after the other.
struct Visitor<'w> {
    to: Writer<'w>,
    /// Whether there is a member already.
    any: bool,
    result: fmt::Result,
}

impl<'w> Visitor<'w> {
    fn new(to: Writer<'w>) -> Self {
        Visitor { to, any: false, result: Ok(()) }
    }

    fn finish(self) -> fmt::Result {
        self.result
    }

    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'w>) -> fmt::Result) {
        let Visitor { to, any, result } = self;
        if result.is_ok() {
            let comma = if *any { "," } else { "" };
            // The names of fields are written in this program and its libraries.
            *result = write!(to, r#"{comma}"{}":"#, field.name()).and_then(|()| value(to));
            *any = true;
        }
    }
}

impl Visit for Visitor<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |to| quoted(to, format_args!("{value}")));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.member(field, |to| write!(to, "{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |to| quoted(to, format_args!("{value:?}")));
    }
}

/// Whether a line or a span is of this program, not of a library.
fn is_ours(about: &Metadata<'_>) -> bool {
    about.target().split("::").next() == Some("booking")
}

/// Writes a text in quotes.
fn quoted(to: &mut Writer<'_>, text: fmt::Arguments<'_>) -> fmt::Result {
    to.write_char('"')?;
    Inside(to.by_ref()).write_fmt(text)?;
    to.write_char('"')
}

/// The inside of a quoted text.
struct Inside<'w>(Writer<'w>);

impl Write for Inside<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|it: char| it < ' ' || it == '"' || it == '\\') {
            let (plain, special) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut special = special.chars();
            match special.next() {
                Some(it @ ('"' | '\\')) => write!(self.0, "\\{it}")?,
                Some(it) => write!(self.0, "\\u{:04x}", u32::from(it))?,
                None => {}
            }
            rest = special.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tracing::{field, info, info_span, warn};
    use tracing_subscriber::{fmt, layer::SubscriberExt};

    use super::{super::tests::Written, *};

    /// The lines that are logged meanwhile, without their times.
    fn logged(what: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let to = written.clone();
        let layer = fmt::layer().fmt_fields(Members).event_format(Line);
        let lines = layer.with_writer(move || to.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), what);
        let text = written.text();
        let line = |it: &str| {
            let mut line: Value = serde_json::from_str(it).unwrap_or_else(|e| panic!("{e}: {it}"));
            let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert!(time.as_str().unwrap().parse::<Timestamp>().is_ok(), "{it}");
            line
        };
        text.lines().map(line).collect()
    }

    const HERE: &str = "booking::telemetry::json::tests";

    #[test]
    fn a_line_has_its_fields_and_the_span_it_is_in() {
        let lines = logged(|| {
            info!("alone");
            let span = info_span!(
                "delivery",
                attempt = 2,
                id = Some("a"),
                none = None::<&str>,
                later = field::Empty
            );
            let _in = span.enter();
            warn!(ratio = 0.5, endless = f64::INFINITY, less = -3, yes = true, at = %"here", "told");
            span.record("later", 7u64);
            warn!("inside");
            info_span!("empty").in_scope(|| info!(no = "message"));
            let _library = info_span!(target: "library", "request", number = 1).entered();
            info!(target: "library", "theirs");
        });
        let span = json!({"attempt": 2, "id": "a"});
        let mut later = span.clone();
        later["later"] = json!(7);
        assert_eq!(
            lines,
            [
                json!({"level": "INFO", "message": "alone"}),
                json!({"level": "WARN", "message": "told", "ratio": 0.5, "endless": "inf", "less": -3,
                    "yes": true, "at": "here", "target": HERE, "span": span}),
                json!({"level": "WARN", "message": "inside", "target": HERE, "span": later}),
                json!({"level": "INFO", "no": "message", "span": {}}),
                json!({"level": "INFO", "message": "theirs", "target": "library",
                    "span": {"name": "request", "number": 1}}),
            ]
        );
    }

    proptest! {
        #[test]
        fn no_text_ends_a_line_or_an_object(text in any::<String>(), noise in "[\\x00-\\x1f\"\\\\{},\u{85}\u{2028}]{0,20}") {
            let text = text + &noise;
            let lines = logged(|| {
                info_span!("s", text, shown = %text).in_scope(|| info!(text, shown = ?text, "{text}"));
            });
            prop_assert_eq!(lines.len(), 1);
            let line = &lines[0];
            for it in [&line["message"], &line["text"], &line["span"]["text"], &line["span"]["shown"]] {
                prop_assert_eq!(it, &json!(text));
            }
            prop_assert_eq!(&line["shown"], &json!(format!("{text:?}")));
        }
    }
}
