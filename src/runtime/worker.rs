//! Receives, gives every delivery its verdict, and stops gracefully.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, debug, error, field, info, info_span, warn};

use super::{
    Book, Chain, Limits, Outcome, Pulse,
    delay::{give_back_delay, pause},
    limits::BATCH_MAX,
};
use crate::{
    bus::{
        Bus, BusError, DeadLetter, Delivery, ReceiptHandle,
        wire::{self, Refusal},
    },
    domain::{
        decision::Rules,
        event::{Event, Kind},
        ids::BookingId,
        status::Rejection,
    },
    metrics::Metrics,
    roles::Role,
    store::Store,
};

/// The most bytes of one attribute of a dead letter.
const ATTRIBUTE_BYTES_MAX: usize = 1024;

/// One role at work on its queue.
#[derive(Debug)]
pub struct Worker<B, R, S> {
    bus: B,
    book: Arc<Book<R, S>>,
    prefix: String,
    limits: Limits,
    pulse: Pulse,
    metrics: Metrics,
    jitter: Mutex<fastrand::Rng>,
}

/// How one delivery ended. The only three ways there are.
#[derive(Debug)]
enum Verdict {
    /// Everything it caused is committed and published: delete it.
    Done,
    /// Not now: give it back.
    Retry(Box<dyn Error + Send + Sync>),
    /// Not ever: to the dead-letter queue, now.
    Poison(Poison),
}

/// Why a message can never be dealt with.
#[derive(Debug)]
struct Poison {
    class: &'static str,
    reason: String,
    booking: Option<BookingId>,
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
}

impl<B: Bus, R: Role, S: Store> Worker<B, R, S> {
    /// A worker for `book` on the queue of `bus`. `prefix` is what topic names begin with; `seed`
    /// sets the jitter.
    pub fn new(
        bus: B,
        book: Arc<Book<R, S>>,
        prefix: &str,
        limits: Limits,
        pulse: Pulse,
        metrics: Metrics,
        seed: u64,
    ) -> Self {
        let jitter = Mutex::new(fastrand::Rng::with_seed(seed));
        Worker { bus, book, prefix: prefix.to_owned(), limits, pulse, metrics, jitter }
    }

    /// What it works on.
    pub fn book(&self) -> &Book<R, S> {
        &self.book
    }

    /// Receives at most `max` without waiting and attends to each in turn. For whoever wants to be
    /// in charge of the order of things: demo, stories, simulation.
    ///
    /// # Errors
    /// When the receive fails.
    pub async fn step(&self, max: usize) -> Result<Vec<Ended>, BusError> {
        let deliveries = self.bus.receive(max, Duration::ZERO, self.limits.visibility).await?;
        let mut ended = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            ended.push(self.attend(delivery).await);
        }
        Ok(ended)
    }

    /// Works until told to stop, and then as long as the drain limit lets it.
    ///
    /// On `stop`: no new receive begins; an open one is left to return, and what it brings is given
    /// back at once; work in hand is finished. What is not finished at the drain limit is dropped
    /// before its next step and given back: its redelivery goes on where it stood.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let permits = Arc::new(Semaphore::new(self.limits.in_hand_max));
        let in_hand = TaskTracker::new();
        let cut = CancellationToken::new();
        let mut pollers = JoinSet::new();
        for _ in 0..self.limits.pollers.max(1) {
            let worker = Arc::clone(&self);
            let (permits, in_hand) = (Arc::clone(&permits), in_hand.clone());
            pollers.spawn(worker.poll(permits, in_hand, stop.clone(), cut.clone()));
        }
        stop.cancelled().await;
        info!(in_hand = in_hand.len(), "stopping: no new receives, finishing work in hand");
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
        info!("stopped");
    }

    /// One receive after another, never for more than there are permits.
    async fn poll(
        self: Arc<Self>,
        permits: Arc<Semaphore>,
        in_hand: TaskTracker,
        stop: CancellationToken,
        cut: CancellationToken,
    ) {
        while let Some(Some(mut free)) = stop.run_until_cancelled(free_permits(&permits)).await {
            // Not cancelled by `stop`: what SQS hands to a receive that went away stays hidden.
            let limits = &self.limits;
            match self.bus.receive(free.len(), limits.long_poll, limits.visibility).await {
                Ok(deliveries) => {
                    self.pulse.beat();
                    for delivery in deliveries {
                        if stop.is_cancelled() {
                            self.give_back(&delivery.receipt_handle, Duration::ZERO).await;
                            continue;
                        }
                        let permit = free.pop();
                        let worker = Arc::clone(&self);
                        let cut = cut.clone();
                        in_hand
                            .spawn(async move { worker.attend_until(delivery, cut, permit).await });
                    }
                }
                Err(error) => {
                    drop(free);
                    let failures = self.pulse.miss(Chain(&error).to_string());
                    self.metrics.receive_failed();
                    warn!(error = %Chain(&error), failures, "could not receive, trying again");
                    let pause = pause(failures, &mut self.jitter());
                    let _ = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
                }
            }
        }
    }

    async fn attend_until(
        &self,
        delivery: Delivery,
        cut: CancellationToken,
        _permit: Option<OwnedSemaphorePermit>,
    ) {
        let handle = delivery.receipt_handle.clone();
        if cut.run_until_cancelled(self.attend(delivery)).await.is_none() {
            self.give_back(&handle, Duration::ZERO).await;
        }
    }

    /// Gives one delivery its verdict and files it.
    pub async fn attend(&self, delivery: Delivery) -> Ended {
        let span = info_span!(
            "delivery",
            role = %R::Rules::ROLE,
            event.kind = field::Empty,
            event.id = field::Empty,
            booking.id = field::Empty,
            delivery.attempt = delivery.attempt,
        );
        self.metrics.in_hand.inc();
        let ended = self.judge_and_file(delivery).instrument(span).await;
        self.metrics.in_hand.dec();
        ended
    }

    async fn judge_and_file(&self, delivery: Delivery) -> Ended {
        let decoded = wire::decode(&delivery, &self.prefix);
        let kind = match &decoded {
            Ok(event) => Some(event.kind()),
            Err(refusal) => refusal.kind,
        };
        let verdict = match decoded {
            Ok(event) => self.judge(&event).await,
            Err(refusal) => self.refuse(refusal).await,
        };
        let (ended, filed) = self.file(&delivery, verdict).await;
        if let Err(error) = filed {
            warn!(error = %Chain(&error), "verdict not filed: expect a redelivery");
        }
        let verdict = match ended {
            Ended::Done => "done",
            Ended::Retry => "retry",
            Ended::Poison => "poison",
        };
        self.metrics.delivered(kind.map(Kind::topic), verdict);
        ended
    }

    async fn judge(&self, event: &Event) -> Verdict {
        note(event);
        let messages = match self.book.attend(event).await {
            Ok(Outcome::Announce { messages, recalled, conflicts }) => {
                self.metrics.conflicts(conflicts);
                let said: Vec<&str> = messages.iter().map(|it| it.kind.topic()).collect();
                info!(announces = said.join(" "), recalled, "settled");
                messages
            }
            Ok(Outcome::SetAside(reason)) => {
                let booking = Some(event.booking.clone());
                return Verdict::Poison(Poison { class: "conflict", reason, booking });
            }
            Err(error) => return Verdict::Retry(error.into()),
        };
        for message in &messages {
            if let Err(error) = self.bus.publish(message).await {
                return Verdict::Retry(error.into());
            }
            self.metrics.published(message.kind.topic());
        }
        Verdict::Done
    }

    /// A message that is no event. Who keeps such things remembers a refused request first, so that
    /// its client can be told.
    async fn refuse(&self, refusal: Refusal) -> Verdict {
        let reason = refusal.flaw.to_string();
        let request = refusal.kind == Some(Kind::BookingRequested);
        if let Some(booking) = refusal.booking.as_ref().filter(|_| request) {
            tracing::Span::current().record("booking.id", field::display(booking));
            let rejection = Rejection { time: refusal.sent_at, reason: reason.clone() };
            if let Err(error) = self.book.reject(booking, &rejection).await {
                return Verdict::Retry(error.into());
            }
        }
        Verdict::Poison(Poison { class: refusal.why.as_str(), reason, booking: refusal.booking })
    }

    async fn file(&self, delivery: &Delivery, verdict: Verdict) -> (Ended, Result<(), BusError>) {
        let handle = &delivery.receipt_handle;
        match verdict {
            Verdict::Done => (Ended::Done, self.bus.delete(handle).await),
            Verdict::Retry(cause) => {
                let after = give_back_delay(delivery.attempt, &mut self.jitter());
                warn!(error = %Chain(&*cause), after_s = after.as_secs(), "given back");
                (Ended::Retry, self.bus.give_back(handle, after).await)
            }
            Verdict::Poison(poison) => {
                error!(class = poison.class, reason = poison.reason, "set aside");
                let letter = dead_letter(R::Rules::ROLE.as_str(), delivery, poison);
                // The copy first: dying in between leaves the message twice, never lost.
                let filed = match self.bus.set_aside(delivery, &letter).await {
                    Ok(()) => self.bus.delete(handle).await,
                    Err(error) => Err(error),
                };
                (Ended::Poison, filed)
            }
        }
    }

    async fn give_back(&self, handle: &ReceiptHandle, after: Duration) {
        if let Err(error) = self.bus.give_back(handle, after).await {
            debug!(error = %Chain(&error), "could not give back: it comes again by itself");
        }
    }

    fn jitter(&self) -> std::sync::MutexGuard<'_, fastrand::Rng> {
        self.jitter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As many permits as one receive can use, at least one. None when there will be no more.
async fn free_permits(permits: &Arc<Semaphore>) -> Option<Vec<OwnedSemaphorePermit>> {
    let first = Arc::clone(permits).acquire_owned().await.ok()?;
    let mut free = vec![first];
    while free.len() < BATCH_MAX
        && let Ok(next) = Arc::clone(permits).try_acquire_owned()
    {
        free.push(next);
    }
    Some(free)
}

/// Writes the event's names on the span. An id that a client made up may be anything, so it is only
/// told when it has the form of a booking id.
fn note(event: &Event) {
    let span = tracing::Span::current();
    span.record("event.kind", event.kind().topic());
    span.record("booking.id", field::display(&event.booking));
    if BookingId::parse(&event.cause.id).is_ok() {
        span.record("event.id", &event.cause.id);
    }
}

fn dead_letter(role: &str, delivery: &Delivery, poison: Poison) -> DeadLetter {
    let clip = |text: &str| {
        let end = text.floor_char_boundary(ATTRIBUTE_BYTES_MAX.min(text.len()));
        text[..end].to_owned()
    };
    let mut attributes = vec![
        ("class", poison.class.to_owned()),
        ("reason", clip(&poison.reason)),
        ("role", role.to_owned()),
        ("message_id", clip(&delivery.message_id)),
        ("attempt", delivery.attempt.to_string()),
    ];
    if let Some(booking) = poison.booking {
        attributes.push(("booking", booking.as_str().to_owned()));
    }
    DeadLetter { attributes }
}
