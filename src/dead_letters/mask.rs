//! Masks a dead letter for a terminal. A dead letter is not what it should be, so its shape proves
//! nothing: a value may be shown only under a name that is known to hold no secret, and even there
//! card numbers and e-mail addresses must be masked. A client may still write anything else into
//! `id`, `source` and `subject`, and an operator sees it.

use serde_json::Value;

use super::page::indented;
use crate::{domain::card::holds_card_number, printable, wire::without_mark};

/// How many levels of JSON within a JSON string are opened: one for the SNS envelope, and one more
/// that a publisher may have added. With more, a short body could fill the screen and the stack.
const OPENED_MAX: usize = 2;

/// Stands for a value that is not shown.
const HIDDEN: &str = "***";
/// The field of which every part is personal.
const PASSENGER: &str = "passenger";
/// The fields that have a whole message, as JSON or as a string of JSON. Such a string is opened
/// and its parts are masked. A string that is no JSON may hold anything, and is not shown.
const WHOLE: [&str; 4] = ["Message", "data", "detail", "message"];
/// The fields whose values hold no secret, in an event and in the envelope around it.
const HARMLESS: [&str; 30] = [
    "MessageId",
    "SignatureVersion",
    "Timestamp",
    "TopicArn",
    "Type",
    "account",
    "booking_id",
    "charge",
    "currency",
    "datacontenttype",
    "dataschema",
    "date",
    "detail-type",
    "flight",
    "id",
    "minor",
    "reason",
    "receipt",
    "refund",
    "region",
    "replay-name",
    "requestdigest",
    "seats",
    "source",
    "specversion",
    "subject",
    "time",
    "traceparent",
    "type",
    "version",
];

/// A body as indented JSON, with the SNS envelope opened and secrets masked. A body that is no JSON
/// may hold anything: then only its length is shown, and the place where it stops being JSON.
pub(crate) fn body(text: &str) -> String {
    let masked = match serde_json::from_str(text) {
        Ok(value) => whole(value, 0),
        Err(error) => return no_json(text, &error),
    };
    printable::lines(&indented(&masked))
}

/// Masks a whole message, wherever it stands.
fn whole(value: Value, opened: usize) -> Value {
    match value {
        Value::String(it) => open(&it, opened),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value_of(value, false, opened)
        }
    }
}

/// Parses and masks a string that should be JSON.
fn open(text: &str, opened: usize) -> Value {
    if opened >= OPENED_MAX {
        let bytes = text.len();
        return format!("({bytes} bytes that are not shown: too deep inside other texts)").into();
    }
    // A role skips a byte order mark as well.
    match serde_json::from_str(without_mark(text)) {
        Ok(value) => whole(value, opened + 1),
        Err(error) => no_json(text, &error).into(),
    }
}

/// Masks a value. `opened` is the number of strings around it that were opened.
fn value_of(value: Value, harmless: bool, opened: usize) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value,
        Value::Number(it) if !harmless || holds_card_number(&it.to_string()) => HIDDEN.into(),
        Value::Number(_) => value,
        Value::String(it) => string(&it, harmless, opened),
        Value::Array(list) => list.into_iter().map(|it| value_of(it, harmless, opened)).collect(),
        Value::Object(fields) => {
            let inside = |(name, it): (String, Value)| {
                let masked = if name.eq_ignore_ascii_case(PASSENGER) {
                    secret(it)
                } else if WHOLE.contains(&name.as_str()) {
                    whole(it, opened)
                } else {
                    value_of(it, HARMLESS.contains(&name.as_str()), opened)
                };
                (line(&name), masked)
            };
            Value::Object(fields.into_iter().map(inside).collect())
        }
    }
}

/// The shape of a value, with nothing of its contents but the outline of e-mail addresses, `true`,
/// `false` and `null`.
fn secret(value: Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value,
        Value::Number(_) => HIDDEN.into(),
        Value::String(it) => string(&it, false, 0),
        Value::Array(list) => list.into_iter().map(secret).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, it)| (line(&name), secret(it))).collect()
        }
    }
}

/// Masks a string. A string that could hold JSON, however it begins, is opened; if it is no JSON,
/// it is not shown.
fn string(text: &str, harmless: bool, opened: usize) -> Value {
    if harmless && text.contains(['{', '[', '"']) {
        return open(text, opened);
    }
    match e_mail(text) {
        Some(it) if !harmless => it.into(),
        _ if harmless => line(text).into(),
        _ => HIDDEN.into(),
    }
}

/// A text from outside as one line: with addresses and possible card numbers masked, and with
/// nothing that a terminal would obey.
pub(crate) fn line(text: &str) -> String {
    if holds_card_number(text) {
        return HIDDEN.to_owned();
    }
    let masked: String = text
        .split_inclusive(|it: char| !in_address(it))
        .map(|part| {
            let word = part.trim_end_matches(|it: char| !in_address(it));
            match e_mail(word) {
                Some(it) => format!("{it}{}", &part[word.len()..]),
                None => part.to_owned(),
            }
        })
        .collect();
    printable::line(&masked)
}

/// `a***@e***.com`, if the text looks like an e-mail address.
fn e_mail(text: &str) -> Option<String> {
    let (who, host) = text.rsplit_once('@')?;
    let first = |it: &str| it.chars().next();
    let ending = match host.rsplit_once('.') {
        Some((_, it)) if it.chars().all(|it| it.is_ascii_alphabetic()) => format!(".{it}"),
        _ => String::new(),
    };
    let plain = text.chars().all(in_address);
    plain.then_some(format!("{}***@{}***{ending}", first(who)?, first(host)?))
}

/// Whether a character occurs in the e-mail addresses that people use.
fn in_address(letter: char) -> bool {
    letter.is_alphanumeric() || "@.!#$%&'*+-/=?^_`{|}~".contains(letter)
}

fn no_json(text: &str, error: &serde_json::Error) -> String {
    let how = if error.is_eof() { "JSON that ends too early" } else { "no JSON" };
    format!(
        "({} bytes that are not shown: {how}, line {} column {})",
        text.len(),
        error.line(),
        error.column()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_shown_only_where_no_secret_can_be() {
        for (what, given, wanted) in [
            (
                "a passenger",
                json!({"passenger": {"name": "Ada Lovelace", "email": "ada@example.com"}}),
                json!({"passenger": {"name": "***", "email": "a***@e***.com"}}),
            ),
            (
                "a passenger of another shape",
                json!({"Passenger": ["Ada", {"type": "Lovelace", "seats": [7]}]}),
                json!({"Passenger": ["***", {"type": "***", "seats": ["***"]}]}),
            ),
            (
                "a passenger that is a text",
                json!({"passenger": "Ada"}),
                json!({"passenger": "***"}),
            ),
            (
                "a token, and what it costs",
                json!({"payment": {"token": "tok_visa", "amount": {"minor": 12900, "currency": "EUR"}}}),
                json!({"payment": {"token": "***", "amount": {"minor": 12900, "currency": "EUR"}}}),
            ),
            (
                "a card number as number and as text, where neither belongs",
                json!({"flight": "4111 1111 1111 1111", "seats": [4111111111111111_u64], "id": "4111-1111-1111-1111"}),
                json!({"flight": "***", "seats": ["***"], "id": "***"}),
            ),
            (
                "a name that nobody knows",
                json!({"nmae": "Ada", "phone": 491701234567_u64, "vip": true, "x": null}),
                json!({"nmae": "***", "phone": "***", "vip": true, "x": null}),
            ),
            (
                "an address in a harmless place",
                json!({"source": "mail from <ada@example.com>, twice", "subject": "a@b"}),
                json!({"source": "mail from <a***@e***.com>, twice", "subject": "a***@b***"}),
            ),
            (
                "secrets that are names of fields",
                json!({"ada@example.com": 1, "4111111111111111": {"flight": "WA117"}}),
                json!({"a***@e***.com": "***", "***": {"flight": "WA117"}}),
            ),
            (
                "what is no secret",
                json!({"flight": "WA117", "date": "2027-03-01", "seats": ["12A"], "reason": "taken"}),
                json!({"flight": "WA117", "date": "2027-03-01", "seats": ["12A"], "reason": "taken"}),
            ),
        ] {
            let shown: Value = serde_json::from_str(&body(&given.to_string())).unwrap();
            assert_eq!(shown, wanted, "{what}");
        }
    }

    #[test]
    fn an_envelope_is_opened_before_it_is_masked() {
        let event = json!({"flight": "WA117", "passenger": {"name": "Ada"}}).to_string();
        let shown = body(&json!({"Type": "Notification", "Message": event}).to_string());
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["Message"], json!({"flight": "WA117", "passenger": {"name": "***"}}));
        let broken = body(&json!({"Message": "{\"name\": \"Ada\", "}).to_string());
        assert!(!broken.contains("Ada"), "{broken}");
        assert!(broken.contains("16 bytes that are not shown"), "{broken}");
    }

    #[test]
    fn a_message_that_is_no_object_is_never_shown_as_text() {
        let event = json!({"flight": "WA117", "passenger": {"name": "Ada"}, "payment": {"token": "s3cret"}});
        let event = event.to_string();
        for message in [
            format!("\u{feff}{event}"),
            format!(" \u{feff}{event}"),
            Value::from(event.clone()).to_string(),
            Value::from(Value::from(event.clone()).to_string()).to_string(),
            "Ada wants 12A with s3cret".to_owned(),
            "\"Ada wants 12A with s3cret\"".to_owned(),
            "[\"Ada\", \"s3cret\"]".to_owned(),
            format!("{event} {event}"),
        ] {
            for name in WHOLE {
                let shown = body(&json!({ name: message }).to_string());
                assert!(!shown.contains("Ada") && !shown.contains("s3cret"), "{shown}");
            }
            let shown = body(&message);
            assert!(!shown.contains("Ada") && !shown.contains("s3cret"), "{shown}");
        }
        // What could hold JSON is nowhere shown as text.
        let quoted = Value::from(event.clone()).to_string();
        for message in
            [format!("\u{feff}{event}"), quoted, format!("x {event}"), format!("\u{a0}{event}")]
        {
            for name in HARMLESS {
                let shown = body(&json!({ name: message }).to_string());
                assert!(!shown.contains("Ada") && !shown.contains("s3cret"), "{name}: {shown}");
            }
        }
        let marked = body(&json!({"Message": format!("\u{feff}{event}")}).to_string());
        assert!(marked.contains("WA117"), "opened, and not hidden: {marked}");
    }

    #[test]
    fn what_is_no_json_is_told_by_length_and_place_only() {
        let shown = body("{\"a\": 1,\n ada@example.com}");
        assert_eq!(shown, "(26 bytes that are not shown: no JSON, line 2 column 2)");
        assert_eq!(
            body("{"),
            "(1 bytes that are not shown: JSON that ends too early, line 1 column 1)"
        );
    }

    #[test]
    fn nothing_that_a_terminal_would_obey_reaches_it() {
        let text = "a\u{1b}[2Jb\u{9b}c\u{202e}d\r\n";
        assert_eq!(line(text), "a\\u{1b}[2Jb\\u{9b}c\\u{202e}d\\u{d}\\n");
        let shown = body(&json!({"flight": text}).to_string());
        assert!(shown.chars().all(|it| it == '\n' || !it.is_control()), "{shown:?}");
    }
}
