//! What a role does with a canary that it hears: status records the hop, the others report it. A
//! canary must never reach a rule, and bookings must never wait for one.

use tracing::{info, warn};

use super::{Attendant, CANARY, Chain, Verdict, attendant::dependency_of};
use crate::{
    bus::{BusError, Outbox},
    domain::{
        canary::{Canary, Duty},
        decision::Rules,
    },
    roles::Role,
    store::Store,
    wire::{self, Incoming},
};

impl<R: Role, S: Store, O: Outbox> Attendant<R, S, O> {
    /// Does with a canary what this role has to do with it.
    pub(super) async fn attend_to_canary(&self, incoming: &Incoming, canary: &Canary) -> Verdict {
        match canary.duty(R::Rules::SERVICE, self.work().clock().now()) {
            Duty::Keep(seen) => match self.work().keep_sighting(canary.id, seen).await {
                Ok(()) => info!(hop = %seen.hop, "canary recorded"),
                Err(error) => return Verdict::Retry(dependency_of(&error), error.into()),
            },
            Duty::Tell(seen) => {
                let key = self.intake.canary_key();
                let answers = key.map(|key| wire::canary_heard(canary.id, &seen, key));
                for message in answers.unwrap_or_default() {
                    match self.outbox.send(incoming, &message).await {
                        Ok(()) => self.metrics().published(CANARY),
                        // A retry would not help, and `booking check` reports the missing answer.
                        Err(error @ BusError::Refused { .. }) => {
                            warn!(error = %Chain(&error), "could not report a canary");
                        }
                        // The breaker is not told, since bookings must not stop for a canary.
                        Err(error @ BusError::Failed { .. }) => {
                            return Verdict::Retry(None, error.into());
                        }
                    }
                }
                info!(hop = %seen.hop, "canary reported");
            }
            Duty::Nothing => {}
        }
        Verdict::Done(Vec::new())
    }

    /// Drops a canary that was not made with the key of this service. It has no effect. Since any
    /// client can send any number of these, only the first, second, fourth, eighth … is logged.
    pub(super) fn drop_canary(&self) -> Verdict {
        let dropped = self.metrics().canary_dropped();
        if dropped.is_power_of_two() {
            let key = self.intake.canary_key().is_some();
            warn!(dropped, key, "canaries dropped: not made with the key of this service");
        }
        Verdict::Done(Vec::new())
    }
}
