//! Texts that an attacker would send to make reading slow. A shape must never change with its size,
//! or the costs of two sizes could not be compared.

use proptest::prelude::*;

/// One kind of text, of any length.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    head: &'static str,
    /// The part that is repeated. `#` stands for the number of the repetition.
    unit: &'static str,
    /// Repeated as often, after all units.
    close: &'static str,
    tail: &'static str,
}

impl Shape {
    /// A text of this shape, about `bytes` long.
    pub(crate) fn text(&self, bytes: usize) -> String {
        let unit = self.unit.len() + self.close.len() + 5 * usize::from(self.unit.contains('#'));
        let times = bytes.div_ceil(unit);
        let mut text = self.head.to_owned();
        match self.unit.split_once('#') {
            Some((before, behind)) => {
                (0..times).for_each(|it| text.push_str(&format!("{before}{it:06}{behind}")));
            }
            None => text.push_str(&self.unit.repeat(times)),
        }
        text + &self.close.repeat(times) + self.tail
    }
}

pub(crate) fn shapes() -> Vec<Shape> {
    let all = [
        // Digits, and the characters that join or separate them.
        ("digits one by one", "", "1 ", "", ""),
        ("digits that could begin a card", "", "4 ", "", ""),
        ("digits joined by hyphens", "", "4-", "", ""),
        ("a card that is one digit off, again and again", "", "4111 1111 1111 1112 ", "", ""),
        ("one long number", "4", "4", "", ""),
        ("words of 13 digits", "", "4111111111112 ", "", ""),
        ("digits and double spaces", "", "4 4  ", "", ""),
        ("digits and letters", "", "4 4a", "", ""),
        ("digits of another script", "", "٣ 4 ", "", ""),
        ("text like a UUID", "", "01997f6e-2f10-7d9a-9c53-6f2f5a1c9e01", "", ""),
        // Text.
        ("spaces", "", " ", "", ""),
        ("new lines", "", "\n", "", ""),
        ("quotes", "", "\"", "", ""),
        ("backslashes", "", "\\", "", ""),
        ("escapes", "\"", "\\u0041", "", "\""),
        ("escaped quotes", "\"", "\\\"", "", "\""),
        ("halves of surrogates", "\"", "\\ud83d", "", "\""),
        ("control characters", "", "\u{1}\u{1b}[2J", "", ""),
        ("combining characters", "a", "\u{301}\u{308}", "", ""),
        ("overrides of direction", "", "\u{202e}\u{2066}", "", ""),
        ("emoji", "", "👩‍👩‍👧", "", ""),
        ("addresses", "", "a@b.c ", "", ""),
        ("at signs", "", "@", "", ""),
        ("points", "a@", "a.", "", ""),
        ("a domain of another script", "a@xn--", "a", "", ".de"),
        ("labels of another script", "a@", "ü.xn--tda.", "", "de"),
        ("what looks like a token", "tok_", "aA0._:/+=-", "", ""),
        ("slashes", "", "/", "", ""),
        ("colons", "arn:aws:sns:", ":", "", ""),
        ("hyphens", "00-", "-", "", ""),
        // JSON.
        ("a list of nothing", "[", "[],", "", "0]"),
        ("a list of digits", "[", "4,", "", "0]"),
        ("a list of seats", "[", "\"12A\",", "", "\"12B\"]"),
        ("nested lists", "", "[", "]", ""),
        ("nested lists that do not end", "", "[", "", ""),
        ("nested objects", "", "{\"a\":", "}", ""),
        ("objects in a list", "[", "{\"a\":{}},", "", "0]"),
        ("many fields", "{", "\"#\":1,", "", "\"z\":0}"),
        (
            "many fields with one long beginning",
            "{",
            "\"booking_id_of_nobody_#\":1,",
            "",
            "\"z\":0}",
        ),
        ("one field again and again", "{", "\"a\":1,", "", "\"z\":0}"),
        ("our fields again and again", "{", "\"data\":{},\"id\":\"\",", "", "\"z\":0}"),
        ("fields without a name", "{", "\"\":\"\",", "", "\"z\":0}"),
        ("long fractions", "0.", "1234567890", "", ""),
        ("long exponents", "1e", "9", "", ""),
        ("small exponents", "1e-", "9", "", ""),
        ("many large numbers", "[", "1.7976931348623157e308,", "", "0]"),
        ("many numbers that are too large", "[", "1e999,", "", "0]"),
        ("many numbers between two floats", "[", "9007199254740993.5000000000000001,", "", "0]"),
        ("texts that begin like JSON", "[", "\"{[\",", "", "0]"),
        ("messages in messages", "{\"Message\":[", "\"{\\\"Message\\\":\\\"[1]\\\"}\",", "", "0]}"),
        ("card numbers", "[", "\"4111111111111111\",", "", "0]"),
        ("names of canaries", "[", "\"urn:booking:canary:\",", "", "\"urn:booking:canary:0\"]"),
    ];
    let shape = |(name, head, unit, close, tail)| Shape { name, head, unit, close, tail };
    all.map(shape).into()
}

/// A few characters that have a meaning for some parser of messages.
pub(crate) fn any_unit() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[0-9a-f \"\\\\{}\\[\\],:.@eE+-]",
        1 => "\\PC",
        1 => prop::sample::select(vec![
            "\\u0041", "\\\"", "\"a\":", "[1,", "1e9", "4111", "null,", "\n", "\u{202e}", "xn--",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 1..8).prop_map(|it| it.concat())
}
