//! Judges each change: which roles refuse the events, and which endings are others.

use std::collections::BTreeMap;

use super::{
    alter::Alteration,
    compare::{Change, TooMany, changes, roles},
    contract::{Contract, ours},
    play::{Played, STORIES, played, stranger},
};
use crate::domain::{RoleName, event::Kind};

/// One change, and what it breaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What is different.
    pub change: Change,
    /// The roles that would set the events aside, and why.
    pub refused_by: BTreeMap<RoleName, String>,
    /// The endings that would be others.
    pub turns: Vec<Turn>,
    /// The value in the events with which that was seen, if there is one.
    pub seen_with: Option<serde_json::Value>,
}

/// One ending that a change makes another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The booking.
    pub story: &'static str,
    /// The role whose ending it is.
    pub role: RoleName,
    /// The ending today.
    pub from: String,
    /// The ending with the change.
    pub to: String,
}

impl Verdict {
    /// Whether the change breaks anything.
    #[must_use]
    pub fn breaks(&self) -> bool {
        !self.refused_by.is_empty() || !self.turns.is_empty()
    }

    /// The roles that the change breaks: those that refuse the events, or else those that end
    /// otherwise.
    #[must_use]
    pub fn broken(&self) -> Vec<RoleName> {
        let ends_otherwise = |it: &RoleName| self.turns.iter().any(|turn| turn.role == *it);
        match self.refused_by.is_empty() {
            true => RoleName::ALL.into_iter().filter(ends_otherwise).collect(),
            false => self.refused_by.keys().copied().collect(),
        }
    }
}

/// What is different in these contracts from ours, and what that breaks if events are published by
/// them and heard by the services of this program.
///
/// # Errors
/// If there are too many differences.
pub fn diff(there: &[Contract]) -> Result<Vec<Verdict>, TooMany> {
    let today = STORIES.map(|it| played(&it, None));
    let judged =
        changes(&ours(), there)?.into_iter().map(|change| match Kind::of_topic(&change.topic) {
            Some(kind) => judge(change, kind, &today),
            None => strange(change, there),
        });
    Ok(judged.collect())
}

/// Tries everything that a change may do to events, until something breaks.
fn judge(change: Change, kind: Kind, today: &[Played; 4]) -> Verdict {
    for it in &change.tries {
        let (mut refused_by, mut turns) = (BTreeMap::new(), Vec::new());
        for (story, before) in STORIES.iter().zip(today) {
            if !before.said.contains(&kind) {
                continue;
            }
            let after = played(story, Some((kind, &it.alteration)));
            for ((role, of), why) in &after.set_aside {
                if *of == kind {
                    refused_by.entry(*role).or_insert_with(|| why.clone());
                }
            }
            for (role, (from, to)) in
                RoleName::ALL.into_iter().zip(before.ends.iter().zip(&after.ends))
            {
                if from != to {
                    let (from, to) = (from.clone(), to.clone());
                    turns.push(Turn { story: story.name, role, from, to });
                }
            }
        }
        // Of a value that may be there today, another ending is that of another booking.
        if !refused_by.is_empty() || it.is_new && !turns.is_empty() {
            let seen_with = match &it.alteration {
                Alteration::With(_, value) => Some(value.clone()),
                Alteration::Without(_) | Alteration::Unheard(_) | Alteration::HeardAlsoBy(_) => {
                    None
                }
            };
            return Verdict { change, refused_by, turns, seen_with };
        }
    }
    Verdict { change, refused_by: BTreeMap::new(), turns: Vec::new(), seen_with: None }
}

/// A topic that none of our roles knows.
fn strange(change: Change, there: &[Contract]) -> Verdict {
    let mut refused_by = BTreeMap::new();
    if let Some(it) = there.iter().find(|it| it.topic == change.topic)
        && let Some(why) = stranger(&it.topic, &it.example)
    {
        refused_by.extend(roles(&it.subscribers).map(|role| (role, why.clone())));
    }
    Verdict { change, refused_by, turns: Vec::new(), seen_with: None }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
