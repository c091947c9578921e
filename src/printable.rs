//! Makes text harmless for a terminal: a character that a terminal would obey, hide or use to turn
//! text around is written out instead, as `\u{1b}`. Everything that a command prints must pass
//! through here.

use serde_json::Value;

/// Whether a terminal would do anything but show this character: control characters (C0, DEL, C1),
/// line and paragraph separators, characters that change the direction of text, and characters
/// without a width.
pub(crate) fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The text with every character that a terminal obeys written out, but for line breaks.
pub(crate) fn lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_obeyed(letter) && letter != '\n' {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// The text as one line: line breaks are written out as well.
pub(crate) fn line(text: &str) -> String {
    lines(text).replace('\n', "\\n")
}

/// The same value with each of its texts as one line, so that a text cannot add lines to a table.
pub(crate) fn flat(value: Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
        Value::String(it) => line(&it).into(),
        Value::Array(list) => list.into_iter().map(flat).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, it)| (line(&name), flat(it))).collect()
        }
    }
}

/// The same JSON, with an escape such as `\u001b` for every character that a terminal obeys. In
/// JSON on one line such characters stand only in strings, where the escape means the character.
pub(crate) fn escaped(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_obeyed(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Texts in which characters that a terminal obeys are frequent.
    fn text() -> impl Strategy<Value = String> {
        let odd =
            "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{ad}\u{61c}\u{200b}-\u{206f}\u{feff}\u{e0000}-\u{e007f}]";
        proptest::collection::vec(prop_oneof![odd, ".", "[a-z]"], 0..40).prop_map(|it| it.concat())
    }

    proptest! {
        #[test]
        fn whatever_somebody_says_is_shown_and_never_obeyed(text in text()) {
            prop_assert!(!line(&text).chars().any(is_obeyed));
            prop_assert!(!lines(&text).chars().any(|it| it != '\n' && is_obeyed(it)));
            prop_assert_eq!(lines(&text).matches('\n').count(), text.matches('\n').count());
            let value = json!({"a": [text.clone()], text.clone(): {"b": text}});
            let told = escaped(&value.to_string());
            prop_assert!(!told.chars().any(is_obeyed));
            prop_assert_eq!(&serde_json::from_str::<Value>(&told).unwrap(), &value);
            prop_assert!(!flat(value).to_string().chars().any(is_obeyed));
        }
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in ["Zoë Łukasz 李雷 مرحبا שלום 🛫", "| a | b |\n|---|---|\n", "→ 12A – “ok”…"]
        {
            assert_eq!(lines(text), text);
        }
        assert_eq!(line("a\u{1b}[2J\u{9b}\u{202e}\r\n"), "a\\u{1b}[2J\\u{9b}\\u{202e}\\u{d}\\n");
        assert_eq!(escaped("\"\u{202e}\u{e0041}\u{7f}\""), r#""\u202e\udb40\udc41\u007f""#);
    }
}
