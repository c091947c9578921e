//! The screen of `booking top`, drawn into a buffer.

use ratatui::{Terminal, backend::TestBackend};
use serde_json::json;

use super::*;
use crate::{
    cli::top::model::News,
    domain::{RoleName, event::Kind},
    http::EventRate,
    printable::is_obeyed,
    vitals::DeadReason,
};

/// What a terminal obeys, hides or turns around, before a word.
const HOSTILE: &str = "\u{1b}[2J\u{9b}31m\u{202e}\u{200b}\r\nSTUCK";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

/// The lines of a screen of this size.
fn drawn(model: &Model, columns: u16, lines: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).expect("a buffer");
    terminal.draw(|it| draw(it, model, at(90))).expect("drawn into a buffer");
    let text = terminal.backend().to_string();
    text.lines().map(|it| it.trim_matches('"').trim_end().to_owned()).collect()
}

fn open(bookings: serde_json::Value) -> BookingList {
    serde_json::from_value(json!({ "bookings": bookings })).expect("a list")
}

fn line_of(id: &str, stuck: bool, from: &str) -> serde_json::Value {
    json!({"booking_id": id, "phase": "seat_booked", "final": false, "conflict": false, "stuck": stuck,
           "as_of": at(0), "waiting_for": [{"event": "payment-ok", "from": from, "since": at(0)}]})
}

fn vitals(problem: Option<&str>) -> Vitals {
    let service = |role| ServiceVitals {
        waiting: 12_345,
        in_flight: 64,
        dead: 3,
        problem: problem.map(str::to_owned),
        ..ServiceVitals::nothing(role)
    };
    Vitals { read: at(0), services: RoleName::ALL.map(service).into() }
}

fn rates_view() -> RatesView {
    let rate = |event| EventRate { event, count: 120, per_second: 12.34 };
    RatesView { as_of: at(0), window_s: 9.7, events: Kind::ALL.map(rate).into() }
}

fn full() -> Model {
    let mut model = Model::new("http://status:8080", false);
    let bookings =
        json!([line_of("b-stuck", true, "payment"), line_of("b-open", false, "payment")]);
    model.learn(News::Status { rates: Ok(rates_view()), open: Ok(open(bookings)) });
    model.learn(News::Queues(Ok(vitals(None))));
    model
}

#[test]
fn everything_stands_on_a_screen_of_80_by_24() {
    let lines = drawn(&full(), 80, 24);
    let line = |begin: &str| {
        let found = lines.iter().find(|it| it.starts_with(begin));
        found.unwrap_or_else(|| panic!("no {begin} in {lines:#?}"))
    };
    assert!(line("booking top   q ends   ").ends_with(" UTC   http://status:8080"));
    assert!(line("EVENT").ends_with("over the last 10 s"));
    let requests = line("booking-requested");
    assert!(requests.ends_with("12.3  client → seats, payment, receipt, status"), "{requests}");
    assert!(line("receipt-sent").contains("receipt → status"));
    let payment: Vec<&str> = line("payment   ").split_whitespace().collect();
    assert_eq!(payment, ["payment", "12345", "64", "3", "0"]);
    assert!(line("OPEN BOOKINGS: 2, 1 stuck").len() < 80);
    assert!(line("stuck").contains("1 min 30 s b-stuck"));
    assert!(line("stuck").ends_with("payment-ok from payment"));
}

/// The stuck bookings come first, so their number is exact as soon as one of the list is not stuck.
#[test]
fn it_says_or_more_only_where_it_cannot_know() {
    for (last_is_stuck, heading) in [
        (false, "OPEN BOOKINGS: 2 or more, 1 stuck"),
        (true, "OPEN BOOKINGS: 2 or more, 2 or more stuck"),
    ] {
        let bookings =
            json!([line_of("b-1", true, "payment"), line_of("b-2", last_is_stuck, "payment")]);
        let open = BookingList { next: Some("next".to_owned()), ..open(bookings) };
        let mut model = full();
        model.learn(News::Status { rates: Ok(rates_view()), open: Ok(open) });
        assert!(drawn(&model, 80, 24).iter().any(|it| it.trim() == heading), "{heading}");
    }
}

#[test]
fn a_rate_stays_in_its_column_whatever_a_server_says() {
    for (rate, text) in [
        (0.04, "0.0"),
        (99.0, "99.0"),
        (123.4, "123"),
        (9_999_999.0, "9999999"),
        (1e7, "1.0e7"),
        (-1e300, "-1.0e300"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(number(rate), text);
    }
}

#[test]
fn a_screen_of_any_size_is_drawn() {
    let mut model = full();
    model.look = Look::Ended(vec![(RoleName::Seats, Err("away".to_owned()))]);
    for (columns, lines) in [(1, 1), (10, 3), (79, 23), (80, 24), (500, 200)] {
        assert_eq!(drawn(&model, columns, lines).len(), usize::from(lines));
    }
}

#[test]
fn what_cannot_be_reached_says_so_in_its_place_and_the_rest_stays() {
    let mut model = full();
    let away = || "cannot ask the status service at http://status:8080: refused".to_owned();
    model.learn(News::Status { rates: Err(away()), open: Err(away()) });
    let text = drawn(&model, 80, 24).join("\n");
    assert_eq!(text.matches("cannot ask the status service").count(), 2, "{text}");
    assert!(text.contains("12345") && !text.contains("b-stuck"), "{text}");

    let mut model = full();
    model.learn(News::Queues(Ok(vitals(Some("there are no AWS credentials: set AWS_PROFILE")))));
    let text = drawn(&model, 80, 24).join("\n");
    assert_eq!(text.matches("no AWS credentials").count(), 1, "the same four times: {text}");
    assert!(text.contains("b-stuck"), "{text}");
}

#[test]
fn before_the_first_answer_it_says_that_it_asks() {
    let text = drawn(&Model::new("http://status:8080", true), 80, 24).join("\n");
    assert_eq!(text.matches("asking …").count(), 3, "{text}");
    assert!(text.contains("looking …"), "{text}");
}

#[test]
fn dead_letters_stand_by_reason_and_leave_room_for_the_bookings() {
    let mut model = full();
    let reason = |at: u64| DeadReason {
        reason: format!("reason-{at}"),
        count: at,
        redrive: format!("{at} would be set aside again"),
    };
    let many = (1..40).map(reason).collect();
    model.look = Look::Ended(vec![(RoleName::Seats, Ok(many))]);
    let text = drawn(&model, 80, 24).join("\n");
    assert!(text.contains("DEAD LETTERS BY REASON"), "{text}");
    assert!(text.contains("1 reason-1           1 would be set aside again"), "{text}");
    assert!(text.contains("b-stuck") && text.contains("b-open"), "{text}");
    assert!(text.contains("and 37 more: make the terminal higher"), "{text}");
    let text = drawn(&model, 80, 60).join("\n");
    assert!(text.contains("39 reason-39") && !text.contains("more: make"), "{text}");
    model.look = Look::Ended(Vec::new());
    assert!(drawn(&model, 80, 24).join("\n").contains("none"));
}

#[test]
fn a_text_from_outside_is_shown_and_never_obeyed() {
    let mut model = Model::new(HOSTILE, true);
    let problem = || HOSTILE.to_owned();
    let reason = DeadReason { reason: problem(), count: 1, redrive: problem() };
    for of in [Ok(vec![reason]), Err(problem())] {
        model.look = Look::Ended(vec![(RoleName::Seats, of)]);
        for first in [None, Some(problem())] {
            let mut seen = vitals(Some(HOSTILE));
            seen.services[0].problem = first;
            model.learn(News::Queues(Ok(seen)));
            let bookings = open(json!([line_of("b-1", true, HOSTILE)]));
            model.learn(News::Status { rates: Err(problem()), open: Ok(bookings) });
            let text = drawn(&model, 200, 60).concat();
            assert!(!text.chars().any(is_obeyed), "{text:?}");
            assert!(text.contains("\\u{1b}"), "{text}");
        }
    }
}
