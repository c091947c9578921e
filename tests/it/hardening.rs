//! The wire decoder against messages nobody thought of, and the logs of real processes against what
//! must never stand in them.
//!
//! CI tries [`CASES`] messages a property; PROPTEST_CASES=1000000 tries as many as one has time
//! for.

use booking::{
    domain::{
        RoleName,
        card::holds_card_number,
        event::{Charge, Data, Event, Freed, Kind, NoCharge, NoSeat, Refund},
        ids::{BookingId, Cause, Digest},
        money::{Currency, MINOR_MAX, Money},
        request::{Passenger, Payment, PaymentToken, Request},
        seat::{FlightNo, SEATS_MAX, SeatId, Seating},
    },
    wire::{self, Refusal, Why},
};
use jiff::Timestamp;
use proptest::{collection, option, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::harness::{
    Account, Folder, LocalStack, Service, Sketch, as_read, bare, incoming, eventually,
};

/// How many messages CI tries, a property.
const CASES: u32 = 256;

fn cases() -> ProptestConfig {
    let chosen = std::env::var_os("PROPTEST_CASES").is_some();
    let config = if chosen { ProptestConfig::default() } else { ProptestConfig::with_cases(CASES) };
    // What is drawn and is no address, name or token is drawn again: many times in a million cases.
    ProptestConfig { max_local_rejects: u32::MAX, max_global_rejects: u32::MAX, ..config }
}

fn enveloped(kind: Kind, message: &str) -> String {
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
fn read(text: &str) -> [Result<Event, Refusal>; 2] {
    [text.to_owned(), enveloped(Kind::BookingRequested, text)]
        .map(|it| wire::decode(&incoming(it), &crate::harness::intake()))
}

// What a valid message is made of.

fn name() -> impl Strategy<Value = String> {
    // Also what is not one byte a character, or not one character a glyph.
    "[^\\p{Cc}]{1,60}".prop_filter("a name", |it| Passenger::parse_name(it).is_ok())
}

/// Text where the wire takes any: ids, sources, references.
fn text() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{1,60}"
}

fn booking() -> impl Strategy<Value = BookingId> {
    "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
        .prop_filter_map("a booking id", |it| BookingId::parse(&it).ok())
}

fn seat() -> impl Strategy<Value = SeatId> {
    (1_u16..=999, b'A'..=b'K')
        .prop_map(|(row, letter)| SeatId::parse(&format!("{row}{}", char::from(letter))).unwrap())
}

fn seats(least: usize) -> impl Strategy<Value = Vec<SeatId>> {
    collection::btree_set(seat(), least..=SEATS_MAX).prop_map(|it| it.into_iter().collect())
}

fn seating(least: usize) -> impl Strategy<Value = Seating> {
    let flight =
        "[A-Z0-9]{2,3}[0-9]{1,4}[A-Z]?".prop_filter_map("a flight", |it| FlightNo::parse(&it).ok());
    let date = (0_i16..=9999, 1_i8..=12, 1_i8..=28);
    (flight, date, seats(least)).prop_map(|(flight, (year, month, day), seats)| Seating {
        flight,
        date: jiff::civil::date(year, month, day),
        seats,
    })
}

fn money() -> impl Strategy<Value = Money> {
    let currency = select(vec!["EUR", "USD", "JPY", "KWD", "CLF", "UYW", "XAU"]);
    (1..=MINOR_MAX, currency)
        .prop_map(|(minor, code)| Money::new(minor, Currency::parse(code).unwrap()).unwrap())
}

fn request() -> impl Strategy<Value = Request> {
    let email = "[a-z0-9+-]{1,12}(\\.[a-z0-9+-]{1,8})?@[a-z0-9]{1,9}(-[a-z0-9]{1,9})?\\.[a-z]{2,8}"
        .prop_filter("an address", |it| Passenger::parse_email(it).is_ok());
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

fn data() -> impl Strategy<Value = Data> {
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

fn event() -> impl Strategy<Value = Event> {
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

/// Values that no refusal's own words are made of: none of these characters stands in them.
fn secret() -> impl Strategy<Value = String> {
    "[QXZ_qxz789ßж字🦀]{5,40}"
}

fn is_secret(it: char) -> bool {
    "QXZ_qxz789ßж字🦀".contains(it)
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (7_777_777_u64..=9_999_999).prop_map(Value::from),
        secret().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let key = prop_oneof![
            select(vec!["data", "booking_id", "flight", "seats", "passenger", "payment", "type"])
                .prop_map(str::to_owned),
            secret(),
        ];
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::btree_map(key, inner, 0..6)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

/// A request whose every free text is a secret.
fn secret_request() -> impl Strategy<Value = Value> {
    (secret(), "[QXZqxz]{5,20}", "[QXZ][QXZ789_]{5,20}").prop_map(|(name, user, token)| {
        let mut event: Value =
            serde_json::from_str(&Sketch::new("b-1", &["12A", "12B"], "tok_visa").cloud_event())
                .unwrap();
        event["data"]["passenger"]["name"] = json!(name);
        event["data"]["passenger"]["email"] = json!(format!("{user}@example.com"));
        event["data"]["payment"]["token"] = json!(token);
        event
    })
}

const PLACES: [&str; 20] = [
    "/specversion",
    "/id",
    "/source",
    "/type",
    "/subject",
    "/time",
    "/datacontenttype",
    "/dataschema",
    "/data",
    "/data/flight",
    "/data/date",
    "/data/seats",
    "/data/seats/0",
    "/data/passenger",
    "/data/passenger/name",
    "/data/passenger/email",
    "/data/payment",
    "/data/payment/token",
    "/data/payment/amount",
    "/data/payment/amount/minor",
];

/// One thing done to the text of a message.
#[derive(Clone, Debug)]
enum Blow {
    /// Another byte there.
    Flip(usize, u8),
    /// So many bytes taken away there.
    Delete(usize, usize),
    /// So many bytes there twice.
    Double(usize, usize),
    /// This put in there.
    Insert(usize, &'static str),
    /// Cut off there.
    Cut(usize),
}

fn blow() -> impl Strategy<Value = Blow> {
    let scrap = select(vec![
        "\\ud800",
        "\\udfff\\ud800",
        "\\u0000",
        "\u{0}",
        "\u{feff}",
        "\u{202e}",
        "\\",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "1e999",
        "-0",
        "1E-400",
        "99999999999999999999999999999999",
        "0.1",
        "\"data\":{},",
        "\"type\":\"payment-ok\",",
        "\"specversion\":null,",
        "NaN",
        "/*",
        "'",
        "\u{1F980}",
        "\r\n",
        "\\uD83E\\uDD80",
        "4111111111111111",
    ]);
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Blow::Flip(at, byte)),
        (any::<usize>(), 1_usize..40).prop_map(|(at, length)| Blow::Delete(at, length)),
        (any::<usize>(), 1_usize..200).prop_map(|(at, length)| Blow::Double(at, length)),
        (any::<usize>(), scrap).prop_map(|(at, scrap)| Blow::Insert(at, scrap)),
        any::<usize>().prop_map(Blow::Cut),
    ]
}

fn struck(text: &str, blows: &[Blow]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for blow in blows {
        let place = |at: usize| at % (bytes.len() + 1);
        match *blow {
            Blow::Flip(at, byte) => {
                let at = place(at);
                if let Some(it) = bytes.get_mut(at) {
                    *it = byte;
                }
            }
            Blow::Delete(at, length) => {
                let at = place(at);
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Blow::Double(at, length) => {
                let at = place(at);
                let again = bytes[at..(at + length).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
            Blow::Insert(at, scrap) => {
                let at = place(at);
                bytes.splice(at..at, scrap.bytes());
            }
            Blow::Cut(at) => bytes.truncate(place(at)),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A refusal has no five characters in a row of a secret, nor of any of these values.
#[track_caller]
fn tells_nothing(refusal: &Refusal, of: &Value) {
    let flaw = &refusal.flaw;
    for said in [&flaw.path, &flaw.problem] {
        let run = said.split(|it| !is_secret(it)).map(|it| it.chars().count()).max();
        assert!(run.unwrap_or(0) < 5, "{said}");
        let mut leaves = Vec::new();
        collect(of, &mut leaves);
        for leaf in leaves {
            let leaf: Vec<char> = leaf.chars().collect();
            for piece in leaf.windows(5).map(|it| it.iter().collect::<String>()) {
                // The bounds of an amount, which a refusal names, have as many zeros.
                assert!(piece == "00000" || !said.contains(&piece), "{said} has {piece:?}");
            }
        }
    }
    let whole =
        format!("{}: {} (line {} column {})", flaw.path, flaw.problem, flaw.line, flaw.column);
    assert_eq!(refusal.to_string(), whole);
}

/// The text of every string and number.
fn collect(value: &Value, leaves: &mut Vec<String>) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(it) => leaves.push(it.to_string()),
        Value::String(it) => leaves.push(it.clone()),
        Value::Array(list) => list.iter().for_each(|it| collect(it, leaves)),
        Value::Object(fields) => fields.values().for_each(|it| collect(it, leaves)),
    }
}

/// The same value with every object's keys in another order, white space wherever there may be, and
/// characters escaped that need not be.
fn rewritten(value: &Value, rng: &mut fastrand::Rng, out: &mut String) {
    let gap = |rng: &mut fastrand::Rng, out: &mut String| {
        for _ in 0..rng.usize(0..3) {
            out.push(rng.choice([' ', '\n', '\t', '\r']).unwrap());
        }
    };
    gap(rng, out);
    match value {
        Value::Array(list) => {
            out.push('[');
            for (at, it) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                rewritten(it, rng, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            rng.shuffle(&mut fields);
            out.push('{');
            for (at, (name, it)) in fields.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                gap(rng, out);
                spelled(name, rng, out);
                gap(rng, out);
                out.push(':');
                rewritten(it, rng, out);
            }
            out.push('}');
        }
        Value::String(it) => spelled(it, rng, out),
        it => out.push_str(&it.to_string()),
    }
    gap(rng, out);
}

/// A JSON string with some of its characters escaped.
fn spelled(text: &str, rng: &mut fastrand::Rng, out: &mut String) {
    out.push('"');
    for it in text.chars() {
        if rng.bool() || it < ' ' || it == '"' || it == '\\' {
            let units = it.encode_utf16(&mut [0; 2]).to_vec();
            out.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(it);
        }
    }
    out.push('"');
}

/// A card number of 13 to 19 digits.
fn card() -> impl Strategy<Value = String> {
    (2_u8..=6, collection::vec(0_u8..=9, 11..=17)).prop_map(|(first, more)| {
        let mut digits = vec![first];
        digits.extend(more);
        // The digit that makes it valid; written here once more, so as not to ask the code under
        // test.
        let doubled = |it: u8| if it > 4 { it * 2 - 9 } else { it * 2 };
        let sum: u8 = digits
            .iter()
            .rev()
            .enumerate()
            .map(|(at, it)| if at % 2 == 0 { doubled(*it) } else { *it })
            .sum();
        digits.push((10 - sum % 10) % 10);
        digits.iter().map(|it| char::from(b'0' + it)).collect()
    })
}

/// What may stand before a card number: nothing, a word, or any one character that is no part of
/// one.
fn before() -> impl Strategy<Value = String> {
    let other = any::<char>().prop_filter("no part of a word", |it| !it.is_alphanumeric());
    prop_oneof!["([a-z]+[ :(])?", other.prop_map(String::from)]
}

/// Single spaces and hyphens between digits, wherever the seed puts them.
fn grouped(card: &str, seed: u64) -> String {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut text = String::new();
    for (at, digit) in card.chars().enumerate() {
        if at > 0 && rng.u8(0..3) == 0 {
            text.push(rng.choice([' ', '-']).unwrap());
        }
        text.push(digit);
    }
    text
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_was_encoded_is_read_back(event in event()) {
        let message = wire::encode(&event).unwrap();
        let event = as_read(event);
        prop_assert_eq!(&wire::decode(&incoming(message.body.clone()), &crate::harness::intake()).unwrap(), &event);
        let enveloped = enveloped(message.kind, &message.body);
        prop_assert_eq!(wire::decode(&incoming(enveloped), &crate::harness::intake()).unwrap(), event);
    }

    #[test]
    fn arbitrary_text_never_panics(bytes in collection::vec(any::<u8>(), 0..400), text in any::<String>()) {
        for it in [String::from_utf8_lossy(&bytes).into_owned(), text] {
            for refusal in read(&it).into_iter().filter_map(Result::err) {
                tells_nothing(&refusal, &json!(it));
            }
        }
    }

    #[test]
    fn arbitrary_json_never_panics_and_is_never_quoted(value in json_value()) {
        for refusal in read(&value.to_string()).into_iter().filter_map(Result::err) {
            tells_nothing(&refusal, &value);
        }
    }

    #[test]
    fn a_wrong_value_in_any_place_is_never_quoted(
        mut event in secret_request(), place in select(PLACES.to_vec()), value in json_value(),
    ) {
        if let Some(it) = event.pointer_mut(place) {
            *it = value.clone();
        }
        for refusal in read(&event.to_string()).into_iter().filter_map(Result::err) {
            tells_nothing(&refusal, &json!([value, event["data"]["passenger"]["name"]]));
        }
    }

    #[test]
    fn a_damaged_message_never_panics_and_is_never_quoted(
        event in secret_request(), blows in collection::vec(blow(), 1..8),
    ) {
        let text = struck(&event.to_string(), &blows);
        for refusal in read(&text).into_iter().filter_map(Result::err) {
            tells_nothing(&refusal, &event["data"]["passenger"]["name"]);
        }
        // The envelope damaged, too.
        let text = struck(&enveloped(Kind::BookingRequested, &event.to_string()), &blows);
        for refusal in read(&text).into_iter().filter_map(Result::err) {
            tells_nothing(&refusal, &event["data"]["passenger"]["name"]);
        }
    }

    #[test]
    fn of_two_fields_with_one_name_the_last_counts_for_the_event_and_for_its_digest(
        first in request(), last in request(),
    ) {
        let [first, last] = [first, last].map(|it| wire::request_data(&it));
        let fields = |it: &Value| {
            let text = it.to_string();
            text[1..text.len() - 1].to_owned()
        };
        let twice = format!("{{{},{},\"booking_id\":\"b\"}}", fields(&first), fields(&last));
        let once = format!("{{{},\"booking_id\":\"b\"}}", fields(&last));
        let [twice, once] = [twice, once].map(|it| wire::decode(&incoming(it), &crate::harness::intake()).unwrap());
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn the_digest_is_the_same_however_the_request_is_written(
        request in request(), more in json_value(), seed in any::<u64>(),
    ) {
        let mut data = wire::request_data(&request);
        data["booking_id"] = json!("b");
        data["more"] = more;
        let mut text = String::new();
        rewritten(&data, &mut fastrand::Rng::with_seed(seed), &mut text);
        match [data.to_string(), text].map(|it| wire::decode(&incoming(it), &crate::harness::intake())) {
            [Ok(one), Ok(other)] => {
                prop_assert_eq!(one.digest, other.digest);
                prop_assert_eq!(one, other);
            }
            // Something in `more` that could be a card number.
            [Err(one), Err(other)] => prop_assert_eq!(one.why, other.why),
            [one, other] => prop_assert!(false, "{one:?} and {other:?}"),
        }
    }

    #[test]
    fn a_card_number_is_refused_wherever_it_stands_in_the_data_of_a_request(
        card in card(), seed in any::<u64>(), before in before(), after in "([ .,)][a-z]*)?",
        place in select(vec!["/data/flight", "/data/passenger/name", "/data/passenger/email",
            "/data/payment/token", "/data/payment/amount/currency", "/data/seats/0", "/data/note"]),
    ) {
        let mut event: Value = serde_json::from_str(
            &Sketch::new("b-1", &["12A"], "tok_visa").cloud_event()).unwrap();
        event["data"]["note"] = json!([{"deep": null}]);
        let written = format!("{before}{}{after}", grouped(&card, seed));
        let number: Value = serde_json::from_str(&card).unwrap();
        for value in [json!(written), number, json!({"a": [written]})] {
            *event.pointer_mut(place).unwrap() = value;
            for refusal in read(&event.to_string()) {
                let refusal = refusal.expect_err("a card number");
                prop_assert_eq!(refusal.why, Why::CardNumber);
                let said = refusal.to_string();
                prop_assert!(!card.as_bytes().windows(5).any(|it| {
                    said.contains(std::str::from_utf8(it).unwrap())
                }), "{}", said);
            }
        }
    }

    #[test]
    fn money_reads_back_what_it_prints(money in money(), text in any::<String>()) {
        let printed = money.to_string();
        prop_assert_eq!(Money::parse(&printed), Ok(money));
        let (code, number) = printed.split_once(' ').unwrap();
        prop_assert_eq!(Money::parse(&format!("{number} {code}")), Ok(money));
        let _ = Money::parse(&text);
    }

    #[test]
    fn money_takes_what_it_prints_and_nothing_impossible(
        text in "([A-Z]{3}|EUR|JPY|KWD) [0-9.,+e-]{1,24}",
    ) {
        if let Ok(money) = Money::parse(&text) {
            prop_assert!((1..=MINOR_MAX).contains(&money.minor()));
            prop_assert_eq!(Money::parse(&money.to_string()), Ok(money));
        }
    }

    #[test]
    fn a_booking_id_is_safe_in_a_url_a_file_name_and_a_log(text in "[ -~]{0,70}|\\PC{0,70}|[0-9-]{1,24}|[a-z]-[0-9]{13,19}") {
        if let Ok(id) = BookingId::parse(&text) {
            prop_assert_eq!(id.as_str(), &text);
            prop_assert!(text.len() <= 64 && !text.starts_with(['-', '_', '.']));
            prop_assert!(text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it)));
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            let bare = text.bytes().all(|it| it.is_ascii_digit() || b"-_".contains(&it));
            prop_assert!(!bare || !(13..=19).contains(&digits), "it could be a card's");
        }
    }
}

#[test]
fn what_may_be_so_long_may_not_be_longer() {
    let ok = |field: &str, value: Value| {
        let mut event: Value =
            serde_json::from_str(&Sketch::new("b-1", &["12A"], "tok_visa").cloud_event()).unwrap();
        *event.pointer_mut(field).unwrap() = value;
        let read = read(&event.to_string());
        assert_eq!(read[0].is_ok(), read[1].is_ok(), "{field}");
        read[0].is_ok()
    };
    let text = |length: usize| json!("ß".repeat(length));
    let ascii = |length: usize| json!("x".repeat(length));
    let seats = |count: usize| json!((1..=count).map(|it| format!("{it}A")).collect::<Vec<_>>());
    let address = |length: usize| {
        json!(format!(
            "{}@{}.com",
            "x".repeat(60),
            ["y".repeat(60), "y".repeat(60), "y".repeat(60), "z".repeat(length - 61 - 183 - 4)]
                .join(".")
        ))
    };
    let both: [(&str, [Value; 2]); 8] = [
        ("/id", [text(127), text(128)]),
        ("/source", [ascii(255), ascii(256)]),
        ("/subject", [ascii(64), ascii(65)]),
        ("/data/passenger/name", [text(200), text(201)]),
        ("/data/passenger/email", [address(254), address(255)]),
        ("/data/payment/token", [ascii(255), ascii(256)]),
        ("/data/seats", [seats(SEATS_MAX), seats(SEATS_MAX + 1)]),
        ("/data/payment/amount/minor", [json!(MINOR_MAX), json!(MINOR_MAX + 1)]),
    ];
    for (field, [longest, longer]) in both {
        assert!(ok(field, longest), "{field}");
        assert!(!ok(field, longer), "{field}");
    }
    let padded = |length: usize| {
        let event = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
        let padding = " ".repeat(length - event.len());
        wire::decode(&incoming(event + &padding), &crate::harness::intake())
    };
    assert!(padded(1024 * 1024).is_ok());
    assert!(padded(1024 * 1024 + 1).unwrap_err().to_string().contains("expected at most"));
}

#[test]
fn a_hundred_thousand_levels_are_refused_or_ignored_wherever_they_stand() {
    let event = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    let kinds = [("[", "]", 100_000), ("{\"a\":", "}", 100_000), ("[[{\"data\":", "}]]", 50_000)];
    for (open, close, times) in kinds {
        for closed in [true, false] {
            let (left, right) = (open.repeat(times), close.repeat(times * usize::from(closed)));
            let deep = format!("{left}1{right}");
            let _ = read(&deep);
            let _ = wire::decode(
                &incoming(format!("{{\"TopicArn\":{deep},\"Message\":{deep}}}")),
                &crate::harness::intake(),
            );
            for place in ["/type", "/data", "/data/seats", "/data/passenger/name"] {
                let mut event: Value = serde_json::from_str(&event).unwrap();
                *event.pointer_mut(place).unwrap() = json!("@");
                let _ = read(&event.to_string().replace("\"@\"", &deep));
            }
            // An unknown field of the event is none of ours; in the data it counts for the digest.
            let beside = event.replacen('{', &format!("{{\"more\":{deep},"), 1);
            assert_eq!(wire::decode(&incoming(beside), &crate::harness::intake()).is_ok(), closed);
            let inside = event.replacen("\"seats\"", &format!("\"more\":{deep},\"seats\""), 1);
            assert!(wire::decode(&incoming(inside), &crate::harness::intake()).is_err());
        }
    }
}

/// What must not stand in any log, in small letters: the passenger, tokens, cards, and what bodies
/// and envelopes are made of.
const SECRETS: [&str; 15] = [
    "quentin",
    "oxenstierna",
    "zephyr",
    "tok_",
    "pm_9zq7",
    "secretwxyz",
    "4111",
    "1111 1111",
    "hidden remark",
    "specversion",
    "datacontenttype",
    "notification",
    "signingcert",
    "unsubscribeurl",
    "\\u00e9phyr",
];
/// All of the product's own lines, and as much as can be had of the libraries'.
const FILTERS: [&str; 2] = [
    "trace",
    "trace,aws=trace,hyper=trace,hyper_util=trace,aws_smithy_runtime=trace,aws_sdk_sqs=trace",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_line_tells_a_name_an_address_a_token_a_card_or_a_body_at_any_level() {
    for (format, filter) in [("text", FILTERS[1]), ("json", FILTERS[0]), ("json", FILTERS[1])] {
        let (account, folder) = (Account::make(false).await, Folder::new());
        let mut services = Vec::new();
        for role in RoleName::ALL {
            services.push(Service::spawn(
                LocalStack::running(),
                role,
                &account.prefix,
                folder.path(),
                |it| {
                    it.env("BOOKING_LOG_FORMAT", format).env("RUST_LOG", filter);
                },
            ));
        }
        for it in &mut services {
            it.polls().await;
        }
        let handle = every_kind_of_booking(&account, &services[3]).await;
        for service in services {
            let (role, log) = (service.role, service.log.clone());
            let address = service.address.clone();
            service.signal("TERM");
            assert_eq!(service.ended().await, Some(0));
            // Any four digits may stand in a port and in a time.
            let log = std::fs::read_to_string(log).unwrap().replace(&address, "own-address");
            tells_no_secret(&log, &handle, &format!("{role}, {format}, RUST_LOG={filter}"));
        }
    }
}

/// Completed, declined, answered too late, rejected for a card, and no event at all. Returns a
/// piece that every receipt handle of this account has.
async fn every_kind_of_booking(account: &Account, status: &Service) -> String {
    let publish = async |id: &str, seat: &str, token: &str, remark: &str| {
        let mut data = bare(&[seat], token);
        data["booking_id"] = json!(id);
        data["passenger"] = json!({
            "name": "Quentin Oxenstierna-Zéphyr",
            "email": "quentin.oxenstierna@zephyr-mail.example",
        });
        data["remark"] = json!(remark);
        account.publish(Kind::BookingRequested, &data.to_string()).await;
    };
    publish("good", "12A", "tok_visa", "a hidden remark").await;
    publish("no", "12B", "pm_9Zq7SecretWxyz", "a hidden remark").await;
    publish("late", "12C", "tok_timeout_then_ok", "a hidden remark").await;
    publish("card", "12D", "tok_visa", "4111 1111 1111 1111").await;
    publish("wrong", "Quentin", "pm_9Zq7SecretWxyz", "a hidden remark").await;
    let no_json = "{\"name\": Quentin Oxenstierna, \"token\": pm_9Zq7SecretWxyz}";
    account.publish(Kind::BookingRequested, no_json).await;
    let ends = [("good", "completed"), ("no", "payment_failed"), ("late", "completed")];
    for (id, phase) in [&ends[..], &[("card", "rejected"), ("wrong", "rejected")]].concat() {
        assert_eq!(status.ending(id).await["phase"], phase, "{id}");
    }
    publish("taken", "12A", "tok_visa", "a hidden remark").await;
    assert_ne!(status.ending("taken").await["phase"], "completed");
    for role in RoleName::ALL {
        account.dead_letters(role, 3).await;
        eventually(&format!("the queue of {role} to be empty"), async || {
            (account.depth(role).await == (0, 0)).then_some(())
        })
        .await;
    }
    account.handle_piece().await
}

/// A line without the time that it begins with.
fn timeless(line: &str) -> &str {
    let rest = line.strip_prefix("{\"timestamp\":\"").unwrap_or(line);
    match rest.split_once(['"', ' ']) {
        Some((time, rest)) if time.parse::<Timestamp>().is_ok() => rest,
        _ => line,
    }
}

fn tells_no_secret(log: &str, handle: &str, what: &str) {
    for id in ["good", "no", "late", "card", "wrong"] {
        assert!(log.contains(id), "{what}: nothing about {id}");
    }
    let small = log.to_lowercase();
    assert!(small.lines().any(|it| timeless(it) != it), "{what}: no line begins with a time");
    for secret in SECRETS {
        let line = small.lines().map(timeless).find(|it| it.contains(secret));
        assert!(line.is_none(), "{what}: {secret:?} is in {line:?}");
    }
    assert!(!log.contains(handle), "{what}: a receipt handle");
    // The cap itself: what is not ours says nothing below info, in spans neither.
    for line in log.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok()) {
        let ours = line["target"].as_str().is_some_and(|it| it.starts_with("booking"));
        assert!(
            ours || !["DEBUG", "TRACE"].contains(&line["level"].as_str().unwrap()),
            "{what}: {line}"
        );
        let spans = line["spans"].as_array().cloned().unwrap_or_default();
        assert!(spans.iter().all(|it| it["name"] == "delivery"), "{what}: {line}");
    }
}
