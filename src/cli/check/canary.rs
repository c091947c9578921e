//! `booking check --canary`: publishes a marked event of every type, and asks status which role
//! has heard it. A canary must never touch a booking.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    bus::aws::AwsPublisher,
    check::compare::{Finding, hops},
    cli::{progress::Progress, status_client::StatusClient},
    clock::Clock,
    domain::{
        canary::{CanaryId, Hop, Sighting},
        event::Kind,
    },
    fault::Fault,
    http::CanaryView,
    topics,
    wire::{self, CanaryKey},
};

/// How often status is asked about the canary.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// Publishes a canary on every topic that exists, or on the event bus as an event of every type.
/// Waits until it has arrived on every hop, except those whose loss a finding explains, or until
/// the timeout.
///
/// # Errors
/// If status cannot be asked, in which case nothing was published; if a canary is refused.
pub(super) async fn send_everywhere(
    status: &StatusClient,
    publisher: &AwsPublisher,
    key: &CanaryKey,
    there: &[Kind],
    known: &[Finding],
    timeout: Duration,
    progress: &Progress,
) -> Result<(CanaryId, BTreeMap<Kind, Timestamp>, Vec<Sighting>), Fault> {
    let canary = CanaryId::new(Uuid::now_v7()).expect("it was made as version 7");
    let Some(CanaryView { .. }) = status.canary(canary).await? else {
        return Err(Fault::Config(format!(
            "the server at {} knows no canaries: it is a status service that is older than this \
             command, or no status service",
            status.url()
        )));
    };
    let mut sent = BTreeMap::new();
    for topic in there {
        let time = Clock::Machine.now();
        let message = wire::canary(canary, *topic, time, key);
        publisher.publish(&message).await.map_err(|it| Fault::bus(&it))?;
        sent.insert(*topic, time);
    }
    let in_the_way = |hop: &Hop| known.iter().any(|it| it.hops.contains(hop));
    let awaited: Vec<Hop> = hops(&topics::all()).into_iter().filter(|it| !in_the_way(it)).collect();
    let deadline = tokio::time::Instant::now() + timeout;
    loop {
        let asked = status.canary(canary).await;
        let late = tokio::time::Instant::now() >= deadline;
        match asked {
            Ok(Some(CanaryView { hops, .. })) => {
                let seen = |hop: &Hop| hops.iter().any(|it| it.hop == *hop);
                let arrived = awaited.iter().filter(|it| seen(it)).count();
                progress.at(|| format!("canary on {arrived} of {} hops", awaited.len()));
                if late || arrived == awaited.len() {
                    return Ok((canary, sent, hops));
                }
            }
            // Status may be restarting. The canary goes on meanwhile.
            Ok(None) | Err(_) if !late => {}
            Ok(None) => return Ok((canary, sent, Vec::new())),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
