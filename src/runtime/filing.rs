//! What is done with a verdict: deleted, given back or set aside; and what the breaker learns of it.

use std::error::Error;

use tracing::{Instrument, error, info, warn};

use super::{
    Attended, Breaker, Chain, Depends, Ended, Lease, Poison, Trip, Verdict, Worker,
    delay::give_back_delay,
};
use crate::{
    bus::{BusError, DeadLetter, Delivery, Outbox, Queue},
    domain::decision::Rules,
    metrics::Metrics,
    roles::Role,
    store::Store,
};

/// The most bytes of one attribute of a dead letter.
const ATTRIBUTE_BYTES_MAX: usize = 1024;

impl<Q: Queue, R: Role, S: Store, O: Outbox> Worker<Q, R, S, O> {
    /// Attends to one delivery and files its verdict.
    pub async fn attend(&self, delivery: Delivery) -> Ended {
        let _in_hand = Counted::new(self.metrics(), &self.breaker);
        let limits = &self.limits;
        let lease = Lease::new(self.work().clock(), limits.visibility, limits.heartbeat_cap);
        let lease = self.leases.hold(&delivery.receipt_handle, lease);
        let attended = self.attendant.attend(&delivery.incoming, &lease).await;
        let Attended { verdict, event, span } = attended;
        let filing = async {
            // What could not be read was dropped with its time, and nobody counts it twice.
            tokio::select! {
                biased;
                () = lease.lost() => self.let_go(&delivery, &lease).await,
                ended = self.file(&delivery, verdict, &lease) => ended,
            }
        };
        let (ended, word) = filing.instrument(span).await;
        self.metrics().delivered(event, word);
        ended
    }

    async fn file(
        &self,
        delivery: &Delivery,
        verdict: Verdict,
        lease: &Lease,
    ) -> (Ended, &'static str) {
        let handle = &delivery.receipt_handle;
        let (ended, word, filed) = match verdict {
            Verdict::Done(needed) => {
                if self.breaker.worked(&needed) {
                    self.pulse.resume();
                    self.tell_breaker();
                    info!(breaker = "closed", "works again: polling goes on");
                }
                (Ended::Done, "done", self.queue.delete(handle).await)
            }
            Verdict::Retry(on, cause) => {
                let after = give_back_delay(delivery.incoming.attempt, &mut self.jitter());
                warn!(error = %Chain(&*cause), after_s = after.as_secs(), "given back");
                self.trip(on, &*cause);
                (Ended::Retry, "retry", self.queue.give_back(handle, after).await)
            }
            Verdict::Poison(poison) => {
                error!(class = poison.class, reason = poison.reason, "set aside");
                let letter = dead_letter(R::Rules::ROLE.as_str(), delivery, poison);
                (Ended::Poison, "poison", self.bury(delivery, &letter).await)
            }
            Verdict::Lost => return self.let_go(delivery, lease).await,
        };
        if let Err(error) = filed {
            warn!(error = %Chain(&error), "verdict not filed: expect a redelivery");
        }
        (ended, word)
    }

    /// The copy first: dying in between leaves the message twice, never lost.
    async fn bury(&self, delivery: &Delivery, letter: &DeadLetter) -> Result<(), BusError> {
        self.queue.set_aside(delivery, letter).await?;
        self.queue.delete(&delivery.receipt_handle).await
    }

    /// Tells the breaker what failed. An alarm counts the lines that say `breaker = "open"`
    /// (terraform/alarms.tf): one when it opens, one for each trial that fails.
    fn trip(&self, on: Option<Depends>, cause: &(dyn Error + 'static)) {
        let Some(on) = on else { return };
        let (why, now) = (Chain(cause).to_string(), self.work().clock().steady());
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
            self.metrics().breaker(on.as_str(), open == Some(on));
        }
    }

    /// Its time is over. At the cap the message is still ours to give back; else it is somebody's.
    async fn let_go(&self, delivery: &Delivery, lease: &Lease) -> (Ended, &'static str) {
        if lease.at_cap() {
            let after = give_back_delay(delivery.incoming.attempt, &mut self.jitter());
            error!(after_s = after.as_secs(), "worked on for too long: dropped and given back");
            self.give_back(&delivery.receipt_handle, after).await;
        } else {
            warn!("visibility timeout over: dropped, the redelivery goes on where it stood");
        }
        (Ended::Lost, "lost")
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
    // Only a raw delivery has it, and there it says what the body may not.
    attributes.extend(delivery.incoming.kind_attribute.as_deref().map(|it| ("type", clip(it))));
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
            },
            message_id: "m".to_owned(),
            receipt_handle: ReceiptHandle("h".to_owned()),
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
    }
}
