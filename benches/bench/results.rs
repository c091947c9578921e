//! What was measured: figures by setting and name, one a run.

use std::collections::BTreeMap;

use serde::Serialize;

/// The figures of one run, by name with the unit last: `p50_ms`.
pub type Figures = BTreeMap<String, f64>;

/// All runs of all settings. Whoever measures adds; the report reads.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results(BTreeMap<String, BTreeMap<String, Vec<f64>>>);

/// The middle of several runs, and how far apart they were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Results {
    /// One more run of a setting.
    pub fn add(&mut self, setting: &str, figures: Figures) {
        let runs = self.0.entry(setting.to_owned()).or_default();
        for (name, value) in figures {
            runs.entry(name).or_default().push(value);
        }
    }

    /// How often a setting was run and what was measured, if it was.
    pub fn get(&self, setting: &str, name: &str) -> Option<Spread> {
        Spread::of(self.0.get(setting)?.get(name)?)
    }

    /// The runs of a figure that two settings have, one divided by the other, run by run: they were
    /// interleaved.
    pub fn ratio(&self, of: (&str, &str), to: (&str, &str)) -> Option<Spread> {
        let runs = |(setting, name): (&str, &str)| self.0.get(setting)?.get(name);
        let pairs = runs(of)?.iter().zip(runs(to)?);
        Spread::of(&pairs.map(|(of, to)| of / to).collect::<Vec<f64>>())
    }

    /// The settings that were run.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, Vec<f64>>)> {
        self.0.iter().map(|(name, figures)| (name.as_str(), figures))
    }
}

impl Spread {
    pub fn of(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Spread { median, min, max })
    }
}

/// The value that so many percent of all are at most, by an exact sort.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}
