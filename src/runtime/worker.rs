//! The worker: one role at work on its queue. It receives, hands every delivery to the attendant
//! and drains before it ends. It must never decide anything, and never publish.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    Attendant, Beat, Breaker, Chain, InFlight, Lease, Leases, Limits, PollHealth, Received,
    UnitOfWork,
    ages::Ages,
    in_flight::Room,
    lane::{Lane, goes_back_unread, lanes},
    pace::Pace,
};
use crate::{
    bus::{BusError, Delivery, Outbox, Queue, RECEIVE_MAX, ReceiptHandle},
    domain::named,
    metrics::Metrics,
    roles::Role,
    store::Store,
    traces::Traces,
    wire::CanaryKey,
};

/// How many heartbeats there are in one visibility timeout. If one fails, the next one is still in
/// time.
const HEARTBEATS_PER_VISIBILITY: u32 = 4;

/// How often a state machine is told that a task is still worked on: often enough for any heartbeat
/// of minutes, and seldom enough to cost nothing for tasks that take seconds.
const TASKS_BEAT_EVERY: Duration = Duration::from_secs(60);

/// How long a poller waits for enough permits to receive a full batch.
const PERMITS_PATIENCE: Duration = Duration::from_millis(50);

/// One role at work on its queue.
#[derive(Debug)]
pub struct Worker<Q, R, S, O> {
    pub(super) queue: Q,
    pub(super) attendant: Attendant<R, S, O>,
    pub(super) limits: Limits,
    pub(super) poll_health: PollHealth,
    pub(super) leases: Leases,
    pub(super) breaker: Arc<Breaker>,
    pub(super) pace: Pace,
    pub(super) ages: Ages,
    jitter: Mutex<fastrand::Rng>,
}

named! {
    /// How one delivery ended, as [`Worker::step`] reports it, and as metrics name it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Ended {
        /// The message was dealt with and deleted, or the log says why it was not deleted.
        Done = "done",
        /// The message was given back, or the log says why not. SQS will deliver the message again.
        Retry = "retry",
        /// The message can never be dealt with. It was moved to the dead-letter queue, or the log
        /// says why not.
        Poison = "poison",
        /// The visibility timeout was over first. The message belongs to its next receiver.
        Lost = "lost",
    }
}

impl Ended {
    /// Whether the message was dealt with, so that those behind it in its group may follow.
    pub(super) fn is_dealt_with(self) -> bool {
        matches!(self, Ended::Done | Ended::Poison)
    }
}

/// A part of the worker that must run until it is told to stop has ended before. The reason is a
/// panic, which is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} of the worker ended by itself: see the panic in the log before this line")]
pub struct EndedByItself(pub(crate) &'static str);

impl<Q: Queue, R: Role, S: Store, O: Outbox> Worker<Q, R, S, O> {
    /// A worker that receives from `queue` and lets `attendant` deal with each message. `seed` is
    /// the seed of the jitter.
    pub fn new(
        queue: Q,
        attendant: Attendant<R, S, O>,
        limits: Limits,
        poll_health: PollHealth,
        seed: u64,
    ) -> Self {
        let ages = Ages::new(attendant.work().clock());
        let worker = Worker {
            queue,
            attendant,
            limits,
            poll_health,
            leases: Leases::default(),
            breaker: Arc::default(),
            pace: Pace::new(limits.latency_target, limits.pollers),
            ages,
            jitter: Mutex::new(fastrand::Rng::with_seed(seed)),
        };
        worker.tell_breaker();
        worker
    }

    /// The same worker, which accepts canaries made with this key. Without a key, all canaries are
    /// dropped.
    #[must_use]
    pub fn with_canaries(self, key: CanaryKey) -> Self {
        Worker { attendant: self.attendant.with_canaries(key), ..self }
    }

    /// The same worker, which tells its way with each message by these traces.
    #[must_use]
    pub fn with_traces(self, traces: Traces) -> Self {
        Worker { attendant: self.attendant.with_traces(traces), ..self }
    }

    /// The unit of work of this worker's role.
    pub fn work(&self) -> &UnitOfWork<R, S> {
        self.attendant.work()
    }

    /// The guard for one more delivery.
    #[must_use]
    pub fn in_flight(&self) -> InFlight {
        let gauge = self.metrics().in_flight.clone();
        let (health, max) = (self.poll_health.clone(), self.limits.in_flight_max);
        InFlight::new(gauge, health, max, self.queue.joiner())
    }

    pub(super) fn metrics(&self) -> &Metrics {
        self.attendant.metrics()
    }

    /// Receives at most `max` messages without waiting, and attends to one after the other. The
    /// demo, the stories and the simulation use this to control the order of events.
    ///
    /// # Errors
    /// When the receive fails.
    pub async fn step(&self, max: usize) -> Result<Vec<Ended>, BusError> {
        let deliveries = self.bring(max, Duration::ZERO).await?;
        let mut ended = Vec::with_capacity(deliveries.len());
        let mut held_up = BTreeSet::new();
        for delivery in deliveries {
            let group = delivery.group.clone();
            let is_held_up = group.as_ref().is_some_and(|it| held_up.contains(it));
            if is_held_up && goes_back_unread(&delivery) {
                self.give_back(&delivery.receipt_handle, Duration::ZERO).await;
                ended.push(Ended::Retry);
                continue;
            }
            let it = self.attend(delivery, &self.in_flight()).await;
            if !it.is_dealt_with() {
                held_up.extend(group);
            }
            ended.push(it);
        }
        Ok(ended)
    }

    /// Works until `stop` is cancelled, then drains, for at most the drain limit.
    ///
    /// After `stop`, no new receive begins. A receive that is open may still return, and the
    /// messages that it brings are given back at once. Messages in flight are finished. A handler
    /// that has not finished at the drain limit is dropped before its next step, and its message is
    /// given back: the redelivery continues where the handler stopped.
    ///
    /// If a poller or the heartbeat ends by itself, the worker drains in the same way and returns
    /// an error.
    ///
    /// # Errors
    /// Names the part that ended by itself.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), EndedByItself> {
        let room = Room::new(self.limits.in_flight_max);
        let in_flight = || self.metrics().in_flight.get();
        let cut = CancellationToken::new();
        let at_rest = CancellationToken::new();
        let mut heartbeat = tokio::spawn(Arc::clone(&self).keep_leases(at_rest.clone()));
        let mut tasks = tokio::spawn(Arc::clone(&self).keep_tasks(at_rest.clone()));
        let mut pollers = JoinSet::new();
        for number in 0..self.limits.pollers.max(1) {
            let worker = Arc::clone(&self);
            pollers.spawn(worker.poll(number, room.clone(), stop.clone(), cut.clone()));
        }
        let told = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            // They end only after `stop`. If one ends before, it has a bug.
            _ = pollers.join_next() => Err(EndedByItself("a receive")),
            _ = &mut heartbeat => Err(EndedByItself("the heartbeat")),
            _ = &mut tasks => Err(EndedByItself("the heartbeat of tasks")),
        };
        stop.cancel();
        info!(
            in_hand = in_flight(),
            "stopping: waits up to {:?} for open receives, and up to {:?} for messages in flight; \
             a second signal ends it at once",
            self.limits.long_poll.min(self.limits.drain),
            self.limits.drain,
        );
        let finished = async {
            while pollers.join_next().await.is_some() {}
            self.queue.no_more();
            room.empty().await;
        };
        if tokio::time::timeout(self.limits.drain, finished).await.is_err() {
            warn!(in_hand = in_flight(), "drain limit reached: giving back what is left");
            cut.cancel();
            pollers.shutdown().await;
            self.queue.no_more();
            // This is short: each task has only its message to give back.
            let _ = tokio::time::timeout(self.limits.effect_timeout, room.empty()).await;
        }
        at_rest.cancel();
        if !heartbeat.is_finished() {
            let _ = heartbeat.await;
        }
        if !tasks.is_finished() {
            let _ = tasks.await;
        }
        info!("stopped");
        told
    }

    /// Extends the visibility timeouts of the messages in flight, until none is left.
    async fn keep_leases(self: Arc<Self>, at_rest: CancellationToken) {
        let every = self.limits.visibility / HEARTBEATS_PER_VISIBILITY;
        while at_rest.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            self.heartbeat().await;
            self.count_blocked();
        }
    }

    /// One heartbeat. Public because the simulation steps the worker by hand.
    pub async fn heartbeat(&self) -> Beat {
        match self.leases.beat(&self.queue, self.limits.visibility).await {
            Ok(beat) => beat,
            Err(error) => {
                warn!(error = %Chain(&error), "heartbeat failed: leases run out unless the next one works");
                Beat::default()
            }
        }
    }

    /// Says of the tasks in flight that they are still worked on, until none is left.
    async fn keep_tasks(self: Arc<Self>, at_rest: CancellationToken) {
        if self.attendant.desk.is_none() {
            return at_rest.cancelled().await;
        }
        let beat = async || {
            tokio::time::sleep(TASKS_BEAT_EVERY).await;
            // A machine that does not answer is asked again, and never waited for.
            let _ = tokio::time::timeout(TASKS_BEAT_EVERY, self.beat_tasks()).await;
        };
        while at_rest.run_until_cancelled(beat()).await.is_some() {}
    }

    /// One heartbeat of the tasks in flight. Public for tests.
    pub async fn beat_tasks(&self) {
        self.attendant.beat(&self.leases.tasks()).await;
    }

    /// Receives again and again, never more messages than there are free permits.
    async fn poll(
        self: Arc<Self>,
        number: usize,
        room: Room,
        stop: CancellationToken,
        cut: CancellationToken,
    ) {
        let a_receive =
            u32::try_from(self.limits.in_flight_max.min(RECEIVE_MAX)).unwrap_or(u32::MAX);
        let wanted = async || {
            self.pace.turn(number).await;
            free_permits(&room.worked_on, a_receive).await
        };
        while let Some(Some(mut free)) = stop.run_until_cancelled(wanted()).await {
            // `stop` does not cancel this: the messages of a cancelled receive would stay hidden
            // for their whole visibility timeout.
            let Received { deliveries, rest } = self.receive(free.len()).await;
            for lane in lanes(deliveries) {
                // If the queue brings more than was asked for, this waits for permits.
                let permit = match free.pop() {
                    Some(it) => it,
                    None => {
                        Arc::clone(&room.worked_on).acquire_owned().await.expect("never closed")
                    }
                };
                let worker = Arc::clone(&self);
                let (delivery, in_flight) = match lane {
                    Lane::One(delivery, in_flight) => (delivery, in_flight.in_room(&room, permit)),
                    Lane::Group(lane) => {
                        let (stop, cut) = (stop.clone(), cut.clone());
                        tokio::spawn(worker.attend_lane(lane, permit, stop, cut));
                        continue;
                    }
                };
                if stop.is_cancelled() {
                    // Concurrently, so that all messages go back in one request.
                    tokio::spawn(async move {
                        worker.give_back(&delivery.receipt_handle, Duration::ZERO).await;
                        drop(in_flight);
                    });
                    continue;
                }
                let cut = cut.clone();
                tokio::spawn(async move { worker.attend_until(delivery, cut, in_flight).await });
            }
            drop(free);
            if !rest.is_zero() {
                let _ = stop.run_until_cancelled(self.rest(tokio::time::sleep(rest))).await;
            }
        }
    }

    async fn attend_until(&self, delivery: Delivery, cut: CancellationToken, in_flight: InFlight) {
        let lease = self.hold(&delivery);
        self.attend_under(&delivery, &lease, &cut, &in_flight).await;
        // Not before: a worker has drained when every guard is gone, and then its process ends.
        drop(in_flight);
    }

    /// Attends to a delivery, or gives it back if `cut` is cancelled first: then the result is
    /// `None`.
    pub(super) async fn attend_under(
        &self,
        delivery: &Delivery,
        lease: &Lease,
        cut: &CancellationToken,
        in_flight: &InFlight,
    ) -> Option<Ended> {
        // What has not begun does not begin; what has finished counts, even if it is cut just then.
        // Not `run_until_cancelled`, which would store this large future twice.
        if !cut.is_cancelled() {
            tokio::select! {
                biased;
                ended = self.attend_held(delivery, lease, in_flight) => return Some(ended),
                () = cut.cancelled() => {}
            }
        }
        self.give_back(&delivery.receipt_handle, Duration::ZERO).await;
        None
    }

    pub(super) async fn give_back(&self, handle: &ReceiptHandle, after: Duration) {
        if let Err(error) = self.queue.give_back(handle, after).await {
            debug!(error = %Chain(&error), "could not give the message back; SQS will redeliver it");
        }
    }

    pub(super) fn jitter(&self) -> MutexGuard<'_, fastrand::Rng> {
        self.jitter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes as many permits as one receive can use, since a receive costs the same for one message as
/// for ten. If they are not all free within [`PERMITS_PATIENCE`], takes whatever is free (at least
/// one), so that a few slow messages cannot stop receiving. `None` once the semaphore is closed.
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
