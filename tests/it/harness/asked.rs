//! What a client asks for in a long run, and what that alone says of its ending.

use booking::{
    clock::Clock,
    domain::{
        event::{Data, Event},
        ids::{BookingId, Cause},
        request::Request,
    },
    wire,
};

/// The event with which a client asks. The same booking has the same event, so that it can be said
/// again.
pub fn requested(id: &BookingId, request: Request) -> Event {
    Event {
        cause: Cause { source: "/test".to_owned(), id: id.derive("request").to_string() },
        booking: id.clone(),
        time: Clock::Machine.now(),
        digest: wire::digest(wire::request_data(&request)),
        traceparent: None,
        data: Data::BookingRequested(request),
    }
}

/// Whether the card can be charged.
pub fn has_good_card(request: &Request) -> bool {
    matches!(request.payment.token.reveal(), "tok_visa" | "tok_timeout_then_ok")
}

/// Whether nobody ever gets it: an unknown flight, or one that is asked for at a wrong fare.
pub fn is_never_sold(request: &Request) -> bool {
    matches!(request.seating.flight.as_str(), "ZZ404" | "WA241")
}
