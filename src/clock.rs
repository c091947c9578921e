//! Time as an argument: the machine's clocks in production, manual ones in demo and tests. No other
//! module may ask the machine for the time.
//!
//! There are two clocks. The wall clock gives the times that are stored and published; it may jump
//! forward or back at any moment. The steady clock never goes back, and measures how long something
//! takes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

/// A wall clock and a steady clock.
#[derive(Clone, Debug)]
pub enum Clock {
    Machine,
    /// Moves only through [`advance`](Clock::advance), [`step`](Clock::step) and [`Hands::set`].
    Manual(Arc<Hands>),
}

/// The state of a manual clock.
#[derive(Debug, Default)]
pub struct Hands {
    /// The wall clock, in milliseconds since 1970.
    pub wall_ms: AtomicI64,
    /// The steady clock, in milliseconds since an arbitrary moment.
    pub steady_ms: AtomicI64,
}

impl Hands {
    /// Both clocks at `ms`, in milliseconds.
    #[must_use]
    pub fn at(ms: i64) -> Hands {
        Hands { wall_ms: AtomicI64::new(ms), steady_ms: AtomicI64::new(ms) }
    }

    /// Sets both clocks, in milliseconds.
    pub fn set(&self, ms: i64) {
        self.wall_ms.store(ms, Ordering::SeqCst);
        self.steady_ms.store(ms, Ordering::SeqCst);
    }
}

impl Clock {
    /// A manual clock that stands at `start` until it is moved. Copies move together.
    #[must_use]
    pub fn manual(start: Timestamp) -> Clock {
        Clock::Manual(Arc::new(Hands::at(start.as_millisecond())))
    }

    /// The wall clock, to the millisecond.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine is asked")]
    pub fn now(&self) -> Timestamp {
        let ms = match self {
            Clock::Machine => Timestamp::now().as_millisecond(),
            Clock::Manual(hands) => hands.wall_ms.load(Ordering::SeqCst),
        };
        Timestamp::from_millisecond(ms).expect("a clock is set to a time that jiff can tell")
    }

    /// The steady clock: the time since an arbitrary moment, which is the same for all copies, so
    /// only differences have a meaning. It never decreases, whatever happens to the wall clock.
    #[must_use]
    pub fn steady(&self) -> Duration {
        match self {
            Clock::Machine => machine_steady(),
            Clock::Manual(hands) => {
                let ms = hands.steady_ms.load(Ordering::SeqCst);
                Duration::from_millis(u64::try_from(ms).unwrap_or(0))
            }
        }
    }

    /// Moves a manual clock forward. Does nothing to the machine's clock.
    pub fn advance(&self, by: Duration) {
        if let Clock::Manual(hands) = self {
            let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            hands.wall_ms.fetch_add(by, Ordering::SeqCst);
            hands.steady_ms.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// Sets a manual wall clock forward or back; no time passes on its steady clock. Does nothing
    /// to the machine's clock.
    pub fn step(&self, by: SignedDuration) {
        if let Clock::Manual(hands) = self {
            let by = i64::try_from(by.as_millis()).unwrap_or(0);
            hands.wall_ms.fetch_add(by, Ordering::SeqCst);
        }
    }
}

/// A clock that also runs while the machine sleeps, since SQS does not stop meanwhile.
#[cfg(target_os = "linux")]
fn machine_steady() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (s, ns) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(s.unwrap_or(0), ns.unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
fn machine_steady() -> Duration {
    static BEGIN: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    BEGIN.elapsed()
}
