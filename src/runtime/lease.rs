//! How long a delivery is ours: SQS hides it from others for its visibility timeout, and a
//! heartbeat makes that longer while somebody works on it, up to a cap.
//!
//! A lease that is over stops its handler before the next commit or publish. That is a courtesy to
//! whoever got the message next, not what correctness rests on: a commit is conditional on the rows
//! it read, and announcing twice announces the same.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    bus::{BusError, Queue, ReceiptHandle},
    clock::Clock,
};

/// One delivery's time.
#[derive(Debug)]
pub struct Lease {
    clock: Clock,
    /// Until when it is ours, in milliseconds of the steady clock.
    until_ms: AtomicU64,
    /// When the heartbeat gives up, by the steady clock.
    cap: Duration,
    over: CancellationToken,
}

/// The delivery is not ours any more: somebody else may be working on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the visibility timeout is over: the message belongs to whoever receives it next")]
pub struct LeaseLost;

impl Lease {
    /// Ours for `visibility` from now on; the heartbeat may extend it for `cap` in all.
    #[must_use]
    pub fn new(clock: &Clock, visibility: Duration, cap: Duration) -> Lease {
        let now = clock.steady();
        Lease {
            clock: clock.clone(),
            until_ms: AtomicU64::new(milliseconds(now.saturating_add(visibility))),
            cap: now.saturating_add(cap),
            over: CancellationToken::new(),
        }
    }

    /// Never over: for who works without a queue.
    #[must_use]
    pub fn endless(clock: &Clock) -> Lease {
        Lease::new(clock, Duration::from_secs(1 << 32), Duration::from_secs(1 << 32))
    }

    /// Whether it is still ours.
    ///
    /// # Errors
    /// When its time is over, or SQS said that it is somebody else's.
    pub fn check(&self) -> Result<(), LeaseLost> {
        if self.over.is_cancelled() || self.is_past() { Err(LeaseLost) } else { Ok(()) }
    }

    /// Whether it was worked on for as long as it may be.
    #[must_use]
    pub fn at_cap(&self) -> bool {
        self.clock.steady() >= self.cap
    }

    /// Returns when it is over.
    pub async fn lost(&self) {
        self.over.cancelled().await;
    }

    fn is_past(&self) -> bool {
        milliseconds(self.clock.steady()) > self.until_ms.load(Ordering::SeqCst)
    }

    fn left(&self) -> Duration {
        let until = self.until_ms.load(Ordering::SeqCst);
        Duration::from_millis(until.saturating_sub(milliseconds(self.clock.steady())))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The leases of all deliveries in hand.
#[derive(Debug, Default)]
pub struct Leases {
    held: Mutex<BTreeMap<ReceiptHandle, Arc<Lease>>>,
}

/// A lease in the list, for as long as this lives.
#[derive(Debug)]
pub struct Held<'a> {
    leases: &'a Leases,
    handle: ReceiptHandle,
    lease: Arc<Lease>,
}

impl std::ops::Deref for Held<'_> {
    type Target = Lease;
    fn deref(&self) -> &Lease {
        &self.lease
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.handle);
    }
}

/// What one heartbeat did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// Leases that were made longer.
    pub extended: usize,
    /// Leases that turned out to be over.
    pub lost: usize,
}

impl Leases {
    /// Adds a lease to what the heartbeat keeps.
    pub fn hold(&self, handle: &ReceiptHandle, lease: Lease) -> Held<'_> {
        let lease = Arc::new(lease);
        self.lock().insert(handle.clone(), Arc::clone(&lease));
        Held { leases: self, handle: handle.clone(), lease }
    }

    /// Extends every lease of which a third is used up, all in one call, and ends those that are at
    /// their cap or that SQS says are not ours.
    ///
    /// # Errors
    /// When SQS could not be asked: the leases then run out by themselves unless the next beat
    /// works.
    pub async fn beat(&self, queue: &impl Queue, visibility: Duration) -> Result<Beat, BusError> {
        let due_below = visibility * 2 / 3;
        let mut due = Vec::new();
        let mut beat = Beat::default();
        for (handle, lease) in self.lock().iter() {
            if lease.at_cap() {
                lease.over.cancel();
                beat.lost += 1;
            } else if lease.check().is_ok() && lease.left() < due_below {
                due.push((handle.clone(), Arc::clone(lease)));
            }
        }
        if due.is_empty() {
            return Ok(beat);
        }
        let handles: Vec<ReceiptHandle> = due.iter().map(|(handle, _)| handle.clone()).collect();
        // From before the call: SQS counts from when it hears of it, so this is never too long.
        let until_ms = milliseconds(due[0].1.clock.steady().saturating_add(visibility));
        let ours = queue.extend(&handles, visibility).await?;
        for ((_, lease), ours) in due.iter().zip(ours) {
            if ours {
                lease.until_ms.store(until_ms, Ordering::SeqCst);
                beat.extended += 1;
            } else {
                lease.over.cancel();
                beat.lost += 1;
            }
        }
        Ok(beat)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReceiptHandle, Arc<Lease>>> {
        // Every change of the list is whole before anything can panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
