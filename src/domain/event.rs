//! The eight events. An event is a fact about one booking; a refusal is a fact too. Nothing here
//! may depend on how an event is transported.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Expected, RoleName,
    ids::{BookingId, Cause, Digest, outcome_id},
    money::Money,
    request::Request,
    seat::{SeatId, Seating},
};

pub use super::kind::Kind;

/// One fact about one booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its identity, which is the same in every repetition.
    pub cause: Cause,
    pub booking: BookingId,
    /// When it was published, by the publisher's clock. No decision depends on it.
    pub time: Timestamp,
    /// The digest of the request that the event is, or answers.
    pub digest: Digest,
    /// W3C trace context, passed on unchanged.
    pub traceparent: Option<String>,
    pub data: Data,
}

impl Event {
    /// The outcome that `role` announces about a booking. Its id follows from the booking and the
    /// type, so an outcome that is announced again is the same event.
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

    /// The booking, request and trace of an outcome that answers this event.
    #[must_use]
    pub fn about(&self) -> About {
        About {
            booking: self.booking.clone(),
            digest: self.digest,
            traceparent: self.traceparent.clone(),
        }
    }

    /// The type, which follows from the data.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.data.kind()
    }
}

/// What an outcome is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub booking: BookingId,
    /// The digest of the request that the outcome answers.
    pub digest: Digest,
    /// W3C trace context, passed on unchanged.
    pub traceparent: Option<String>,
}

/// What happened, by type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    BookingRequested(Request),
    /// The seats that are now held.
    SeatBooked(Seating),
    /// The seats that could not be held.
    SeatUnavailable {
        reason: NoSeat,
        seating: Seating,
    },
    /// The seats that are free again; empty when none was held.
    SeatReleased {
        reason: Freed,
        seats: Vec<SeatId>,
    },
    PaymentOk(Charge),
    PaymentFailed {
        reason: NoCharge,
    },
    PaymentRefunded(Refund),
    ReceiptSent {
        /// The receipt number.
        receipt: String,
    },
}

impl Data {
    /// The type of the event that has this data.
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
    /// The payment provider's id of the charge.
    pub charge: String,
    pub amount: Money,
}

/// Money that was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The payment provider's id of the refund.
    pub refund: String,
    /// The id of the charge that is undone.
    pub charge: String,
    pub amount: Money,
}

/// Declares a reason that is written as a short code. The code of a newer version is kept and not
/// refused, since no decision depends on a code that this version does not know.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name {
            $($(#[$each])* $variant,)+
            /// A code that this version does not know.
            Other(String),
        }

        impl $name {
            /// The code as it is written in events.
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
            /// When the text has another form.
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
    /// Why a booking gets no seats.
    NoSeat {
        /// Another booking holds at least one of the seats.
        Taken = "taken",
        /// The schedule has no such flight on that day.
        UnknownFlight = "unknown_flight",
        /// The aircraft has no such seat.
        UnknownSeat = "unknown_seat",
        /// The departure has left, or is further ahead than the schedule sells.
        NotOnSale = "not_on_sale",
        /// The amount of the request is not the schedule's price for these seats.
        Fare = "fare",
        /// The hold was unpaid and older than the limit, and another booking took the seats over.
        Expired = "expired",
        /// The payment answers another request than the one whose seats are held.
        Conflict = "conflict",
    }
}

codes! {
    /// Why seats are free again.
    Freed {
        PaymentFailed = "payment_failed",
        /// The payment failed before the request came: no seat was held, and none will be.
        NeverHeld = "never_held",
    }
}

codes! {
    /// Why nothing was charged.
    NoCharge {
        Declined = "declined",
        InsufficientFunds = "insufficient_funds",
        /// The payment provider refuses the amount or the currency, or it charged a wrong amount,
        /// which was refunded.
        Invalid = "invalid",
        /// The card's bank wants its holder to confirm the payment, and the holder is not there.
        AuthenticationRequired = "authentication_required",
        /// There is no seat, so nothing was ever charged.
        SeatUnavailable = "seat_unavailable",
    }
}

/// The most bytes of a code.
const CODE_BYTES_MAX: usize = 64;

fn is_code(text: &str) -> bool {
    let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_';
    text.len() <= CODE_BYTES_MAX
        && text.starts_with(|it: char| it.is_ascii_lowercase())
        && text.bytes().all(plain)
}
