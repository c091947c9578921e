//! The measured figures of all runs, by setting and name. A figure must never be dropped as an
//! outlier.

use std::collections::BTreeMap;

use serde::Serialize;

/// The figures of one run. Their names end with the unit: `p50_ms`.
pub type Figures = BTreeMap<String, f64>;

/// The figures of all runs of all settings.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results(BTreeMap<String, BTreeMap<String, Vec<f64>>>);

/// The median, smallest and largest value of several runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Results {
    /// Adds one more run of a setting.
    pub fn add(&mut self, setting: &str, figures: Figures) {
        let runs = self.0.entry(setting.to_owned()).or_default();
        for (name, value) in figures {
            runs.entry(name).or_default().push(value);
        }
    }

    /// A figure of a setting, if it was measured.
    pub fn get(&self, setting: &str, name: &str) -> Option<Spread> {
        Spread::of(self.0.get(setting)?.get(name)?)
    }

    /// The names of the figures of a setting.
    pub fn names(&self, setting: &str) -> impl Iterator<Item = &str> {
        self.0.get(setting).into_iter().flat_map(|it| it.keys().map(String::as_str))
    }

    /// A figure of one setting divided by a figure of another, run by run, since the runs of both
    /// were interleaved.
    pub fn ratio(&self, of: (&str, &str), to: (&str, &str)) -> Option<Spread> {
        self.compare(of, to, |of, to| of / to)
    }

    /// By how much a figure of one setting is larger than a figure of another, run by run, in
    /// multiples of `unit`.
    pub fn added(&self, of: (&str, &str), to: (&str, &str), unit: f64) -> Option<Spread> {
        self.compare(of, to, |of, to| (of - to) / unit)
    }

    fn compare(
        &self,
        of: (&str, &str),
        to: (&str, &str),
        by: impl Fn(f64, f64) -> f64,
    ) -> Option<Spread> {
        let runs = |(setting, name): (&str, &str)| self.0.get(setting)?.get(name);
        let pairs = runs(of)?.iter().zip(runs(to)?);
        Spread::of(&pairs.map(|(of, to)| by(*of, *to)).collect::<Vec<f64>>())
    }

    /// All settings, with the values of each figure.
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

/// The smallest value that at least `percent` percent of all values do not exceed.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}
