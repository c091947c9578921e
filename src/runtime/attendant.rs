//! One message: decoded, dealt with, and what it announces sent. The one place where failure becomes
//! a verdict. Knows no queue: whoever brings messages files the verdicts.

use std::{error::Error, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tracing::{Instrument, Span, info, warn};

use super::{
    UnitOfWork, WorkError, CANARY, Chain, Depends, Lease, LeaseLost, Outcome,
    error::CONFLICTS_MAX,
    reading::{Read, Readers, ReadingFailed},
};
use crate::{
    bus::{BusError, Outbox},
    domain::{
        canary::{Canary, Duty},
        decision::Rules,
        event::Event,
        ids::BookingId,
        status::Rejection,
    },
    metrics::Metrics,
    roles::{EffectError, Role},
    store::Store,
    wire::{self, CanaryKey, Incoming, Intake, Origin, Refusal},
};

/// A role's unit of work over one message at a time, and where its announcements go.
#[derive(Debug)]
pub struct Attendant<R, S, O> {
    work: Arc<UnitOfWork<R, S>>,
    outbox: O,
    intake: Intake,
    readers: Readers,
    metrics: Metrics,
}

/// How a message ended. The only three ways there are, unless its time is over first.
#[derive(Debug)]
pub enum Verdict {
    /// Everything it caused is committed and sent: it may be deleted. With what it needed for that.
    Done(Vec<Depends>),
    /// Not now: it must come again. With what failed, unless it was only bad luck, and why.
    Retry(Option<Depends>, Box<dyn Error + Send + Sync>),
    /// Not ever: a person should look at it.
    Poison(Poison),
    /// Its lease was over first: it belongs to whoever receives it next.
    Lost,
}

/// Why a message can never be dealt with.
#[derive(Clone, Debug)]
pub struct Poison {
    /// The class of the problem, as dead letters and metrics name it.
    pub class: &'static str,
    /// Where, and what was expected; never a value.
    pub reason: String,
    /// The booking it is about, if that could be made out.
    pub booking: Option<BookingId>,
    /// Where it came from, as far as that could be read.
    pub origin: Origin,
}

/// A message that was attended to.
#[derive(Debug)]
pub struct Attended {
    /// How it ended.
    pub verdict: Verdict,
    /// As logs and metrics name its event, if it could be made out.
    pub event: Option<&'static str>,
    /// What log lines about it stand in.
    pub span: Span,
}

/// A handler met a bug.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this service has a bug: see the panic in the log before this line")]
struct Panicked;

impl<R: Role, S: Store, O: Outbox> Attendant<R, S, O> {
    /// Attends to messages with `book` and sends what they announce by `outbox`. `intake` says what
    /// is taken for an event.
    pub fn new(work: Arc<UnitOfWork<R, S>>, outbox: O, intake: Intake, metrics: Metrics) -> Self {
        Attendant { work, outbox, intake, readers: Readers::default(), metrics }
    }

    /// The same with canaries that were made with this key; without one they are dropped.
    #[must_use]
    pub fn with_canaries(self, key: CanaryKey) -> Self {
        Attendant { intake: self.intake.and_canaries(Some(key)), ..self }
    }

    /// What it works on.
    pub fn work(&self) -> &UnitOfWork<R, S> {
        &self.work
    }

    /// What it counts in.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Deals with one message. When it returns [`Verdict::Done`], everything the message caused is
    /// committed and sent; dropped at any moment, it leaves nothing half done that the same message
    /// does not finish when it comes again.
    ///
    /// Nothing is committed or sent once the lease is over.
    pub async fn attend(&self, incoming: &Incoming, lease: &Lease) -> Attended {
        let reading = self.readers.read(incoming, &self.intake, Read::of);
        let read = tokio::select! {
            // First the reading: of what is small it is over at once.
            biased;
            read = reading => read.unwrap_or_else(Read::Failed),
            () = lease.lost() => {
                return Attended { verdict: Verdict::Lost, event: None, span: Span::current() };
            }
        };
        let span = read.span(R::Rules::ROLE, incoming.attempt);
        let event = read.named();
        let attended = async {
            tokio::select! {
                // First of all whether it is still ours: work in hand is dropped before its next
                // step.
                biased;
                () = lease.lost() => Verdict::Lost,
                verdict = self.judge(incoming, read, lease) => verdict,
            }
        };
        let verdict = attended.instrument(span.clone()).await;
        Attended { verdict, event, span }
    }

    async fn judge(&self, incoming: &Incoming, read: Read, lease: &Lease) -> Verdict {
        let judging = async {
            match read {
                Read::Event(event) => self.deal_with(incoming, &event, lease).await,
                Read::Canary(canary) => Ok(self.attend_to_canary(incoming, &canary).await),
                Read::StrangeCanary => Ok(self.drop_canary()),
                Read::Refused(refusal) => Ok(self.refuse(incoming, *refusal).await),
                Read::Failed(bug) => Ok(Verdict::Retry(None, bug.into())),
            }
        };
        // What is shared is whole at every step: a handler that is dropped at any of them leaves no
        // more.
        let judged = AssertUnwindSafe(judging).catch_unwind().await.unwrap_or_else(|_| {
            self.metrics.handler_panicked();
            Ok(Verdict::Retry(None, Panicked.into()))
        });
        judged.unwrap_or(Verdict::Lost)
    }

    /// Commits and sends; nothing more once the lease is over.
    async fn deal_with(
        &self,
        incoming: &Incoming,
        event: &Event,
        lease: &Lease,
    ) -> Result<Verdict, LeaseLost> {
        let mut needed = vec![Depends::Store];
        let messages = match self.work.attend_under(event, lease).await {
            Ok(Outcome::Announce { messages, recalled, conflicts, answers }) => {
                self.metrics.conflicts(conflicts);
                needed.extend((answers > 0).then_some(Depends::Outside));
                needed.extend((!messages.is_empty()).then_some(Depends::Topics));
                let said: Vec<&str> = messages.iter().map(|it| it.kind.topic()).collect();
                info!(announces = said.join(" "), recalled, "settled");
                messages
            }
            Ok(Outcome::SetAside(reason)) => {
                let booking = Some(event.booking.clone());
                return Ok(self.poison(incoming, "conflict", reason, booking).await);
            }
            Err(WorkError::Lease(lost)) => return Err(lost),
            Err(WorkError::Effect(refused @ EffectError::Refused { .. })) => {
                let (reason, booking) = (Chain(&refused).to_string(), Some(event.booking.clone()));
                return Ok(self.poison(incoming, "refused", reason, booking).await);
            }
            Err(error) => {
                if matches!(error, WorkError::Contended) {
                    self.metrics.conflicts(CONFLICTS_MAX + 1);
                }
                return Ok(Verdict::Retry(depends(&error), error.into()));
            }
        };
        for message in &messages {
            lease.check()?;
            if let Err(error) = self.outbox.send(incoming, message).await {
                return Ok(Verdict::Retry(Some(Depends::Topics), error.into()));
            }
            self.metrics.published(message.kind.topic());
        }
        Ok(Verdict::Done(needed))
    }

    /// A message that is no event. Who keeps such things remembers a refused request first, so that
    /// its client can be told.
    async fn refuse(&self, incoming: &Incoming, refusal: Refusal) -> Verdict {
        let reason = refusal.flaw.to_string();
        if let Some(booking) = refusal.requested() {
            let rejection = Rejection { time: refusal.sent_at, reason: reason.clone() };
            if let Err(error) = self.work.reject(booking, &rejection).await {
                return Verdict::Retry(depends(&error), error.into());
            }
        }
        self.poison(incoming, refusal.why.as_str(), reason, refusal.booking).await
    }

    async fn poison(
        &self,
        incoming: &Incoming,
        class: &'static str,
        reason: String,
        booking: Option<BookingId>,
    ) -> Verdict {
        let origin = self.readers.read(incoming, &self.intake, |it, _| wire::origin(&it.body));
        let origin = origin.await.unwrap_or_else(|ReadingFailed| Origin::default());
        Verdict::Poison(Poison { class, reason, booking, origin })
    }

    /// Does a role's duty by a canary.
    async fn attend_to_canary(&self, incoming: &Incoming, canary: &Canary) -> Verdict {
        match canary.duty(R::Rules::ROLE, self.work.clock().now()) {
            Duty::Keep(seen) => match self.work.keep_sighting(canary.id, seen).await {
                Ok(()) => info!(hop = %seen.hop, "canary kept"),
                Err(error) => return Verdict::Retry(depends(&error), error.into()),
            },
            Duty::Tell(seen) => {
                let key = self.intake.canary_key();
                let answers = key.map(|key| wire::canary_heard(canary.id, &seen, key));
                for message in answers.unwrap_or_default() {
                    match self.outbox.send(incoming, &message).await {
                        Ok(()) => self.metrics.published(CANARY),
                        // Waiting will not help, and `booking check` tells that no answer came.
                        Err(error @ BusError::Refused { .. }) => {
                            warn!(error = %Chain(&error), "canary not told");
                        }
                        // Bookings must not stop for it: the breaker is not told.
                        Err(error @ BusError::Failed { .. }) => {
                            return Verdict::Retry(None, error.into());
                        }
                    }
                }
                info!(hop = %seen.hop, "canary told");
            }
            Duty::Nothing => {}
        }
        Verdict::Done(Vec::new())
    }

    /// One that no operator sent, or that no key can tell from such: nothing is caused by it. A log
    /// line for the first, second, fourth, … of them: a client decides how many there are.
    fn drop_canary(&self) -> Verdict {
        let dropped = self.metrics.canary_dropped();
        if dropped.is_power_of_two() {
            let key = self.intake.canary_key().is_some();
            warn!(dropped, key, "canaries dropped: not made with the key of this service");
        }
        Verdict::Done(Vec::new())
    }
}

/// What a failure is a failure of. Who merely lost too many races depends on nothing that is down.
fn depends(error: &WorkError) -> Option<Depends> {
    match error {
        WorkError::Effect(_) => Some(Depends::Outside),
        WorkError::Contended | WorkError::Lease(_) => None,
        WorkError::Store(_)
        | WorkError::Row { .. }
        | WorkError::TooLarge(_)
        | WorkError::Endless => Some(Depends::Store),
    }
}
