//! The attendant: takes one message from its bytes to its verdict. It decodes the message, runs the
//! unit of work, and sends what was announced. This is the only place where a failure becomes a
//! verdict.
//!
//! It must never know a queue. Its caller brings the messages and acts on the verdicts, so that a
//! worker, a Lambda function or a test can be that caller.

use std::{error::Error, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tracing::{Instrument, Span};

use super::{
    Chain, Dependency, Lease, LeaseLost, LogShare, Outcome, UnitOfWork, WorkError,
    counted::{count, count_ending},
    reading::{Opened, Readers, ReadingFailed, name_of, span_of},
    spans,
};
use crate::{
    bus::{Desk, Outbox},
    domain::{decision::Rules, event::Event, ids::BookingId, status::Rejection},
    metrics::Metrics,
    roles::{EffectError, Role},
    store::Store,
    traces::{self, Traces},
    wire::{self, CanaryKey, Content, Incoming, Intake, Message, Origin, Refusal},
};

/// Deals with one message at a time, for one role.
#[derive(Debug)]
pub struct Attendant<R, S, O> {
    work: Arc<UnitOfWork<R, S>>,
    pub(super) outbox: O,
    pub(super) intake: Intake,
    readers: Readers,
    metrics: Metrics,
    traces: Traces,
    /// Which bookings have log lines about what went well.
    pub(super) log_share: LogShare,
    /// Where tasks are answered, if they are accepted.
    pub(super) desk: Option<Arc<dyn Desk>>,
}

/// What has to be done with a message. Every message ends in one of the first three ways, unless
/// its lease is over first.
#[derive(Debug)]
pub enum Verdict {
    /// Everything that the message caused is committed and sent, so it may be deleted. Names the
    /// dependencies that were used, and so are known to work.
    Done(Vec<Dependency>),
    /// The message must be delivered again. Names the dependency that failed, if one did, and why.
    Retry(Option<Dependency>, Box<dyn Error + Send + Sync>),
    /// The message can never be dealt with, and a person should look at it.
    Poison(Poison),
    /// The lease was over first. The message belongs to its next receiver.
    Lost,
}

/// Why a message can never be dealt with.
#[derive(Clone, Debug)]
pub struct Poison {
    /// The class of the problem, as dead letters and metrics name it.
    pub class: &'static str,
    /// Where in the message the problem is, and what was expected there. Never a value, since that
    /// may be personal data.
    pub reason: String,
    /// The booking that the message is about, if that could be read.
    pub booking: Option<BookingId>,
    /// Where the message came from, as far as that could be read.
    pub origin: Origin,
}

/// A message that was attended to.
#[derive(Debug)]
pub struct Attended {
    pub verdict: Verdict,
    /// The name of the event in logs and metrics, if it could be read.
    pub event: Option<&'static str>,
    /// The span of this delivery, for further log lines about it.
    pub span: Span,
    /// The same for traces. It ends when it is dropped.
    pub traced: traces::Span,
}

/// What came of an event that is settled.
pub(super) struct Settled {
    /// What it announces, in the order in which it was decided.
    pub(super) messages: Vec<Message>,
    /// Whether an earlier delivery settled it.
    pub(super) recalled: bool,
    /// The dependencies that were used, and those that are needed to send the messages.
    pub(super) needed: Vec<Dependency>,
}

/// The handler of a message panicked.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this service has a bug: see the panic in the log before this line")]
struct Panicked;

impl<R: Role, S: Store, O: Outbox> Attendant<R, S, O> {
    /// An attendant that deals with messages by `work` and sends what they announce by `outbox`.
    /// `intake` says which messages are accepted as events.
    pub fn new(work: Arc<UnitOfWork<R, S>>, outbox: O, intake: Intake, metrics: Metrics) -> Self {
        let (readers, traces) = (Readers::default(), Traces::default());
        let log_share = LogShare::ALL;
        Attendant { work, outbox, intake, readers, metrics, traces, log_share, desk: None }
    }

    /// The same attendant, which accepts canaries made with this key. Without a key, all canaries
    /// are dropped.
    #[must_use]
    pub fn with_canaries(self, key: CanaryKey) -> Self {
        Attendant { intake: self.intake.and_canaries(Some(key)), ..self }
    }

    /// The same attendant, which tells its way with each message by these traces.
    #[must_use]
    pub fn with_traces(self, traces: Traces) -> Self {
        Attendant { traces, ..self }
    }

    /// The same attendant, which logs what went well for this share of the bookings only.
    #[must_use]
    pub fn with_log_share(self, log_share: LogShare) -> Self {
        Attendant { log_share, ..self }
    }

    /// The same attendant, which answers tasks at this desk. Without a desk, each task is given
    /// back.
    #[must_use]
    pub fn with_desk(self, desk: Arc<dyn Desk>) -> Self {
        Attendant { desk: Some(desk), ..self }
    }

    /// The unit of work that deals with the events.
    pub fn work(&self) -> &UnitOfWork<R, S> {
        &self.work
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Deals with one message. After [`Verdict::Done`], everything that the message caused is
    /// committed and sent. This future may be dropped at any moment: whatever is unfinished then,
    /// the redelivery of the message finishes.
    ///
    /// Stops before the next commit or send once the lease is over. A canary or a refused request
    /// checks the lease only before it begins.
    ///
    /// A panic of the handler is caught here and becomes [`Verdict::Retry`].
    pub async fn attend(&self, incoming: &Incoming, lease: &Lease) -> Attended {
        let begun = self.traces.now();
        let reading = self.readers.read(incoming, &self.intake, wire::open);
        let opened = tokio::select! {
            // Poll the reading first: a small message is read at the first poll.
            biased;
            opened = reading => opened,
            () = lease.lost() => {
                let (span, traced) = (Span::current(), traces::Span::default());
                return Attended { verdict: Verdict::Lost, event: None, span, traced };
            }
        };
        let event = name_of(&opened);
        let traced = spans::process(&self.traces, begun, &opened, incoming);
        let span = span_of(&opened, R::Rules::SERVICE, incoming.attempt, &traced);
        let attended = async {
            tokio::select! {
                // Poll the lease first, so that a handler without one is dropped before its next
                // step.
                biased;
                () = lease.lost() => Verdict::Lost,
                verdict = self.judge(incoming, opened, lease, &traced) => verdict,
            }
        };
        let verdict = attended.instrument(span.clone()).await;
        Attended { verdict, event, span, traced }
    }

    async fn judge(
        &self,
        incoming: &Incoming,
        opened: Opened,
        lease: &Lease,
        traced: &traces::Span,
    ) -> Verdict {
        let judging = async {
            match opened {
                Ok(Content::Event(event)) => self.deal_with(incoming, &event, lease, traced).await,
                // Boxed: it is large, and most services have no tasks.
                Ok(Content::Task(task)) => {
                    Box::pin(self.perform(incoming, *task, lease, traced)).await
                }
                Ok(Content::Canary(canary)) => {
                    lease.check()?;
                    Ok(self.attend_to_canary(incoming, &canary).await)
                }
                Ok(Content::StrangeCanary) => Ok(self.drop_canary()),
                Ok(Content::Refused(refusal)) => {
                    lease.check()?;
                    Ok(self.refuse(incoming, *refusal).await)
                }
                Err(bug) => {
                    self.metrics.handler_panicked();
                    Ok(Verdict::Retry(None, bug.into()))
                }
            }
        };
        // Unwind safe: a handler may be dropped at any await, so everything it shares with others
        // is consistent there, and its own state is dropped with it.
        let judged = AssertUnwindSafe(judging).catch_unwind().await.unwrap_or_else(|_| {
            self.metrics.handler_panicked();
            Ok(Verdict::Retry(None, Panicked.into()))
        });
        judged.unwrap_or(Verdict::Lost)
    }

    /// Commits the decision about an event and sends what it announces. Stops before the next
    /// commit or send once the lease is over.
    async fn deal_with(
        &self,
        incoming: &Incoming,
        event: &Event,
        lease: &Lease,
        traced: &traces::Span,
    ) -> Result<Verdict, LeaseLost> {
        let settled = match self.settle(incoming, event, lease, traced).await? {
            Ok(settled) => settled,
            Err(verdict) => return Ok(verdict),
        };
        let Settled { messages, recalled, needed } = settled;
        let sent = self.send(incoming, messages, recalled, lease, traced).await?;
        Ok(sent.err().unwrap_or(Verdict::Done(needed)))
    }

    /// Commits the decision about an event, or recalls it. If that fails, says what has to be done
    /// with the message. Stops before the commit once the lease is over.
    pub(super) async fn settle(
        &self,
        incoming: &Incoming,
        event: &Event,
        lease: &Lease,
        traced: &traces::Span,
    ) -> Result<Result<Settled, Verdict>, LeaseLost> {
        let mut needed = vec![Dependency::Store];
        let attended = self.work.attend_under(event, incoming.attempt == 1, lease, traced).await;
        count(&self.metrics, &attended);
        if let Ok(outcome) = &attended {
            self.tell(incoming, &event.booking, outcome);
        }
        match attended {
            Ok(Outcome::Announce { messages, recalled, answers, .. }) => {
                needed.extend((answers > 0).then_some(Dependency::Outside));
                needed.extend((!messages.is_empty()).then_some(Dependency::Topics));
                Ok(Ok(Settled { messages, recalled, needed }))
            }
            Ok(Outcome::SetAside(reason)) => {
                let booking = Some(event.booking.clone());
                Ok(Err(self.poison(incoming, "conflict", reason, booking).await))
            }
            Err(WorkError::Lease(lost)) => Err(lost),
            Err(WorkError::Effect(refused @ EffectError::Refused { .. })) => {
                let (reason, booking) = (Chain(&refused).to_string(), Some(event.booking.clone()));
                Ok(Err(self.poison(incoming, "refused", reason, booking).await))
            }
            Err(error) => Ok(Err(Verdict::Retry(dependency_of(&error), error.into()))),
        }
    }

    /// Sends what an event announces. Stops before the next message once the lease is over.
    pub(super) async fn send(
        &self,
        incoming: &Incoming,
        messages: Vec<Message>,
        recalled: bool,
        lease: &Lease,
        traced: &traces::Span,
    ) -> Result<Result<(), Verdict>, LeaseLost> {
        for message in messages {
            lease.check()?;
            let mut publishing = traced.publish(&message, recalled);
            let message = Message { trace: publishing.context(), ..message };
            if let Err(error) = self.outbox.send(incoming, &message).await {
                publishing.fail(spans::unpublished(&error));
                return Ok(Err(Verdict::Retry(Some(Dependency::Topics), error.into())));
            }
            self.metrics.published(message.kind.topic());
        }
        Ok(Ok(()))
    }

    /// Sets aside a message that is not a valid event. If it was meant as a request, the role that
    /// records refused requests does so first, so that the client can be told.
    pub(super) async fn refuse(&self, incoming: &Incoming, refusal: Refusal) -> Verdict {
        let reason = refusal.flaw.to_string();
        if let Some(booking) = refusal.requested() {
            let rejection = Rejection { time: refusal.sent_at, reason: reason.clone() };
            match self.work.reject(booking, &rejection).await {
                Ok(ending) => count_ending(&self.metrics, ending),
                Err(error) => return Verdict::Retry(dependency_of(&error), error.into()),
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
}

/// The dependency that failed. `None` for a lost race, a lost lease, a row that cannot be used, or
/// one booking that the provider has not decided: no dependency failed there.
pub(super) fn dependency_of(error: &WorkError) -> Option<Dependency> {
    match error {
        WorkError::Effect(
            EffectError::NoAnswer { .. } | EffectError::NotNow { .. } | EffectError::Refused { .. },
        ) => Some(Dependency::Outside),
        WorkError::Effect(EffectError::Undecided { .. })
        | WorkError::Contended
        | WorkError::Lease(_)
        | WorkError::Row { .. }
        | WorkError::TooLarge(_)
        | WorkError::Endless => None,
        WorkError::Store(_) => Some(Dependency::Store),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        bus::BusError,
        clock::Clock,
        roles::StatusRole,
        store::{StoreError, memory::Memory},
    };

    /// Five of them in a row would stop polling, although the store is well.
    #[test]
    fn a_row_that_cannot_be_used_is_no_failure_of_the_store() {
        assert_eq!(dependency_of(&WorkError::Endless), None);
        assert_eq!(dependency_of(&WorkError::Store(StoreError::Closed)), Some(Dependency::Store));
    }

    struct Silent;

    impl Outbox for Silent {
        async fn send(&self, _: &Incoming, _: &Message) -> Result<(), BusError> {
            panic!("nothing is announced here")
        }
    }

    #[tokio::test]
    async fn a_bug_in_the_reading_is_counted_and_the_message_comes_again() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let work = UnitOfWork::new(StatusRole, Memory::default(), clock.clone());
        let (metrics, intake) = (Metrics::default(), Intake::enveloped("arn:"));
        let attendant = Attendant::new(Arc::new(work), Silent, intake, metrics.clone());
        let incoming = Incoming {
            body: String::new(),
            kind_attribute: None,
            sent_at: Timestamp::UNIX_EPOCH,
            attempt: 1,
            hop: None,
        };
        let lease = Lease::endless(&clock);
        let untraced = traces::Span::default();
        let verdict = attendant.judge(&incoming, Err(ReadingFailed), &lease, &untraced).await;
        assert!(matches!(verdict, Verdict::Retry(None, _)), "{verdict:?}");
        assert!(metrics.render().contains("booking_handler_panics_total 1\n"));
    }
}
