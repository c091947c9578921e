//! The code against `topics/`: who handles what, who says what, and whether the examples are true.

use booking::{
    domain::{
        RoleName,
        decision::{Key, Rows, Rules, Step},
        event::{Event, Kind},
        ids::outcome_id,
        payment::Payments,
        receipt::Receipts,
        schedule::Schedule,
        seats::Seats,
        status::Statuses,
    },
    topics::{self, Topic},
    wire,
};
use jiff::{SignedDuration, Timestamp};

fn example(topic: &Topic) -> Event {
    let delivery = crate::harness::incoming(topic.example.to_string());
    wire::decode(&delivery, &crate::harness::intake())
        .unwrap_or_else(|it| panic!("{}: {it}", topic.topic))
}

#[test]
fn every_kind_of_event_has_its_file_named_after_it() {
    let kinds: Vec<Kind> = topics::all().iter().map(|it| it.topic).collect();
    assert_eq!(kinds, Kind::ALL);
    let mut files: Vec<String> = std::fs::read_dir(crate::harness::root().join("topics"))
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut names: Vec<String> = Kind::ALL.iter().map(|it| format!("{it}.json")).collect();
    names.sort();
    assert_eq!(files, names);
}

#[test]
fn there_are_eight_topics_and_seventeen_subscriptions() {
    let all = topics::all();
    assert_eq!((all.len(), all.iter().map(|it| it.subscribers.len()).sum::<usize>()), (8, 17));
}

#[test]
fn every_example_obeys_its_schema_and_is_what_the_code_would_say() {
    for topic in topics::all() {
        jsonschema::draft202012::validate(&topic.data, &topic.example["data"])
            .unwrap_or_else(|it| panic!("{}: {it}", topic.topic));
        let event = example(&topic);
        assert_eq!(event.kind(), topic.topic);
        let mut written = topic.example.clone();
        assert_eq!(written["source"], format!("/booking/{}", topic.publisher));
        if topic.publisher == "client" {
            // What a client calls itself and its event is not kept.
            written["source"] = event.cause.source.as_str().into();
            written["id"] = event.cause.id.as_str().into();
        } else {
            assert_eq!(event.cause.id, outcome_id(&event.booking, topic.topic), "{}", topic.topic);
        }
        let said: serde_json::Value =
            serde_json::from_str(&wire::encode(&event).unwrap().body).unwrap();
        // The id of a booking stands in the subject; a client may write it in data as well.
        written["data"].as_object_mut().unwrap().remove("booking_id");
        assert_eq!(said, written, "{}", topic.topic);
    }
}

#[test]
fn the_examples_tell_one_booking() {
    let all = topics::all();
    let request = example(&all[0]);
    for topic in &all[1..] {
        let event = example(topic);
        assert_eq!(event.booking, request.booking, "{}", topic.topic);
        assert_eq!(
            event.digest, request.digest,
            "{}: the digest of the request it answers",
            topic.topic
        );
    }
}

#[test]
fn a_schema_refuses_what_the_parser_refuses() {
    let all = topics::all();
    let schema = &all[0].data;
    for (pointer, bad) in [
        ("/seats", serde_json::json!([])),
        ("/seats", serde_json::json!(["1A", "1A"])),
        ("/seats", serde_json::json!(["1Z"])),
        ("/date", serde_json::json!("1.3.2027")),
        ("/payment/token", serde_json::json!("4111111111111111")),
        ("/payment/amount/minor", serde_json::json!(0)),
        ("/booking_id", serde_json::json!("-x")),
        ("/flight", serde_json::json!("wa117")),
    ] {
        let mut event = all[0].example.clone();
        *event["data"].pointer_mut(pointer).unwrap() = bad.clone();
        assert!(!jsonschema::draft202012::is_valid(schema, &event["data"]), "{pointer} {bad}");
        let topic = Topic { example: event, ..all[0].clone() };
        assert!(std::panic::catch_unwind(|| example(&topic)).is_err(), "{pointer} {bad}");
    }
}

/// Whether the rules do anything at all with the event, beginning from nothing.
fn acts<R: Rules>(rules: &R, event: &Event) -> bool {
    let mut rows = Rows::default();
    rows.insert(Key::Booking(event.booking.clone()), None);
    match rules.decide(&rows, event, &[], Timestamp::UNIX_EPOCH) {
        Step::Nothing => false,
        Step::Settle(_) | Step::Read(_) | Step::Ask { .. } | Step::SetAside(_) => true,
    }
}

#[test]
fn a_role_acts_on_exactly_what_it_subscribes_to() {
    let seats = Seats { schedule: Schedule::sample(), hold_limit: SignedDuration::from_mins(15) };
    for topic in topics::all() {
        let event = example(&topic);
        for role in RoleName::ALL {
            let acts = match role {
                RoleName::Seats => acts(&seats, &event),
                RoleName::Payment => acts(&Payments, &event),
                RoleName::Receipt => acts(&Receipts, &event),
                RoleName::Status => acts(&Statuses, &event),
            };
            let subscribed = topic.subscribers.iter().any(|it| it.role == role);
            assert_eq!(acts, subscribed, "{role} and {}", topic.topic);
        }
    }
}

#[test]
fn the_graph_has_every_arrow_of_the_choreography() {
    let graph = topics::dot();
    for topic in topics::all() {
        assert!(graph.contains(&format!("\"{}\" -> \"{}\"", topic.publisher, topic.topic)));
        for role in RoleName::ALL {
            let hears = topic.subscribers.iter().any(|it| it.role == role);
            assert_eq!(graph.contains(&format!("\"{}\" -> \"{role}\"\n", topic.topic)), hears);
        }
    }
}
