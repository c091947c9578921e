//! The contracts that other teams read: the AsyncAPI document, as its official parser reads it, and
//! the OpenAPI document against the routes.

use std::{collections::BTreeSet, fs};

use booking::{
    cli::Cli,
    domain::{
        RoleName,
        event::Kind,
        ids::{BookingId, Digest},
        money::Money,
        seat::{FlightNo, SeatId},
        status::{Phase, Waiting},
    },
    http::{
        self, EventRate, RatesView, ServiceView, VitalsView,
        view::{BookingLine, BookingList, BookingView, Entry, ReceiptView},
    },
    topics,
};
use clap::CommandFactory;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    harness::{Folder, node, root, skipped},
    repository::documents::document,
};

fn asyncapi() -> Value {
    serde_json::from_str(&topics::asyncapi()).unwrap()
}

/// What the official parser says about this document.
fn parsed(document: &Value) -> Value {
    let folder = Folder::new();
    let file = folder.join("asyncapi.json");
    fs::write(&file, document.to_string()).unwrap();
    node::said("asyncapi", "parse.mjs", &file)
}

/// Severity 0 is an error.
fn errors(parsed: &Value) -> Vec<&Value> {
    parsed["diagnostics"].as_array().unwrap().iter().filter(|it| it["severity"] == 0).collect()
}

#[test]
fn the_official_parser_finds_no_error_in_the_asyncapi_document_and_every_operation() {
    if skipped("asyncapi") {
        return;
    }
    let document = asyncapi();
    let told = parsed(&document);
    assert!(errors(&told).is_empty(), "{told:#}");
    let operations: BTreeSet<&str> =
        told["operations"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let topics = topics::all();
    let hears: usize = topics.iter().map(|it| it.listeners().count()).sum();
    assert_eq!(operations.len(), topics.len() + hears);
    assert!(operations.contains("receipt.hears.payment-ok"), "{operations:?}");
    assert!(operations.contains("client.publishes.booking-requested"), "{operations:?}");
    // It would find one.
    let mut broken = document;
    broken["operations"]["receipt.hears.payment-ok"]["action"] = "hear".into();
    assert!(!errors(&parsed(&broken)).is_empty());
}

#[test]
fn each_message_of_the_asyncapi_document_describes_its_example() {
    let document = asyncapi();
    for topic in topics::all() {
        let message = &document["components"]["messages"][topic.topic.as_str()];
        let schema = &message["payload"]["schema"];
        jsonschema::draft202012::validate(schema, &topic.example)
            .unwrap_or_else(|it| panic!("{}: {it}", topic.topic));
        let mut other = topic.example.clone();
        other["type"] = "another".into();
        assert!(jsonschema::draft202012::validate(schema, &other).is_err());
        // What the decoder does without, and of which events.
        for field in ["subject", "requestdigest"] {
            let mut without = topic.example.clone();
            without.as_object_mut().unwrap().remove(field);
            let valid = jsonschema::draft202012::is_valid(schema, &without);
            assert_eq!(valid, topic.topic.publisher().is_none(), "{} without {field}", topic.topic);
        }
        // Nobody else is believed.
        let mut foreign = topic.example.clone();
        foreign["source"] = RoleName::Status.source().into();
        assert!(!jsonschema::draft202012::is_valid(schema, &foreign), "{}", topic.topic);
    }
}

/// The paths of all routes that a source of the HTTP server declares.
fn routes() -> BTreeSet<String> {
    let folder = fs::read_dir(root().join("src/http")).unwrap();
    let sources = folder.map(|it| fs::read_to_string(it.unwrap().path()).unwrap_or_default());
    let declared = |text: String| -> Vec<String> {
        let calls = text.split(".route(\"").skip(1);
        calls.map(|it| it.split('"').next().unwrap().to_owned()).collect()
    };
    sources.flat_map(declared).collect()
}

#[test]
fn the_openapi_document_has_every_route_and_no_other() {
    let document = http::openapi();
    let paths: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert!(paths.contains("/bookings/{id}"), "{paths:?}");
    assert_eq!(paths, routes());
}

/// One answer of each kind, with every field that it can have.
fn answers() -> [(&'static str, Value); 4] {
    let now = Timestamp::UNIX_EPOCH;
    let (id, text) = (BookingId::parse("b-1").unwrap(), || "x".to_owned());
    let seats = vec![SeatId::parse("12A").unwrap()];
    let waiting_for = vec![Waiting { event: text(), from: text(), since: now }];
    let booking = BookingView {
        booking_id: id.clone(),
        phase: Phase::Completed,
        is_final: true,
        conflict: false,
        request_digest: Some(Digest::new([7; 32])),
        stuck: false,
        waiting_for: waiting_for.clone(),
        flight: Some(FlightNo::parse("WA117").unwrap()),
        date: Some(jiff::civil::date(2027, 3, 1)),
        seats: seats.clone(),
        receipt: Some(ReceiptView { number: text(), valid: true }),
        rejections: vec![text()],
        timeline: vec![Entry {
            kind: text(),
            time: now,
            heard: Some(now),
            source: text(),
            reason: Some(text()),
            seats,
            amount: Some(Money::parse("EUR 129.00").unwrap()),
            receipt: Some(text()),
        }],
        as_of: Some(now),
    };
    let line = BookingLine::from(booking.clone());
    let list = BookingList { bookings: vec![line], previous: Some(text()), next: Some(text()) };
    let event = EventRate { event: Kind::PaymentOk, count: 1, per_second: 0.5 };
    let rates = RatesView { as_of: now, window_s: 2.0, events: vec![event] };
    let service = ServiceView {
        service: RoleName::Seats,
        waiting: 0,
        in_flight: 0,
        dead_letters: 0,
        undelivered: 0,
        held_up: Some(1),
        held_up_s: Some(1),
        held_up_problem: Some(text()),
        problem: Some(text()),
    };
    [
        ("Booking", json!(booking)),
        ("Bookings", json!(list)),
        ("Rates", json!(rates)),
        ("Vitals", json!(VitalsView { as_of: now, services: vec![service] })),
    ]
}

/// Requires every field that a schema names, and allows no other.
fn exact(schema: &mut Value) {
    if let Some(fields) = schema["properties"].as_object() {
        schema["required"] = fields.keys().cloned().collect();
        schema["additionalProperties"] = false.into();
    }
    let parts = schema.as_object_mut().map(|it| it.values_mut().collect::<Vec<_>>());
    parts.unwrap_or_default().into_iter().filter(|it| it.is_object()).for_each(exact);
}

#[test]
fn the_openapi_document_has_every_field_of_an_answer_and_no_other() {
    let mut components = http::openapi()["components"].take();
    exact(&mut components["schemas"]);
    for (name, answer) in answers() {
        let of = format!("#/components/schemas/{name}");
        let schema = json!({"$ref": of, "components": components});
        jsonschema::draft202012::validate(&schema, &answer)
            .unwrap_or_else(|it| panic!("{name}: {it} at {}", it.instance_path()));
    }
}

#[test]
fn a_cursor_of_each_list_is_one_of_the_openapi_document() {
    let cursor = http::openapi()["components"]["schemas"]["Cursor"].take();
    for (text, is_one) in [
        ("1772357400000.paid.b-1", true),
        ("1772357400000.2027-03-01.b-1", true),
        ("1772357400000.2027-13-01.b-1", false),
        ("1772357400000.done.b-1", false),
    ] {
        assert_eq!(text.parse::<http::Cursor>().is_ok(), is_one, "{text}");
        assert_eq!(jsonschema::draft202012::is_valid(&cursor, &json!(text)), is_one, "{text}");
    }
}

#[test]
fn booking_topics_prints_the_documents_that_are_served() {
    let print = |format: &str| -> Value {
        let args = ["topics", "--format", format];
        let output = crate::harness::binary().args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(print("asyncapi"), asyncapi());
    assert_eq!(print("openapi"), http::openapi());
}

/// What the tables and recipes for other repositories type is what there is.
#[test]
fn every_command_in_the_document_of_the_contracts_exists() {
    let text = document("docs/CONTRACTS.md");
    let mut seen = 0;
    for rest in text.split("booking topics").skip(1) {
        let words = rest.split(['`', '\n', '#', '|']).next().unwrap().split_whitespace();
        let words = ["booking", "topics"].into_iter().chain(words);
        Cli::command().try_get_matches_from(words).unwrap_or_else(|it| panic!("{it}"));
        seen += 1;
    }
    assert!(seen > 8, "{seen}");
}
