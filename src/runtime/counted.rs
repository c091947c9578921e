//! What dealing with an event says to `/metrics`. Must only be called for what was committed, or
//! has failed: what is undone must not be counted.

use super::{Outcome, WorkError, error::CONFLICTS_MAX};
use crate::{domain::decision::Ending, metrics::Metrics};

/// The `result` of an effect that was answered, and whose answer is committed.
const ANSWERED: &str = "answered";

/// Counts how an event was dealt with. Each delivery of the event is counted; an ending is only in
/// the outcome of the one delivery that committed it.
pub(super) fn count(metrics: &Metrics, attended: &Result<Outcome, WorkError>) {
    match attended {
        Ok(Outcome::Announce { conflicts, answers, ending, .. }) => {
            metrics.conflicts(*conflicts);
            metrics.effects(ANSWERED, *answers);
            count_ending(metrics, *ending);
        }
        Err(WorkError::Contended) => metrics.conflicts(CONFLICTS_MAX + 1),
        Err(WorkError::Effect(failed)) => metrics.effects(failed.as_str(), 1),
        Ok(Outcome::SetAside(_))
        | Err(
            WorkError::Lease(_)
            | WorkError::Row { .. }
            | WorkError::TooLarge(_)
            | WorkError::Endless
            | WorkError::Store(_),
        ) => {}
    }
}

/// Counts how a booking ended, if it did.
pub(super) fn count_ending(metrics: &Metrics, ending: Option<Ending>) {
    if let Some(Ending { phase, took }) = ending {
        metrics.ended(phase, took.as_secs_f64());
    }
}
