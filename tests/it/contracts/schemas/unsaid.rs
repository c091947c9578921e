//! What becomes of what no schema can say: the table of docs/EVENTS.md, with a case of each row.

use booking::{
    domain::event::Kind,
    topics,
    wire::{self, Incoming, Refusal, Why},
};
use serde_json::{Value, json};

use super::validator;
use crate::{
    harness::{bare, enveloped, intake},
    repository::documents::document,
};

/// Rows that turn up among the instances of a schema. The others are no JSON, or not about `data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsaid {
    CardNumber,
    AddressBytes,
    Domain,
}

impl Unsaid {
    /// Which of them made the decoder refuse this instance, if one did.
    pub fn of(refusal: &Refusal, instance: &Value) -> Option<Unsaid> {
        if refusal.why == Why::CardNumber {
            return Some(Unsaid::CardNumber);
        }
        let email = instance["passenger"]["email"].as_str();
        let email = email.filter(|_| refusal.flaw.path.ends_with("passenger.email"))?;
        let (_, domain) = email.rsplit_once('@')?;
        let beyond_ascii = !domain.is_ascii() || domain.to_ascii_lowercase().contains("xn--");
        match email.len() > 254 {
            true => Some(Unsaid::AddressBytes),
            false => beyond_ascii.then_some(Unsaid::Domain),
        }
    }
}

/// A request that its schema allows, and what becomes of it.
struct Case {
    row: &'static str,
    /// `data`, if that is what matters.
    data: String,
    came: Incoming,
    ends: Result<(), Why>,
}

impl Case {
    fn bare(row: &'static str, data: String, ends: Result<(), Why>) -> Case {
        let came = enveloped(Kind::BookingRequested, &data);
        Case { row, data, came, ends }
    }
}

fn cases() -> Vec<Case> {
    let request = || bare(&["12A"], "tok_visa");
    let passenger = |field: &str, value: &str| {
        let mut data = request();
        data["passenger"][field] = json!(value);
        data.to_string()
    };
    let more = |fields: &str| request().to_string().replacen('{', &format!("{{{fields},"), 1);
    let deep = format!("\"more\":{}{}", "[".repeat(200), "]".repeat(200));
    let large = format!("\"more\":\"{}\"", "x".repeat(1 << 20));
    let long = format!("ada@{}example", format!("{}.", "字".repeat(15)).repeat(6));
    let refused = Err(Why::Malformed);
    let named = more("\"booking_id\":\"b-2\"");
    let about = format!(
        "{{\"specversion\":\"1.0\",\"id\":\"1\",\"type\":\"booking-requested\",\
           \"subject\":\"b-1\",\"data\":{named}}}",
    );
    vec![
        Case::bare("a card number", passenger("name", "4111 1111 1111 1111"), Err(Why::CardNumber)),
        Case::bare("the bytes of an address", passenger("email", &long), refused),
        Case::bare("the domain of an address", passenger("email", "ada@xn--a.example"), refused),
        Case::bare("two fields of one name", more("\"flight\":7"), Ok(())),
        Case::bare("depth", more(&deep), refused),
        Case::bare("numbers and escapes", more("\"more\":1e400"), refused),
        Case::bare("numbers and escapes", more("\"more\":\"\\ud800\""), refused),
        Case::bare("size", more(&large), refused),
        Case {
            row: "two names of one booking",
            came: enveloped(Kind::BookingRequested, &about),
            data: named,
            ends: refused,
        },
        Case::bare(
            "fields of an event",
            more("\"specversion\":\"2.0\""),
            Err(Why::UnsupportedVersion),
        ),
        Case::bare("fields of an event", more("\"data\":{},\"id\":\"1\""), refused),
    ]
}

#[test]
fn what_no_schema_can_say_is_told_and_is_so() {
    let text = document("docs/EVENTS.md");
    let (_, table) = text.split_once("| no schema says | ").expect("the table");
    let rows = table.lines().skip(2).take_while(|it| it.starts_with('|'));
    let told: Vec<&str> = rows.map(|it| it.split('|').nth(1).unwrap().trim()).collect();
    let mut shown: Vec<&str> = cases().iter().map(|it| it.row).collect();
    shown.dedup();
    assert_eq!(told, shown);

    let topic = topics::all().into_iter().find(|it| it.topic == Kind::BookingRequested).unwrap();
    let schema = validator(&topic);
    for Case { row, data, came, ends } in cases() {
        // Not all of it is JSON for everybody.
        let instance = serde_json::from_str::<Value>(&data);
        assert!(instance.is_err() || schema.is_valid(&instance.unwrap()), "{row}");
        let read = wire::decode(&came, &intake());
        assert_eq!(read.map(|_| ()).map_err(|it| it.why), ends, "{row}");
    }
}
