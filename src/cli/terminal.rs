//! What reaches a terminal. All that a command prints and every error passes here, and nothing in
//! it is obeyed by a terminal, hidden by it or turned around: that is written out instead, as
//! `\u{1b}`. A line break is let through here, so a text from somebody else goes through [`line()`]
//! first.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::Value;

use super::Fault;

/// Whether a terminal would do something else with it than show it: control characters (C0, DEL,
/// C1), what separates lines, what turns the direction of text, and what has no width.
pub(super) fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A text of several lines: line breaks stay, all else that is obeyed is written out.
pub(super) fn lines(text: &str) -> String {
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

/// One line, whatever the text is.
pub(super) fn line(text: &str) -> String {
    lines(text).replace('\n', "\\n")
}

/// The same value with each of its texts as one line: for what is about to be laid out.
pub(super) fn flat(value: Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
        Value::String(it) => line(&it).into(),
        Value::Array(list) => list.into_iter().map(flat).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, it)| (line(&name), flat(it))).collect()
        }
    }
}

/// The same JSON, in which every letter that a terminal obeys is an escape such as `\u001b`. Such
/// letters stand in strings only, where an escape means the letter.
fn escaped(json: &str) -> String {
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

/// Prints to stdout.
pub(super) fn print(text: &str) -> Result<(), Fault> {
    write(&lines(text))
}

/// Prints a value as one line of JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Fault> {
    let text = serde_json::to_string(value).map_err(|it| Fault::Internal(it.to_string()))?;
    write(&escaped(&text))
}

/// Prints what somebody asked to have exactly as it is, and was warned of.
pub(super) fn print_unmasked(text: &str) -> Result<(), Fault> {
    write(text)
}

/// Whoever stops reading, as `head` does, has seen enough.
fn write(text: &str) -> Result<(), Fault> {
    let mut stdout = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match write!(stdout, "{text}{end}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Fault::Internal(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// Says on stderr why a command failed, in one line; nothing when it has been said already.
pub fn complain(fault: &Fault) {
    let text = fault.to_string();
    if !text.is_empty() {
        // Nothing is left to be done about a stderr that is closed.
        let _ = writeln!(io::stderr(), "booking: {}", line(&text));
    }
}

/// Says something beside what is printed: to whoever watches, not to what reads stdout.
pub(super) fn say(text: &str) -> Result<(), Fault> {
    match writeln!(io::stderr(), "{}", line(text)) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Fault::Internal(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// Whether somebody may be looking at stderr.
pub(super) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Puts a line on stderr over the one that was put there before.
pub(super) fn overwrite(text: &str) {
    // Nothing is lost with a progress line that cannot be written.
    let _ = write!(io::stderr(), "\r{:60}\r{}", "", line(text));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Letters among which those that are obeyed are frequent.
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
