//! What is sent to Stripe for a charge. It must never contain anything about the passenger.

use sha2::{Digest as _, Sha256};

use crate::domain::{
    ids::{BookingId, Digest},
    request::PaymentToken,
};

/// The form of a charge. It must stay the same for the same arguments, also in later versions:
/// Stripe binds the idempotency key to it, and would refuse to repeat a charge that a version with
/// another form began. A version that must change it has to wait for a day without such charges.
pub(super) fn charge_form(
    booking: &BookingId,
    token: &PaymentToken,
    amount: u64,
    currency: String,
) -> Vec<(&'static str, String)> {
    let mut form = vec![
        ("amount", amount.to_string()),
        ("currency", currency),
        // By default Stripe takes the money only after it has answered, and that may fail.
        ("capture_method", "automatic".to_owned()),
        ("confirm", "true".to_owned()),
        ("off_session", "true".to_owned()),
        ("error_on_requires_action", "true".to_owned()),
        ("payment_method_types[0]", "card".to_owned()),
        ("description", format!("Booking {booking}")),
        ("metadata[booking]", booking.to_string()),
        ("metadata[booking_hash]", hash(booking)),
    ];
    // Stripe's card form gives the client a PaymentMethod, or in older versions a token.
    if token.reveal().starts_with("tok_") {
        form.push(("payment_method_data[type]", "card".to_owned()));
        form.push(("payment_method_data[card][token]", token.reveal().to_owned()));
    } else {
        form.push(("payment_method", token.reveal().to_owned()));
    }
    form
}

/// SHA-256 of the booking id, as hexadecimal digits. Stripe's search ignores the case of letters. A
/// client could book many ids that differ only in case, and a search by id would find too many
/// intents to read. So intents are searched by this hash.
pub(super) fn hash(booking: &BookingId) -> String {
    Digest::new(Sha256::digest(booking.as_str()).into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, read the comment on [`charge_form`] before you change the expectation.
    #[test]
    fn the_form_of_a_charge_is_the_same_in_every_version() {
        let (booking, euro) = (BookingId::parse("b-1").unwrap(), || "eur".to_owned());
        let form = |token: &str| {
            let token = PaymentToken::parse(token).unwrap();
            let form = charge_form(&booking, &token, 12900, euro());
            form.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        let common = [
            "amount=12900",
            "currency=eur",
            "capture_method=automatic",
            "confirm=true",
            "off_session=true",
            "error_on_requires_action=true",
            "payment_method_types[0]=card",
            "description=Booking b-1",
            "metadata[booking]=b-1",
            "metadata[booking_hash]=\
             3e499e752620c6a90ed59a200a18132411045ba50ea06c76673ecd53298e5151",
        ];
        assert_eq!(form("pm_card"), [&common[..], &["payment_method=pm_card"]].concat());
        let of_token = ["payment_method_data[type]=card", "payment_method_data[card][token]=tok_1"];
        assert_eq!(form("tok_1"), [&common[..], &of_token].concat());
    }
}
