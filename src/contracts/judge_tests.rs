//! What breaks whom, one kind of change after the other.

use serde_json::{Value, json};

use super::*;
use crate::contracts::contract::Hears;

/// The verdicts after a change of one of our contracts.
fn after(topic: &str, change: impl Fn(&mut Contract)) -> Vec<Verdict> {
    let mut there = ours();
    change(there.iter_mut().find(|it| it.topic == topic).unwrap());
    diff(&there).unwrap()
}

/// What the only difference is, and whom it breaks.
#[track_caller]
fn check(topic: &str, change: impl Fn(&mut Contract), is: &str, breaks: &[RoleName]) -> Verdict {
    let mut all = after(topic, change);
    assert_eq!(all.len(), 1, "{all:#?}");
    let it = all.remove(0);
    assert_eq!(format!("{}: {}", it.change.field, it.change.how), is);
    assert_eq!((it.broken().as_slice(), it.breaks()), (breaks, !breaks.is_empty()), "{it:#?}");
    it
}

fn property<'a>(it: &'a mut Contract, name: &str) -> &'a mut Value {
    &mut it.data["properties"][name]
}

const SEATS: RoleName = RoleName::Seats;
const PAYMENT: RoleName = RoleName::Payment;
const RECEIPT: RoleName = RoleName::Receipt;
const STATUS: RoleName = RoleName::Status;

#[test]
fn words_for_people_are_no_difference() {
    let all = after("payment-ok", |it| {
        it.data["description"] = "other words".into();
        it.data["title"] = "another".into();
        property(it, "charge")["description"] = "other words".into();
        property(it, "charge")["examples"] = json!(["ch_2"]);
        it.example["id"] = "another".into();
        it.example["time"] = "2028-01-01T00:00:00Z".into();
        it.example["data"]["charge"] = "ch_2".into();
    });
    assert_eq!(all, []);
}

#[test]
fn an_attribute_of_the_event_is_compared_by_the_example() {
    let all = [SEATS, RECEIPT, STATUS];
    let set = |name: &'static str, value: Value| {
        move |it: &mut Contract| it.example[name] = value.clone()
    };
    let other = set("dataschema", json!("urn:booking:schema:payment-ok:2"));
    let is =
        "dataschema: \"urn:booking:schema:payment-ok:1\" → \"urn:booking:schema:payment-ok:2\"";
    let it = check("payment-ok", other, is, &all);
    assert!(it.refused_by[&SEATS].contains("unsupported-version"), "{it:#?}");
    // A minor version is for everybody.
    let minor = set("dataschema", json!("urn:booking:schema:payment-ok:1.1"));
    let is =
        "dataschema: \"urn:booking:schema:payment-ok:1\" → \"urn:booking:schema:payment-ok:1.1\"";
    check("payment-ok", minor, is, &[]);
    check("payment-ok", set("more", json!(7)), "more: added", &[]);
    let lacks = |name: &'static str| {
        move |it: &mut Contract| drop(it.example.as_object_mut().unwrap().remove(name))
    };
    check("payment-ok", lacks("requestdigest"), "requestdigest: removed", &all);
    check("payment-ok", lacks("subject"), "subject: removed", &all);
    check("payment-ok", lacks("traceparent"), "traceparent: removed", &[]);
    check("payment-ok", lacks("time"), "time: removed", &[]);
    let it = check("booking-requested", lacks("data"), "data: removed", &RoleName::ALL);
    assert!(it.turns.iter().any(|it| it.role == STATUS && it.to == "rejected"), "{it:#?}");
}

#[test]
fn another_publisher_is_not_believed() {
    let it = check(
        "payment-ok",
        |it| it.publisher = "seats".to_owned(),
        "publisher: payment → seats",
        &[SEATS, RECEIPT, STATUS],
    );
    assert!(it.refused_by[&STATUS].contains("untrusted"), "{it:#?}");
}

#[test]
fn a_role_that_does_not_hear_an_event_breaks_alone_or_breaks_those_behind_it() {
    let deaf =
        |role: &'static str| move |it: &mut Contract| it.subscribers.retain(|it| it.role != role);
    let it = check("payment-ok", deaf("seats"), "subscribers: seats removed", &[SEATS]);
    let turn =
        Turn { story: "booked and paid", role: SEATS, from: "sold".into(), to: "held".into() };
    assert_eq!((it.turns, it.refused_by), (vec![turn], BTreeMap::new()));
    let roles = [PAYMENT, STATUS];
    check("seat-unavailable", deaf("payment"), "subscribers: payment removed", &roles);
    // Receipt only needs it for a receipt that is out already, which no story has.
    check("seat-unavailable", deaf("receipt"), "subscribers: receipt removed", &[]);
    let more = |role: &'static str| {
        move |it: &mut Contract| it.subscribers.push(Hears { role: role.to_owned() })
    };
    check("payment-failed", more("receipt"), "subscribers: receipt added", &[]);
    let it = check("payment-ok", more("loyalty"), "subscribers: loyalty added", &[]);
    assert!(it.change.untried.is_some());
}

#[test]
fn a_guest_is_read_as_a_service_of_somebody_else_and_what_it_misses_is_not_judged() {
    let mut files: Vec<Value> = serde_json::from_str(&crate::topics::json()).unwrap();
    let loyalty = json!({"guest": "loyalty", "does": "gives a point"});
    files.last_mut().unwrap()["subscribers"].as_array_mut().unwrap().push(loyalty);
    let with = crate::contracts::parse(&json!(files).to_string()).unwrap();
    for (ours, there, how) in
        [(ours(), with.clone(), "loyalty added"), (with, ours(), "loyalty removed")]
    {
        let [change] = &changes(&ours, &there).unwrap()[..] else { panic!("one difference") };
        assert_eq!((change.topic.as_str(), change.how.as_str()), ("receipt-sent", how));
        assert!(change.tries.is_empty() && change.untried.is_some(), "{change:?}");
    }
}

#[test]
fn a_topic_that_is_gone_or_that_nobody_knows() {
    let mut there = ours();
    there.retain(|it| it.topic != "receipt-sent");
    let all = diff(&there).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].broken(), [STATUS]);

    let mut there = ours();
    let mut more = there[0].clone();
    more.topic = "points-given".to_owned();
    more.example["type"] = "points-given".into();
    more.subscribers = vec![Hears { role: "loyalty".to_owned() }];
    there.push(more);
    let all = diff(&there).unwrap();
    assert_eq!((all.len(), all[0].breaks()), (1, false));
    there.last_mut().unwrap().subscribers.push(Hears { role: "status".to_owned() });
    let all = diff(&there).unwrap();
    assert_eq!(all[0].broken(), [STATUS]);
    assert!(all[0].refused_by[&STATUS].contains("unknown-type"), "{all:#?}");
}

#[test]
fn wider_limits_break_those_who_keep_to_the_narrow_ones_and_narrower_ones_nobody() {
    let hears_all = RoleName::ALL;
    let request = "booking-requested";
    let limit = |field: &'static str, name: &'static str, value: Value| {
        move |it: &mut Contract| property(it, field)[name] = value.clone()
    };
    check(request, limit("seats", "maxItems", json!(12)), "data.seats: other maxItems", &hears_all);
    check(request, limit("seats", "minItems", json!(0)), "data.seats: other minItems", &hears_all);
    let twice = limit("seats", "uniqueItems", json!(false));
    check(request, twice, "data.seats: other uniqueItems", &hears_all);
    check(request, limit("seats", "maxItems", json!(4)), "data.seats: other maxItems", &[]);
    let refused = [SEATS, RECEIPT, STATUS];
    let longer = limit("charge", "maxLength", json!(300));
    check("payment-ok", longer, "data.charge: other maxLength", &refused);
    check(
        "payment-ok",
        limit("charge", "maxLength", json!(99)),
        "data.charge: other maxLength",
        &[],
    );
    let amount = |name: &'static str, value: Value| {
        move |it: &mut Contract| property(it, "amount")["properties"]["minor"][name] = value.clone()
    };
    check("payment-ok", amount("minimum", json!(0)), "data.amount.minor: other minimum", &refused);
    check("payment-ok", amount("minimum", json!(50)), "data.amount.minor: other minimum", &[]);
    let currency = |it: &mut Contract| {
        let codes = &mut property(it, "amount")["properties"]["currency"]["enum"];
        codes.as_array_mut().unwrap().push("BTC".into());
    };
    let it = check("payment-ok", currency, "data.amount.currency: other enum", &refused);
    assert_eq!(it.seen_with, Some(json!("BTC")));
}

#[test]
fn a_field_that_may_be_absent_is_tried_without_and_one_more_field_is_tried_with_a_value() {
    let optional = |it: &mut Contract| {
        it.data["required"].as_array_mut().unwrap().retain(|it| it != "charge");
    };
    let roles = [SEATS, RECEIPT, STATUS];
    check("payment-ok", optional, "data.charge: no longer required", &roles);
    let required = |it: &mut Contract| {
        it.data["required"].as_array_mut().unwrap().push("booking_id".into());
    };
    check("payment-ok", required, "data.booking_id: required", &[]);
    let more = |it: &mut Contract| property(it, "fee")["type"] = "integer".into();
    check("payment-ok", more, "data.fee: added", &[]);
}

#[test]
fn a_pattern_is_tried_with_the_value_of_the_example_and_with_nothing_invented() {
    let pattern = |it: &mut Contract| property(it, "flight")["pattern"] = "^.{3,9}$".into();
    let it = check("seat-booked", pattern, "data.flight: other pattern", &[]);
    assert!(it.change.untried.is_some());
    let shown = |it: &mut Contract| {
        pattern(it);
        it.example["data"]["flight"] = "LH-117/2".into();
    };
    let it = check("seat-booked", shown, "data.flight: other pattern", &[RECEIPT, STATUS]);
    assert_eq!(it.seen_with, Some(json!("LH-117/2")));
    // A value that is read is the flight of another booking, whatever the end.
    let other = |it: &mut Contract| {
        pattern(it);
        it.example["data"]["flight"] = "WA240".into();
    };
    let it = check("booking-requested", other, "data.flight: other pattern", &[]);
    assert_eq!(it.change.untried, None);
}

#[test]
fn a_reason_that_is_new_breaks_whose_rules_go_by_it() {
    let other = |it: &mut Contract| {
        property(it, "reason")["enum"] = json!(["no_seat"]);
        it.example["data"]["reason"] = "no_seat".into();
    };
    // The schema of today allows any reason, so this is one of today's.
    let all = after("payment-failed", other);
    assert!(!all[0].breaks(), "{all:#?}");
}

#[test]
fn what_is_no_object_or_has_no_end_is_judged_all_the_same() {
    let odd = |value: Value| move |it: &mut Contract| it.data = value.clone();
    for value in [json!(true), json!(false), json!(null), json!([]), json!("x"), json!({})] {
        assert!(!after("payment-ok", odd(value)).is_empty());
    }
    let deep = (0..100).fold(
        json!({"type": "string"}),
        |it, _| json!({"type": "object", "required": ["a"], "properties": {"a": it}}),
    );
    assert!(!after("payment-ok", odd(deep)).is_empty());
    let many: serde_json::Map<String, Value> =
        (0..2_000).map(|it| (it.to_string(), json!({"type": "integer"}))).collect();
    let mut there = ours();
    there[0].data["properties"] = many.into();
    assert_eq!(diff(&there), Err(TooMany));
    let huge = json!({"type": "array", "minItems": u64::MAX, "items": {"type": "string", "minLength": u64::MAX}});
    assert!(!after("payment-ok", odd(huge)).is_empty());
}
