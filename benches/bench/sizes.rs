//! How large the runs are.

use std::time::Duration;

/// The sizes of the runs: numbers of bookings, unless the type says otherwise.
pub struct Sizes {
    pub backlog: usize,
    pub plain: usize,
    pub steady_50: usize,
    pub steady_5: usize,
    pub idle: Duration,
    pub pipeline: usize,
    pub pipeline_stored: usize,
    pub stored: [usize; 2],
    pub steady_200: usize,
    /// Bookings that are stored while people look at the page, and the backlog that comes then.
    pub watched: usize,
    pub backlog_watched: usize,
}

pub const FULL: Sizes = Sizes {
    backlog: 5000,
    plain: 200,
    steady_50: 600,
    steady_5: 120,
    idle: Duration::from_secs(182),
    pipeline: 50_000,
    pipeline_stored: 30_000,
    stored: [10_000, 1_000_000],
    steady_200: 3_000,
    watched: 100_000,
    backlog_watched: 10_000,
};
pub const QUICK: Sizes = Sizes {
    backlog: 1000,
    plain: 100,
    steady_50: 200,
    steady_5: 40,
    idle: Duration::from_secs(25),
    pipeline: 5_000,
    pipeline_stored: 500,
    stored: [1_000, 10_000],
    steady_200: 600,
    watched: 10_000,
    backlog_watched: 2_000,
};
