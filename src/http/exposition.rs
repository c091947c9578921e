//! `/metrics` in two text formats: OpenMetrics if the client asks for it, otherwise the classic
//! format of Prometheus. The content type must always name the format that is sent.

use std::{collections::BTreeSet, fmt::Write};

use axum::{
    extract::State,
    http::{
        HeaderMap,
        header::{ACCEPT, CONTENT_TYPE, HeaderName, VARY},
    },
    response::{IntoResponse, Response},
};

use crate::metrics::Metrics;

const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain";
const CLASSIC_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Tells caches that the answer depends on the `Accept` header.
const VARIES: (HeaderName, &str) = (VARY, "accept");

pub(super) async fn exposition(State(metrics): State<Metrics>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(ACCEPT).iter().filter_map(|it| it.to_str().ok());
    let accept = accept.collect::<Vec<_>>().join(",");
    let text = metrics.scrape().await;
    if wants_open_metrics(&accept) {
        ([(CONTENT_TYPE, OPEN_METRICS_TYPE), VARIES], text).into_response()
    } else {
        ([(CONTENT_TYPE, CLASSIC_TYPE), VARIES], classic(&text)).into_response()
    }
}

/// Whether an `Accept` header names OpenMetrics and prefers it, or likes both formats equally.
fn wants_open_metrics(accept: &str) -> bool {
    let weight = |wanted: &str| {
        accept.split(',').find_map(|it| {
            let mut parts = it.split(';').map(str::trim);
            let named = parts.next().is_some_and(|it| it.eq_ignore_ascii_case(wanted));
            let q = parts.find_map(|it| it.strip_prefix("q=").or_else(|| it.strip_prefix("Q=")));
            named.then(|| q.map_or(1.0, |it| it.parse::<f64>().unwrap_or(0.0)))
        })
    };
    weight(OPEN_METRICS).is_some_and(|it| it > 0.0 && it >= weight(CLASSIC).unwrap_or(0.0))
}

/// Converts OpenMetrics to the classic format: there, the type of a counter is declared under the
/// name that its samples have, and there is neither `# UNIT` nor `# EOF`.
fn classic(text: &str) -> String {
    let of_type = |line: &'static str| {
        move |it: &str| it.strip_prefix("# TYPE ")?.strip_suffix(line).map(str::to_owned)
    };
    let counters: BTreeSet<String> = text.lines().filter_map(of_type(" counter")).collect();
    let mut classic = String::with_capacity(text.len());
    for line in text.lines().filter(|it| *it != "# EOF" && !it.starts_with("# UNIT ")) {
        let named = ["# HELP ", "# TYPE "].into_iter().find_map(|word| {
            let (name, rest) = line.strip_prefix(word)?.split_once(' ')?;
            counters.contains(name).then(|| format!("{word}{name}_total {rest}"))
        });
        // Writing to a String does not fail.
        let _ = writeln!(classic, "{}", named.as_deref().unwrap_or(line));
    }
    classic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_is_asked_for() {
        for (accept, open_metrics) in [
            ("", false),
            ("*/*", false),
            ("text/plain", false),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("application/openmetrics-text", true),
            ("Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", true),
            // The header of Prometheus 3, and of OpenTelemetry's receiver.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                 application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                true,
            ),
            ("text/plain;version=0.0.4;q=0.5,application/openmetrics-text;q=0.4", false),
            ("application/openmetrics-text;q=0", false),
        ] {
            assert_eq!(wants_open_metrics(accept), open_metrics, "{accept}");
        }
    }

    #[test]
    fn a_counter_is_typed_under_the_name_of_its_samples() {
        let metrics = Metrics::default();
        metrics.receive_failed();
        let text = classic(&metrics.render());
        assert!(text.contains("# TYPE booking_receives_failed_total counter\n"), "{text}");
        assert!(text.contains("\nbooking_receives_failed_total 1\n"), "{text}");
        assert!(text.contains("# TYPE booking_in_hand gauge\n"), "{text}");
        assert!(!text.contains("# EOF"), "{text}");
    }
}
