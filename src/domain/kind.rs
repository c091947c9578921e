//! The eight types of events, which are also the names of the topics. A new type must appear in
//! `topics/` as well.

use serde::{Deserialize, Serialize};

use super::{RoleName, named};

named! {
    /// The type of an event, which is also the name of its topic.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum Kind {
        /// BR: a client asks for seats.
        BookingRequested = "booking-requested",
        /// SB: the seats are held.
        SeatBooked = "seat-booked",
        /// SU: this booking gets no seats.
        SeatUnavailable = "seat-unavailable",
        /// SR: the seats are free again, or were never held.
        SeatReleased = "seat-released",
        /// PO: the money was taken.
        PaymentOk = "payment-ok",
        /// PF: no money was taken, and none will be.
        PaymentFailed = "payment-failed",
        /// RF: the money was given back.
        PaymentRefunded = "payment-refunded",
        /// RI: the receipt went out.
        ReceiptSent = "receipt-sent",
    }
}

impl Kind {
    /// The topic's name without the prefix.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        self.as_str()
    }

    /// The role that publishes such events; `None` for requests, which clients publish.
    #[must_use]
    pub const fn publisher(self) -> Option<RoleName> {
        match self {
            Kind::BookingRequested => None,
            Kind::SeatBooked | Kind::SeatUnavailable | Kind::SeatReleased => Some(RoleName::Seats),
            Kind::PaymentOk | Kind::PaymentFailed | Kind::PaymentRefunded => {
                Some(RoleName::Payment)
            }
            Kind::ReceiptSent => Some(RoleName::Receipt),
        }
    }

    /// The kind whose topic has this name, without the prefix.
    #[must_use]
    pub fn of_topic(topic: &str) -> Option<Kind> {
        Kind::of_name(topic)
    }
}
