//! What the log tells of a message that is settled. Logs are paid by the byte, so it must tell of
//! outcomes, redeliveries and recalled decisions, and not of each message that is only remembered.

use tracing::{debug, info};

use super::Attendant;
use crate::{
    domain::{decision::Ending, ids::BookingId},
    wire::{Incoming, Message},
};

impl<R, S, O> Attendant<R, S, O> {
    /// Logs that a message is settled. At INFO only if that has an outcome, which is a message, an
    /// answer from outside or the end of a booking, or if the message had come before: most
    /// messages are only remembered.
    pub(super) fn tell(
        &self,
        incoming: &Incoming,
        booking: &BookingId,
        messages: &[Message],
        recalled: bool,
        answers: usize,
        ending: Option<Ending>,
    ) {
        if !recalled && !self.tells(incoming, booking) {
            return;
        }
        let again = recalled || incoming.attempt > 1;
        if messages.is_empty() && answers == 0 && ending.is_none() && !again {
            debug!("settled");
            return;
        }
        let said: Vec<&str> = messages.iter().map(|it| it.kind.topic()).collect();
        info!(
            announces = (!said.is_empty()).then(|| said.join(" ")),
            ends = ending.map(|it| it.phase),
            recalled = recalled.then_some(true),
            "settled"
        );
    }

    /// Whether what went well with this message has a log line. A redelivery has one, since
    /// something went wrong before it.
    pub(super) fn tells(&self, incoming: &Incoming, booking: &BookingId) -> bool {
        incoming.attempt > 1 || self.log_share.has(booking)
    }
}
