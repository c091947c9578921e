//! Reads from `/proc` how much CPU time and memory a process uses. It must never influence what it
//! measures.

use std::fs;

use anyhow::Context;

/// The unit in which `/proc` counts CPU time. `USER_HZ` is 100 on every Linux that this is built
/// for.
const TICKS_PER_S: f64 = 100.0;

/// One look at a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time of all threads, since the process began.
    pub cpu_s: f64,
    /// System time alone: sockets, files, flushes.
    pub system_s: f64,
    /// Resident memory now.
    pub resident_mb: f64,
    /// Resident memory at its peak.
    pub peak_mb: f64,
}

pub fn usage(pid: u32) -> anyhow::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    // The name of the process, in parentheses, may contain spaces. So count the fields after it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0);
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let megabytes = |name: &str| {
        let line = status.lines().find_map(|it| it.strip_prefix(name));
        let kibibytes = line.and_then(|it| it.split_whitespace().next()?.parse::<f64>().ok());
        kibibytes.unwrap_or(0.0) * 1024.0 / 1e6
    };
    Ok(Usage {
        cpu_s: (ticks(12) + ticks(13)) / TICKS_PER_S,
        system_s: ticks(13) / TICKS_PER_S,
        resident_mb: megabytes("VmRSS:"),
        peak_mb: megabytes("VmHWM:"),
    })
}
