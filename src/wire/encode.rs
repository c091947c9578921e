//! Event to text.

use serde::Serialize;
use serde_json::json;

use super::{Message, SCHEMA_VERSION};
use crate::domain::{
    event::{Data, Event, Kind},
    request::Request,
    seat::{SeatId, Seating},
};

/// The largest event that is published, in bytes, escaped as it arrives inside the SNS envelope:
/// below the 256 KiB that SNS publishes and a queue holds, with room for envelope and attributes.
pub const EVENT_BYTES_MAX: usize = 240 * 1024;

/// An event that SNS would not take, or that would not fit into a queue afterwards.
#[derive(Debug, thiserror::Error)]
#[error(
    "{kind} would arrive as {bytes} bytes, more than the {EVENT_BYTES_MAX} that an event may have: the \
     envelope of SNS has two for each quotation mark and each backslash"
)]
pub struct TooLarge {
    /// Its type.
    pub kind: Kind,
    /// Its size, as it would arrive.
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

/// `data` by type, as `topics/` has it.
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

/// The text of an event, ready to be published.
///
/// # Errors
/// When it is larger than SNS takes: found out here, before anything is committed, so that no row
/// can be stuck with an event that never leaves (A39).
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
        dataschema: format!("urn:booking:schema:{kind}:{SCHEMA_VERSION}"),
        traceparent: event.traceparent.as_deref(),
        requestdigest: (!request).then(|| event.digest.to_string()),
        data: body(&event.data),
    };
    let body = serde_json::to_string(&cloud_event).expect("strings and integers are always JSON");
    // Nothing more than doubles.
    if body.len() > EVENT_BYTES_MAX / 2 {
        let bytes = arriving_bytes(&body);
        if bytes > EVENT_BYTES_MAX {
            return Err(TooLarge { kind, bytes });
        }
    }
    Ok(Message { kind, body })
}

/// The size of JSON inside a string of an envelope, in bytes.
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

/// The `data` of a booking request, as a client writes it. Holds the payment token.
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
