//! One booking, as its page tells it.

use serde_json::json;

use super::*;
use crate::page::{
    TraceUrl,
    rows::Row,
    testing::{STUCK_AFTER, at, completed, declined, record_of, stuck},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn told(row: &Row, now: f64, trace_url: Option<&str>) -> String {
    let trace_url: Option<TraceUrl> = trace_url.map(|it| it.parse().unwrap());
    let settings = Settings { stuck_after: STUCK_AFTER, trace_url, watch: None };
    Part::of(&row.id, Some(&row.record), at(now), &settings).render().unwrap()
}

#[test]
fn a_stuck_booking_says_what_it_waits_for_from_whom_since_when_and_that_it_is_late() {
    let html = told(&stuck("b-1", 100.0), 354.0, None);
    for part in [
        "data-booking=\"b-1\" data-phase=\"seat_booked\" data-late=\"true\"",
        "waits for payment-ok from payment, 4 min 10 s, late",
        "<li class=\"step in-payment late\" data-step=\"payment-ok\">",
        "<li class=\"step in-seats heard\" data-step=\"seat-booked\">",
        "EUR 129.00",
        "12A",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let on_time = told(&stuck("b-1", 100.0), 110.0, None);
    assert!(on_time.contains("data-late=\"false\"") && !on_time.contains("late</span>"));
}

#[test]
fn a_receipt_is_shown_with_its_validity_and_an_end_awaits_nothing() {
    let html = told(&completed("b-1", 100.0), 900.0, None);
    assert!(html.contains("data-valid=\"true\"") && html.contains("data-final=\"true\""), "{html}");
    assert!(!html.contains("awaited for"), "{html}");
    let html = told(&declined("b-2", 100.0), 900.0, None);
    assert!(html.contains("payment failed") && html.contains("declined"), "{html}");
}

/// A client may state any time, and a refusal names a field.
#[test]
fn a_time_of_another_age_is_told_beside_that_of_hearing_and_a_refusal_is_told_as_it_is() {
    let facts = json!([{
        "kind": "booking-requested", "digest": "01".repeat(32), "time": "9999-12-30T22:00:00Z",
        "heard": "2027-01-15T08:00:00Z", "source": "client", "id": "e-1",
    }]);
    let reason = "data.booking_id: expected a string";
    let rejections = json!([{"time": "2027-01-15T08:00:00Z", "reason": reason}]);
    let record = record_of(json!({"facts": facts, "rejections": rejections}));
    let heard = "2027-01-15T08:00:00Z".parse().unwrap();
    let id = BookingId::parse("b-1").unwrap();
    let view = BookingView::of(&id, &record, heard, STUCK_AFTER);
    let steps = lanes(&view, heard);
    let of = |what: &str| steps.iter().find(|it| it.what == what).unwrap();
    assert_eq!(of("booking-requested").at, heard);
    assert!(of("booking-requested").details.contains(&"says 9999-12-30T22:00:00Z".to_owned()));
    assert_eq!(of("rejected").details, [reason]);
}

/// What a client sends, or a row of an earlier version has, is never taken for HTML.
#[test]
fn whatever_stands_in_a_row_it_is_text() {
    let bad = "\"><script>alert('1')</script>";
    let fact = |kind: &str, source: &str| {
        json!({
            "kind": kind, "digest": "01".repeat(32), "time": "2027-01-15T08:00:00Z",
            "heard": "2027-01-15T08:00:00Z", "source": source, "id": bad,
            "reason": bad, "receipt": bad,
        })
    };
    let facts = [fact("booking-requested", "client"), fact("receipt-sent", bad)];
    let rejections = json!([{"time": "2027-01-15T08:00:00Z", "reason": bad}]);
    let record = record_of(json!({"facts": facts, "rejections": rejections}));
    let id = BookingId::parse("b-1").unwrap();
    let html = told(&Row { id, record }, 1.0, Some("https://t.example.com/{trace_id}"));
    assert!(!html.contains("<script") && !html.contains("alert('1')"), "{html}");
    assert_eq!(html.matches("alert(&#39;1&#39;)").count(), 8, "{html}");
    assert!(html.contains("unverified"), "{html}");
}

#[test]
fn a_trace_is_a_link_where_there_is_an_address_for_it_and_else_its_digits() {
    let row = |trace: serde_json::Value| {
        let mut fact = json!({
            "kind": "booking-requested", "digest": "01".repeat(32), "source": "client", "id": "",
            "time": "2027-01-15T08:00:00Z", "heard": "2027-01-15T08:00:00Z",
        });
        if !trace.is_null() {
            fact["trace"] = trace;
        }
        let record = record_of(json!({ "facts": [fact] }));
        Row { id: BookingId::parse("b-1").unwrap(), record }
    };
    let url = Some("https://t.example.com/x?id={trace_id}&v=1");
    let html = told(&row(json!(TRACE)), 1.0, url);
    let href = format!("href=\"https://t.example.com/x?id={TRACE}&#38;v=1\"");
    assert!(html.contains(&href), "{html}");
    let html = told(&row(json!(TRACE)), 1.0, None);
    assert!(html.contains(&format!("<code class=\"trace\">{TRACE}</code>")), "{html}");
    // A row of an earlier version.
    assert!(told(&row(json!(null)), 1.0, url).contains("the request named none"));
}

#[test]
fn each_prospect_has_a_class_and_words() {
    let now = at(300.0);
    let awaited = Prospect::Awaited { from: None, since: at(46.0) };
    assert_eq!(told_of(Prospect::Heard { at: now }, now), ("heard", "08:05:00".to_owned()));
    assert_eq!(told_of(awaited, now), ("awaited", "awaited 4 min 10 s".to_owned()));
    assert_eq!(told_of(Prospect::Possible, now).0, "possible");
    assert_eq!(told_of(Prospect::Impossible, now).0, "impossible");
    let (state, words) = super::told(awaited, true, now);
    assert_eq!((state, words.as_str()), ("awaited late", "awaited 4 min 10 s, late"));
}

fn told_of(prospect: Prospect, now: Timestamp) -> (&'static str, String) {
    super::told(prospect, false, now)
}
