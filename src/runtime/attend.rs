//! One delivery: decoded, dealt with, published, and given its verdict. The one place where failure
//! becomes policy.

use std::{error::Error, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use tracing::{Instrument, error, info, warn};

use super::{
    BookError, Breaker, Chain, Depends, Lease, LeaseLost, Outcome, Trip, Worker,
    book::CONFLICTS_MAX,
    delay::give_back_delay,
    reading::{Read, ReadingFailed},
    worker::Ended,
};
use crate::{
    bus::{
        Bus, BusError, DeadLetter, Delivery,
        wire::{self, Origin, Refusal},
    },
    domain::{decision::Rules, event::Event, ids::BookingId, status::Rejection},
    metrics::Metrics,
    roles::{EffectError, Role},
    store::Store,
};

/// The most bytes of one attribute of a dead letter.
const ATTRIBUTE_BYTES_MAX: usize = 1024;

/// How one delivery ended. The only three ways there are, unless its time is over first.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Everything it caused is committed and published: delete it. With what it needed for that.
    Done(Vec<Depends>),
    /// Not now: give it back. With what failed, unless it was only bad luck.
    Retry(Option<Depends>, Box<dyn Error + Send + Sync>),
    /// Not ever: to the dead-letter queue, now.
    Poison(Poison),
}

/// Why a message can never be dealt with.
#[derive(Debug)]
pub(super) struct Poison {
    class: &'static str,
    reason: String,
    booking: Option<BookingId>,
}

/// A handler met a bug.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this service has a bug: see the panic in the log before this line")]
struct Panicked;

impl<B: Bus, R: Role, S: Store> Worker<B, R, S> {
    /// Gives one delivery its verdict and files it.
    pub async fn attend(&self, delivery: Delivery) -> Ended {
        let _in_hand = Counted::new(&self.metrics, &self.breaker);
        let limits = &self.limits;
        let lease = Lease::new(self.book.clock(), limits.visibility, limits.heartbeat_cap);
        let lease = self.leases.hold(&delivery.receipt_handle, lease);
        let reading = self.readers.read(&delivery, &self.intake, Read::of);
        let read = tokio::select! {
            // First the reading: of what is small it is over at once.
            biased;
            read = reading => read.unwrap_or_else(Read::Failed),
            () = lease.lost() => return self.let_go(&delivery, &lease).await,
        };
        let span = read.span(R::Rules::ROLE, delivery.attempt);
        let attended = async {
            tokio::select! {
                // First of all whether it is still ours: work in hand is dropped before its next
                // step.
                biased;
                () = lease.lost() => self.let_go(&delivery, &lease).await,
                ended = self.judge_and_file(&delivery, read, &lease) => ended,
            }
        };
        attended.instrument(span).await
    }

    async fn judge_and_file(&self, delivery: &Delivery, read: Read, lease: &Lease) -> Ended {
        let event = read.named();
        let judging = async {
            match read {
                Read::Event(event) => self.judge(&event, lease).await,
                Read::Canary(canary) => Ok(self.attend_to_canary(&canary).await),
                Read::StrangeCanary => Ok(self.drop_canary()),
                Read::Refused(refusal) => Ok(self.refuse(*refusal).await),
                Read::Failed(bug) => Ok(Verdict::Retry(None, bug.into())),
            }
        };
        // What is shared is whole at every step: a handler that is dropped at any of them leaves no
        // more.
        let judged = AssertUnwindSafe(judging).catch_unwind().await.unwrap_or_else(|_| {
            self.metrics.handler_panicked();
            Ok(Verdict::Retry(None, Panicked.into()))
        });
        let (ended, word) = match judged {
            Ok(verdict) => self.file(delivery, verdict).await,
            Err(LeaseLost) => (self.let_go(delivery, lease).await, "lost"),
        };
        self.metrics.delivered(event, word);
        ended
    }

    /// Commits and publishes; nothing more once the lease is over.
    async fn judge(&self, event: &Event, lease: &Lease) -> Result<Verdict, LeaseLost> {
        let mut needed = vec![Depends::Store];
        let messages = match self.book.attend_under(event, lease).await {
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
                return Ok(Verdict::Poison(Poison { class: "conflict", reason, booking }));
            }
            Err(BookError::Lease(lost)) => return Err(lost),
            Err(BookError::Effect(refused @ EffectError::Refused { .. })) => {
                let (reason, booking) = (Chain(&refused).to_string(), Some(event.booking.clone()));
                return Ok(Verdict::Poison(Poison { class: "refused", reason, booking }));
            }
            Err(error) => {
                if matches!(error, BookError::Contended) {
                    self.metrics.conflicts(CONFLICTS_MAX + 1);
                }
                return Ok(Verdict::Retry(depends(&error), error.into()));
            }
        };
        for message in &messages {
            lease.check()?;
            if let Err(error) = self.bus.publish(message).await {
                return Ok(Verdict::Retry(Some(Depends::Topics), error.into()));
            }
            self.metrics.published(message.kind.topic());
        }
        Ok(Verdict::Done(needed))
    }

    /// A message that is no event. Who keeps such things remembers a refused request first, so that
    /// its client can be told.
    async fn refuse(&self, refusal: Refusal) -> Verdict {
        let reason = refusal.flaw.to_string();
        if let Some(booking) = refusal.requested() {
            let rejection = Rejection { time: refusal.sent_at, reason: reason.clone() };
            if let Err(error) = self.book.reject(booking, &rejection).await {
                return Verdict::Retry(depends(&error), error.into());
            }
        }
        Verdict::Poison(Poison { class: refusal.why.as_str(), reason, booking: refusal.booking })
    }

    async fn file(&self, delivery: &Delivery, verdict: Verdict) -> (Ended, &'static str) {
        let handle = &delivery.receipt_handle;
        let (ended, word, filed) = match verdict {
            Verdict::Done(needed) => {
                if self.breaker.worked(&needed) {
                    self.pulse.resume();
                    self.tell_breaker();
                    info!(breaker = "closed", "works again: polling goes on");
                }
                (Ended::Done, "done", self.bus.delete(handle).await)
            }
            Verdict::Retry(on, cause) => {
                let after = give_back_delay(delivery.attempt, &mut self.jitter());
                warn!(error = %Chain(&*cause), after_s = after.as_secs(), "given back");
                self.trip(on, &*cause);
                (Ended::Retry, "retry", self.bus.give_back(handle, after).await)
            }
            Verdict::Poison(poison) => {
                error!(class = poison.class, reason = poison.reason, "set aside");
                let origin =
                    self.readers.read(delivery, &self.intake, |it, _| wire::origin(&it.body));
                let origin = origin.await.unwrap_or_else(|ReadingFailed| Origin::default());
                let letter = dead_letter(R::Rules::ROLE.as_str(), delivery, poison, origin);
                (Ended::Poison, "poison", self.bury(delivery, &letter).await)
            }
        };
        if let Err(error) = filed {
            warn!(error = %Chain(&error), "verdict not filed: expect a redelivery");
        }
        (ended, word)
    }

    /// The copy first: dying in between leaves the message twice, never lost.
    async fn bury(&self, delivery: &Delivery, letter: &DeadLetter) -> Result<(), BusError> {
        self.bus.set_aside(delivery, letter).await?;
        self.bus.delete(&delivery.receipt_handle).await
    }

    /// Tells the breaker what failed. An alarm counts the lines that say `breaker = "open"`
    /// (terraform/alarms.tf): one when it opens, one for each trial that fails.
    fn trip(&self, on: Option<Depends>, cause: &(dyn Error + 'static)) {
        let Some(on) = on else { return };
        let (why, now) = (Chain(cause).to_string(), self.book.clock().steady());
        let (trip, on) = (self.breaker.failed(on, &why, now, &mut self.jitter()), on.as_str());
        match trip {
            Trip::Counted => {}
            Trip::Opens => error!(
                breaker = "open",
                on, why, "too many failures in a row: polling stops until one goes through"
            ),
            Trip::StaysOpen => {
                warn!(
                    breaker = "open",
                    on, why, "the one that was tried failed: polling stays stopped"
                );
            }
        }
        self.tell_breaker();
    }

    /// Shows the breaker as it is now.
    pub(super) fn tell_breaker(&self) {
        let open = self.breaker.open().map(|(on, _)| on);
        for on in Depends::ALL {
            self.metrics.breaker(on.as_str(), open == Some(on));
        }
    }

    /// Its time is over. At the cap the message is still ours to give back; else it is somebody's.
    async fn let_go(&self, delivery: &Delivery, lease: &Lease) -> Ended {
        if lease.at_cap() {
            let after = give_back_delay(delivery.attempt, &mut self.jitter());
            error!(after_s = after.as_secs(), "worked on for too long: dropped and given back");
            self.give_back(&delivery.receipt_handle, after).await;
        } else {
            warn!("visibility timeout over: dropped, the redelivery goes on where it stood");
        }
        Ended::Lost
    }
}

/// What a failure is a failure of. Who merely lost too many races depends on nothing that is down.
pub(super) fn depends(error: &BookError) -> Option<Depends> {
    match error {
        BookError::Effect(_) => Some(Depends::Outside),
        BookError::Contended | BookError::Lease(_) => None,
        BookError::Store(_)
        | BookError::Row { .. }
        | BookError::TooLarge(_)
        | BookError::Endless => Some(Depends::Store),
    }
}

/// One more delivery in hand, for as long as this lives: also when its handler is dropped or
/// panics.
struct Counted<'a> {
    metrics: &'a Metrics,
    breaker: &'a Breaker,
}

impl<'a> Counted<'a> {
    fn new(metrics: &'a Metrics, breaker: &'a Breaker) -> Counted<'a> {
        metrics.in_hand.inc();
        Counted { metrics, breaker }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.in_hand.dec();
        // A trial that ended without a word leaves the next one its turn.
        self.breaker.untried();
    }
}

/// Nine attributes at most; SQS takes ten.
fn dead_letter(role: &str, delivery: &Delivery, poison: Poison, origin: Origin) -> DeadLetter {
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
    // Only a raw delivery has it, and there it says what the body may not.
    attributes.extend(delivery.kind_attribute.as_deref().map(|it| ("type", clip(it))));
    let booking = poison.booking.map(|it| it.as_str().to_owned());
    attributes.extend(booking.map(|it| ("booking", it)));
    attributes.extend(origin.message_id.map(|it| ("sns_message_id", it)));
    attributes.extend(origin.traceparent.map(|it| ("traceparent", it)));
    DeadLetter { attributes }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::bus::ReceiptHandle;

    #[test]
    fn a_raw_message_that_is_set_aside_keeps_its_type_and_no_letter_has_too_many_attributes() {
        let delivery = |kind: Option<&str>| Delivery {
            body: String::new(),
            message_id: "m".to_owned(),
            attempt: 1,
            sent_at: Timestamp::UNIX_EPOCH,
            kind_attribute: kind.map(str::to_owned),
            receipt_handle: ReceiptHandle("h".to_owned()),
        };
        let letter = |delivery: &Delivery| {
            let booking = BookingId::parse("b-1").ok();
            let poison = Poison { class: "conflict", reason: "why".to_owned(), booking };
            let known = || Some("known".to_owned());
            let origin = Origin { message_id: known(), traceparent: known() };
            dead_letter("seats", delivery, poison, origin).attributes
        };
        let raw = letter(&delivery(Some("payment-ok")));
        assert!(raw.contains(&("type", "payment-ok".to_owned())), "{raw:?}");
        assert!(raw.len() <= 10, "SQS takes ten: {raw:?}");
        assert!(letter(&delivery(None)).iter().all(|(name, _)| *name != "type"));
    }
}
