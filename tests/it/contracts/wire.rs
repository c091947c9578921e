//! What the shared parser takes, what it refuses, and that a refusal never quotes.

use booking::{
    domain::event::{Data, Event, Kind},
    wire::{self, Incoming, Intake, Refusal, Why},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Sketch, bare, incoming, intake};

const MESSAGE_ID: &str = "7e3c4f5a-1111-4222-8333-444455556666";

fn raw(body: &str) -> Incoming {
    incoming(body.to_owned())
}

fn enveloped(topic: &str, message: &str) -> Incoming {
    raw(&json!({
        "Type": "Notification",
        "MessageId": MESSAGE_ID,
        "TopicArn": format!("arn:aws:sns:eu-central-1:000000000000:{topic}"),
        "Message": message,
        "Timestamp": "2027-02-01T09:00:00.000Z",
    })
    .to_string())
}

fn read(delivery: &Incoming) -> Event {
    wire::decode(delivery, &intake()).unwrap_or_else(|it| panic!("{it}"))
}

#[track_caller]
fn refused(delivery: &Incoming, why: Why, says: &str) -> Refusal {
    let refusal = wire::decode(delivery, &intake()).expect_err("it should be refused");
    let text = refusal.to_string();
    assert_eq!(refusal.why, why, "{text}");
    assert!(text.contains(says), "{text:?} does not say {says:?}");
    refusal
}

/// A whole CloudEvent with one field changed; null takes it away.
fn changed(field: &str, value: Value) -> String {
    let mut event: Value =
        serde_json::from_str(&Sketch::new("b-1", &["12A"], "tok_visa").cloud_event()).unwrap();
    match event.pointer_mut(field) {
        Some(place) => *place = value,
        None => event[field.trim_start_matches('/')] = value,
    }
    event.to_string()
}

/// Failure matrix: A17.
#[test]
fn a_cloud_event_is_read_raw_and_enveloped_alike() {
    let text = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    assert_eq!(read(&raw(&text)), read(&enveloped("booking-requested", &text)));
}

#[test]
fn the_prefix_is_part_of_the_topic_name() {
    let text = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    let delivery = enveloped("staging-booking-requested", &text);
    let with =
        |prefix| Intake::enveloped(format!("arn:aws:sns:eu-central-1:000000000000:{prefix}"));
    assert!(wire::decode(&delivery, &with("staging-")).is_ok());
    assert_eq!(wire::decode(&delivery, &with("other-")).unwrap_err().why, Why::Untrusted);
}

/// Failure matrix: B4.
#[test]
fn data_typed_by_hand_gets_the_sns_message_id_in_every_queue() {
    let text = bare(&["12A"], "tok_visa").to_string();
    let event = read(&enveloped("booking-requested", &text));
    assert_eq!(event.booking.as_str(), MESSAGE_ID);
    assert_eq!(event.time, "2027-02-01T09:00:00Z".parse::<Timestamp>().unwrap());
    // Raw, there is nothing to derive an id from.
    refused(&raw(&text), Why::Malformed, "data.booking_id: is missing");
}

#[test]
fn a_booking_id_comes_from_data_then_subject_then_the_event() {
    let mut data = bare(&["12A"], "tok_visa");
    data["booking_id"] = json!("mine");
    assert_eq!(read(&raw(&data.to_string())).booking.as_str(), "mine");
    assert_eq!(read(&raw(&changed("/subject", json!("theirs")))).booking.as_str(), "theirs");
    let derived = read(&raw(&changed("/subject", Value::Null))).booking;
    assert_eq!(
        derived,
        read(&enveloped("booking-requested", &changed("/subject", Value::Null))).booking
    );
    let both = changed("/subject", json!("one"))
        .replace("\"seats\"", "\"booking_id\":\"other\",\"seats\"");
    refused(&raw(&both), Why::Malformed, "subject: expected the same booking as data.booking_id");
}

/// Failure matrix: B2.
#[test]
fn the_digest_is_of_what_was_asked_not_of_how_it_was_written() {
    let one = bare(&["12A"], "tok_visa");
    let mut with_id = one.clone();
    with_id["booking_id"] = json!("x");
    let text = r#"{"seats":["12A"],"flight":"WA117","payment":{"amount":{"currency":"EUR","minor":12900},
        "token":"tok_visa"},"passenger":{"email":"ada@example.com","name":"Ada Lovelace"},"date":"2027-03-01"}"#;
    let digest = |text: &str| read(&enveloped("booking-requested", text)).digest;
    assert_eq!(digest(&one.to_string()), digest(text));
    assert_eq!(digest(&one.to_string()), digest(&with_id.to_string()));
    assert_ne!(digest(&one.to_string()), digest(&bare(&["12B"], "tok_visa").to_string()));
    // Also of what this version does not know: an old and a new binary must agree.
    let mut more = one.clone();
    more["meal"] = json!("vegan");
    assert_ne!(digest(&one.to_string()), digest(&more.to_string()));
}

/// Failure matrix: B3.
#[test]
fn an_event_without_an_id_gets_one_from_booking_and_digest() {
    let mut one = bare(&["12A"], "tok_visa");
    one["booking_id"] = json!("b");
    let mut other = bare(&["12B"], "tok_visa");
    other["booking_id"] = json!("b");
    let cause = |data: &Value| read(&raw(&data.to_string())).cause;
    assert_eq!(cause(&one), cause(&one.clone()));
    assert_ne!(cause(&one), cause(&other));
}

/// Failure matrix: A15.
#[test]
fn unknown_fields_are_ignored_and_another_major_version_is_set_aside() {
    read(&raw(&changed("/dataschema", json!("urn:booking:schema:booking-requested:1"))));
    read(&raw(&changed("/dataschema", Value::Null)));
    read(&raw(&changed("/extension", json!({"deep": [1, 2, 3]}))));
    let newer = changed("/dataschema", json!("urn:booking:schema:booking-requested:2"));
    refused(
        &raw(&newer),
        Why::UnsupportedVersion,
        "dataschema: expected a schema that ends in version 1",
    );
    refused(&raw(&changed("/specversion", json!("0.3"))), Why::UnsupportedVersion, "specversion");
}

/// Failure matrix: A16.
#[test]
fn a_type_or_topic_that_nobody_knows_is_set_aside() {
    refused(&raw(&changed("/type", json!("seat-upgraded"))), Why::UnknownType, "type");
    let text = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    refused(&enveloped("seat-upgraded", &text), Why::UnknownType, "TopicArn");
}

/// Failure matrix: A17.
#[test]
fn a_type_that_is_not_its_topics_is_set_aside() {
    let text = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    refused(
        &enveloped("payment-ok", &text),
        Why::Malformed,
        "type: expected the type that belongs",
    );
    refused(
        &enveloped("payment-ok", "{}"),
        Why::Malformed,
        "only a booking-requested may be bare data",
    );
}

/// Failure matrix: A14.
#[test]
fn what_is_no_event_says_where_and_what_was_expected_and_never_what_was_there() {
    let secret = "hunter2-4111";
    let wrong = [
        ("/data/flight", json!(secret), "data.flight: expected a flight such as WA117"),
        ("/data/date", json!(secret), "data.date: expected a day as YYYY-MM-DD"),
        ("/data/seats", json!([secret]), "data.seats[0]: expected a seat such as 12A"),
        ("/data/seats", json!(secret), "data.seats: expected an array"),
        ("/data/passenger", json!(secret), "data.passenger: expected an object"),
        (
            "/data/passenger/email",
            json!(secret),
            "data.passenger.email: expected an e-mail address",
        ),
        ("/data/passenger/name", json!(7), "data.passenger.name: expected a string"),
        (
            "/data/payment/token",
            json!("hunter2 4111"),
            "data.payment.token: expected a payment token",
        ),
        (
            "/data/payment/amount/minor",
            json!(secret),
            "data.payment.amount.minor: expected an integer",
        ),
        ("/data/payment/amount/minor", json!(-5), "data.payment.amount.minor: expected an integer"),
        (
            "/data/payment/amount/minor",
            json!(12.5),
            "data.payment.amount.minor: expected an integer",
        ),
        (
            "/data/payment/amount/currency",
            json!(secret),
            "data.payment.amount.currency: expected an ISO",
        ),
        ("/data", json!(secret), "data: expected an object"),
        ("/time", json!(secret), "time: expected an instant"),
        ("/subject", json!("hunter2/4111"), "subject: expected a booking id"),
        ("/datacontenttype", json!("text/xml"), "datacontenttype: expected application/json or"),
    ];
    for (field, value, says) in wrong {
        let refusal = refused(&raw(&changed(field, value)), Why::Malformed, says);
        let text = refusal.to_string();
        assert!(!text.contains("hunter2") && !text.contains("4111"), "{text}");
        assert!(text.contains("(line 1 column "), "{text}");
    }
}

#[test]
fn a_position_is_where_the_value_begins() {
    let text = "{\n  \"flight\": \"WA117\",\n  \"date\": 7,\n  \"booking_id\": \"b\"\n}";
    refused(&raw(text), Why::Malformed, "date: expected a string (line 3 column 11)");
}

#[test]
fn a_refused_request_is_filed_under_its_own_id_if_that_can_be_read() {
    let refusal = wire::decode(&raw(&changed("/data/flight", json!(1))), &intake()).unwrap_err();
    assert_eq!(refusal.booking.unwrap().as_str(), "b-1");
    assert_eq!(refusal.kind, Some(Kind::BookingRequested));
    let refusal = wire::decode(&enveloped("booking-requested", "no json"), &intake()).unwrap_err();
    assert_eq!(refusal.booking.unwrap().as_str(), MESSAGE_ID);
    assert_eq!(refusal.kind, Some(Kind::BookingRequested));
}

#[test]
fn card_numbers_are_refused_wherever_they_stand_in_data() {
    let card = "4111 1111 1111 1111";
    for field in ["/data/passenger/name", "/data/payment/token", "/data/flight"] {
        let refusal = refused(&raw(&changed(field, json!(card))), Why::CardNumber, "card number");
        assert!(!refusal.to_string().contains("4111"));
    }
    let hidden =
        changed("/data/passenger", json!({"notes": {"4111111111111111": [5500000000000004_u64]}}));
    let refusal = refused(&raw(&hidden), Why::CardNumber, "data.passenger.….…[0]");
    assert!(!refusal.to_string().contains("4111"));
    // Nor a name that a client made up: it may be somebody's.
    let named = changed("/data/passenger", json!({"name": {"adalovelace": card}}));
    let refusal = refused(&raw(&named), Why::CardNumber, "data.passenger.name.…: ");
    assert!(!refusal.to_string().contains("ada"));
    // All names that a request may have are told.
    let topic: Value =
        serde_json::from_str(include_str!("../../../topics/booking-requested.json")).unwrap();
    let names = names(&topic["data"]);
    assert_eq!(names.len(), 12, "{names:?}");
    for name in names {
        let path = format!("data.passenger.{name}: ");
        refused(&raw(&changed("/data/passenger", json!({name: card}))), Why::CardNumber, &path);
    }
    // Not ids, times, traces and digests.
    read(&raw(&changed("/id", json!("4111111111111111"))));
}

/// What the official SDKs for Python and JavaScript write for JSON that they are given as bytes.
#[test]
fn data_in_base64_is_the_same_request() {
    let text = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    let data = event.as_object_mut().unwrap().remove("data").unwrap().to_string();
    let encode = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    event["data_base64"] = json!(encode(&data));
    assert_eq!(read(&raw(&event.to_string())), read(&raw(&text)));
    event["data_base64"] = json!(encode(&data.replace("WA117", "nowhere")));
    refused(&raw(&event.to_string()), Why::Malformed, "data.flight: expected a flight");
    event["data_base64"] = json!(encode(&data.replace("Lovelace", "4111111111111111")));
    refused(&raw(&event.to_string()), Why::CardNumber, "data.passenger.name");
    for bad in ["%%%", "/w==", "eyI="] {
        event["data_base64"] = json!(bad);
        let refusal = wire::decode(&raw(&event.to_string()), &intake()).unwrap_err();
        assert_eq!(refusal.why, Why::Malformed, "{bad}");
    }
    event["data"] = json!({});
    refused(&raw(&event.to_string()), Why::Malformed, "expected either data or data_base64");
}

#[test]
fn what_the_schema_calls_an_integer_is_one() {
    let text = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    let one = read(&raw(&text));
    for spelled in ["12900.0", "1.29e4", "129E+2", "1290000e-2"] {
        let other = read(&raw(&text.replace("12900", spelled)));
        assert_eq!((other.digest, &other.data), (one.digest, &one.data), "{spelled}");
    }
    for other in ["12900.5", "-1.0", "1e300", "\"12900\"", "9007199254740993.0"] {
        assert!(wire::decode(&raw(&text.replace("12900", other)), &intake()).is_err(), "{other}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped_and_a_missing_specversion_is_named() {
    let text = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    let marked = format!("\u{feff}{text}");
    assert_eq!(read(&raw(&marked)), read(&raw(&text)));
    assert_eq!(read(&enveloped("booking-requested", &marked)), read(&raw(&text)));
    refused(&raw(&changed("/specversion", Value::Null)), Why::Malformed, "specversion: is missing");
}

#[test]
fn an_id_is_refused_by_its_form_and_never_by_chance() {
    let mut rng = fastrand::Rng::with_seed(16);
    for _ in 0..100_000 / 6 {
        let (hex, number) = (rng.u64(0..1 << 48), rng.u64(0..10_u64.pow(12)));
        let mut bytes = [0; 16];
        rng.fill(&mut bytes);
        let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
        for id in [
            uuid.to_string(),
            uuid.simple().to_string(),
            format!("m-{hex:012x}-{number}"),
            format!("2026-{:02}-{:02}_{number:012}x", rng.u8(1..13), rng.u8(1..29)),
            format!("WA117-{number:012}-{}", rng.u32(..)),
            format!("{number}"),
        ] {
            assert!(booking::domain::ids::BookingId::parse(&id).is_ok(), "{id}");
        }
    }
}

/// Of a schema's properties, also of those within.
fn names(schema: &Value) -> Vec<String> {
    let own = schema["properties"].as_object().into_iter().flatten();
    own.flat_map(|(name, it)| std::iter::once(name.clone()).chain(names(it))).collect()
}

#[test]
fn deep_nesting_and_huge_bodies_are_refused_not_crashed_on() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = changed("/data/passenger", json!("@")).replace("\"@\"", &deep);
    assert!(wire::decode(&raw(&text), &intake()).is_err());
    refused(&raw(&"x".repeat(2_000_000)), Why::Malformed, "expected at most");
}

#[test]
fn an_outcome_says_which_request_it_answers() {
    let topic = booking::topics::all().into_iter().find(|it| it.topic == Kind::PaymentOk).unwrap();
    let mut event = topic.example;
    assert!(matches!(read(&raw(&event.to_string())).data, Data::PaymentOk(_)));
    event.as_object_mut().unwrap().remove("requestdigest");
    refused(&raw(&event.to_string()), Why::Malformed, "requestdigest: is missing");
}

/// Failure matrix: A32.
#[test]
fn a_reason_of_a_newer_version_is_kept() {
    let topic =
        booking::topics::all().into_iter().find(|it| it.topic == Kind::PaymentFailed).unwrap();
    let mut event = topic.example;
    event["data"]["reason"] = json!("card_expired");
    let event = read(&raw(&event.to_string()));
    assert!(wire::encode(&event).unwrap().body.contains("card_expired"));
}

#[test]
fn a_trace_is_handed_on_and_never_costs_a_booking() {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(
        read(&raw(&changed("/traceparent", json!(trace)))).traceparent.as_deref(),
        Some(trace)
    );
    for bad in [json!("00-nothing"), json!(7), json!(format!("{trace}-more"))] {
        assert_eq!(read(&raw(&changed("/traceparent", bad))).traceparent, None);
    }
}
