//! `--canary`: a marked event onto every topic, and which role has heard it. What that means is
//! pure.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{
    super::{
        Fault,
        show::{Desk, now},
    },
    compare::{Finding, hops},
};
use crate::{
    bus::aws::AwsTopics,
    domain::{
        RoleName,
        canary::{CanaryId, Hop, Sighting},
        event::Kind,
    },
    http::CanaryView,
    topics::{self, Topic},
    wire::{self, CanaryKey},
};

/// How often status is asked.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// What became of a canary.
#[derive(Debug, Serialize)]
pub(super) struct Flight {
    /// Its id.
    pub(super) canary: CanaryId,
    /// Every hop, and what became of it.
    pub(super) hops: Vec<HopReport>,
}

/// One hop.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct HopReport {
    /// Which.
    #[serde(flatten)]
    pub(super) hop: Hop,
    /// What became of it.
    pub(super) state: HopState,
    /// How long it took, by the clocks of this machine and the role's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after_s: Option<f64>,
}

/// What became of a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum HopState {
    /// The role heard it.
    Arrived,
    /// It did not, as far as status knows.
    Missing,
    /// The role can tell status only on topics that status does not hear.
    Unknown,
    /// The role heard what topics/ does not give it.
    Unexpected,
}

/// Sends a canary onto every topic that is there, and waits until it was everywhere where nothing
/// is known to be in its way.
///
/// # Errors
/// When status cannot be asked: then nothing was published. When a topic does not take it.
pub(super) async fn fly(
    desk: &Desk,
    topics: &AwsTopics,
    key: &CanaryKey,
    there: &[Kind],
    known: &[Finding],
    timeout: Duration,
) -> Result<(CanaryId, BTreeMap<Kind, Timestamp>, Vec<Sighting>), Fault> {
    let canary = CanaryId::new(Uuid::now_v7()).expect("it was made as version 7");
    let Some(CanaryView { .. }) = desk.canary(canary).await? else {
        return Err(Fault::Config(format!(
            "the status service at {} knows no canaries: it is older than this command, or something else",
            desk.url()
        )));
    };
    let mut sent = BTreeMap::new();
    for topic in there {
        let time = now();
        let message = wire::canary(canary, *topic, time, key);
        topics.publish(&message).await.map_err(|it| Fault::bus(&it))?;
        sent.insert(*topic, time);
    }
    let in_the_way = |hop: &Hop| known.iter().any(|it| it.hops.contains(hop));
    let awaited: Vec<Hop> = hops(&topics::all()).into_iter().filter(|it| !in_the_way(it)).collect();
    let deadline = tokio::time::Instant::now() + timeout;
    loop {
        let asked = desk.canary(canary).await;
        let late = tokio::time::Instant::now() >= deadline;
        match asked {
            Ok(Some(CanaryView { hops, .. })) => {
                let seen = |hop: &Hop| hops.iter().any(|it| it.hop == *hop);
                if late || awaited.iter().all(seen) {
                    return Ok((canary, sent, hops));
                }
            }
            // A status service that restarts is back soon; the canary goes on meanwhile.
            Ok(None) | Err(_) if !late => {}
            Ok(None) => return Ok((canary, sent, Vec::new())),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// What the hops mean: a report of each, and a finding for what the account does not explain.
pub(super) fn judge(
    topics: &[Topic],
    sent: &BTreeMap<Kind, Timestamp>,
    seen: &[Sighting],
    known: &[Finding],
    timeout: Duration,
) -> (Vec<HopReport>, Vec<Finding>) {
    let wanted = hops(topics);
    let sighting = |hop: &Hop| seen.iter().find(|it| it.hop == *hop);
    let explained = |hop: &Hop| known.iter().any(|it| it.hops.contains(hop));
    let state = |hop: &Hop| match sighting(hop) {
        Some(_) if wanted.contains(hop) => HopState::Arrived,
        Some(_) => HopState::Unexpected,
        None if mute(hop.role, seen) => HopState::Unknown,
        None => HopState::Missing,
    };
    let strangers = seen.iter().map(|it| it.hop).filter(|it| !wanted.contains(it));
    let report = |hop: Hop| HopReport {
        hop,
        state: state(&hop),
        after_s: sighting(&hop)
            .and_then(|it| Some(it.at.duration_since(*sent.get(&hop.topic)?).as_secs_f64())),
    };
    let reports: Vec<HopReport> = wanted.iter().copied().chain(strangers).map(report).collect();

    let unexplained = |it: &HopReport, state| it.state == state && !explained(&it.hop);
    let mut findings = Vec::new();
    for role in RoleName::ALL {
        let own: Vec<&HopReport> = reports.iter().filter(|it| it.hop.role == role).collect();
        let lost: Vec<&&HopReport> =
            own.iter().filter(|it| unexplained(it, HopState::Missing)).collect();
        if !lost.is_empty() && own.iter().all(|it| it.state == HopState::Missing) {
            findings.push(silent(role, timeout));
        } else {
            findings.extend(lost.iter().map(|it| missing(it.hop, topics, timeout)));
        }
        let strange = own.iter().filter(|it| unexplained(it, HopState::Unexpected));
        findings.extend(strange.map(|it| unexpected(it.hop)));
    }
    (reports, findings)
}

/// Whether status hears no topic on which the role could tell it anything.
fn mute(role: RoleName, seen: &[Sighting]) -> bool {
    let ways = topics::heard_by_status(role);
    let heard = |topic: &Kind| {
        let way = Hop { topic: *topic, role: RoleName::Status };
        seen.iter().any(|it| it.hop == way)
    };
    role != RoleName::Status && !ways.iter().any(heard)
}

fn silent(role: RoleName, timeout: Duration) -> Finding {
    let (wrong, publish) = match role {
        RoleName::Status => (format!("it has heard no canary within {timeout:?}"), ""),
        RoleName::Seats | RoleName::Payment | RoleName::Receipt => (
            format!("it has told status of no canary within {timeout:?}"),
            ", may it publish on its topics",
        ),
    };
    Finding {
        subject: format!("service {role}"),
        wrong,
        breaks: format!("whatever {role} should do, nobody does just now"),
        mend: format!(
            "is it running, with this prefix, and not older than this command; has it the key of this command (its metric booking_canaries_dropped_total counts); does its /health say 200; has {role}'s queue a backlog{publish}? What SNS could not deliver: `booking dlq ls {role}`"
        ),
        hops: Vec::new(),
    }
}

fn missing(hop: Hop, topics: &[Topic], timeout: Duration) -> Finding {
    let Hop { topic, role } = hop;
    let subscribers = topics.iter().filter(|it| it.topic == topic).flat_map(|it| &it.subscribers);
    let does = subscribers.filter(|it| it.role == role).map(|it| it.does.as_str());
    Finding {
        subject: format!("hop {hop}"),
        wrong: format!(
            "the canary has not arrived within {timeout:?}, though topic, subscription and queue are as topics/ says"
        ),
        breaks: format!("{role} may not hear {topic}, and nobody {}", does.collect::<String>()),
        mend: format!(
            "`booking dlq ls {role}` says why SNS could not deliver it, such as a KMS key that it may not use; if nothing is there, try again with a longer --timeout: the queue may have a backlog"
        ),
        hops: vec![hop],
    }
}

fn unexpected(hop: Hop) -> Finding {
    let Hop { topic, role } = hop;
    Finding {
        subject: format!("hop {hop}"),
        wrong: format!("{role} heard the canary from {topic}, which topics/ does not give it"),
        breaks: format!("{role} does nothing with a {topic}: each is received for nothing"),
        mend: format!(
            "find out how it gets there: no subscription of {role}'s queue to {topic} was seen, and somebody may be copying messages"
        ),
        hops: vec![hop],
    }
}

#[cfg(test)]
#[path = "canary_tests.rs"]
mod tests;
