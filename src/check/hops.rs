//! Judges the hops of a canary: which arrived, which are missing, and what that means for an
//! operator. Must stay pure, like the rest of the comparison.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::compare::{Finding, hops};
use crate::{
    domain::{
        RoleName,
        canary::{CanaryId, Hop, Sighting},
        event::Kind,
    },
    topics::{self, Topic},
};

/// A canary and all its hops.
#[derive(Debug, Serialize)]
pub(crate) struct CanaryReport {
    pub(crate) canary: CanaryId,
    pub(crate) hops: Vec<HopReport>,
}

/// One hop of a canary: from a topic to a role.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct HopReport {
    #[serde(flatten)]
    pub(crate) hop: Hop,
    pub(crate) state: HopState,
    /// Seconds from publishing to hearing, by the clocks of this machine and of the role: may be
    /// slightly negative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after_s: Option<f64>,
}

/// How a hop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HopState {
    /// The role heard the canary.
    Arrived,
    /// Status has not heard that the role got the canary.
    Missing,
    /// Nothing is known, since status hears none of the topics on which the role could tell it.
    Unknown,
    /// The role heard the canary from a topic that topics/ does not give it.
    Unexpected,
}

/// A report of each hop, and a finding for each hop that went wrong and that no finding about the
/// account explains.
pub(crate) fn judge(
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

/// Whether status hears none of the topics on which the role could tell it about the canary.
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
            ", and that it may publish on its topics",
        ),
    };
    Finding {
        subject: format!("service {role}"),
        wrong,
        breaks: format!("nobody does the work of {role} just now"),
        mend: format!(
            "see that it runs with this prefix, is not older than this command and has the same \
             canary key (its metric booking_canaries_dropped_total counts canaries with another \
             key), that its /health answers 200, that its queue has no backlog{publish}; `booking \
             dlq ls {role}` shows what could not be delivered to it"
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
            "the canary has not arrived within {timeout:?}, although topic, subscription and queue \
             are as topics/ says"
        ),
        breaks: format!(
            "{role} probably does not hear {topic}, so nobody {}",
            does.collect::<String>()
        ),
        mend: format!(
            "`booking dlq ls {role}` says why it could not be delivered, for example a KMS key that \
             the sender may not use; if nothing is there, the queue may have a backlog: try again \
             with a longer --timeout"
        ),
        hops: vec![hop],
    }
}

fn unexpected(hop: Hop) -> Finding {
    let Hop { topic, role } = hop;
    Finding {
        subject: format!("hop {hop}"),
        wrong: format!("{role} heard the canary from {topic}, which topics/ does not give it"),
        breaks: format!("{role} does nothing with {topic}: each one is received for nothing"),
        mend: format!(
            "find out how it gets there: {role}'s queue has no subscription to {topic}, so something \
             may be copying messages"
        ),
        hops: vec![hop],
    }
}

#[cfg(test)]
#[path = "hops_tests.rs"]
mod tests;
