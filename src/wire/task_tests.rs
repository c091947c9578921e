//! Tasks as a state machine writes them, and as a client could.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::{
    domain::{
        RoleName,
        event::{About, Charge, Data, NoCharge, NoSeat},
        ids::Digest,
        money::Money,
        seat::{FlightNo, Seating, parse_date},
    },
    wire::{Content, Intake, encode, open},
};

fn key() -> SealKey {
    SealKey::parse(&"k".repeat(32)).unwrap()
}

fn booking(id: &str) -> BookingId {
    BookingId::parse(id).unwrap()
}

fn request_text(id: &str) -> String {
    json!({
        "specversion": "1.0", "id": "r-1", "source": "/client", "type": "booking-requested",
        "subject": id, "data": {
            "flight": "WA117", "date": "2027-03-01", "seats": ["12A"],
            "passenger": {"name": "Ada Lovelace", "email": "ada@example.com"},
            "payment": {"token": "tok_visa", "amount": {"minor": 12900, "currency": "EUR"}},
        },
    })
    .to_string()
}

fn outcome(id: &str, data: Data) -> Message {
    let about = About { booking: booking(id), digest: Digest::new([7; 32]), traceparent: None };
    let role = data.kind().publisher().unwrap();
    encode(&Event::outcome(role, &about, Timestamp::UNIX_EPOCH, data)).unwrap()
}

fn paid(id: &str) -> Message {
    let amount = Money::parse("EUR 129.00").unwrap();
    outcome(id, Data::PaymentOk(Charge { charge: "ch_1".to_owned(), amount }))
}

fn lost(id: &str) -> Message {
    let seating = Seating {
        flight: FlightNo::parse("WA117").unwrap(),
        date: parse_date("2027-03-01").unwrap(),
        seats: Vec::new(),
    };
    outcome(id, Data::SeatUnavailable { reason: NoSeat::Taken, seating })
}

fn read(body: &Value) -> Content {
    let incoming = Incoming {
        body: body.to_string(),
        kind_attribute: None,
        sent_at: Timestamp::UNIX_EPOCH,
        attempt: 1,
        hop: None,
    };
    open(&incoming, &Intake::tasks(key()))
}

fn task(body: &Value) -> Task {
    let Content::Task(task) = read(body) else { panic!("no task: {body}") };
    *task
}

fn kinds(body: &Value) -> Vec<Kind> {
    task(body).events.unwrap().iter().map(Event::kind).collect()
}

fn answer(messages: &[Message]) -> Value {
    serde_json::from_str(&TaskAnswer::Said(messages.to_vec()).text()).unwrap()
}

#[test]
fn a_task_brings_the_request_first_and_then_what_others_said() {
    let sealed = key().seal(&booking("b-1"), &request_text("b-1"));
    let body = json!({
        "token": "t", "booking": "b-1", "request": sealed,
        "heard": [answer(&[lost("b-1")]), answer(&[paid("b-1")])],
    });
    assert_eq!(kinds(&body), [Kind::BookingRequested, Kind::SeatUnavailable, Kind::PaymentOk]);
    let task = task(&body);
    assert_eq!(task.token.as_ref().map(TaskToken::reveal), Some("t"));
    assert!(!format!("{task:?}").contains("\"t\""), "{task:?}");
}

/// The class of the problem, its path, and the kind that it is about.
fn refused(body: &Value) -> (Why, String, Option<Kind>) {
    let refusal = *task(body).events.unwrap_err();
    assert_eq!(refusal.booking, Some(booking("b-1")), "{refusal}");
    (refusal.why, refusal.flaw.path, refusal.kind)
}

#[test]
fn a_request_under_another_booking_or_key_is_refused_and_the_task_can_be_answered() {
    let requested = Some(Kind::BookingRequested);
    let untrusted = |path: &str, kind| (Why::Untrusted, path.to_owned(), kind);
    let sealed = |key: &SealKey, id, text: &str| key.seal(&booking(id), text);
    let other = SealKey::parse(&"o".repeat(32)).unwrap();
    for strange in [
        sealed(&key(), "b-2", &request_text("b-1")),
        sealed(&key(), "b-1", &request_text("b-2")),
        sealed(&other, "b-1", &request_text("b-1")),
        request_text("b-1"),
    ] {
        let body = json!({"token": "t", "booking": "b-1", "request": strange});
        assert_eq!(refused(&body), untrusted("request", requested));
        assert!(task(&body).token.is_some());
    }
    // What calls itself an outcome is none.
    let outcome = sealed(&key(), "b-1", &paid("b-1").body);
    let (why, _, kind) = refused(&json!({"booking": "b-1", "request": outcome}));
    assert_eq!((why, kind), (Why::Malformed, requested));
}

#[test]
fn what_was_heard_is_of_this_booking_and_no_request() {
    for body in [
        json!({"booking": "b-1", "heard": [answer(&[paid("b-2")])]}),
        json!({"booking": "b-1", "heard": [{"events": [
            serde_json::from_str::<Value>(&request_text("b-1")).unwrap(),
        ]}]}),
    ] {
        let (why, path, _) = refused(&body);
        assert_eq!((why, path.as_str()), (Why::Untrusted, "heard"));
    }
    // What a role says that has nothing to say.
    assert_eq!(kinds(&json!({"booking": "b-1", "heard": [{"events": []}]})), []);
}

/// An execution may have names that no booking has, and any input.
#[test]
fn whatever_a_client_starts_the_machine_with_it_can_be_answered_as_a_request() {
    for (booking, request) in [
        ("b-1", json!(null)),
        ("b-1", json!(7)),
        ("order.123", json!("x")),
        ("_b", json!("x")),
        ("é", json!("x")),
        (&"x".repeat(80), json!("x")),
        ("4111111111111111", json!("x")),
    ] {
        let task = task(&json!({"token": "t", "booking": booking, "request": request}));
        let refusal = task.events.unwrap_err();
        assert_eq!(refusal.kind, Some(Kind::BookingRequested), "{booking}: {refusal}");
        assert!(task.token.is_some(), "{booking}");
    }
}

#[test]
fn what_is_no_task_is_refused() {
    for body in [json!([]), json!("text"), json!({"booking": "b-1", "token": ""})] {
        assert!(matches!(read(&body), Content::Refused(_)), "{body}");
    }
}

#[test]
fn an_answer_has_all_that_was_said_and_the_worst_of_it_names_the_error() {
    let declined = outcome("b-1", Data::PaymentFailed { reason: NoCharge::Declined });
    let said = |it: &[&Message]| TaskAnswer::Said(it.iter().copied().cloned().collect());
    let (paid, lost) = (paid("b-1"), lost("b-1"));
    assert_eq!(said(&[&paid]).error(), None);
    assert_eq!(said(&[]).error(), None);
    assert_eq!(said(&[&declined]).error(), Some("PaymentFailed"));
    assert_eq!(said(&[&paid, &lost]).error(), Some("SeatUnavailable"));
    assert_eq!(TaskAnswer::Rejected.error(), Some("Rejected"));
    assert_eq!(TaskAnswer::SetAside.error(), Some("SetAside"));
    let text = answer(&[paid.clone(), lost]);
    assert_eq!(text["said"], "seat-unavailable");
    assert_eq!(text["events"][0], serde_json::from_str::<Value>(&paid.body).unwrap());
}

#[test]
fn what_is_told_beside_the_machine_is_read_as_a_task_without_an_answer() {
    let told: Value = serde_json::from_str(&lost("b-1").told()).unwrap();
    assert_eq!(kinds(&told), [Kind::SeatUnavailable]);
    assert!(task(&told).token.is_none());
    assert_eq!(RoleName::Seats.source(), told["heard"][0]["events"][0]["source"]);
}
