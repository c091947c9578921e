//! Leases: how long a delivery is ours. SQS hides the message from other receivers for its
//! visibility timeout. The heartbeat extends that while a handler works on the message, up to a
//! cap.
//!
//! A lease that is over stops its handler before the next commit or publish. The lease may also end
//! right after that check. That is harmless: a commit is conditional on the rows it read, and two
//! deliveries of one message announce the same. Correctness must never depend on a lease; it only
//! saves work that would be done twice.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    bus::{BusError, Extension, Queue, ReceiptHandle},
    clock::Clock,
    wire::TaskToken,
};

/// Longer than any process runs.
const ENDLESS: Duration = Duration::from_secs(1 << 32);

/// The lease of one delivery.
#[derive(Debug)]
pub struct Lease {
    clock: Clock,
    /// When the delivery began, by the steady clock.
    began: Duration,
    /// When the visibility timeout ends, in milliseconds of the steady clock.
    until_ms: AtomicU64,
    /// When the heartbeat stops extending it, by the steady clock.
    cap: Duration,
    over: CancellationToken,
    /// The task that the message asks for, if it is one.
    task: OnceLock<TaskToken>,
}

/// The lease is over: another receiver may be working on the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the visibility timeout is over: the message belongs to its next receiver")]
pub struct LeaseLost;

impl Lease {
    /// A lease that ends `visibility` from now. The heartbeat extends it until `cap` from now, so
    /// it ends at the latest `visibility` after that.
    #[must_use]
    pub fn new(clock: &Clock, visibility: Duration, cap: Duration) -> Lease {
        let now = clock.steady();
        Lease {
            clock: clock.clone(),
            began: now,
            until_ms: AtomicU64::new(milliseconds(now.saturating_add(visibility))),
            cap: now.saturating_add(cap),
            over: CancellationToken::new(),
            task: OnceLock::new(),
        }
    }

    /// A lease that never ends, for callers without a queue.
    #[must_use]
    pub fn endless(clock: &Clock) -> Lease {
        Lease::new(clock, ENDLESS, ENDLESS)
    }

    /// Checks that the lease is not over.
    ///
    /// # Errors
    /// When its time is over, or SQS said that the receipt handle is no longer valid.
    pub fn check(&self) -> Result<(), LeaseLost> {
        if self.over.is_cancelled() || self.is_past() { Err(LeaseLost) } else { Ok(()) }
    }

    /// Lets the heartbeat keep this task, too, for as long as it keeps the lease.
    pub(super) fn carry(&self, task: TaskToken) {
        // A message asks for one task.
        let _ = self.task.set(task);
    }

    /// Whether the delivery has been worked on for as long as the cap allows.
    #[must_use]
    pub fn at_cap(&self) -> bool {
        self.clock.steady() >= self.cap
    }

    /// When the delivery began, by the steady clock.
    #[must_use]
    pub fn began(&self) -> Duration {
        self.began
    }

    /// Returns when a heartbeat has ended the lease. A lease that merely ran out shows only in
    /// [`Lease::check`].
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

/// The leases of all deliveries in flight.
#[derive(Debug, Default)]
pub struct Leases {
    held: Mutex<BTreeMap<ReceiptHandle, Arc<Lease>>>,
}

/// A lease that the heartbeat keeps, for as long as this value lives.
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
    /// How many leases were extended.
    pub extended: usize,
    /// How many leases turned out to be over.
    pub lost: usize,
}

impl Leases {
    /// Adds a lease to those that the heartbeat keeps, until the returned value is dropped.
    pub fn hold(&self, handle: &ReceiptHandle, lease: Lease) -> Held<'_> {
        let lease = Arc::new(lease);
        self.lock().insert(handle.clone(), Arc::clone(&lease));
        Held { leases: self, handle: handle.clone(), lease }
    }

    /// Extends every lease that has less than two thirds of `visibility` left, all in one call.
    /// Ends the leases that are at their cap or whose receipt handle SQS does not accept.
    ///
    /// # Errors
    /// When SQS could not be asked. The leases then run out unless the next heartbeat works.
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
        // Computed before the call. SQS counts from when it gets the request, so this is never too
        // late.
        let until_ms = milliseconds(due[0].1.clock.steady().saturating_add(visibility));
        let extensions = queue.extend(&handles, visibility).await?;
        for ((_, lease), extension) in due.iter().zip(extensions) {
            match extension {
                Extension::Done => {
                    lease.until_ms.store(until_ms, Ordering::SeqCst);
                    beat.extended += 1;
                }
                Extension::Stale => {
                    lease.over.cancel();
                    beat.lost += 1;
                }
                // It keeps the time that it has, so the next heartbeat tries again.
                Extension::Unknown => {}
            }
        }
        Ok(beat)
    }

    /// The tasks that are worked on under leases that are not over.
    pub(super) fn tasks(&self) -> Vec<TaskToken> {
        let leases = self.lock();
        let kept = leases.values().filter(|it| it.check().is_ok());
        kept.filter_map(|it| it.task.get().cloned()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReceiptHandle, Arc<Lease>>> {
        // No code that could panic runs while the map is half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{DeadLetter, Delivery};

    /// A queue that answers each extension with this.
    struct Answering(Extension);

    impl Queue for Answering {
        async fn receive(
            &self,
            _: usize,
            _: Duration,
            _: Duration,
        ) -> Result<Vec<Delivery>, BusError> {
            Ok(Vec::new())
        }

        async fn delete(&self, _: &ReceiptHandle) -> Result<(), BusError> {
            Ok(())
        }

        async fn give_back(&self, _: &ReceiptHandle, _: Duration) -> Result<(), BusError> {
            Ok(())
        }

        async fn extend(
            &self,
            handles: &[ReceiptHandle],
            _: Duration,
        ) -> Result<Vec<Extension>, BusError> {
            Ok(vec![self.0; handles.len()])
        }

        async fn set_aside(&self, _: &Delivery, _: &DeadLetter) -> Result<(), BusError> {
            Ok(())
        }
    }

    /// Failure matrix: A12.
    #[tokio::test]
    async fn a_lease_that_sqs_did_not_extend_keeps_its_end_and_is_tried_again() {
        let (clock, minute) = (Clock::manual(jiff::Timestamp::UNIX_EPOCH), Duration::from_mins(1));
        let leases = Leases::default();
        let lease = Lease::new(&clock, minute, minute * 10);
        let held = leases.hold(&ReceiptHandle("a".to_owned()), lease);
        clock.advance(minute / 2);
        let beat = leases.beat(&Answering(Extension::Unknown), minute).await.unwrap();
        assert_eq!((beat, held.left()), (Beat::default(), minute / 2));
        let beat = leases.beat(&Answering(Extension::Done), minute).await.unwrap();
        assert_eq!((beat.extended, held.left()), (1, minute));
        clock.advance(minute / 2);
        let beat = leases.beat(&Answering(Extension::Stale), minute).await.unwrap();
        assert_eq!((beat.lost, held.check().is_err()), (1, true));
    }
}
