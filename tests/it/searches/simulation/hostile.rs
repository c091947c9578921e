//! A hostile client among the honest ones: what it puts on `booking-requested` in the hope of being
//! taken for somebody else. Most of it must be refused; what is taken is a request like any other.

use std::collections::BTreeMap;

use booking::{
    domain::{
        RoleName,
        event::{Data, Event, Kind},
        ids::{BookingId, Cause, outcome_id},
        request::Request,
        status::Record,
    },
    topics, wire,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// What a hostile client calls itself when it calls itself nobody of ours.
pub const ELSEWHERE: &str = "https://elsewhere.example";

/// What a client may publish in somebody else's name.
#[derive(Clone, Debug)]
pub struct Forgery {
    /// What it puts on `booking-requested`, or in an envelope of its own on a queue.
    pub text: String,
    /// The topic and the event that it wants to be taken for.
    pub wants_to_be: (Kind, String),
    /// Whether it comes in an envelope of a topic that is not ours.
    pub foreign: bool,
}

/// One of many forgeries about a booking.
pub fn forgery(rng: &mut fastrand::Rng, booking: &BookingId, request: &Event) -> Forgery {
    let kind = rng.choice(Kind::ALL).expect("there are eight");
    let role = rng.choice(RoleName::ALL).expect("there are four");
    let publisher = kind.publisher();
    if publisher.is_none() || rng.bool() {
        // A request in a service's name, with the id of something to come.
        let id = outcome_id(booking, kind);
        let named = |source: &str| {
            let cause = Cause { source: source.to_owned(), id: id.clone() };
            wire::encode(&Event { cause, ..request.clone() }).expect("it is small").body
        };
        let wants_to_be = (Kind::BookingRequested, named(ELSEWHERE));
        return Forgery { text: named(role.source()), wants_to_be, foreign: false };
    }
    let topic = topics::all().into_iter().find(|it| it.topic == kind).expect("a topic a kind");
    let mut outcome = topic.example;
    outcome["id"] = json!(outcome_id(booking, kind));
    outcome["subject"] = json!(booking);
    outcome["requestdigest"] = json!(request.digest);
    let wants_to_be = (kind, outcome.to_string());
    match rng.u8(0..3) {
        0 => Forgery { text: outcome.to_string(), wants_to_be, foreign: false },
        1 => {
            outcome["source"] = json!(ELSEWHERE);
            Forgery { text: outcome.to_string(), wants_to_be, foreign: false }
        }
        _ => {
            let envelope = json!({
                "Type": "Notification",
                "MessageId": outcome["id"],
                "TopicArn": format!("arn:aws:sns:eu-central-1:111111111111:{kind}"),
                "Message": outcome.to_string(),
                "Timestamp": "2027-02-01T09:30:00Z",
            });
            Forgery { text: envelope.to_string(), wants_to_be, foreign: true }
        }
    }
}

/// I4: what status tells of a booking is what the request that was answered said; `None` when it
/// is. `first` is how it would be told without that: by whichever request comes first.
pub fn mistold(
    booking: &BookingId,
    record: &Record,
    asked: &BTreeMap<String, Request>,
    first: bool,
) -> Option<String> {
    let now = Timestamp::MAX;
    let view = booking::http::view::BookingView::of(booking, record, now, SignedDuration::ZERO);
    let mut seats = view.seats.clone();
    if first {
        let facts = record.timeline().into_iter().filter(|it| it.seating.is_some());
        let first = facts.min_by_key(|it| (it.kind, it.digest));
        seats = first.and_then(|it| it.seating.clone()).map_or_else(Vec::new, |it| it.seats);
    }
    let answered = record.timeline().into_iter();
    let answered: Vec<String> = answered
        .filter(|it| matches!(it.kind, Kind::SeatBooked | Kind::PaymentOk))
        .map(|it| it.digest.to_string())
        .collect();
    let digest = view.request_digest.map(|it| it.to_string());
    if !answered.is_empty() && digest.as_ref().is_none_or(|it| !answered.contains(it)) {
        return Some(format!("{booking} is told of {digest:?}, and {answered:?} was answered"));
    }
    let own = digest.and_then(|it| asked.get(&it));
    let strange = |it| own.is_none_or(|own| !own.seating.seats.contains(it));
    if seats.iter().any(strange) {
        return Some(format!("{booking} is told with {seats:?}, asked for by another"));
    }
    let requests = view.timeline.iter().filter(|it| it.kind == "booking-requested");
    let of_another = requests
        .filter(|it| it.reason.is_none())
        .find(|it| it.source != "client" || it.amount != own.map(|own| own.payment.amount));
    of_another.map(|it| format!("{booking} has {it:?} in its timeline"))
}

/// The request that a client published, with its digest.
pub fn request_of(text: &str) -> Option<(String, Request)> {
    let delivery = crate::harness::enveloped(Kind::BookingRequested, text);
    let event = wire::decode(&delivery, &crate::harness::intake()).ok()?;
    match event.data {
        Data::BookingRequested(request) => Some((event.digest.to_string(), request)),
        _ => None,
    }
}
