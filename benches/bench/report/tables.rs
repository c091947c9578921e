//! The sections of the report, each with a letter and its tables. A table must never leave out a
//! setting that was measured worse than the others.

use booking::domain::RoleName;

use super::{acceptance::binary_mb, bill, figure::show, floor::Floor};
use crate::{results::Results, sizes::Sizes};

/// A section of the report.
pub struct Section {
    pub letter: char,
    pub title: &'static str,
    pub text: String,
}

/// A column: its title, and the name of its figure.
type Column = (&'static str, &'static str);

const TARGETS: [&str; 3] = ["0 ms", "100 ms", "500 ms"];

pub fn sections(results: &Results, sizes: &Sizes) -> anyhow::Result<Vec<Section>> {
    let steady: Vec<String> = ["50/s", "5/s"]
        .iter()
        .flat_map(|rate| TARGETS.map(|target| format!("{rate} target {target}")))
        .collect();
    let mut requests = vec!["backlog sqlite 0 ms".to_owned(), "backlog ragged".to_owned()];
    requests.extend(steady.clone());
    let mut latencies = steady;
    latencies.push("5/s target 0 ms, 10 ms".to_owned());
    let stored = sizes.stored.map(|it| format!("backlog behind {it}"));
    let piped = sizes.stored.map(|it| format!("pipeline behind {it}"));
    let throughput: Vec<String> = ["0 ms", "10 ms"]
        .iter()
        .flat_map(|delay| {
            ["sqlite", "memory", "plain", "careful"].map(|who| format!("backlog {who} {delay}"))
        })
        .collect();
    let careful: Vec<String> =
        ["0 ms", "50 ms", "100 ms"].map(|it| format!("50/s careful pause {it}")).to_vec();

    let section = |letter, title, text| Section { letter, title, text };
    Ok(vec![
        section(
            'a',
            "a. Requests and cost of a happy booking",
            table(results, &requests, &REQUESTS)
                + "\nThe fewest possible at these rates and targets, and how near they are:\n\n"
                + &floors(results)
                + "\nIdle, by role, with the default target:\n\n"
                + &idle(results),
        ),
        section(
            'b',
            "b. Throughput and CPU of a backlog",
            format!(
                "{} bookings, {} for the plain loop.\n\n{}",
                sizes.backlog,
                sizes.plain,
                table(results, &throughput, &THROUGHPUT)
            ),
        ),
        section(
            'c',
            "c. The whole pipeline in one process, on the memory bus",
            format!("{} bookings.\n\n", sizes.pipeline)
                + &table(
                    results,
                    &[
                        "pipeline sqlite",
                        "pipeline memory",
                        "pipeline sqlite, outside on disk",
                        "pipeline sqlite, with log lines",
                    ]
                    .map(str::to_owned),
                    &PIPELINE,
                ),
        ),
        section('d', "d. Latency at a steady rate", table(results, &latencies, &LATENCY)),
        section('e', "e. Memory, start and size", memory(results)?),
        section(
            'f',
            "f. With bookings already stored",
            format!("{} more bookings as a backlog.\n\n", sizes.backlog)
                + &table(results, &stored, &STORED)
                + &format!(
                    "\n{} more through the pipeline, everything on disk.\n\n",
                    sizes.pipeline_stored
                )
                + &table(results, &piped, &PIPELINE),
        ),
        section(
            'g',
            "g. The careful loop at a steady rate, for comparison",
            table(results, &careful, &STEADY_LOOP),
        ),
        section(
            'h',
            "h. Traces to a collector that hangs, and none",
            table(
                results,
                &["backlog sqlite 0 ms", "backlog traced 0 ms"].map(str::to_owned),
                &THROUGHPUT,
            ),
        ),
        section(
            'i',
            "i. With 200 people looking at the page",
            format!(
                "{} bookings are stored. {} more as a backlog, {} more at 200/s.\n\n",
                sizes.watched, sizes.backlog_watched, sizes.steady_200
            ) + &table(
                results,
                &["backlog unwatched", "backlog watched", "200/s unwatched", "200/s watched"]
                    .map(str::to_owned),
                &WATCHED,
            ),
        ),
        section('j', "j. The whole bill", bill::table(results, &requests)?),
    ])
}

const REQUESTS: [Column; 7] = [
    ("requests", "requests_per_booking"),
    ("USD a million", "usd_per_million"),
    ("client publishes", "requests.sns.Publish"),
    ("publish batches", "requests.sns.PublishBatch"),
    ("receives", "requests.sqs.ReceiveMessage"),
    ("deletes", "requests.sqs.DeleteMessageBatch"),
    ("bookings heard twice", "repeats"),
];
const THROUGHPUT: [Column; 7] = [
    ("bookings/s", "bookings_per_s"),
    ("CPU s per 1,000", "cpu_s_per_1000"),
    ("the kernel's part", "system_s_per_1000"),
    ("requests", "requests_per_booking"),
    ("really added, ms", "added_ms"),
    ("CPU s of the backend", "backend_cpu_s_per_1000"),
    ("of the bench", "bench_cpu_s_per_1000"),
];
const LATENCY: [Column; 3] =
    [("p50, ms", "p50_ms"), ("p99, ms", "p99_ms"), ("CPU s per 1,000", "cpu_s_per_1000")];
const PIPELINE: [Column; 2] =
    [("bookings/s", "bookings_per_s"), ("CPU s per 1,000", "cpu_s_per_1000")];
const STORED: [Column; 4] = [
    ("bookings/s", "bookings_per_s"),
    ("CPU s per 1,000", "cpu_s_per_1000"),
    ("start to first poll, slowest role, ms", "first_poll_ms"),
    ("peak memory, largest role, MB", "peak_mb"),
];
const WATCHED: [Column; 8] = [
    ("bookings/s", "bookings_per_s"),
    ("CPU s of status", "cpu_s.status"),
    ("CPU s of the bench per 1,000", "bench_cpu_s_per_1000"),
    ("peak memory of status, MB", "peak_mb.status"),
    ("p50 to the receipt, ms", "p50_ms"),
    ("a page, p50, ms", "page_p50_ms"),
    ("a page, p99, ms", "page_p99_ms"),
    ("frames a second of each stream", "frames_per_s"),
];
const STEADY_LOOP: [Column; 4] = [
    ("requests", "requests_per_booking"),
    ("p50, ms", "p50_ms"),
    ("p99, ms", "p99_ms"),
    ("CPU s per 1,000", "cpu_s_per_1000"),
];

/// A table with one row for each setting.
fn table(results: &Results, settings: &[String], columns: &[Column]) -> String {
    let heads: Vec<&str> = columns.iter().map(|it| it.0).collect();
    let mut text = format!("| | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for setting in settings {
        let cells: Vec<String> =
            columns.iter().map(|it| show(results.get(setting, it.1))).collect();
        text.push_str(&format!("| {setting} | {} |\n", cells.join(" | ")));
    }
    text
}

/// What the formula says for each rate and target, and how much more was measured.
fn floors(results: &Results) -> String {
    let mut text = String::from(
        "| | fewest requests | client publishes | publish batches | receives | deletes | measured, of \
         the fewest |\n|---|---|---|---|---|---|---|\n",
    );
    for rate in [50, 5] {
        for target_ms in [0, 100, 500] {
            let setting = format!("{rate}/s target {target_ms} ms");
            let row = format!("{rate}/s, {target_ms} ms");
            let floor = Floor::of(f64::from(rate), f64::from(target_ms) / 1_000.0);
            let measured = results.get(&setting, "requests_per_booking");
            let measured = measured
                .map_or("–".to_owned(), |it| format!("{:.2} times", it.median / floor.all()));
            let Floor { client, publishes, receives, deletes } = floor;
            text.push_str(&format!(
                "| {row} | {:.2} | {client:.2} | {publishes:.2} | {receives:.2} | \
                 {deletes:.2} | {measured} |\n",
                floor.all(),
            ));
        }
    }
    text
}

fn idle(results: &Results) -> String {
    let rows = [
        ("requests a minute", "idle", "requests_per_minute"),
        ("requests an hour", "idle", "requests_per_hour"),
        ("USD a month of 730 hours", "idle", "usd_per_month"),
    ];
    by_role(results, &rows)
}

fn memory(results: &Results) -> anyhow::Result<String> {
    let full = "backlog sqlite 0 ms";
    let rows = [
        ("peak memory, backlog, MB", full, "peak_mb"),
        ("memory at its end, MB", full, "resident_mb"),
        ("memory, idle, MB", "idle", "resident_mb"),
        ("start to first poll, ms", "idle", "first_poll_ms"),
    ];
    Ok(by_role(results, &rows) + &format!("\nThe stripped binary has {:.1} MB.\n", binary_mb()?))
}

/// A table with one column for each role. A row has a title, a setting and a figure.
fn by_role(results: &Results, rows: &[(&str, &str, &str)]) -> String {
    let mut text =
        String::from("| | seats | payment | receipt | status |\n|---|---|---|---|---|\n");
    for (head, setting, name) in rows {
        let cell = |role: RoleName| show(results.get(setting, &format!("{name}.{role}")));
        text.push_str(&format!("| {head} | {} |\n", RoleName::ALL.map(cell).join(" | ")));
    }
    text
}
