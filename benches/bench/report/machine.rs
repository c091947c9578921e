//! The table of the machine and the software of a report. It must never name the machine or its
//! user.

use std::{
    fs::{self, File},
    io::{Seek, Write},
    process::Command,
    time::{Duration, Instant},
};

use crate::{backend, place, results::percentile};

/// How many flushes are measured.
const FLUSHES: usize = 200;

pub fn table(took: Duration) -> anyhow::Result<String> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|it| it.strip_prefix(name));
        line.map_or("unknown".to_owned(), |it| it.trim_matches([' ', '\t', ':']).to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory: f64 = field(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse()?;
    let (p50, p99) = flush_ms()?;
    let rows = [
        ("CPU", format!("{}, {cores} cores", field(&read("/proc/cpuinfo"), "model name"))),
        ("memory", format!("{:.0} GB", memory * 1024.0 / 1e9)),
        ("kernel", format!("Linux {}", read("/proc/sys/kernel/osrelease").trim())),
        ("a write of 4 KiB and its fsync", format!("p50 {p50:.2} ms, p99 {p99:.2} ms")),
        ("booking", env!("CARGO_PKG_VERSION").to_owned()),
        ("compiler", version("rustc")),
        ("backend", format!("fauxqs {} on Node {}", backend::version()?, version("node"))),
        ("took", format!("{} min", took.as_secs().div_ceil(60))),
    ];
    let mut text = String::from("| | |\n|---|---|\n");
    for (name, value) in rows {
        text.push_str(&format!("| {name} | {value} |\n"));
    }
    Ok(text)
}

fn version(program: &str) -> String {
    let said = Command::new(program).arg("--version").output();
    said.map_or("unknown".to_owned(), |it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
}

/// The time of a write with a flush, for which each durable commit waits: median and 99th
/// percentile.
fn flush_ms() -> anyhow::Result<(f64, f64)> {
    let path = place::folder().join("flush");
    let mut file = File::create(&path)?;
    let mut took = Vec::new();
    for _ in 0..FLUSHES {
        let began = Instant::now();
        file.rewind()?;
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        took.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    fs::remove_file(path)?;
    Ok((percentile(&took, 50), percentile(&took, 99)))
}
