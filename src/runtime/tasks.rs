//! Performs a task of a state machine: deals with each of its events as with any other, and then
//! answers it with all that the role has said of the booking. What a task causes to another booking
//! must never be left out, so that is sent beside the machine, to the roles that hear such events.

use futures_util::future::join_all;
use tracing::{info, warn};

use super::{
    Attendant, Chain, Dependency, Lease, LeaseLost, Memo, StoredRow, Verdict, WorkError,
    attendant::{Settled, dependency_of},
    look_up,
};
use crate::{
    bus::{Answered, Outbox},
    domain::{decision::Rules, event::Kind, ids::BookingId},
    roles::Role,
    store::Store,
    traces,
    wire::{Incoming, Message, Task, TaskAnswer, TaskToken},
};

impl<R: Role, S: Store, O: Outbox> Attendant<R, S, O> {
    /// Deals with the events of a task in their order, and answers it. After [`Verdict::Done`], all
    /// that it caused is committed, sent and answered.
    pub(super) async fn perform(
        &self,
        incoming: &Incoming,
        task: Task,
        lease: &Lease,
        traced: &traces::Span,
    ) -> Result<Verdict, LeaseLost> {
        let Task { token, events } = task;
        if let Some(token) = &token {
            lease.carry(token.clone());
            // Between two deliveries of a message nobody beats.
            if incoming.attempt > 1 {
                self.beat(std::slice::from_ref(token)).await;
            }
        }
        let events = match events {
            Ok(events) => events,
            Err(refusal) => {
                lease.check()?;
                // A client has no part in anything but the request and the name of its execution.
                let rejected = refusal.kind == Some(Kind::BookingRequested);
                let answer = if rejected { TaskAnswer::Rejected } else { TaskAnswer::SetAside };
                let verdict = self.refuse(incoming, *refusal).await;
                return Ok(self.answer_poison(token, answer, verdict).await);
            }
        };
        let (mut needed, mut in_answer) = (Vec::new(), Vec::new());
        // Nobody had anything to say, so there is nothing to deal with.
        let Some(booking) = events.first().map(|it| it.booking.clone()) else {
            let answered = self.answer(token.as_ref(), &TaskAnswer::Said(Vec::new()), true).await;
            return Ok(answered.err().unwrap_or(Verdict::Done(needed)));
        };
        for event in &events {
            let settled = match self.settle(incoming, event, lease, traced).await? {
                Ok(settled) => settled,
                Err(verdict) => {
                    return Ok(self.answer_poison(token, TaskAnswer::SetAside, verdict).await);
                }
            };
            let Settled { messages, recalled, needed: used } = settled;
            needed.extend(used);
            let own = |it: &Message| token.is_some() && it.booking() == booking;
            let (own, others): (Vec<_>, Vec<_>) = messages.into_iter().partition(own);
            in_answer.push((own, recalled));
            if let Err(verdict) = self.send(incoming, others, recalled, lease, traced).await? {
                return Ok(verdict);
            }
        }
        if token.is_none() {
            return Ok(Verdict::Done(needed));
        }
        let said = match said::<R::Rules>(self.work().store(), &booking).await {
            Ok(said) => said,
            Err(error) => return Ok(Verdict::Retry(dependency_of(&error), error.into())),
        };
        lease.check()?;
        let recalled = in_answer.iter().any(|(_, recalled)| *recalled);
        let told = recalled || self.tells(incoming, &booking);
        match self.answer(token.as_ref(), &TaskAnswer::Said(said), told).await {
            Ok(Answered::Heard) => {
                let own = in_answer.iter().flat_map(|(own, _)| own);
                own.for_each(|it| self.metrics().published(it.kind.topic()));
            }
            // It came too late, or the execution is dead, or it was answered before. So that
            // nothing is lost, it is told like an event that nobody asked for.
            Ok(Answered::NobodyWaits) => {
                for (own, recalled) in in_answer {
                    let sent = self.send(incoming, own, recalled, lease, traced).await?;
                    if let Err(verdict) = sent {
                        return Ok(verdict);
                    }
                }
            }
            Err(verdict) => return Ok(verdict),
        }
        needed.push(Dependency::Topics);
        Ok(Verdict::Done(needed))
    }

    /// The verdict on a task that could not be dealt with. If it is poison, the machine is told
    /// first, since it would wait for ever.
    async fn answer_poison(
        &self,
        token: Option<TaskToken>,
        answer: TaskAnswer,
        verdict: Verdict,
    ) -> Verdict {
        if !matches!(verdict, Verdict::Poison(_)) {
            return verdict;
        }
        self.answer(token.as_ref(), &answer, true).await.err().unwrap_or(verdict)
    }

    /// Answers a task, if somebody waits for that. A success has a log line if it is to be `told`.
    async fn answer(
        &self,
        token: Option<&TaskToken>,
        answer: &TaskAnswer,
        told: bool,
    ) -> Result<Answered, Verdict> {
        let Some(token) = token else { return Ok(Answered::NobodyWaits) };
        let Some(desk) = &self.desk else { return Err(Verdict::Retry(None, NoDesk.into())) };
        let answered = desk.answer(token, answer).await;
        let answered =
            answered.map_err(|it| Verdict::Retry(Some(Dependency::Topics), it.into()))?;
        let with = answer.error().unwrap_or("success");
        match answered {
            Answered::Heard if told || answer.error().is_some() => info!(with, "answered"),
            Answered::Heard => {}
            Answered::NobodyWaits => warn!(
                with,
                "nobody waits for this answer: the task has timed out, is over, or is of another \
                 account or region"
            ),
        }
        Ok(answered)
    }

    /// Tells the machine that these tasks are still worked on, all at once.
    pub(super) async fn beat(&self, tokens: &[TaskToken]) {
        let Some(desk) = &self.desk else { return };
        for beat in join_all(tokens.iter().map(|it| desk.beat(it))).await {
            if let Err(error) = beat {
                warn!(error = %Chain(&error), "a heartbeat of a task failed; the next may work");
            }
        }
    }
}

/// There is nowhere to answer a task.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this program has a bug: it takes tasks, and has nowhere to answer them")]
struct NoDesk;

/// All messages about a booking that a role has announced until now, in the order in which they
/// were decided. Some may stand in the memo of another booking, whose request ended this one.
///
/// # Errors
/// When the store failed, or a row cannot be read.
pub async fn said<R: Rules>(
    store: &impl Store,
    booking: &BookingId,
) -> Result<Vec<Message>, WorkError> {
    let Some(own) = look_up::<R::State>(store, booking).await? else { return Ok(Vec::new()) };
    let mut said = messages(&own);
    if let Some(other) = R::ended_by(&own.row)
        && let Some(other) = look_up::<R::State>(store, other).await?
    {
        said.extend(messages(&other));
    }
    said.retain(|it| it.booking() == *booking);
    Ok(said)
}

fn messages<T>(row: &StoredRow<T>) -> Vec<Message> {
    row.memos.iter().flat_map(Memo::messages).collect()
}
