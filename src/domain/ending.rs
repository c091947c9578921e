//! How a booking ended, and how long that took, as status heard it. Must never use a time that a
//! client or a service wrote: only what status' own clock said when it heard of something.

use jiff::{SignedDuration, Timestamp};

use super::{
    decision::Ending,
    record::{Fact, Record},
};

impl Record {
    /// How the booking ended, if it ended by the change from `before` to this record, and had never
    /// ended until then. `now` is when the last of this record was heard.
    ///
    /// A booking can leave its end again: a completed one whose seats turn out to be lost is still
    /// to be refunded. Only its first end counts. A refused request is an ending of its own, since
    /// anybody may send one under the id of somebody else's booking.
    pub(super) fn ending(&self, before: Option<&Record>, now: Timestamp) -> Option<Ending> {
        let standing = self.standing();
        if !standing.is_final {
            return None;
        }
        let since = if self.facts.is_empty() {
            // Of several refused requests under one id, the first one counts.
            if before.is_some() {
                return None;
            }
            // When SNS took it, or SQS without an envelope: no client writes this time.
            self.rejections().map(|it| it.time).min()?
        } else {
            if before.is_some_and(Record::has_ended) {
                return None;
            }
            self.first_heard()?
        };
        let took = now.duration_since(since).max(SignedDuration::ZERO);
        Some(Ending { phase: standing.phase.as_str(), took })
    }

    /// Whether the booking has ended at any time, according to the order in which its facts were
    /// heard.
    fn has_ended(&self) -> bool {
        let mut times: Vec<Timestamp> = self.facts.iter().map(|it| it.heard).collect();
        times.sort_unstable();
        times.dedup();
        // The whole record first, which has ended far more often than an earlier part of it.
        times.into_iter().rev().any(|until| {
            let heard = |it: &&Fact| it.heard <= until;
            let facts = self.facts.iter().filter(heard).cloned().collect();
            Record { facts, ..Record::default() }.standing().is_final
        })
    }

    /// When the first fact about the request that was answered was heard: mostly the request
    /// itself. While no request counts as answered, the first fact of all.
    fn first_heard(&self) -> Option<Timestamp> {
        let answered = self.facts.iter().filter(|it| self.is_answered(it)).map(|it| it.heard).min();
        answered.or_else(|| self.facts.iter().map(|it| it.heard).min())
    }
}

#[cfg(test)]
#[path = "ending_tests.rs"]
mod tests;
