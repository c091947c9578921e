//! The rows in which the status role records the hops of canaries. They must never touch a
//! booking's row, and no rule ever sees them.

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

/// The content of one row: the latest canary that made this hop, of all that share the row.
#[derive(Serialize, Deserialize)]
struct CanaryRow {
    canary: CanaryId,
    #[serde(flatten)]
    seen: Sighting,
}

impl<R: Role, S: Store> UnitOfWork<R, S> {
    /// Records that a canary made a hop. If a later canary has made the hop already, or if the hop
    /// of this canary is recorded already, the row stays as it is.
    ///
    /// # Errors
    /// When the store failed, or other deliveries kept changing the row.
    pub async fn keep_sighting(&self, canary: CanaryId, seen: Sighting) -> Result<(), WorkError> {
        let key = key(canary, seen.hop);
        for _ in 0..=CONFLICTS_MAX {
            let row = self.store().read(vec![key.clone()]).await?.pop().flatten();
            let kept = row.as_ref().and_then(|it| read(&it.body));
            let now = self.clock().now();
            if kept.is_some_and(|it| !canary.replaces(it.canary, now)) {
                return Ok(());
            }
            let body = serde_json::to_string(&CanaryRow { canary, seen });
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

/// The recorded hops of a canary. Those that a later canary has overwritten are missing.
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

/// `canary/7/seat-booked/receipt`: each hop has its own row, so that hops do not race each other.
fn key(canary: CanaryId, Hop { topic, role }: Hop) -> String {
    format!("canary/{}/{topic}/{role}", canary.row_number())
}

/// A row that cannot be read counts as missing, and is overwritten.
fn read(body: &str) -> Option<CanaryRow> {
    serde_json::from_str(body).ok()
}
