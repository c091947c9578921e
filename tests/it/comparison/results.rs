//! What was measured on one road, as it is kept between the runs of the roads and the writing of
//! the document: one file for each road in `target/compare`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use booking::domain::status::Phase;
use serde::{Deserialize, Serialize};

use super::{road::Road, stage::Transitions, tally::Tally};
use crate::harness::root;

/// Everything that was measured on one road.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    pub road: Road,
    /// The day of the run.
    pub date: String,
    pub seed: u64,
    /// Bookings a second that were asked for: of those that complete, and of the mixes.
    pub per_s: f64,
    pub mix_per_s: f64,
    /// Bookings that complete, one by one.
    pub happy: Stretch,
    /// Bookings that complete over a longer way.
    pub slow: Option<Latency>,
    /// A minute without a booking.
    pub idle: Tally,
    pub idle_s: f64,
    /// The seeded mix.
    pub mix: Stretch,
    pub outages: Vec<Outage>,
    /// Violations that the audit found, over all bookings of the road.
    pub violations: Vec<String>,
    /// How many bookings it looked at.
    pub audited: usize,
    pub took_s: f64,
}

/// Bookings that were asked for at a steady rate, until all of them had ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stretch {
    pub bookings: usize,
    pub tally: Tally,
    /// By booking; only where there is a state machine.
    pub transitions: BTreeMap<String, Transitions>,
    /// How each booking ended.
    pub endings: BTreeMap<String, Phase>,
    /// From the first time that a client asked until status heard the last event of the booking.
    pub latency: BTreeMap<Phase, Latency>,
}

/// What functions are charged for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Functions {
    pub invocations: u64,
    pub gb_s: f64,
}

/// Milliseconds, of so many bookings.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latency {
    pub bookings: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// What became of bookings while something was stopped.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outage {
    /// A role, or what stands in the middle.
    pub stopped: String,
    pub bookings: usize,
    pub asked_before: usize,
    pub asked_meanwhile: usize,
    /// How often a client had to ask again.
    pub again: usize,
    /// Those that had ended when it came back: as the services decided it, and as status had heard.
    pub decided_meanwhile: usize,
    pub ended_meanwhile: usize,
    /// Where the others stood then, by what the services had decided.
    pub stood: BTreeMap<String, usize>,
    /// When the last one had ended, after it came back.
    pub last_s: f64,
    pub endings: BTreeMap<Phase, usize>,
    pub dead_letters: u64,
    pub failed_executions: usize,
}

impl Outage {
    /// How many of the bookings that were asked for meanwhile had ended when it came back, at
    /// least: as many as if all of those asked for before had ended, too.
    pub fn ended_of_meanwhile(&self) -> usize {
        self.decided_meanwhile.saturating_sub(self.asked_before)
    }
}

impl Functions {
    /// The memory of a function, in GB.
    const GB: f64 = 0.25;

    /// Of what was counted, if functions were invoked.
    pub fn of(tally: &Tally) -> Option<Functions> {
        let gb_s = tally.invoked_ms / 1000.0 * Functions::GB;
        let invocations = tally.invoked();
        (invocations > 0).then_some(Functions { invocations, gb_s })
    }
}

impl Latency {
    /// Of at least one time.
    pub fn of(mut ms: Vec<f64>) -> Latency {
        ms.sort_by(f64::total_cmp);
        let at = |share: f64| ms[((ms.len() as f64 * share).ceil() as usize).max(1) - 1];
        Latency { bookings: ms.len(), p50_ms: at(0.5), p99_ms: at(0.99) }
    }
}

impl Measured {
    fn file(road: Road, bookings: usize) -> PathBuf {
        root().join("target/compare").join(format!("{}-{bookings}.json", road.as_str()))
    }

    /// Keeps it for the document.
    pub fn write(&self) {
        let file = Measured::file(self.road, self.mix.bookings);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, serde_json::to_string_pretty(self).unwrap()).unwrap();
    }

    /// What was measured last on a road, with a mix of so many bookings.
    pub fn read(road: Road, bookings: usize) -> Option<Measured> {
        let text = fs::read_to_string(Measured::file(road, bookings)).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }
}

#[test]
fn a_percentile_is_the_time_by_which_so_many_had_ended() {
    let of = |count: usize| Latency::of((1..=count).rev().map(|it| it as f64).collect());
    assert_eq!((of(1).p50_ms, of(1).p99_ms), (1.0, 1.0));
    assert_eq!((of(100).p50_ms, of(100).p99_ms), (50.0, 99.0));
}
