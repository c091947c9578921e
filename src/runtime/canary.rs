//! Where canaries are kept, by status: in rows of their own. They never meet a rule or a booking's
//! row.

use serde::{Deserialize, Serialize};

use super::{UnitOfWork, WorkError, error::CONFLICTS_MAX};
use crate::{
    domain::{
        RoleName,
        canary::{CanaryId, Hop, Sighting},
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

impl<R: Role, S: Store> UnitOfWork<R, S> {
    /// Remembers that a canary made a hop, unless a later one made it already. The first word
    /// counts.
    ///
    /// # Errors
    /// When the store failed, or others kept changing the row.
    pub async fn keep_sighting(&self, canary: CanaryId, seen: Sighting) -> Result<(), WorkError> {
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
        Err(WorkError::Contended)
    }
}

/// The hops a canary has made so far, as far as they are known and no later canary took their
/// place.
///
/// # Errors
/// When the store failed.
pub async fn sightings(store: &impl Store, canary: CanaryId) -> Result<Vec<Sighting>, WorkError> {
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
