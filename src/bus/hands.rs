//! How many deliveries are being worked on, and how many of them wait for a batch to leave: when
//! all of them wait, nobody is left who could still join.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// The deliveries in hand of one process. Copies share the count.
#[derive(Clone, Debug, Default)]
pub struct Hands(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    busy: AtomicUsize,
    waiting: AtomicUsize,
    idle: Notify,
}

/// One delivery in hand, for as long as this lives.
#[derive(Debug, Default)]
pub struct InHand(Option<Hands>);

/// One delivery that waits, for as long as this lives.
#[derive(Debug)]
pub struct Waiting(Hands);

impl Hands {
    /// One more delivery is being worked on.
    #[must_use]
    pub fn take(&self) -> InHand {
        self.0.busy.fetch_add(1, Ordering::SeqCst);
        InHand(Some(self.clone()))
    }

    /// One of them does nothing but wait.
    #[must_use]
    pub fn wait(&self) -> Waiting {
        self.0.waiting.fetch_add(1, Ordering::SeqCst);
        self.tell();
        Waiting(self.clone())
    }

    /// Returns when every delivery in hand waits, which may be at once.
    pub async fn all_wait(&self) {
        loop {
            let told = self.0.idle.notified();
            tokio::pin!(told);
            // From here on nothing that is told is missed.
            told.as_mut().enable();
            if self.nobody_else() {
                return;
            }
            told.await;
        }
    }

    fn nobody_else(&self) -> bool {
        self.0.waiting.load(Ordering::SeqCst) >= self.0.busy.load(Ordering::SeqCst)
    }

    fn tell(&self) {
        if self.nobody_else() {
            self.0.idle.notify_waiters();
        }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        if let Some(hands) = &self.0 {
            hands.0.busy.fetch_sub(1, Ordering::SeqCst);
            hands.tell();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
