//! Receives, gives every delivery its verdict, and stops gracefully.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use super::{
    Attendant, Beat, UnitOfWork, Breaker, Chain, Leases, Limits, Pulse, Received, ages::Ages, pace::Pace,
};
use crate::{
    bus::{BusError, Delivery, InHand, Outbox, Queue, RECEIVE_MAX, ReceiptHandle},
    metrics::Metrics,
    roles::Role,
    store::Store,
    wire::CanaryKey,
};

/// How many heartbeats there are in a visibility timeout: one may fail and another still be in
/// time.
const HEARTBEATS_PER_VISIBILITY: u32 = 4;

/// How long a receive waits until it may bring as many messages as it can.
const PERMITS_PATIENCE: Duration = Duration::from_millis(50);

/// One role at work on its queue.
#[derive(Debug)]
pub struct Worker<Q, R, S, O> {
    pub(super) queue: Q,
    pub(super) attendant: Attendant<R, S, O>,
    pub(super) limits: Limits,
    pub(super) pulse: Pulse,
    pub(super) leases: Leases,
    pub(super) breaker: Breaker,
    pub(super) pace: Pace,
    pub(super) ages: Ages,
    jitter: Mutex<fastrand::Rng>,
}

/// How one delivery ended, for whoever steps the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Deleted.
    Done,
    /// Given back.
    Retry,
    /// Moved to the dead-letter queue.
    Poison,
    /// Its visibility timeout was over first: it is whoever's who receives it next.
    Lost,
}

/// A part of a worker that goes on until it is told to stop has ended. Why stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} of the worker ended by itself: see the panic in the log before this line")]
pub struct EndedByItself(pub(crate) &'static str);

impl<Q: Queue, R: Role, S: Store, O: Outbox> Worker<Q, R, S, O> {
    /// Attends to what comes on `queue`; `seed` sets the jitter.
    pub fn new(
        queue: Q,
        attendant: Attendant<R, S, O>,
        limits: Limits,
        pulse: Pulse,
        seed: u64,
    ) -> Self {
        let ages = Ages::new(attendant.work().clock());
        let worker = Worker {
            queue,
            attendant,
            limits,
            pulse,
            leases: Leases::default(),
            breaker: Breaker::default(),
            pace: Pace::new(limits.latency_target, limits.pollers),
            ages,
            jitter: Mutex::new(fastrand::Rng::with_seed(seed)),
        };
        worker.tell_breaker();
        worker
    }

    /// The same with canaries that were made with this key; without one they are dropped.
    #[must_use]
    pub fn with_canaries(self, key: CanaryKey) -> Self {
        Worker { attendant: self.attendant.with_canaries(key), ..self }
    }

    /// What it works on.
    pub fn work(&self) -> &UnitOfWork<R, S> {
        self.attendant.work()
    }

    pub(super) fn metrics(&self) -> &Metrics {
        self.attendant.metrics()
    }

    /// Receives at most `max` without waiting and attends to each in turn. For whoever wants to be
    /// in charge of the order of things: demo, stories, simulation.
    ///
    /// # Errors
    /// When the receive fails.
    pub async fn step(&self, max: usize) -> Result<Vec<Ended>, BusError> {
        let deliveries = self.queue.receive(max, Duration::ZERO, self.limits.visibility).await?;
        let mut ended = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            ended.push(self.attend(delivery).await);
        }
        Ok(ended)
    }

    /// Works until told to stop, and then as long as the drain limit lets it.
    ///
    /// Returns early, when what is in hand is finished, if a part of it ended by itself: then it is
    /// no worker any more.
    ///
    /// On `stop`: no new receive begins; an open one is left to return, and what it brings is given
    /// back at once; work in hand is finished. What is not finished at the drain limit is dropped
    /// before its next step and given back: its redelivery goes on where it stood.
    ///
    /// # Errors
    /// With the part that ended by itself.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), EndedByItself> {
        let permits = Arc::new(Semaphore::new(self.limits.in_hand_max));
        let in_hand = TaskTracker::new();
        let cut = CancellationToken::new();
        let at_rest = CancellationToken::new();
        let mut heartbeat = tokio::spawn(Arc::clone(&self).keep_leases(at_rest.clone()));
        let mut pollers = JoinSet::new();
        for number in 0..self.limits.pollers.max(1) {
            let worker = Arc::clone(&self);
            let (permits, in_hand) = (Arc::clone(&permits), in_hand.clone());
            pollers.spawn(worker.poll(number, permits, in_hand, stop.clone(), cut.clone()));
        }
        let told = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            // Nobody tells them to end before that: they had a bug.
            _ = pollers.join_next() => Err(EndedByItself("a receive")),
            _ = &mut heartbeat => Err(EndedByItself("the heartbeat")),
        };
        stop.cancel();
        info!(
            in_hand = in_hand.len(),
            "stopping: waits for the receives that are open, at most {:?}, and for work in hand, at most {:?}; \
             a second signal ends it at once",
            self.limits.long_poll.min(self.limits.drain),
            self.limits.drain,
        );
        let finished = async {
            while pollers.join_next().await.is_some() {}
            in_hand.close();
            in_hand.wait().await;
        };
        if tokio::time::timeout(self.limits.drain, finished).await.is_err() {
            warn!(in_hand = in_hand.len(), "drain limit reached: giving back what is left");
            cut.cancel();
            pollers.shutdown().await;
            in_hand.close();
            // Bounded: each has only its message to give back.
            let _ = tokio::time::timeout(self.limits.effect_timeout, in_hand.wait()).await;
        }
        at_rest.cancel();
        if !heartbeat.is_finished() {
            let _ = heartbeat.await;
        }
        info!("stopped");
        told
    }

    /// Extends the visibility timeout of what is in hand, until nothing is.
    async fn keep_leases(self: Arc<Self>, at_rest: CancellationToken) {
        let every = self.limits.visibility / HEARTBEATS_PER_VISIBILITY;
        while at_rest.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            self.heartbeat().await;
        }
    }

    /// One heartbeat: for whoever steps the worker, too.
    pub async fn heartbeat(&self) -> Beat {
        match self.leases.beat(&self.queue, self.limits.visibility).await {
            Ok(beat) => beat,
            Err(error) => {
                warn!(error = %Chain(&error), "no heartbeat: leases run out unless the next one works");
                Beat::default()
            }
        }
    }

    /// One receive after another, never for more than there are permits.
    async fn poll(
        self: Arc<Self>,
        number: usize,
        permits: Arc<Semaphore>,
        in_hand: TaskTracker,
        stop: CancellationToken,
        cut: CancellationToken,
    ) {
        let a_receive = u32::try_from(self.limits.in_hand_max.min(RECEIVE_MAX)).unwrap_or(u32::MAX);
        let wanted = async || {
            self.pace.turn(number).await;
            free_permits(&permits, a_receive).await
        };
        while let Some(Some(mut free)) = stop.run_until_cancelled(wanted()).await {
            // Not cancelled by `stop`: what SQS hands to a receive that went away stays hidden.
            let Received { deliveries, rest } = self.receive(free.len()).await;
            for (delivery, hand) in deliveries {
                let held = (free.pop(), hand);
                let worker = Arc::clone(&self);
                if stop.is_cancelled() {
                    // At the same time, so that all go back in one request.
                    in_hand.spawn(async move {
                        worker.give_back(&delivery.receipt_handle, Duration::ZERO).await;
                        drop(held);
                    });
                    continue;
                }
                let cut = cut.clone();
                in_hand.spawn(async move { worker.attend_until(delivery, cut, held).await });
            }
            drop(free);
            if !rest.is_zero() {
                let _ = stop.run_until_cancelled(self.rest(tokio::time::sleep(rest))).await;
            }
        }
    }

    async fn attend_until(
        &self,
        delivery: Delivery,
        cut: CancellationToken,
        _held: (Option<OwnedSemaphorePermit>, InHand),
    ) {
        let handle = delivery.receipt_handle.clone();
        if cut.run_until_cancelled(self.attend(delivery)).await.is_none() {
            self.give_back(&handle, Duration::ZERO).await;
        }
    }

    pub(super) async fn give_back(&self, handle: &ReceiptHandle, after: Duration) {
        if let Err(error) = self.queue.give_back(handle, after).await {
            debug!(error = %Chain(&error), "could not give back: it comes again by itself");
        }
    }

    pub(super) fn jitter(&self) -> MutexGuard<'_, fastrand::Rng> {
        self.jitter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As many permits as one receive can use: it costs the same for one message as for ten. Who waits
/// for them in vain for a moment makes do with what there is, at least one, so that a few slow
/// messages hold up nobody. None when there will be no more.
async fn free_permits(permits: &Arc<Semaphore>, wanted: u32) -> Option<Vec<OwnedSemaphorePermit>> {
    let all = Arc::clone(permits).acquire_many_owned(wanted);
    if let Ok(all) = tokio::time::timeout(PERMITS_PATIENCE, all).await {
        let mut all = all.ok()?;
        let mut free: Vec<_> = (1..wanted).filter_map(|_| all.split(1)).collect();
        free.push(all);
        return Some(free);
    }
    let mut free = vec![Arc::clone(permits).acquire_owned().await.ok()?];
    while free.len() < RECEIVE_MAX
        && let Ok(next) = Arc::clone(permits).try_acquire_owned()
    {
        free.push(next);
    }
    Some(free)
}
