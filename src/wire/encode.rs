//! Writes an event as text. It must never return a text that SNS or a queue would refuse.

use serde::Serialize;
use serde_json::json;

use super::Message;
use crate::{
    domain::{
        event::{Data, Event, Kind},
        request::Request,
        seat::{SeatId, Seating},
    },
    topics,
};

/// The largest event that is published, in bytes, counted with the escapes that it has inside the
/// SNS envelope. It is below the 256 KiB that SNS publishes and that a queue holds, with room for
/// the envelope and the attributes.
pub const EVENT_BYTES_MAX: usize = 240 * 1024;

/// The event is larger than SNS accepts, or than a queue accepts from SNS.
#[derive(Debug, thiserror::Error)]
#[error(
    "{kind} would arrive as {bytes} bytes, more than the {EVENT_BYTES_MAX} that an event may have: \
     the SNS envelope escapes each quotation mark and each backslash"
)]
pub struct TooLarge {
    pub kind: Kind,
    /// The size inside the SNS envelope, escapes included.
    pub bytes: usize,
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: Kind,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    dataschema: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requestdigest: Option<String>,
    data: Body<'a>,
}

/// The `data` of each type, as the schemas in `topics/` describe it.
#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Any(serde_json::Value),
    Seats(&'a Seating),
    NoSeat {
        reason: &'a str,
        #[serde(flatten)]
        seating: &'a Seating,
    },
    Freed {
        reason: &'a str,
        seats: &'a [SeatId],
    },
    Charge(&'a crate::domain::event::Charge),
    Reason {
        reason: &'a str,
    },
    Refund(&'a crate::domain::event::Refund),
    Receipt {
        receipt: &'a str,
    },
}

/// Writes an event as the message to be published.
///
/// # Errors
/// When the message is larger than SNS accepts. This is found here, before anything is committed,
/// so that no row can hold an event that can never be sent (failure matrix, A39).
pub fn encode(event: &Event) -> Result<Message, TooLarge> {
    let kind = event.kind();
    let request = kind == Kind::BookingRequested;
    let cloud_event = CloudEvent {
        specversion: "1.0",
        id: &event.cause.id,
        source: &event.cause.source,
        kind,
        subject: event.booking.as_str(),
        time: event.time.to_string(),
        datacontenttype: "application/json",
        dataschema: topics::dataschema(kind),
        traceparent: event.traceparent.as_deref(),
        requestdigest: (!request).then(|| event.digest.to_string()),
        data: body(&event.data),
    };
    let body = serde_json::to_string(&cloud_event).expect("strings and integers are always JSON");
    // Escaping at most doubles the size, so a short text need not be counted.
    if body.len() > EVENT_BYTES_MAX / 2 {
        let bytes = arriving_bytes(&body);
        if bytes > EVENT_BYTES_MAX {
            return Err(TooLarge { kind, bytes });
        }
    }
    Ok(Message { kind, body, trace: None })
}

/// The size of a JSON text inside a string of the SNS envelope, in bytes.
fn arriving_bytes(json: &str) -> usize {
    json.len() + json.bytes().filter(|it| matches!(it, b'"' | b'\\')).count()
}

fn body(data: &Data) -> Body<'_> {
    match data {
        Data::BookingRequested(request) => Body::Any(request_data(request)),
        Data::SeatBooked(seating) => Body::Seats(seating),
        Data::SeatUnavailable { reason, seating } => {
            Body::NoSeat { reason: reason.as_str(), seating }
        }
        Data::SeatReleased { reason, seats } => Body::Freed { reason: reason.as_str(), seats },
        Data::PaymentOk(charge) => Body::Charge(charge),
        Data::PaymentFailed { reason } => Body::Reason { reason: reason.as_str() },
        Data::PaymentRefunded(refund) => Body::Refund(refund),
        Data::ReceiptSent { receipt } => Body::Receipt { receipt },
    }
}

/// The `data` of a booking request, as a client writes it. It holds the payment token.
#[must_use]
pub fn request_data(request: &Request) -> serde_json::Value {
    let Seating { flight, date, seats } = &request.seating;
    json!({
        "flight": flight,
        "date": date,
        "seats": seats,
        "passenger": request.passenger,
        "payment": {"token": request.payment.token.reveal(), "amount": request.payment.amount},
    })
}
