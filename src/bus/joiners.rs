//! Counts the deliveries in flight, and those of them that wait for a batch to leave. When all of
//! them wait, no delivery is left that could still join a batch. A count must never outlive its
//! delivery, or batches would wait for nothing: so both counts are guards.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// The counts of one bus. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Joiners(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    busy: AtomicUsize,
    waiting: AtomicUsize,
    closed: AtomicBool,
    idle: Notify,
}

/// One delivery is in flight for as long as this value lives.
#[derive(Debug, Default)]
pub struct Joiner(Option<Joiners>);

/// One delivery waits for a batch for as long as this value lives.
#[derive(Debug)]
pub struct Waiting(Joiners);

impl Joiners {
    /// Counts one more delivery in flight.
    #[must_use]
    pub fn take(&self) -> Joiner {
        self.0.busy.fetch_add(1, Ordering::SeqCst);
        Joiner(Some(self.clone()))
    }

    /// Counts one of the deliveries as waiting.
    #[must_use]
    pub fn wait(&self) -> Waiting {
        self.0.waiting.fetch_add(1, Ordering::SeqCst);
        self.tell();
        Waiting(self.clone())
    }

    /// Says that no further delivery will come.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        self.0.idle.notify_waiters();
    }

    /// Returns when every delivery in flight waits, which may be at once.
    pub async fn all_wait(&self) {
        self.until(|it| it.each_waits()).await;
    }

    /// Returns when no further delivery will come.
    pub async fn closed(&self) {
        self.until(|it| it.0.closed.load(Ordering::SeqCst)).await;
    }

    async fn until(&self, is_so: impl Fn(&Joiners) -> bool) {
        loop {
            let told = self.0.idle.notified();
            tokio::pin!(told);
            // Enabled before the check, so that no notification in between is missed.
            told.as_mut().enable();
            if is_so(self) {
                return;
            }
            told.await;
        }
    }

    fn each_waits(&self) -> bool {
        self.0.waiting.load(Ordering::SeqCst) >= self.0.busy.load(Ordering::SeqCst)
    }

    fn tell(&self) {
        if self.each_waits() {
            self.0.idle.notify_waiters();
        }
    }
}

impl Drop for Joiner {
    fn drop(&mut self) {
        if let Some(joiners) = &self.0 {
            joiners.0.busy.fetch_sub(1, Ordering::SeqCst);
            joiners.tell();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
