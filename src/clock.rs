//! Time, as an argument: the machine's clock in production, a hand-turned one in demo and tests.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::{SignedDuration, Timestamp};

/// Says what time it is.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    Machine,
    /// One that moves only when it is told to. Milliseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start` until it is advanced. Copies move together.
    #[must_use]
    pub fn manual(start: Timestamp) -> Clock {
        Clock::Manual(Arc::new(AtomicI64::new(start.as_millisecond())))
    }

    /// Now, to the millisecond.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine is asked")]
    pub fn now(&self) -> Timestamp {
        let ms = match self {
            Clock::Machine => Timestamp::now().as_millisecond(),
            Clock::Manual(ms) => ms.load(Ordering::SeqCst),
        };
        Timestamp::from_millisecond(ms).expect("a clock is set to a time that jiff can tell")
    }

    /// Moves a manual clock on; the machine's clock takes no orders.
    pub fn advance(&self, by: SignedDuration) {
        if let Clock::Manual(ms) = self {
            let by = i64::try_from(by.as_millis()).unwrap_or(0);
            ms.fetch_add(by, Ordering::SeqCst);
        }
    }
}
