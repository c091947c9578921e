//! Acts on a verdict: deletes the message, gives it back or sets it aside, and tells the breaker.
//! It must never change a verdict.

use std::{error::Error, time::Duration};

use tracing::{Instrument, error, info, warn};

use super::{
    Attended, Chain, Dependency, Ended, InFlight, Lease, Poison, Trip, Verdict, WorkError, Worker,
    delay::{give_back_delay, not_before},
    lease::Held,
    window::Attempt,
};
use crate::{
    bus::{BusError, DeadLetter, Delivery, GROUP, Outbox, Queue},
    domain::decision::Rules,
    roles::Role,
    store::Store,
    traces::Span,
};

/// Attributes of a dead letter are cut off after this many bytes.
const ATTRIBUTE_BYTES_MAX: usize = 1024;

impl<Q: Queue, R: Role, S: Store, O: Outbox> Worker<Q, R, S, O> {
    /// Attends to one delivery and acts on its verdict. The delivery counts as in flight until this
    /// returns or is dropped.
    pub async fn attend(&self, delivery: Delivery, in_flight: &InFlight) -> Ended {
        let lease = self.hold(&delivery);
        self.attend_held(&delivery, &lease, in_flight).await
    }

    /// The lease of a delivery that was received just now.
    pub(super) fn hold(&self, delivery: &Delivery) -> Held<'_> {
        let limits = &self.limits;
        let lease = Lease::new(self.work().clock(), limits.visibility, limits.heartbeat_cap);
        self.leases.hold(&delivery.receipt_handle, lease)
    }

    /// As [`Worker::attend`], under a lease that has begun before.
    pub(super) async fn attend_held(
        &self,
        delivery: &Delivery,
        lease: &Lease,
        in_flight: &InFlight,
    ) -> Ended {
        // Not the beginning of the lease: in a lane a delivery may have waited.
        let began = self.work().clock().steady();
        let attended = self.attendant.attend(&delivery.incoming, lease).await;
        let Attended { verdict, event, span, traced } = attended;
        tell(traced, &delivery.message_id, &verdict);
        let filing = async {
            // The lease may end after the verdict, too. Then the message is not ours to delete.
            tokio::select! {
                biased;
                () = lease.lost() => self.let_go(delivery, lease).await,
                ended = self.file(delivery, verdict, (lease, began), in_flight) => ended,
            }
        };
        let ended = filing.instrument(span).await;
        self.metrics().delivered(event, ended.as_str());
        ended
    }

    async fn file(
        &self,
        delivery: &Delivery,
        verdict: Verdict,
        (lease, began): (&Lease, Duration),
        in_flight: &InFlight,
    ) -> Ended {
        let handle = &delivery.receipt_handle;
        let (ended, filed) = match verdict {
            Verdict::Done(needed) => {
                if self.breaker.worked(&needed, self.attempt(delivery, began)) {
                    self.poll_health.resume();
                    self.tell_breaker();
                    info!(breaker = "closed", "dependency recovered, polling resumes");
                }
                // If it said nothing, the next one need not wait until this message is deleted.
                if let Some(trial) = in_flight.trial() {
                    trial.end();
                }
                in_flight.leaves();
                (Ended::Done, self.queue.delete(handle).await)
            }
            Verdict::Retry(on, cause) => {
                let delay = give_back_delay(delivery.incoming.attempt, &mut self.jitter());
                let asked = cause.downcast_ref::<WorkError>().and_then(WorkError::asked_to_wait);
                let after = not_before(delay, asked);
                warn!(error = %Chain(&*cause), after_s = after.as_secs(), "given back");
                self.block(delivery, after);
                self.trip(on, &*cause, self.attempt(delivery, began), in_flight);
                (Ended::Retry, self.queue.give_back(handle, after).await)
            }
            Verdict::Poison(poison) => {
                error!(class = poison.class, reason = poison.reason, "set aside");
                let letter = dead_letter(R::Rules::SERVICE.as_str(), delivery, poison);
                self.bury(delivery, &letter).await
            }
            Verdict::Lost => return self.let_go(delivery, lease).await,
        };
        if let (Some(group), Ok(()), true) = (&delivery.group, &filed, ended.is_dealt_with()) {
            self.poll_health.groups().free(group);
        }
        if let Err(error) = filed {
            self.block(delivery, self.limits.visibility);
            warn!(
                error = %Chain(&error),
                "could not act on the verdict; SQS will redeliver the message"
            );
        }
        ended
    }

    /// Records that the group of a message that is given back waits for it.
    fn block(&self, delivery: &Delivery, after: Duration) {
        if let Some(group) = &delivery.group {
            self.poll_health.groups().block(group, after);
            self.count_blocked();
        }
    }

    pub(super) fn count_blocked(&self) {
        let blocked = self.poll_health.groups().blocked().map_or(0, |it| it.count);
        self.metrics().blocked_groups.set(i64::try_from(blocked).unwrap_or(i64::MAX));
    }

    /// Copies the message to the dead-letter queue, then deletes it. If the process dies in
    /// between, the message exists twice, but is never lost. Without the copy the message is still
    /// to be dealt with; with it, a message that is not deleted is only copied once more.
    async fn bury(
        &self,
        delivery: &Delivery,
        letter: &DeadLetter,
    ) -> (Ended, Result<(), BusError>) {
        match self.queue.set_aside(delivery, letter).await {
            Ok(()) => (Ended::Poison, self.queue.delete(&delivery.receipt_handle).await),
            Err(error) => (Ended::Retry, Err(error)),
        }
    }

    /// The delivery, which ends now.
    fn attempt(&self, delivery: &Delivery, began: Duration) -> Attempt {
        Attempt::of(&delivery.message_id, began, self.work().clock().steady())
    }

    /// Tells the breaker what failed, in which attempt. An alarm counts the log lines with `breaker
    /// = "open"` (terraform/alarms.tf): one when the breaker opens, and one for each trial that
    /// fails.
    fn trip(
        &self,
        on: Option<Dependency>,
        cause: &(dyn Error + 'static),
        attempt: Attempt,
        in_flight: &InFlight,
    ) {
        let Some(on) = on else { return };
        let why = Chain(cause).to_string();
        let trip = self.breaker.failed(on, &why, in_flight.trial(), attempt, &mut self.jitter());
        let on = on.as_str();
        match trip {
            Trip::Counted => {}
            Trip::Opens => error!(
                breaker = "open",
                on, why, "too many failures: polling stops until a delivery succeeds"
            ),
            Trip::StaysOpen => {
                warn!(
                    breaker = "open",
                    on, why, "the trial delivery failed: polling stays stopped"
                );
            }
        }
        self.tell_breaker();
    }

    /// Copies the state of the breaker to its metrics.
    pub(super) fn tell_breaker(&self) {
        let open = self.breaker.open().map(|(on, _)| on);
        for on in Dependency::ALL {
            self.metrics().breaker(on.as_str(), open == Some(on));
        }
    }

    /// Drops a delivery whose lease is over. If its heartbeat stopped at the cap, the message is
    /// still hidden and can be given back. Otherwise another receiver may have it already.
    async fn let_go(&self, delivery: &Delivery, lease: &Lease) -> Ended {
        if lease.at_cap() {
            let after = give_back_delay(delivery.incoming.attempt, &mut self.jitter());
            error!(
                after_s = after.as_secs(),
                "handler took longer than the heartbeat cap: dropped, message given back"
            );
            self.block(delivery, after);
            self.give_back(&delivery.receipt_handle, after).await;
        } else {
            self.block(delivery, Duration::ZERO);
            warn!("visibility timeout over: handler dropped, the redelivery continues its work");
        }
        Ended::Lost
    }
}

/// Ends the span of a delivery, and says in it how the delivery ends.
fn tell(mut span: Span, message_id: &str, verdict: &Verdict) {
    if !span.is_kept() {
        return;
    }
    let (word, failed) = match verdict {
        Verdict::Done(_) => ("done", None),
        Verdict::Retry(on, _) => ("retry", Some(on.map_or("other", Dependency::as_str))),
        Verdict::Poison(poison) => ("poison", Some(poison.class)),
        Verdict::Lost => ("lost", Some("lost")),
    };
    span.note("booking.verdict", word);
    span.note("messaging.message.id", message_id.to_owned());
    if let Some(class) = failed {
        span.fail(class);
    }
}

/// The attributes of the copy on the dead-letter queue: at most ten, which is what SQS accepts.
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
        ("attempt", delivery.incoming.attempt.to_string()),
    ];
    // Only a raw delivery has this attribute, and its body may not tell the type.
    attributes.extend(delivery.incoming.kind_attribute.as_deref().map(|it| ("type", clip(it))));
    attributes.extend(delivery.group.as_deref().map(|it| (GROUP, clip(it))));
    let booking = poison.booking.map(|it| it.as_str().to_owned());
    attributes.extend(booking.map(|it| ("booking", it)));
    attributes.extend(poison.origin.message_id.map(|it| ("sns_message_id", it)));
    attributes.extend(poison.origin.traceparent.map(|it| ("traceparent", it)));
    DeadLetter { attributes }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        bus::ReceiptHandle,
        domain::ids::BookingId,
        wire::{Incoming, Origin},
    };

    #[test]
    fn a_raw_message_that_is_set_aside_keeps_its_type_and_no_letter_has_too_many_attributes() {
        let delivery = |kind: Option<&str>| Delivery {
            incoming: Incoming {
                body: String::new(),
                kind_attribute: kind.map(str::to_owned),
                sent_at: Timestamp::UNIX_EPOCH,
                attempt: 1,
                hop: None,
            },
            message_id: "m".to_owned(),
            receipt_handle: ReceiptHandle("h".to_owned()),
            group: Some("b-1".to_owned()),
        };
        let letter = |delivery: &Delivery| {
            let booking = BookingId::parse("b-1").ok();
            let known = || Some("known".to_owned());
            let origin = Origin { message_id: known(), traceparent: known() };
            let poison = Poison { class: "conflict", reason: "why".to_owned(), booking, origin };
            dead_letter("seats", delivery, poison).attributes
        };
        let raw = letter(&delivery(Some("payment-ok")));
        assert!(raw.contains(&("type", "payment-ok".to_owned())), "{raw:?}");
        assert!(raw.len() <= 10, "SQS takes ten: {raw:?}");
        assert!(letter(&delivery(None)).iter().all(|(name, _)| *name != "type"));
        // Two bytes a letter, after one of one byte: the bound is in the middle of a letter.
        let long = letter(&delivery(Some(&format!("x{}", "é".repeat(ATTRIBUTE_BYTES_MAX)))));
        let kind = &long.iter().find(|(name, _)| *name == "type").expect("its type is kept").1;
        assert_eq!(kind.len(), ATTRIBUTE_BYTES_MAX - 1);
    }
}
