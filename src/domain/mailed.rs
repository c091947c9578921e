//! What the receipt role mails: a receipt, and later perhaps that it is void. It must never depend
//! on anything but the row and the booking's id, since a mail that is sent again is the same mail.

use jiff::Timestamp;

use super::{ids::BookingId, money::Money, request::Passenger, seat::Seating};

/// A series of numbers: the first letter, and the name from which the number is derived.
pub(super) type Series = (char, &'static str);

/// The numbers of receipts. They must never change, since a receipt that is sent again has the same
/// number.
pub(super) const RECEIPT: Series = ('R', "receipt-number");
/// The numbers of the mails that make a receipt void.
pub(super) const VOID: Series = ('V', "void-number");

/// A complete receipt, or the mail that makes one void. The same booking always gives the same
/// receipt, and the same mail that makes it void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// `R-` and twelve characters in groups of four; `V-` for one that makes another void.
    pub number: String,
    pub booking: BookingId,
    pub seating: Seating,
    pub to: Addressee,
    pub amount: Money,
    /// When the money was taken, by the clock of payment.
    pub paid_at: Timestamp,
    /// The payment provider's id of the charge, if it is known.
    pub charge: Option<String>,
    /// The receipt that this one makes void; `None` when it is itself a receipt.
    pub voids: Option<Voided>,
}

/// A receipt that is void, since its seats were lost after it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voided {
    /// The number of the receipt.
    pub number: String,
    /// When the seats were lost, by the clock of seats, if that is known.
    pub lost_at: Option<Timestamp>,
}

impl Receipt {
    /// When it was issued: a receipt when the money was taken, and one that makes another void when
    /// the seats were lost, as far as that is known. It is the same however often the mail is sent.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.voids.as_ref().and_then(|it| it.lost_at).unwrap_or(self.paid_at)
    }
}

/// The addressee of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressee {
    Known(Passenger),
    /// Name and address were erased.
    Erased,
}

/// A number such as `R-4F7K-9QXM-2DTA`: sixty bits of the booking's identity and of the
/// series, in Crockford's base 32, which can be read out on the telephone without mistakes.
pub(super) fn number((letter, what): Series, booking: &BookingId) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = booking.derive(what).as_u128();
    let digit = |place: u32| char::from(DIGITS[(bits >> (5 * place)) as usize % 32]);
    let group = |from: u32| (from..from + 4).map(digit).collect::<String>();
    format!("{letter}-{}-{}-{}", group(0), group(4), group(8))
}
