//! Time, as an argument: the machine's clocks in production, hand-turned ones in demo and tests.
//!
//! There are two. The wall clock says what is written down, and may step in either direction at any
//! moment. How long something takes is measured with the steady one, which only goes on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

/// Says what time it is, and how much of it has passed.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    Machine,
    /// One that moves only when it is told to.
    Manual(Arc<Hands>),
}

/// What a manual clock says.
#[derive(Debug, Default)]
pub struct Hands {
    /// The wall clock, in milliseconds since 1970.
    pub wall_ms: AtomicI64,
    /// The steady clock, in milliseconds since some time.
    pub steady_ms: AtomicI64,
}

impl Hands {
    /// Both at the same time, in milliseconds.
    #[must_use]
    pub fn at(ms: i64) -> Hands {
        Hands { wall_ms: AtomicI64::new(ms), steady_ms: AtomicI64::new(ms) }
    }

    /// Sets both.
    pub fn set(&self, ms: i64) {
        self.wall_ms.store(ms, Ordering::SeqCst);
        self.steady_ms.store(ms, Ordering::SeqCst);
    }
}

impl Clock {
    /// A clock that stands at `start` until it is advanced. Copies move together.
    #[must_use]
    pub fn manual(start: Timestamp) -> Clock {
        Clock::Manual(Arc::new(Hands::at(start.as_millisecond())))
    }

    /// Now, to the millisecond.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine is asked")]
    pub fn now(&self) -> Timestamp {
        let ms = match self {
            Clock::Machine => Timestamp::now().as_millisecond(),
            Clock::Manual(hands) => hands.wall_ms.load(Ordering::SeqCst),
        };
        Timestamp::from_millisecond(ms).expect("a clock is set to a time that jiff can tell")
    }

    /// How much time has passed since some moment, the same for all copies: only differences mean
    /// anything. Never less than it was, whatever becomes of the wall clock.
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

    /// Lets time pass on a manual clock; the machine's clock takes no orders.
    pub fn advance(&self, by: Duration) {
        if let Clock::Manual(hands) = self {
            let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            hands.wall_ms.fetch_add(by, Ordering::SeqCst);
            hands.steady_ms.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// Sets a manual wall clock forward or back, in no time.
    pub fn step(&self, by: SignedDuration) {
        if let Clock::Manual(hands) = self {
            let by = i64::try_from(by.as_millis()).unwrap_or(0);
            hands.wall_ms.fetch_add(by, Ordering::SeqCst);
        }
    }
}

/// Goes on while the machine sleeps: SQS does.
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
