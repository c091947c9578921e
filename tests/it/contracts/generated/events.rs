//! Events that nobody thought of: every field of every kind, within what is allowed.

use booking::{
    domain::{
        card::holds_card_number,
        event::{Charge, Data, Event, Freed, Kind, NoCharge, NoSeat, Refund},
        ids::{BookingId, Cause, Digest},
        money::{Currency, MINOR_MAX, Money},
        request::{Passenger, Payment, PaymentToken, Request},
        seat::{FlightNo, SEATS_MAX, SeatId, Seating},
    },
    wire::{self, Refusal},
};
use jiff::Timestamp;
use proptest::{collection, option, prelude::*, sample::select};
use serde_json::json;

use crate::harness::incoming;

/// How many messages CI tries, a property.
pub const CASES: u32 = 256;

pub fn cases() -> ProptestConfig {
    let chosen = std::env::var_os("PROPTEST_CASES").is_some();
    let config = if chosen { ProptestConfig::default() } else { ProptestConfig::with_cases(CASES) };
    // What is drawn and is no address, name or token is drawn again: many times in a million cases.
    ProptestConfig { max_local_rejects: u32::MAX, max_global_rejects: u32::MAX, ..config }
}

pub fn enveloped(kind: Kind, message: &str) -> String {
    json!({
        "Type": "Notification",
        "MessageId": "7e3c4f5a-1111-4222-8333-444455556666",
        "TopicArn": format!("arn:aws:sns:eu-central-1:000000000000:{kind}"),
        "Message": message,
        "Timestamp": "2027-02-01T09:00:00.000Z",
    })
    .to_string()
}

/// Reads a text raw and in an SNS envelope.
pub fn read(text: &str) -> [Result<Event, Refusal>; 2] {
    [text.to_owned(), enveloped(Kind::BookingRequested, text)]
        .map(|it| wire::decode(&incoming(it), &crate::harness::intake()))
}

// What a valid message is made of.

pub fn name() -> impl Strategy<Value = String> {
    // Also what is not one byte a character, or not one character a glyph.
    "[^\\p{Cc}]{1,60}".prop_filter("a name", |it| Passenger::parse_name(it).is_ok())
}

/// Text where the wire takes any: ids, sources, references.
pub fn text() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{1,60}"
}

pub fn booking() -> impl Strategy<Value = BookingId> {
    "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
        .prop_filter_map("a booking id", |it| BookingId::parse(&it).ok())
}

pub fn seat() -> impl Strategy<Value = SeatId> {
    (1_u16..=999, b'A'..=b'K')
        .prop_map(|(row, letter)| SeatId::parse(&format!("{row}{}", char::from(letter))).unwrap())
}

pub fn seats(least: usize) -> impl Strategy<Value = Vec<SeatId>> {
    collection::btree_set(seat(), least..=SEATS_MAX).prop_map(|it| it.into_iter().collect())
}

pub fn seating(least: usize) -> impl Strategy<Value = Seating> {
    let flight =
        "[A-Z0-9]{2,3}[0-9]{1,4}[A-Z]?".prop_filter_map("a flight", |it| FlightNo::parse(&it).ok());
    let date = (0_i16..=9999, 1_i8..=12, 1_i8..=28);
    (flight, date, seats(least)).prop_map(|(flight, (year, month, day), seats)| Seating {
        flight,
        date: jiff::civil::date(year, month, day),
        seats,
    })
}

pub fn money() -> impl Strategy<Value = Money> {
    let currency = select(vec!["EUR", "USD", "JPY", "KWD", "CLF", "UYW", "XAU"]);
    (1..=MINOR_MAX, currency)
        .prop_map(|(minor, code)| Money::new(minor, Currency::parse(code).unwrap()).unwrap())
}

pub fn request() -> impl Strategy<Value = Request> {
    let email = "[a-z0-9+-]{1,12}(\\.[a-z0-9+-]{1,8})?@[a-z0-9]{1,9}(-[a-z0-9]{1,9})?\\.[a-z]{2,8}"
        .prop_filter("an address", |it| booking::email::parse(it).is_ok());
    let token =
        "[A-Za-z0-9._:/+=-]{1,64}".prop_filter_map("a token", |it| PaymentToken::parse(&it).ok());
    (seating(1), name(), email, token, money())
        .prop_map(|(seating, name, email, token, amount)| Request {
            seating,
            passenger: Passenger { name, email },
            payment: Payment { token, amount },
        })
        .prop_filter("no card number", |it| {
            let payment =
                [it.payment.token.reveal().to_owned(), it.payment.amount.minor().to_string()];
            ![&it.passenger.name, &it.passenger.email, &payment[0], &payment[1]]
                .into_iter()
                .any(|it| holds_card_number(it))
        })
}

pub fn data() -> impl Strategy<Value = Data> {
    let code = || "[a-z][a-z0-9_]{0,30}";
    prop_oneof![
        4 => request().prop_map(Data::BookingRequested),
        1 => seating(1).prop_map(Data::SeatBooked),
        1 => (code(), seating(0)).prop_map(|(code, seating)| Data::SeatUnavailable {
            reason: NoSeat::parse(&code).unwrap(),
            seating,
        }),
        1 => (code(), seats(0)).prop_map(|(code, seats)| Data::SeatReleased {
            reason: Freed::parse(&code).unwrap(),
            seats,
        }),
        1 => (text(), money()).prop_map(|(charge, amount)| Data::PaymentOk(Charge { charge, amount })),
        1 => code().prop_map(|code| Data::PaymentFailed { reason: NoCharge::parse(&code).unwrap() }),
        1 => (text(), text(), money()).prop_map(|(refund, charge, amount)| {
            Data::PaymentRefunded(Refund { refund, charge, amount })
        }),
        1 => text().prop_map(|receipt| Data::ReceiptSent { receipt }),
    ]
}

pub fn event() -> impl Strategy<Value = Event> {
    let instant = (Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond())
        .prop_map(|it| Timestamp::from_nanosecond(it).unwrap());
    let trace = option::of("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}");
    (text(), text(), booking(), instant, any::<[u8; 32]>(), trace, data()).prop_map(
        |(source, id, booking, time, digest, traceparent, data)| {
            let digest = match &data {
                Data::BookingRequested(request) => wire::digest(wire::request_data(request)),
                _ => Digest::new(digest),
            };
            // An outcome has its publisher for a source; a client calls itself what it likes.
            let source = data.kind().publisher().map_or(source, |it| it.source().to_owned());
            Event { cause: Cause { source, id }, booking, time, digest, traceparent, data }
        },
    )
}

// What is done to it.
