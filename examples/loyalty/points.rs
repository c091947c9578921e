//! The rules of loyalty: a booking that has completed has a point, until its money is given back.
//! Pure, as all rules are: no clock, no queue, no file.

use std::convert::Infallible;

use booking::{
    domain::{
        ServiceName,
        decision::{Rows, Rules, Step},
        event::{Data, Event},
    },
    roles::{EffectError, Role},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The row of a booking: the two facts that loyalty hears. A fact is never taken back, so neither
/// their order nor a repetition makes a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Booking {
    completed: bool,
    refunded: bool,
}

impl Booking {
    /// How many points the booking has.
    pub(crate) fn points(self) -> u64 {
        u64::from(self.completed && !self.refunded)
    }
}

/// Loyalty, with its rules. It asks nothing of the outside, and announces nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loyalty;

impl Rules for Loyalty {
    type State = Booking;
    type Effect = Infallible;
    type Answer = Infallible;
    const SERVICE: ServiceName = ServiceName::guest("loyalty");

    fn decide(
        &self,
        rows: &Rows<Booking>,
        event: &Event,
        _: &[Infallible],
        _: Timestamp,
    ) -> Step<Booking, Infallible> {
        let before = rows.booking(&event.booking);
        let mut booking = before.copied().unwrap_or_default();
        match event.data {
            Data::ReceiptSent { .. } => booking.completed = true,
            Data::PaymentRefunded(_) => booking.refunded = true,
            Data::BookingRequested(_)
            | Data::SeatBooked(_)
            | Data::SeatUnavailable { .. }
            | Data::SeatReleased { .. }
            | Data::PaymentOk(_)
            | Data::PaymentFailed { .. } => return Step::Nothing,
        }
        if before == Some(&booking) { Step::Nothing } else { Step::become_row(booking) }
    }
}

impl Role for Loyalty {
    type Rules = Loyalty;

    fn rules(&self) -> &Loyalty {
        self
    }

    async fn perform(&self, effect: &Infallible) -> Result<Infallible, EffectError> {
        match *effect {}
    }
}
