//! The acceptance lines: what is wanted, what was measured, and whether that is enough. The median
//! decides. A limit must never be changed because a measurement missed it.
//!
//! Speed is compared with something else in the same run, since figures of two machines cannot be
//! compared. Up to version 0.1.0 two lines were absolute: at least 5,000 bookings/s through the
//! pipeline, and a p50 of at most 50 ms at 10 ms a request. Their limits were converted with the
//! other figures of the report in which they were met. There, 5,000 bookings/s were 0.40 s of CPU
//! for 1,000 bookings on two cores, with 0.458 s for the careful loop, and 9,930 bookings/s with
//! rows in memory; and the p50 was 14.6 ms without a delay, so that 3.54 delays of 10 ms make 50.

use std::fs;

use super::figure::show;
use crate::{
    place,
    results::{Results, Spread},
    sizes::Sizes,
};

/// One acceptance line.
pub struct Line {
    pub letter: char,
    what: String,
    limit: Limit,
    unit: &'static str,
    measured: Option<Spread>,
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Line {
    /// Whether the line is met. `None` if it was not measured.
    pub fn met(&self) -> Option<bool> {
        let median = self.measured?.median;
        Some(match self.limit {
            Limit::AtMost(it) => median <= it,
            Limit::AtLeast(it) => median >= it,
        })
    }
}

/// The size of the binary, in MB.
pub fn binary_mb() -> anyhow::Result<f64> {
    Ok(fs::metadata(place::BOOKING)?.len() as f64 / 1e6)
}

/// All acceptance lines.
pub fn lines(results: &Results, sizes: &Sizes) -> anyhow::Result<Vec<Line>> {
    use Limit::{AtLeast, AtMost};
    let get = |setting, name| results.get(setting, name);
    let requests = |setting| get(setting, "requests_per_booking");
    let rate = "bookings_per_s";
    let cpu = "cpu_s_per_1000";
    let behind = sizes.stored.map(|it| format!("backlog behind {it}"));
    let (few, many) = (behind[0].as_str(), behind[1].as_str());
    let piped = sizes.stored.map(|it| format!("pipeline behind {it}"));
    let (piped_few, piped_many) = (piped[0].as_str(), piped[1].as_str());
    let (sqlite, memory) = ("backlog sqlite 0 ms", "backlog memory 0 ms");
    let (pipeline, p50) = ("pipeline sqlite", "p50_ms");
    let careful = ("backlog careful 0 ms", cpu);
    let status_mb = "peak_mb.status";
    let delayed = ("backlog sqlite 10 ms", rate);
    let size = binary_mb()?;
    let lines = [
        ('a', "requests a booking, backlog", AtMost(2.5), "", requests(sqlite)),
        ('a', "requests a booking, ragged backlog", AtMost(3.5), "", requests("backlog ragged")),
        (
            'a',
            "requests a booking, 50/s, default target",
            AtMost(5.5),
            "",
            requests("50/s target 100 ms"),
        ),
        ('a', "p50 there", AtMost(170.0), "ms", get("50/s target 100 ms", p50)),
        ('a', "requests a booking, 50/s, economy", AtMost(4.5), "", requests("50/s target 500 ms")),
        ('a', "requests a booking, 5/s, economy", AtMost(12.0), "", requests("5/s target 500 ms")),
        (
            'a',
            "requests a minute of an idle role",
            AtMost(4.0),
            "",
            get("idle", "requests_per_minute"),
        ),
        (
            'b',
            "bookings/s at 10 ms, of what the plain loop does",
            AtLeast(10.0),
            "times",
            results.ratio(delayed, ("backlog plain 10 ms", rate)),
        ),
        (
            'b',
            "bookings/s at 10 ms, of what 0 ms gives",
            AtLeast(0.5),
            "times",
            results.ratio(delayed, (sqlite, rate)),
        ),
        (
            'b',
            "CPU a booking with rows in memory, of the careful loop's",
            AtMost(2.0),
            "times",
            results.ratio((memory, cpu), careful),
        ),
        (
            'b',
            "CPU a booking with SQLite, of the careful loop's",
            AtMost(3.0),
            "times",
            results.ratio((sqlite, cpu), careful),
        ),
        (
            'c',
            "CPU a booking of the pipeline with SQLite, of the careful loop's",
            AtMost(0.87),
            "times",
            results.ratio((pipeline, cpu), careful),
        ),
        (
            'c',
            "bookings/s of the pipeline with SQLite, of those with rows in memory",
            AtLeast(0.5),
            "times",
            results.ratio((pipeline, rate), ("pipeline memory", rate)),
        ),
        (
            'd',
            "what 10 ms a request add to the p50 at 5/s, target 0",
            AtMost(3.5),
            "times 10 ms",
            results.added(("5/s target 0 ms, 10 ms", p50), ("5/s target 0 ms", p50), 10.0),
        ),
        (
            'e',
            "resident memory of the largest role, at its peak",
            AtMost(30.0),
            "MB",
            get(sqlite, "peak_mb"),
        ),
        // It was 25 before receipts had a PDF and went out by SMTP and SES: a PDF writer, what
        // places letters, a font, and a client of SES. It was 28 before bookings could be watched:
        // the page with its templates, traces over OTLP, the screen of `booking top`, manual pages
        // and shell completions, and what compares contracts.
        ('e', "size of the stripped binary", AtMost(32.0), "MB", Spread::of(&[size])),
        (
            'f',
            "bookings/s behind many stored, of those behind few",
            AtLeast(0.9),
            "times",
            results.ratio((many, rate), (few, rate)),
        ),
        (
            'f',
            "the same of the pipeline",
            AtLeast(0.9),
            "times",
            results.ratio((piped_many, rate), (piped_few, rate)),
        ),
        (
            'f',
            "start to first poll behind many stored",
            AtMost(300.0),
            "ms",
            get(many, "first_poll_ms"),
        ),
        (
            'h',
            "bookings/s with traces to a collector that hangs, of those without traces",
            AtLeast(0.95),
            "times",
            results.ratio(("backlog traced 0 ms", rate), (sqlite, rate)),
        ),
        (
            'i',
            "bookings/s with 200 streams of the page open, of those with none",
            AtLeast(0.9),
            "times",
            results.ratio(("backlog watched", rate), ("backlog unwatched", rate)),
        ),
        (
            'i',
            "what 200 streams add to the peak memory of status, 200 bookings/s",
            AtMost(30.0),
            "MB",
            results.added(("200/s watched", status_mb), ("200/s unwatched", status_mb), 1.0),
        ),
    ];
    let line = |(letter, what, limit, unit, measured): (char, &str, Limit, _, _)| Line {
        letter,
        what: what.to_owned(),
        limit,
        unit,
        measured,
    };
    Ok(lines.into_iter().map(line).collect())
}

/// The table of the given lines.
pub fn table(lines: &[&Line]) -> String {
    let mut text = String::from("| wanted | | measured | met |\n|---|---|---|---|\n");
    for it in lines {
        let limit = match it.limit {
            Limit::AtMost(limit) => format!("≤ {limit}"),
            Limit::AtLeast(limit) => format!("≥ {limit}"),
        };
        let met = match it.met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not measured",
        };
        let (measured, unit) = (show(it.measured), it.unit);
        text.push_str(&format!("| {} | {limit} {unit} | {measured} {unit} | {met} |\n", it.what));
    }
    text
}
