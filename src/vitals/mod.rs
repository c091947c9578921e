//! How the four services are doing, as far as their queues tell: what waits, what is in flight, and
//! what was set aside; and how often each event is heard. It only looks, and must never show what
//! is in a message.

mod held_up;
mod kept;
mod queues;
pub mod rates;
mod reasons;

pub use held_up::{HealthUrl, with_held_up};
pub use queues::of_queues;
pub(crate) use reasons::{Desk, LOOKED_AT_MAX, reasons};

use std::{future::Future, pin::Pin, time::Duration};

use jiff::Timestamp;

use crate::domain::RoleName;

/// What is known of all four services at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// When this was read.
    pub read: Timestamp,
    /// One entry for each service, in the order of [`RoleName::ALL`].
    pub services: Vec<ServiceVitals>,
}

/// What is known of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceVitals {
    pub role: RoleName,
    /// Messages that wait to be received, about.
    pub waiting: u64,
    /// Messages that were received and not deleted yet, about.
    pub in_flight: u64,
    /// Messages that the service set aside, about.
    pub dead: u64,
    /// Messages that SNS could not deliver to the queue of the service, about.
    pub undelivered: u64,
    /// The messages that were set aside, by reason; empty if nobody asked for the reasons.
    pub reasons: Vec<DeadReason>,
    /// Why this service could not be looked at, if it could not. The figures are 0 then.
    pub problem: Option<String>,
    /// What it holds up, or why it does not say so; `None` if it is not asked.
    pub held_up: Option<Result<HeldUp, String>>,
}

impl ServiceVitals {
    /// Of a service of which nothing is known.
    pub(crate) fn nothing(role: RoleName) -> ServiceVitals {
        ServiceVitals {
            role,
            waiting: 0,
            in_flight: 0,
            dead: 0,
            undelivered: 0,
            reasons: Vec::new(),
            problem: None,
            held_up: None,
        }
    }
}

/// The bookings of which one process gave back a message, so that a FIFO queue brings no other
/// message of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldUp {
    pub bookings: u64,
    /// For how long the first of them has been held up.
    pub longest: Duration,
}

/// Messages that were set aside for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadReason {
    /// The reason, in our own words.
    pub reason: String,
    pub count: u64,
    /// What `booking dlq redrive` would do with them.
    pub redrive: String,
}

/// Reads the vitals, and only while somebody looks.
pub trait Watch: Send + Sync + 'static {
    /// What is known now. A service that cannot be looked at says so in its entry. The watch of
    /// [`of_queues`] may be called by many at once and at any rate: it keeps its answer for some
    /// seconds. The future may be dropped while it waits.
    fn look(&self) -> Pin<Box<dyn Future<Output = Vitals> + Send + '_>>;
}
