//! Canaries: kept by status, told to status by the others. They never meet a rule or a booking's
//! row, and are never set aside.

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{
    Book, BookError, CANARY, Chain, Worker,
    attend::{Verdict, depends},
    book::CONFLICTS_MAX,
};
use crate::{
    bus::{Bus, BusError, wire},
    domain::{
        RoleName,
        canary::{Canary, CanaryId, Duty, Hop, Sighting},
        decision::Rules,
        event::Kind,
    },
    roles::Role,
    store::{Commit, Store, Write},
};

/// The last canary that went through a hop, of those that share a place.
#[derive(Serialize, Deserialize)]
struct Nest {
    canary: CanaryId,
    #[serde(flatten)]
    seen: Sighting,
}

impl<B: Bus, R: Role, S: Store> Worker<B, R, S> {
    /// Does a role's duty by a canary.
    pub(super) async fn attend_to_canary(&self, canary: &Canary) -> Verdict {
        // By the wall clock: whoever made it wrote the time into its id.
        match canary.duty(R::Rules::ROLE, self.book.clock().now()) {
            Duty::Keep(seen) => match self.book.keep_sighting(canary.id, seen).await {
                Ok(()) => info!(hop = %seen.hop, "canary kept"),
                Err(error) => return Verdict::Retry(depends(&error), error.into()),
            },
            Duty::Tell(seen) => {
                let key = self.intake.canary_key();
                let answers = key.map(|key| wire::canary_heard(canary.id, &seen, key));
                for message in answers.unwrap_or_default() {
                    match self.bus.publish(&message).await {
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
    pub(super) fn drop_canary(&self) -> Verdict {
        let dropped = self.metrics.canary_dropped();
        if dropped.is_power_of_two() {
            let key = self.intake.canary_key().is_some();
            warn!(dropped, key, "canaries dropped: not made with the key of this service");
        }
        Verdict::Done(Vec::new())
    }
}

impl<R: Role, S: Store> Book<R, S> {
    /// Remembers that a canary made a hop, unless a later one made it already. The first word
    /// counts.
    ///
    /// # Errors
    /// When the store failed, or others kept changing the row.
    pub async fn keep_sighting(&self, canary: CanaryId, seen: Sighting) -> Result<(), BookError> {
        let key = key(canary, seen.hop);
        for _ in 0..=CONFLICTS_MAX {
            let row = self.store().read(vec![key.clone()]).await?.pop().flatten();
            let kept = row.as_ref().and_then(|it| read(&it.body));
            let now = self.clock().now();
            if kept.is_some_and(|it| it.canary >= canary && !it.canary.is_ahead_of(now)) {
                return Ok(());
            }
            let body = serde_json::to_string(&Nest { canary, seen });
            let body = body.expect("ids, names and times are always JSON");
            let read_version = row.map_or(0, |it| it.version);
            let write = Write { key: key.clone(), read_version, body, listing: None };
            if self.store().commit(vec![write]).await? == Commit::Done {
                return Ok(());
            }
        }
        Err(BookError::Contended)
    }
}

/// The hops a canary has made so far, as far as they are known and no later canary took their
/// place.
///
/// # Errors
/// When the store failed.
pub async fn sightings(store: &impl Store, canary: CanaryId) -> Result<Vec<Sighting>, BookError> {
    let hops = Kind::ALL.into_iter().flat_map(|topic| {
        RoleName::ALL.into_iter().map(move |role| key(canary, Hop { topic, role }))
    });
    let rows = store.read(hops.collect()).await?;
    let kept = rows.into_iter().flatten().filter_map(|it| read(&it.body));
    Ok(kept.filter(|it| it.canary == canary).map(|it| it.seen).collect())
}

/// `canary/7/seat-booked/receipt`: a row a hop, so that hops do not race each other.
fn key(canary: CanaryId, Hop { topic, role }: Hop) -> String {
    format!("canary/{}/{topic}/{role}", canary.slot())
}

/// A row that cannot be read is as good as none: it is written anew.
fn read(body: &str) -> Option<Nest> {
    serde_json::from_str(body).ok()
}
