//! The eight events. An event is a fact about one booking; refusals are facts too.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Expected, RoleName,
    ids::{BookingId, Cause, Digest, outcome_id},
    money::Money,
    request::Request,
    seat::{SeatId, Seating},
};

/// The type of an event, which is also the name of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// BR: somebody wants seats.
    BookingRequested,
    /// SB: the seats are held.
    SeatBooked,
    /// SU: there will be no seat.
    SeatUnavailable,
    /// SR: the seats are free again, or were never held.
    SeatReleased,
    /// PO: the money was taken.
    PaymentOk,
    /// PF: no money was taken, and none will be.
    PaymentFailed,
    /// RF: the money was given back.
    PaymentRefunded,
    /// RI: the receipt went out.
    ReceiptSent,
}

impl Kind {
    /// All eight, in the order of a booking's life.
    pub const ALL: [Kind; 8] = [
        Kind::BookingRequested,
        Kind::SeatBooked,
        Kind::SeatUnavailable,
        Kind::SeatReleased,
        Kind::PaymentOk,
        Kind::PaymentFailed,
        Kind::PaymentRefunded,
        Kind::ReceiptSent,
    ];

    /// The topic's name without the prefix.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Kind::BookingRequested => "booking-requested",
            Kind::SeatBooked => "seat-booked",
            Kind::SeatUnavailable => "seat-unavailable",
            Kind::SeatReleased => "seat-released",
            Kind::PaymentOk => "payment-ok",
            Kind::PaymentFailed => "payment-failed",
            Kind::PaymentRefunded => "payment-refunded",
            Kind::ReceiptSent => "receipt-sent",
        }
    }

    /// The role that publishes it; `None` for requests, which any client publishes.
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

    /// The kind of that name.
    #[must_use]
    pub fn of_topic(topic: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|it| it.topic() == topic)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.topic())
    }
}

/// One fact about one booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Source and id: the same however often it is heard.
    pub cause: Cause,
    /// The booking it is about.
    pub booking: BookingId,
    /// When it was said, by the clock of who said it. Nothing is decided by it.
    pub time: Timestamp,
    /// The request it is, or answers.
    pub digest: Digest,
    /// W3C trace context, handed on as it came.
    pub traceparent: Option<String>,
    /// What happened.
    pub data: Data,
}

impl Event {
    /// The outcome of `kind` that `role` announces about a booking. Its id follows from the booking
    /// and the kind, so saying it again says the same event.
    #[must_use]
    pub fn outcome(role: RoleName, about: &About, time: Timestamp, data: Data) -> Event {
        let cause =
            Cause { source: role.source().to_owned(), id: outcome_id(&about.booking, data.kind()) };
        Event {
            cause,
            booking: about.booking.clone(),
            time,
            digest: about.digest,
            traceparent: about.traceparent.clone(),
            data,
        }
    }

    /// What an outcome of this event is about, unless the rules say otherwise.
    #[must_use]
    pub fn about(&self) -> About {
        About {
            booking: self.booking.clone(),
            digest: self.digest,
            traceparent: self.traceparent.clone(),
        }
    }

    /// The event's type.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.data.kind()
    }
}

/// What an outcome is about: the booking, the request that it answers, and the trace it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The booking.
    pub booking: BookingId,
    /// The request that is answered.
    pub digest: Digest,
    /// The trace.
    pub traceparent: Option<String>,
}

/// What happened, by type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// BR
    BookingRequested(Request),
    /// SB: these seats.
    SeatBooked(Seating),
    /// SU: these seats could not be had.
    SeatUnavailable {
        /// Why.
        reason: NoSeat,
        /// Which.
        seating: Seating,
    },
    /// SR: these seats are free again.
    SeatReleased {
        /// Why.
        reason: Freed,
        /// Which; empty when none was held.
        seats: Vec<SeatId>,
    },
    /// PO
    PaymentOk(Charge),
    /// PF
    PaymentFailed {
        /// Why.
        reason: NoCharge,
    },
    /// RF
    PaymentRefunded(Refund),
    /// RI
    ReceiptSent {
        /// Receipt number.
        receipt: String,
    },
}

impl Data {
    /// The type of event this is the data of.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Data::BookingRequested(_) => Kind::BookingRequested,
            Data::SeatBooked(_) => Kind::SeatBooked,
            Data::SeatUnavailable { .. } => Kind::SeatUnavailable,
            Data::SeatReleased { .. } => Kind::SeatReleased,
            Data::PaymentOk(_) => Kind::PaymentOk,
            Data::PaymentFailed { .. } => Kind::PaymentFailed,
            Data::PaymentRefunded(_) => Kind::PaymentRefunded,
            Data::ReceiptSent { .. } => Kind::ReceiptSent,
        }
    }
}

/// Money that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The provider's reference.
    pub charge: String,
    /// How much.
    pub amount: Money,
}

/// Money that was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The provider's reference.
    pub refund: String,
    /// The charge it undoes.
    pub charge: String,
    /// How much.
    pub amount: Money,
}

/// A reason that travels as a short code. Codes of a newer version are kept, not refused: nothing
/// is decided by the ones we do not know.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name {
            $($(#[$each])* $variant,)+
            /// A code this version does not know.
            Other(String),
        }

        impl $name {
            /// The code.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $($name::$variant => $code,)+
                    $name::Other(code) => code,
                }
            }

            /// Reads a code of at most 64 lower-case letters, digits and `_`.
            ///
            /// # Errors
            /// When it has another form.
            pub fn parse(text: &str) -> Result<Self, Expected> {
                match text {
                    $($code => Ok($name::$variant),)+
                    _ if is_code(text) => Ok($name::Other(text.to_owned())),
                    _ => Err(Expected("a code of at most 64 lower-case letters, digits and _")),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl TryFrom<String> for $name {
            type Error = Expected;
            fn try_from(text: String) -> Result<Self, Expected> {
                $name::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(it: $name) -> String {
                it.as_str().to_owned()
            }
        }
    };
}

codes! {
    /// Why there is no seat.
    NoSeat {
        /// Somebody else has it.
        Taken = "taken",
        /// The schedule has no such flight on that day.
        UnknownFlight = "unknown_flight",
        /// The aircraft has no such seat.
        UnknownSeat = "unknown_seat",
        /// The departure has left, or is further ahead than the schedule sells.
        NotOnSale = "not_on_sale",
        /// The schedule has another amount for these seats.
        Fare = "fare",
        /// The hold was older than the limit, unpaid, and another booking took it over.
        Expired = "expired",
        /// The payment answers another request than the seats.
        Conflict = "conflict",
    }
}

codes! {
    /// Why seats are free again.
    Freed {
        /// The payment failed.
        PaymentFailed = "payment_failed",
        /// The payment failed before the request came: none was held, and none will be.
        NeverHeld = "never_held",
    }
}

codes! {
    /// Why nothing was charged.
    NoCharge {
        /// The card was declined.
        Declined = "declined",
        /// The card has not that much.
        InsufficientFunds = "insufficient_funds",
        /// The provider refuses the amount or the currency, or took another amount and gave it
        /// back.
        Invalid = "invalid",
        /// There is no seat, so it was never charged.
        SeatUnavailable = "seat_unavailable",
    }
}

fn is_code(text: &str) -> bool {
    let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_';
    text.len() <= 64
        && text.starts_with(|it: char| it.is_ascii_lowercase())
        && text.bytes().all(plain)
}
