//! Messages that are wrong somewhere, that are written oddly, or that hold a card number.

use booking::wire::Refusal;
use proptest::{collection, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::harness::Sketch;

/// Values that no refusal's own words are made of: none of these characters stands in them.
pub fn secret() -> impl Strategy<Value = String> {
    "[QXZ_qxz789ßж字🦀]{5,40}"
}

pub fn is_secret(it: char) -> bool {
    "QXZ_qxz789ßж字🦀".contains(it)
}

pub fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (7_777_777_u64..=9_999_999).prop_map(Value::from),
        secret().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let key = prop_oneof![
            select(vec!["data", "booking_id", "flight", "seats", "passenger", "payment", "type"])
                .prop_map(str::to_owned),
            secret(),
        ];
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::btree_map(key, inner, 0..6)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

/// A request whose every free text is a secret.
pub fn secret_request() -> impl Strategy<Value = Value> {
    (secret(), "[QXZqxz]{5,20}", "[QXZ][QXZ789_]{5,20}").prop_map(|(name, user, token)| {
        let mut event: Value =
            serde_json::from_str(&Sketch::new("b-1", &["12A", "12B"], "tok_visa").cloud_event())
                .unwrap();
        event["data"]["passenger"]["name"] = json!(name);
        event["data"]["passenger"]["email"] = json!(format!("{user}@example.com"));
        event["data"]["payment"]["token"] = json!(token);
        event
    })
}

pub const PLACES: [&str; 20] = [
    "/specversion",
    "/id",
    "/source",
    "/type",
    "/subject",
    "/time",
    "/datacontenttype",
    "/dataschema",
    "/data",
    "/data/flight",
    "/data/date",
    "/data/seats",
    "/data/seats/0",
    "/data/passenger",
    "/data/passenger/name",
    "/data/passenger/email",
    "/data/payment",
    "/data/payment/token",
    "/data/payment/amount",
    "/data/payment/amount/minor",
];

/// One thing done to the text of a message.
#[derive(Clone, Debug)]
pub enum Blow {
    /// Another byte there.
    Flip(usize, u8),
    /// So many bytes taken away there.
    Delete(usize, usize),
    /// So many bytes there twice.
    Double(usize, usize),
    /// This put in there.
    Insert(usize, &'static str),
    /// Cut off there.
    Cut(usize),
}

pub fn blow() -> impl Strategy<Value = Blow> {
    let scrap = select(vec![
        "\\ud800",
        "\\udfff\\ud800",
        "\\u0000",
        "\u{0}",
        "\u{feff}",
        "\u{202e}",
        "\\",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "1e999",
        "-0",
        "1E-400",
        "99999999999999999999999999999999",
        "0.1",
        "\"data\":{},",
        "\"type\":\"payment-ok\",",
        "\"specversion\":null,",
        "NaN",
        "/*",
        "'",
        "\u{1F980}",
        "\r\n",
        "\\uD83E\\uDD80",
        "4111111111111111",
    ]);
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Blow::Flip(at, byte)),
        (any::<usize>(), 1_usize..40).prop_map(|(at, length)| Blow::Delete(at, length)),
        (any::<usize>(), 1_usize..200).prop_map(|(at, length)| Blow::Double(at, length)),
        (any::<usize>(), scrap).prop_map(|(at, scrap)| Blow::Insert(at, scrap)),
        any::<usize>().prop_map(Blow::Cut),
    ]
}

pub fn struck(text: &str, blows: &[Blow]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for blow in blows {
        let place = |at: usize| at % (bytes.len() + 1);
        match *blow {
            Blow::Flip(at, byte) => {
                let at = place(at);
                if let Some(it) = bytes.get_mut(at) {
                    *it = byte;
                }
            }
            Blow::Delete(at, length) => {
                let at = place(at);
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Blow::Double(at, length) => {
                let at = place(at);
                let again = bytes[at..(at + length).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
            Blow::Insert(at, scrap) => {
                let at = place(at);
                bytes.splice(at..at, scrap.bytes());
            }
            Blow::Cut(at) => bytes.truncate(place(at)),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A refusal has no five characters in a row of a secret, nor of any of these values.
#[track_caller]
pub fn tells_nothing(refusal: &Refusal, of: &Value) {
    let flaw = &refusal.flaw;
    for said in [&flaw.path, &flaw.problem] {
        let run = said.split(|it| !is_secret(it)).map(|it| it.chars().count()).max();
        assert!(run.unwrap_or(0) < 5, "{said}");
        let mut leaves = Vec::new();
        collect(of, &mut leaves);
        for leaf in leaves {
            let leaf: Vec<char> = leaf.chars().collect();
            for piece in leaf.windows(5).map(|it| it.iter().collect::<String>()) {
                // The bounds of an amount, which a refusal names, have as many zeros.
                assert!(piece == "00000" || !said.contains(&piece), "{said} has {piece:?}");
            }
        }
    }
    let whole =
        format!("{}: {} (line {} column {})", flaw.path, flaw.problem, flaw.line, flaw.column);
    assert_eq!(refusal.to_string(), whole);
}

/// The text of every string and number.
pub fn collect(value: &Value, leaves: &mut Vec<String>) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(it) => leaves.push(it.to_string()),
        Value::String(it) => leaves.push(it.clone()),
        Value::Array(list) => list.iter().for_each(|it| collect(it, leaves)),
        Value::Object(fields) => fields.values().for_each(|it| collect(it, leaves)),
    }
}

/// The same value with every object's keys in another order, white space wherever there may be, and
/// characters escaped that need not be.
pub fn rewritten(value: &Value, rng: &mut fastrand::Rng, out: &mut String) {
    let gap = |rng: &mut fastrand::Rng, out: &mut String| {
        for _ in 0..rng.usize(0..3) {
            out.push(rng.choice([' ', '\n', '\t', '\r']).unwrap());
        }
    };
    gap(rng, out);
    match value {
        Value::Array(list) => {
            out.push('[');
            for (at, it) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                rewritten(it, rng, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            rng.shuffle(&mut fields);
            out.push('{');
            for (at, (name, it)) in fields.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                gap(rng, out);
                spelled(name, rng, out);
                gap(rng, out);
                out.push(':');
                rewritten(it, rng, out);
            }
            out.push('}');
        }
        Value::String(it) => spelled(it, rng, out),
        it => out.push_str(&it.to_string()),
    }
    gap(rng, out);
}

/// A JSON string with some of its characters escaped.
pub fn spelled(text: &str, rng: &mut fastrand::Rng, out: &mut String) {
    out.push('"');
    for it in text.chars() {
        if rng.bool() || it < ' ' || it == '"' || it == '\\' {
            let units = it.encode_utf16(&mut [0; 2]).to_vec();
            out.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(it);
        }
    }
    out.push('"');
}

/// A card number of 13 to 19 digits.
pub fn card() -> impl Strategy<Value = String> {
    (2_u8..=6, collection::vec(0_u8..=9, 11..=17)).prop_map(|(first, more)| {
        let mut digits = vec![first];
        digits.extend(more);
        // The digit that makes it valid; written here once more, so as not to ask the code under
        // test.
        let doubled = |it: u8| if it > 4 { it * 2 - 9 } else { it * 2 };
        let sum: u8 = digits
            .iter()
            .rev()
            .enumerate()
            .map(|(at, it)| if at % 2 == 0 { doubled(*it) } else { *it })
            .sum();
        digits.push((10 - sum % 10) % 10);
        digits.iter().map(|it| char::from(b'0' + it)).collect()
    })
}

/// What may stand before a card number: nothing, a word, or any one character that is no part of
/// one.
pub fn before() -> impl Strategy<Value = String> {
    let other = any::<char>().prop_filter("no part of a word", |it| !it.is_alphanumeric());
    prop_oneof!["([a-z]+[ :(])?", other.prop_map(String::from)]
}

/// Single spaces and hyphens between digits, wherever the seed puts them.
pub fn grouped(card: &str, seed: u64) -> String {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut text = String::new();
    for (at, digit) in card.chars().enumerate() {
        if at > 0 && rng.u8(0..3) == 0 {
            text.push(rng.choice([' ', '-']).unwrap());
        }
        text.push(digit);
    }
    text
}
