//! Booking requests in a line.

use booking::{
    bus::{Delivery, ReceiptHandle},
    domain::{
        event::{Data, Event, Kind},
        ids::{BookingId, Cause},
        money::Money,
        request::{Passenger, Payment, PaymentToken, Request},
        seat::{FlightNo, SeatId, Seating},
    },
    topics,
    wire::{self, Incoming, Intake},
};
use serde_json::{Value, json};

/// A request: seats on WA117 on the first of March 2027, for Ada, for EUR 129.00 a seat.
#[derive(Clone, Debug)]
pub struct Sketch {
    pub id: String,
    pub flight: &'static str,
    pub seats: Vec<&'static str>,
    pub token: &'static str,
}

impl Sketch {
    pub fn new(id: &str, seats: &[&'static str], token: &'static str) -> Sketch {
        Sketch { id: id.to_owned(), flight: "WA117", seats: seats.to_vec(), token }
    }

    pub fn booking(&self) -> BookingId {
        BookingId::parse(&self.id).unwrap()
    }

    pub fn request(&self) -> Request {
        Request {
            seating: Seating {
                flight: FlightNo::parse(self.flight).unwrap(),
                date: "2027-03-01".parse().unwrap(),
                seats: self.seats.iter().map(|it| SeatId::parse(it).unwrap()).collect(),
            },
            passenger: Passenger { name: "Ada Lovelace".into(), email: "ada@example.com".into() },
            payment: Payment {
                token: PaymentToken::parse(self.token).unwrap(),
                amount: Money::parse("EUR 129.00").unwrap(),
            },
        }
    }

    pub fn event(&self) -> Event {
        let request = self.request();
        Event {
            cause: Cause {
                source: "/test".into(),
                id: format!("request-{}-{:?}", self.id, self.seats),
            },
            booking: self.booking(),
            time: "2027-02-01T09:30:00Z".parse().unwrap(),
            digest: wire::digest(wire::request_data(&request)),
            traceparent: None,
            data: Data::BookingRequested(request),
        }
    }

    /// An event as its topic's example has it, about this booking.
    pub fn heard(&self, kind: Kind) -> Event {
        let topic = topics::all().into_iter().find(|it| it.topic == kind).unwrap();
        let mut text = topic.example;
        text["subject"] = self.id.as_str().into();
        text["id"] = format!("{kind}-of-{}", self.id).into();
        text["requestdigest"] = self.event().digest.to_string().into();
        wire::decode(&incoming(text.to_string()), &intake()).unwrap()
    }

    /// A whole CloudEvent.
    pub fn cloud_event(&self) -> String {
        wire::encode(&self.event()).unwrap().body
    }
}

/// An event that was written, as it is read: of a client's source and id a hash.
pub fn as_read(event: Event) -> Event {
    let cause = match event.kind() {
        Kind::BookingRequested => Cause::of_client(&event.cause.source, &event.cause.id),
        _ => event.cause.clone(),
    };
    Event { cause, ..event }
}

/// What the tests take for events: from the topics of the memory bus, and raw.
pub fn intake() -> Intake {
    Intake::enveloped("arn:aws:sns:eu-central-1:000000000000:").or_raw(true)
}

/// This text as it comes the first time, in the envelope of its topic.
pub fn enveloped(kind: Kind, message: &str) -> Incoming {
    let envelope = json!({
        "Type": "Notification",
        "MessageId": "7e3c4f5a-1111-4222-8333-444455556666",
        "TopicArn": format!("arn:aws:sns:eu-central-1:000000000000:{kind}"),
        "Message": message,
        "Timestamp": "2027-02-01T09:00:00.000Z",
    });
    incoming(envelope.to_string())
}

/// This text as it comes the first time, raw.
pub fn incoming(body: String) -> Incoming {
    let sent_at = "2027-02-01T10:00:00Z".parse().unwrap();
    Incoming { body, kind_attribute: None, sent_at, attempt: 1, hop: None }
}

/// The same as a queue delivers it.
pub fn delivery(incoming: Incoming) -> Delivery {
    Delivery {
        incoming,
        message_id: "sqs-id".to_owned(),
        receipt_handle: ReceiptHandle("h".to_owned()),
        group: None,
    }
}

/// Bare `data` without any id, as somebody types it.
pub fn bare(seats: &[&str], token: &str) -> Value {
    json!({
        "flight": "WA117",
        "date": "2027-03-01",
        "seats": seats,
        "passenger": {"name": "Ada Lovelace", "email": "ada@example.com"},
        "payment": {"token": token, "amount": {"minor": 12900, "currency": "EUR"}},
    })
}
