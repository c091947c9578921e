//! What is measured in one run.

use std::{path::PathBuf, time::Duration};

use crate::{bookings::Numbers, proxy::Manner, services::Consumer};

/// The setting of a run.
#[derive(Clone, Debug)]
pub struct Setting {
    pub consumer: Consumer,
    pub load: Load,
    pub manner: Manner,
    /// The bookings that are requested.
    pub numbers: Numbers,
    /// The folder with the bookings that were stored before. `None` for an empty folder.
    pub stored: Option<PathBuf>,
    /// Whether the services send traces to a collector that takes every request and never answers.
    pub traced: bool,
    /// Whether people look at the page of status at the same time.
    pub watched: bool,
    /// Whether topics and queues are FIFO.
    pub fifo: bool,
}

/// How bookings are requested.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// All of them are on the queues before the services start.
    Backlog,
    /// At a steady rate. Each is published at its time, whether or not earlier ones are finished.
    Steady { per_s: f64 },
    /// None, for this long.
    Idle { during: Duration },
}
