//! What a look tells, within its bounds.

use serde_json::Value;

use super::*;
use crate::page::testing::{STUCK_AFTER, at, completed, stuck};

fn look(rows: &Rows, before: Option<&Look>, now: f64) -> Look {
    Look::of(rows, before, None, at(now), STUCK_AFTER).unwrap()
}

/// The name, the id and the data of a frame.
fn read(frame: &Bytes) -> (String, Option<String>, Value) {
    let text = std::str::from_utf8(frame).unwrap();
    let field = |name: &str| {
        text.lines().find_map(|it| it.strip_prefix(&format!("{name}: "))).map(str::to_owned)
    };
    assert!(text.ends_with("\n\n") && text.matches("\n\n").count() == 1, "{text}");
    let data = serde_json::from_str(&field("data").unwrap()).unwrap();
    (field("event").unwrap(), field("id"), data)
}

#[test]
fn the_first_look_passes_nothing_on_and_the_next_only_what_is_new() {
    let rows = Rows { newest: vec![completed("b-1", 10.0)], is_all: true, ..Rows::default() };
    let first = look(&rows, None, 11.0);
    let (name, id, data) = read(&first.news);
    assert_eq!((name.as_str(), id), ("news", Some(first.flow.position().to_string())));
    assert_eq!(data["passed"], serde_json::json!({}));
    assert_eq!(data["flows"]["payment-ok"]["count"], 1);
    assert_eq!(data["flows"]["payment-ok"]["figures"], "1 · 1/min");
    let rows = Rows {
        newest: vec![stuck("b-2", 12.0), completed("b-1", 10.0)],
        is_all: true,
        ..Rows::default()
    };
    let second = look(&rows, Some(&first), 13.0);
    let (_, _, data) = read(&second.news);
    assert_eq!(data["passed"], serde_json::json!({"booking-requested": 1, "seat-booked": 1}));
    assert_eq!(data["bookings"], serde_json::json!(["b-2"]));
    assert_eq!(data["services"]["payment"]["state"], "ok");
    assert!(second.has_new_list && second.number == 2);
    let third = look(&rows, Some(&second), 13.5);
    assert!(!third.has_new_list);
    // Who comes back with the position of the first look is told what it missed.
    let (_, _, data) = read(&third.news_since(first.flow.position()));
    assert_eq!(data["passed"]["seat-booked"], 1);
    let (name, id, data) = read(&third.list_frame);
    assert_eq!((name.as_str(), id), ("list", None));
    assert_eq!(data["html"], third.list);
}

#[test]
fn a_busy_look_stays_within_its_bounds() {
    let newest = |from: usize| -> Vec<_> {
        let each = (0..NEWEST_MAX).map(|it| from + NEWEST_MAX - it);
        each.map(|it| completed(&format!("b-{it}"), 1_000.0 + it as f64 / 1_000.0)).collect()
    };
    let rows = Rows { newest: newest(0), ..Rows::default() };
    let first = look(&rows, None, 1_001.0);
    let rows = Rows { newest: newest(500), ..Rows::default() };
    let second = look(&rows, Some(&first), 1_002.0);
    let (_, _, data) = read(&second.news);
    assert_eq!(data["bookings"].as_array().unwrap().len(), NAMED_MAX);
    assert_eq!(data["passed"]["payment-ok"], NEWEST_MAX);
    assert!(second.news.len() < 8 * 1024, "{}", second.news.len());
    assert!(second.list_frame.len() < 128 * 1024, "{}", second.list_frame.len());
}

#[test]
fn looking_takes_at_most_a_twentieth_of_the_time() {
    assert_eq!(pause_after(Duration::ZERO), Duration::from_secs(1));
    assert_eq!(pause_after(Duration::from_millis(50)), Duration::from_secs(1));
    assert_eq!(pause_after(Duration::from_millis(500)), Duration::from_secs(10));
}
