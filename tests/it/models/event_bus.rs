//! Nothing that a publisher wrote into an envelope of EventBridge is an identity: section K of the
//! failure matrix.

use booking::{
    domain::event::Kind,
    topics,
    wire::{self, Intake, Why},
};
use serde_json::{Value, json};

use crate::harness::{enveloped, incoming};

fn example(kind: Kind) -> Value {
    topics::all().into_iter().find(|it| it.topic == kind).unwrap().example
}

/// Failure matrix: K3.
#[test]
fn on_an_event_bus_nobody_speaks_for_another_service() {
    let intake = Intake::of_event_bus("000000000000", "eu-central-1");
    let put = |fields: &[(&str, &str)], kind: Kind, detail: &Value| {
        let mut envelope = json!({
            "version": "0",
            "id": "17fb3cbc-0c44-4e5c-9d0f-6d2f4a1c8e11",
            "detail-type": kind.topic(),
            "source": wire::bus_source(kind),
            "account": "000000000000",
            "time": "2999-01-01T00:00:00Z",
            "region": "eu-central-1",
            "resources": [],
            "detail": detail,
        });
        for (field, value) in fields {
            envelope[*field] = json!(value);
        }
        wire::decode(&incoming(envelope.to_string()), &intake)
    };
    for kind in Kind::ALL {
        let event = example(kind);
        assert_eq!(put(&[], kind, &event).unwrap().kind(), kind);
        let others = Kind::ALL.into_iter().filter(|it| it.publisher() != kind.publisher());
        for other in others.filter(|it| kind.publisher().is_some() || it.publisher().is_some()) {
            let source = wire::bus_source(other);
            let refusal = put(&[("source", &source)], kind, &event).unwrap_err();
            assert_eq!((refusal.why, &*refusal.flaw.path), (Why::Untrusted, "source"), "{kind}");
        }
        for (field, value) in [("account", "111111111111"), ("region", "eu-west-1")] {
            let refusal = put(&[(field, value)], kind, &event).unwrap_err();
            assert_eq!((refusal.why, &*refusal.flaw.path), (Why::Untrusted, field), "{kind}");
        }
        let refusal = put(&[("detail-type", "seat-bookd")], kind, &event).unwrap_err();
        assert_eq!((refusal.why, &*refusal.flaw.path), (Why::UnknownType, "detail-type"));
        for other in Kind::ALL.into_iter().filter(|it| *it != kind) {
            let refusal = put(&[], other, &event).unwrap_err();
            assert!(matches!(refusal.why, Why::Malformed | Why::Untrusted), "{:?}", refusal.why);
            assert!(
                refusal.flaw.path == "type" || refusal.flaw.path == "source",
                "{kind} as {other}"
            );
        }
    }
    // A client may have a source of its own, and chooses no time and no booking by the envelope.
    let request = json!({
        "flight": "WA117",
        "date": "2027-03-01",
        "seats": ["12A"],
        "passenger": {"name": "Ada Lovelace", "email": "ada@example.com"},
        "payment": {"token": "tok_visa", "amount": {"currency": "EUR", "minor": 12900}},
    });
    let event = put(&[("source", "shop.web")], Kind::BookingRequested, &request).unwrap();
    assert_eq!(event.booking.as_str(), "17fb3cbc-0c44-4e5c-9d0f-6d2f4a1c8e11");
    assert_eq!(event.time, incoming(String::new()).sent_at, "when the queue got it");
    // Nor does a replay make a second booking of what had no id of its own.
    let again = [("replay-name", "all")];
    let refusal = put(&again, Kind::BookingRequested, &request).unwrap_err();
    assert_eq!(refusal.flaw.path, "data.booking_id");
    let named = example(Kind::BookingRequested);
    assert!(put(&again, Kind::BookingRequested, &named).is_ok());
    for missing in ["account", "region", "source"] {
        let mut envelope = json!({"detail-type": "booking-requested", "detail": request,
            "account": "000000000000", "region": "eu-central-1", "source": "shop.web"});
        envelope.as_object_mut().unwrap().remove(missing);
        let refusal = wire::decode(&incoming(envelope.to_string()), &intake).unwrap_err();
        assert_eq!(refusal.flaw.path, missing);
    }
    // An envelope of the other road says nothing.
    let text = example(Kind::SeatBooked).to_string();
    let refusal = wire::decode(&enveloped(Kind::SeatBooked, &text), &intake).unwrap_err();
    assert_eq!((refusal.why, &*refusal.flaw.path), (Why::Untrusted, "TopicArn"));
    let refusal = wire::decode(&incoming(text), &intake).unwrap_err();
    assert_eq!(refusal.why, Why::Untrusted, "and no envelope says who published an outcome");
}
