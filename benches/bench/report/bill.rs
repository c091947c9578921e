//! The whole bill of a million bookings: what was counted, times the list of prices that
//! `just compare` uses too. No price may be written here.

use std::{fs, path::Path};

use anyhow::Context;
use serde_json::Value;

use super::figure::show;
use crate::{
    place,
    results::{Results, Spread},
};

const PRICES: &str = include_str!("../../../tests/it/comparison/prices.json");
const MILLION: f64 = 1e6;

/// The names of the figures of requests to a service begin so.
const SNS: &str = "requests.sns.";
const SQS: &str = "requests.sqs.";

/// A table with one row for each setting: USD a million bookings by what it is for.
pub fn table(results: &Results, settings: &[String]) -> anyhow::Result<String> {
    let prices: Value = serde_json::from_str(PRICES)?;
    let usd = |name: &str, amount: f64| {
        let all = prices["prices"].as_array().context("prices.json has prices")?;
        let price = all.iter().find(|it| it["name"] == name);
        let price = price.with_context(|| format!("prices.json has no {name}"))?;
        let number = |name: &str| price[name].as_f64().context("a price is a number");
        anyhow::Ok(amount * number("usd")? / number("per")?)
    };
    let units = units()?;
    let reads = usd("dynamodb.read", units.0 * MILLION)?;
    let writes = usd("dynamodb.write", units.1 * MILLION)?;
    let mut text = format!(
        "Prices of {} in {}, from `tests/it/comparison/prices.json`. The units of DynamoDB are those of \
         [DYNAMODB](DYNAMODB.md#cost), {} read and {} write units a booking at every rate; with SQLite \
         there are none.\n\n\
         | USD a million bookings | SNS | SQS | DynamoDB, reads | writes | log lines | with SQLite | \
         with DynamoDB | bytes of log lines a booking |\n|---|{}\n",
        prices["date"].as_str().unwrap_or_default(),
        prices["region"].as_str().unwrap_or_default(),
        units.0,
        units.1,
        "---|".repeat(8),
    );
    for setting in settings {
        let median = |name: &str| results.get(setting, name).map(|it: Spread| it.median);
        let asked = |of: &str| -> f64 {
            let names = results.names(setting).filter(|it| it.starts_with(of));
            names.filter_map(median).sum()
        };
        let Some(bytes) = median("log_bytes_per_booking") else { continue };
        let sns = usd("sns.request", asked(SNS) * MILLION)?;
        let sqs = usd("sqs.request", asked(SQS) * MILLION)?;
        let logs = usd("logs.gb", bytes * MILLION / 1e9)?;
        let with_sqlite = sns + sqs + logs;
        text.push_str(&format!(
            "| {setting} | {sns:.2} | {sqs:.2} | {reads:.2} | {writes:.2} | {logs:.2} | \
             {with_sqlite:.2} | {:.2} | {} |\n",
            with_sqlite + reads + writes,
            show(results.get(setting, "log_bytes_per_booking")),
        ));
    }
    text.push_str(
        "\nWhat runs without a booking, and so costs by the month, is in \
         [COMPARISON](COMPARISON.md#what-a-million-bookings-cost) and in \
         [terraform/README.md](../terraform/README.md).\n",
    );
    Ok(text)
}

/// Read and write units of a happy booking, which a test counts.
fn units() -> anyhow::Result<(f64, f64)> {
    let text = fs::read_to_string(Path::new(place::REPOSITORY).join("docs/DYNAMODB.md"))?;
    let line = text.lines().find_map(|it| it.strip_prefix("| **all** |"));
    let cells: Vec<f64> = line
        .context("docs/DYNAMODB.md has the units of a booking")?
        .split('|')
        .filter_map(|it| it.trim().trim_matches('*').parse().ok())
        .collect();
    let [reads, writes] = cells[..] else { anyhow::bail!("{line:?} has two numbers") };
    Ok((reads, writes))
}
