//! Reads the `data` of each event. No value may leave this module unchecked.

use super::{
    digest::digest_of,
    json::{Fields, Flaw, Node},
    refusal::Read,
};
use crate::{
    domain::{
        Expected,
        event::{Charge, Data, Freed, Kind, NoCharge, NoSeat, Refund},
        ids::BookingId,
        money::{Currency, Money},
        request::{Passenger, Payment, PaymentToken, Request},
        seat::{FlightNo, SEATS_MAX, SeatId, Seating, parse_date},
    },
    email,
};

/// The longest reference in `data`, in characters, as `maxLength` of a JSON Schema counts them.
const REFERENCE_CHARS_MAX: usize = 255;

/// Reads the `data` of a booking request as a service would. Returns its booking id too, if it
/// names one.
///
/// # Errors
/// For everything that the services would refuse. The error has the path, what was expected and the
/// position, but never the value.
pub fn read_request(text: &str) -> Result<(Option<BookingId>, Request), Flaw> {
    let fields = Fields::parse(text)?;
    let id = fields.optional("booking_id").map(|it| it.parsed(BookingId::parse)).transpose()?;
    // Called only for its errors: card numbers, and JSON without a digest.
    digest_of(fields.node()).map_err(|(_, flaw)| flaw)?;
    Ok((id, request(&fields)?))
}

pub(super) fn read_data(kind: Kind, fields: &Fields<'_, '_>) -> Read<Data> {
    let reference = |name: &'static str| fields.required(name)?.parsed(self::reference);
    let amount = || money(&fields.required("amount")?);
    Ok(match kind {
        Kind::BookingRequested => Data::BookingRequested(request(fields)?),
        Kind::SeatBooked => Data::SeatBooked(seating(fields, 1)?),
        Kind::SeatUnavailable => Data::SeatUnavailable {
            reason: fields.required("reason")?.parsed(NoSeat::parse)?,
            seating: seating(fields, 0)?,
        },
        Kind::SeatReleased => Data::SeatReleased {
            reason: fields.required("reason")?.parsed(Freed::parse)?,
            seats: seats(fields, 0)?,
        },
        Kind::PaymentOk => {
            Data::PaymentOk(Charge { charge: reference("charge")?, amount: amount()? })
        }
        Kind::PaymentFailed => {
            Data::PaymentFailed { reason: fields.required("reason")?.parsed(NoCharge::parse)? }
        }
        Kind::PaymentRefunded => Data::PaymentRefunded(Refund {
            refund: reference("refund")?,
            charge: reference("charge")?,
            amount: amount()?,
        }),
        Kind::ReceiptSent => Data::ReceiptSent { receipt: reference("receipt")? },
    })
}

fn request(fields: &Fields<'_, '_>) -> Result<Request, Flaw> {
    let seating = seating(fields, 1)?;
    let passenger = fields.required("passenger")?;
    let passenger = passenger.object()?;
    let payment = fields.required("payment")?;
    let payment = payment.object()?;
    Ok(Request {
        seating,
        passenger: Passenger {
            name: passenger.required("name")?.parsed(Passenger::parse_name)?,
            email: passenger.required("email")?.parsed(email::parse)?,
        },
        payment: Payment {
            token: payment.required("token")?.parsed(PaymentToken::parse)?,
            amount: money(&payment.required("amount")?)?,
        },
    })
}

fn seating(fields: &Fields<'_, '_>, seats_min: usize) -> Result<Seating, Flaw> {
    Ok(Seating {
        flight: fields.required("flight")?.parsed(FlightNo::parse)?,
        date: fields.required("date")?.parsed(parse_date)?,
        seats: seats(fields, seats_min)?,
    })
}

fn seats(fields: &Fields<'_, '_>, seats_min: usize) -> Result<Vec<SeatId>, Flaw> {
    let list = fields.required("seats")?;
    let mut seats = list.each(|it| it.parsed(SeatId::parse))?;
    let named = seats.len();
    // Count the seats before sorting them, so that a list of a hundred thousand is never sorted.
    let fits = (seats_min..=SEATS_MAX).contains(&named);
    if fits {
        seats.sort_unstable();
        seats.dedup();
    }
    if !fits || seats.len() < named {
        return Err(list.flaw(&format!("expected {seats_min} to {SEATS_MAX} different seats")));
    }
    Ok(seats)
}

fn money(node: &Node<'_, '_>) -> Result<Money, Flaw> {
    let fields = node.object()?;
    let minor = fields.required("minor")?;
    let currency = fields.required("currency")?.parsed(Currency::parse)?;
    Money::new(minor.integer()?, currency).map_err(|it| minor.flaw(&it.to_string()))
}

fn reference(text: &str) -> Result<String, Expected> {
    let length = text.chars().count();
    if !(1..=REFERENCE_CHARS_MAX).contains(&length) || text.chars().any(char::is_control) {
        return Err(Expected("1 to 255 characters without control characters"));
    }
    Ok(text.to_owned())
}
