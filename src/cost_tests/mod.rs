//! Tests that the cost of a message is at most linear in its size. They let decoding, digests and
//! `dlq` work on the texts that an attacker would send to make reading slow.
//!
//! The tests measure the CPU time of their own thread, which other programs on the machine do not
//! change. They take the smallest of several runs, and compare only ratios: one size against twice
//! and sixteen times that size. They must never judge an absolute time, which depends on the
//! machine.

pub(crate) mod shapes;

use std::{hint::black_box, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use self::shapes::{any_unit, shapes};
use crate::{
    bus::{Delivery, ReceiptHandle},
    domain::{card::holds_card_number, ids::BookingId},
    wire::{self, Content, Incoming, Intake, SealKey},
};

/// The size of the smallest message, in bytes.
const BYTES: usize = 2 * 1024;
/// How many times larger the other messages are, and by which factor their cost per byte may grow.
/// With quadratic work it would grow by a factor of 2 and of 16; sorting names makes it grow by a
/// third.
const TIMES: [(usize, f64); 2] = [(2, 1.8), (16, 3.0)];
/// How often each size is measured. The smallest time counts.
const RUNS: usize = 2;
/// How often everything is measured before the test fails. Quadratic work fails every time.
const TRIES: usize = 6;

/// Fails when the cost of `work` grows faster than the size of the texts that `text` makes.
pub(crate) fn assert_linear(what: &str, text: impl Fn(usize) -> String, work: impl Fn(&str)) {
    let mut told = String::new();
    for _ in 0..TRIES {
        let cost = |bytes| {
            let text = text(bytes);
            (text.len() as f64, least(|| work(&text)).as_secs_f64())
        };
        let (bytes, once) = cost(BYTES);
        let beyond = TIMES.map(|(times, slack)| {
            let (more_bytes, more) = cost(BYTES * times);
            (times, slack, (more / once) / (more_bytes / bytes))
        });
        let Some((times, _, ratio)) = beyond.into_iter().find(|(_, slack, it)| it > slack) else {
            return;
        };
        told =
            format!("with {times} times as many bytes, each byte costs {ratio:.1} times as much");
    }
    panic!("{what}: {told}");
}

fn least(work: impl Fn()) -> Duration {
    let runs = (0..RUNS).map(|_| {
        let before = computed();
        work();
        computed() - before
    });
    runs.min().unwrap()
}

/// The CPU time of this thread.
fn computed() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

pub(crate) fn intake() -> Intake {
    Intake::enveloped("arn:aws:sns:eu-central-1:000000000000:").or_raw(true)
}

pub(crate) fn delivery(body: String) -> Delivery {
    Delivery {
        incoming: Incoming {
            body,
            kind_attribute: None,
            sent_at: Timestamp::UNIX_EPOCH,
            attempt: 1,
            hop: None,
        },
        message_id: "m".to_owned(),
        receipt_handle: ReceiptHandle("h".to_owned()),
        group: None,
    }
}

/// A valid request with an additional field `note`.
fn request(note: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": "1", "source": "/test", "type": "booking-requested",
        "data": {
            "booking_id": "b", "flight": "WA117", "date": "2027-03-01", "seats": ["12A"],
            "passenger": {"name": "Ada Lovelace", "email": "ada@example.com"},
            "payment": {"token": "tok_visa", "amount": {"minor": 12900, "currency": "EUR"}},
            "note": note,
        },
    })
}

pub(crate) fn enveloped(message: &str) -> String {
    json!({
        "Type": "Notification", "MessageId": "x", "Message": message,
        "TopicArn": "arn:aws:sns:eu-central-1:000000000000:booking-requested",
        "Timestamp": "2027-02-01T09:30:00Z",
    })
    .to_string()
}

/// The places in a message where an attacker can put a text. Here all shapes are tried.
const PLACES: [&str; 10] = [
    "the body",
    "the message",
    "a note",
    "a raw note",
    "a note of JSON",
    "data in base64",
    "a name",
    "on an event bus",
    "beside a canary's",
    "/data/passenger/email",
];
/// More such places. Each of them is tried with another quarter of the shapes.
const FIELDS: [&str; 20] = [
    "TopicArn",
    "MessageId",
    "Timestamp",
    "/id",
    "/source",
    "/type",
    "/subject",
    "/time",
    "/dataschema",
    "/datacontenttype",
    "/traceparent",
    "/specversion",
    "/data/booking_id",
    "/data/flight",
    "/data/date",
    "/data/seats/0",
    "/data/passenger/name",
    "/data/payment/token",
    "/data/payment/amount/minor",
    "/data/payment/amount/currency",
];

/// A message with `text` in `place`.
fn message(place: &str, text: &str) -> String {
    match place {
        "the body" => text.to_owned(),
        "the message" => enveloped(text),
        "a note" => enveloped(&request(&text.into()).to_string()),
        "a raw note" => request(&text.into()).to_string(),
        "a note of JSON" => request(&"NOTE".into()).to_string().replace("\"NOTE\"", text),
        "data in base64" => {
            let mut event = request(&Value::Null);
            event.as_object_mut().unwrap().remove("data");
            event["data_base64"] = STANDARD.encode(text).into();
            event.to_string()
        }
        "on an event bus" => json!({
            "id": text, "detail-type": "booking-requested", "source": text, "time": text,
            "account": "000000000000", "region": "eu-central-1", "detail": request(&text.into()),
        })
        .to_string(),
        "a name" => request(&json!({text: text})).to_string(),
        "beside a canary's" => {
            enveloped(&request(&json!(["urn:booking:canary:0", text])).to_string())
        }
        "TopicArn" | "MessageId" | "Timestamp" => {
            let body = enveloped(&request(&Value::Null).to_string());
            let mut envelope: Value = serde_json::from_str(&body).unwrap();
            envelope[place] = text.into();
            envelope.to_string()
        }
        pointer => {
            let mut event = request(&Value::Null);
            match event.pointer_mut(pointer) {
                Some(it) => *it = text.into(),
                None => event[&pointer[1..]] = text.into(),
            }
            event.to_string()
        }
    }
}

/// Reads a body as a role does.
fn read(body: &str) {
    let delivery = delivery(body.to_owned());
    let _ = black_box(wire::read_canary(&delivery.incoming, &intake()));
    if let Err(refusal) = wire::decode(&delivery.incoming, &intake()) {
        black_box(refusal.to_string());
    }
    black_box(wire::origin(body));
}

fn digest(text: &str) {
    if let Ok(value) = serde_json::from_str(text) {
        black_box(wire::digest(value));
    }
    black_box(wire::digest(json!({"note": text})));
}

/// Reads every second shape, beginning with shape `of`, in every place.
fn read_half(of: usize) {
    for (at, shape) in shapes().iter().enumerate().skip(of).step_by(2) {
        let fields = FIELDS.iter().enumerate().filter(|(field, _)| (at / 2 + field) % 4 == 0);
        for place in PLACES.iter().chain(fields.map(|it| it.1)) {
            let text = |bytes| message(place, &shape.text(bytes));
            assert_linear(&format!("{} as {place}", shape.name), text, read);
        }
    }
}

#[test]
fn the_search_for_card_numbers_is_linear() {
    for shape in shapes() {
        assert_linear(
            shape.name,
            |bytes| shape.text(bytes),
            |it| {
                black_box(holds_card_number(it));
            },
        );
    }
}

#[test]
fn a_digest_is_linear() {
    for shape in shapes() {
        assert_linear(shape.name, |bytes| shape.text(bytes), digest);
    }
}

// Two halves, so that they run in parallel.
#[test]
fn reading_a_message_is_linear() {
    read_half(0);
}

#[test]
fn reading_another_message_is_linear() {
    read_half(1);
}

/// Reads a body as a role does that works from tasks.
fn read_task(body: &str) {
    let key = SealKey::parse(&"k".repeat(32)).unwrap();
    let delivery = delivery(body.to_owned());
    if let Content::Task(task) = black_box(wire::open(&delivery.incoming, &Intake::tasks(key))) {
        let _ = black_box(task.events.map_err(|it| it.to_string()));
    }
}

/// A client chooses what is sealed; the rest of a task is the machine's, and as large as a client
/// makes it.
#[test]
fn reading_a_task_is_linear() {
    let (key, booking) = (SealKey::parse(&"k".repeat(32)).unwrap(), BookingId::parse("b").unwrap());
    let task = |request: &str| {
        json!({"token": "t", "booking": "b", "request": key.seal(&booking, request)}).to_string()
    };
    for shape in shapes().into_iter().step_by(4) {
        let name = |place: &str| format!("{} as {place}", shape.name);
        assert_linear(&name("a task"), |bytes| shape.text(bytes), read_task);
        assert_linear(&name("what is sealed"), |bytes| task(&shape.text(bytes)), read_task);
        let noted = |bytes| task(&request(&shape.text(bytes).into()).to_string());
        assert_linear(&name("a sealed note"), noted, read_task);
        let unsealed = |bytes| json!({"booking": "b", "request": shape.text(bytes)}).to_string();
        assert_linear(&name("what is no seal"), unsealed, read_task);
    }
    let said = r#"{"specversion":"1.0","id":"1","source":"/booking/payment","type":"payment-failed",
        "subject":"b","requestdigest":"DIGEST","data":{"reason":"declined"}}"#;
    let said = said.replace("DIGEST", &"0".repeat(64));
    let heard = |bytes: usize| {
        let all = vec![said.as_str(); bytes.div_ceil(said.len())].join(",");
        format!(r#"{{"booking":"b","heard":[{{"events":[{all}]}}]}}"#)
    };
    assert_linear("many events in a task", heard, read_task);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn what_nobody_thought_of_is_linear_when_it_is_repeated(unit in any_unit()) {
        let text = |bytes: usize| unit.repeat(bytes.div_ceil(unit.len()));
        assert_linear(&format!("{unit:?} as the body"), text, read);
        let noted = |bytes| enveloped(&request(&text(bytes).into()).to_string());
        assert_linear(&format!("{unit:?} as a note"), noted, read);
        let inside = |bytes| request(&Value::from("NOTE")).to_string().replace("\"NOTE\"",
            &format!("[{}0]", text(bytes)));
        assert_linear(&format!("{unit:?} in a list"), inside, read);
        assert_linear(&format!("{unit:?} in a digest"), text, digest);
    }
}

#[test]
fn a_mebibyte_of_brackets_overflows_no_stack() {
    const BYTES: usize = 1024 * 1024;
    for unit in ["[", "{\"a\":", "[{\"a\":", "\"", "{\"a\":[\"b\",", "[\"urn:booking:canary:0\","] {
        let text = unit.repeat(BYTES / unit.len());
        read(&text);
        read(&enveloped(&text));
        digest(&text);
        // The same with all brackets closed, so that the whole text is JSON.
        let closing = text.chars().rev().filter_map(|it| match it {
            '[' => Some(']'),
            '{' => Some('}'),
            _ => None,
        });
        let closed: String = closing.collect();
        let whole = format!("{text}0{closed}");
        read(&whole);
        read(&request(&"NOTE".into()).to_string().replace("\"NOTE\"", &whole));
    }
}
