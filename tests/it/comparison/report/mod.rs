//! docs/COMPARISON.md and the short form of it in README.md, from what was measured on all roads.
//! The prose is in `template.md`; a figure that this program knows must never be written there.

mod bills;
mod cells;
mod endings;
mod tables;
#[cfg(test)]
mod tests;

use std::fs;

use super::{
    bill::Prices,
    results::Measured,
    run::{STOPPED_AFTER, STOPPED_FOR, WARM},
    stage::ROUND_TRIP,
    step::Step,
};
use crate::harness::root;

const TEMPLATE: &str = include_str!("template.md");
/// Where the short form stands in the README.
const MARKS: [&str; 2] = ["<!-- comparison -->\n", "<!-- end comparison -->"];

/// Writes both, of one run of all roads.
pub fn write(all: &[Measured]) {
    fs::write(root().join("docs/COMPARISON.md"), text(all)).unwrap();
    let readme = root().join("README.md");
    let before = fs::read_to_string(&readme).unwrap();
    let old = format!("{}{}{}", MARKS[0], short_form(&before), MARKS[1]);
    let new = format!("{}{}{}", MARKS[0], tables::short(all, &Prices::read(), true), MARKS[1]);
    fs::write(readme, before.replace(&old, &new)).unwrap();
}

/// The rate of the mix: of the first road, and of those with another one.
fn mix_rates(all: &[Measured]) -> String {
    let first = all[0].mix_per_s;
    let others = all.iter().filter(|it| (it.mix_per_s - first).abs() > f64::EPSILON);
    let others: Vec<String> =
        others.map(|it| format!("{}: {}", it.road.title(), it.mix_per_s)).collect();
    let others =
        if others.is_empty() { others.concat() } else { format!(" ({})", others.join(", ")) };
    format!("{first}{others}")
}

/// What stands between the marks of the README.
pub fn short_form(readme: &str) -> &str {
    let (_, rest) = readme.split_once(MARKS[0]).expect("README.md has the mark");
    rest.split_once(MARKS[1]).expect("README.md has the second mark").0
}

/// The table of the prices.
pub fn prices(prices: &Prices) -> String {
    bills::prices(prices)
}

/// The document.
pub fn text(all: &[Measured]) -> String {
    let prices = Prices::read();
    let first = &all[0];
    let (heard, asked) = (Step::heard(), Step::asked());
    let mut days: Vec<String> = all.iter().map(|it| it.date.clone()).collect();
    days.sort();
    days.dedup();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let violations: usize = all.iter().map(|it| it.violations.len()).sum();
    let audited: usize = all.iter().map(|it| it.audited).sum();
    let minutes: f64 = all.iter().map(|it| it.took_s / 60.0).sum();
    let places = [
        ("date", days.join(", ")),
        ("seed", first.seed.to_string()),
        ("per_s", first.per_s.to_string()),
        ("mix_per_s", mix_rates(all)),
        ("happy", first.happy.bookings.to_string()),
        ("bookings", first.mix.bookings.to_string()),
        ("outage_bookings", first.outages.first().map_or(0, |it| it.bookings).to_string()),
        ("stopped_s", STOPPED_FOR.as_secs().to_string()),
        ("stopped_after_s", STOPPED_AFTER.as_secs().to_string()),
        ("round_trip_ms", ROUND_TRIP.as_millis().to_string()),
        ("warm", WARM.to_string()),
        ("cores", cores.to_string()),
        ("minutes", format!("{minutes:.0}")),
        ("price_date", prices.date.clone()),
        ("price_region", prices.region.clone()),
        ("violations", violations.to_string()),
        ("audited", audited.to_string()),
        ("short", tables::short(all, &prices, false)),
        ("requests", tables::requests(all)),
        ("transitions", tables::transitions(all)),
        ("units", tables::units(all)),
        ("idle", tables::idle(all)),
        ("bills", bills::bills(all, &prices)),
        ("rest", bills::rest(all, &prices)),
        ("crossover", bills::crossovers(all, &prices)),
        ("prices", bills::prices(&prices)),
        ("latency", tables::latency(all)),
        ("hops", tables::hops(all)),
        ("endings", endings::counts(all)),
        ("races", endings::races(all)),
        ("outages", tables::outages(all)),
        ("heard_lines", heard.shared_lines.to_string()),
        ("heard_files", heard.shared_files.to_string()),
        ("asked_lines", asked.shared_lines.to_string()),
        ("own_lines", heard.own_lines.to_string()),
    ];
    let mut text = TEMPLATE.to_owned();
    for (name, value) in places {
        let place = format!("{{{{{name}}}}}");
        assert!(text.contains(&place), "template.md has no place for {name}");
        text = text.replace(&place, &value);
    }
    let left = text.split("{{").nth(1).map(|it| it.split("}}").next().unwrap().to_owned());
    assert_eq!(left, None, "nothing fills this place of template.md");
    cells::wrapped(&text)
}
