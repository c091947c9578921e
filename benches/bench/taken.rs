//! Takes the figures of one run, other than its requests: latencies, CPU time, memory, pace. It
//! must never be called before the run is over.

use std::time::Instant;

use anyhow::Context;
use booking::domain::RoleName;

use crate::{
    counts::Counts,
    load::Due,
    observer::Heard,
    proxy::Proxy,
    results::{Figures, percentile},
    services::Services,
    setting::Setting,
};

/// The latencies: from the time at which a booking was due to the announcement of its receipt.
pub fn latencies(figures: &mut Figures, heard: &Heard, due: &Due) {
    let took = |(id, at): (&String, &Instant)| {
        Some(at.duration_since(*due.get(id)?).as_secs_f64() * 1000.0)
    };
    let took: Vec<f64> = heard.at.iter().filter_map(took).collect();
    figures.insert("p50_ms".to_owned(), percentile(&took, 50));
    figures.insert("p99_ms".to_owned(), percentile(&took, 99));
}

/// CPU time, memory and time to the first receive, by role.
pub fn usage(
    figures: &mut Figures,
    setting: &Setting,
    services: &Services,
    proxy: &Proxy,
) -> anyhow::Result<()> {
    let (mut cpu_s, mut system_s) = (0.0, 0.0);
    let used = services.usage()?;
    for ((service, door), used) in services.all.iter().zip(&proxy.services).zip(used) {
        let role = service.role;
        cpu_s += used.cpu_s;
        system_s += used.system_s;
        figures.insert(format!("resident_mb.{role}"), used.resident_mb);
        figures.insert(format!("peak_mb.{role}"), used.peak_mb);
        figures.insert(format!("cpu_s.{role}"), used.cpu_s);
        figures.insert(format!("system_s.{role}"), used.system_s);
        let first_poll = service.first_poll(door).context("it receives")?;
        figures.insert(format!("first_poll_ms.{role}"), first_poll.as_secs_f64() * 1000.0);
    }
    for name in ["peak_mb", "first_poll_ms"] {
        worst(figures, name);
    }
    if !setting.numbers.is_empty() {
        let thousands = setting.numbers.len() as f64 / 1000.0;
        figures.insert("cpu_s_per_1000".to_owned(), cpu_s / thousands);
        figures.insert("system_s_per_1000".to_owned(), system_s / thousands);
    }
    Ok(())
}

/// The hours of a month.
const MONTH_H: f64 = 730.0;

/// Requests per minute and per hour by role, and what they cost in a month.
pub fn pace(figures: &mut Figures, proxy: &Proxy, before: &[Counts], took_s: f64) {
    let doors = RoleName::ALL.into_iter().zip(&proxy.services).zip(before);
    for ((role, door), before) in doors {
        let more = door.counts().since(before);
        let (requests, hours) = (more.total() as f64, took_s / 3600.0);
        figures.insert(format!("requests_per_minute.{role}"), requests * 60.0 / took_s);
        figures.insert(format!("requests_per_hour.{role}"), requests / hours);
        figures.insert(format!("usd_per_month.{role}"), more.usd() / hours * MONTH_H);
    }
    worst(figures, "requests_per_minute");
}

/// Adds the largest value of a figure over all roles, under its name without a role.
fn worst(figures: &mut Figures, name: &str) {
    let of_roles = RoleName::ALL.iter().filter_map(|it| figures.get(&format!("{name}.{it}")));
    let worst = of_roles.copied().fold(0.0, f64::max);
    figures.insert(name.to_owned(), worst);
}
