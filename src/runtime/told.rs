//! What the log tells of a message that is settled. Logs are paid by the byte, so at INFO it must
//! tell of outcomes and of what did not come as usual, and not of each message that is only
//! remembered.

use tracing::{debug, info};

use super::{Attendant, Outcome};
use crate::{domain::ids::BookingId, wire::Incoming};

impl<R, S, O> Attendant<R, S, O> {
    /// Logs that a message is settled: at DEBUG if it was new and is only remembered, and otherwise
    /// at INFO. What was set aside has a line of its own.
    pub(super) fn tell(&self, incoming: &Incoming, booking: &BookingId, outcome: &Outcome) {
        let Outcome::Announce { messages, recalled, answers, changed, phase, .. } = outcome else {
            return;
        };
        if !recalled && !self.tells(incoming, booking) {
            return;
        }
        let said: Vec<&str> = messages.iter().map(|it| it.kind.topic()).collect();
        let announces = (!said.is_empty()).then(|| said.join(" "));
        let asked = (*answers > 0).then_some(*answers);
        let ignored = (!changed && !recalled).then_some(true);
        let recalled = recalled.then_some(true);
        let is_remembered = announces.is_none() && asked.is_none() && phase.is_none();
        let is_usual = ignored.is_none() && recalled.is_none() && incoming.attempt == 1;
        if is_remembered && is_usual {
            debug!("settled");
        } else {
            info!(announces, asked, phase, ignored, recalled, "settled");
        }
    }

    /// Whether what went well with this message has a log line. A redelivery has one, since
    /// something went wrong before it.
    pub(super) fn tells(&self, incoming: &Incoming, booking: &BookingId) -> bool {
        incoming.attempt > 1 || self.log_share.has(booking)
    }
}
