//! Indented JSON for people. The indentation must never be much longer than the JSON itself,
//! however deep that is.

use std::io::{self, Write};

use serde::Serialize as _;
use serde_json::{Serializer, Value, ser::Formatter};

/// How many levels are indented. A deeper value stands on one line: in a body of nothing but
/// brackets, each byte would otherwise cost hundreds of spaces.
const LEVELS_MAX: usize = 16;

/// The value as JSON with one field or element on each line.
pub(crate) fn indented(value: &Value) -> String {
    let mut text = Vec::new();
    let form = Indented { level: 0, begun: false };
    let written = value.serialize(&mut Serializer::with_formatter(&mut text, form));
    written.expect("a JSON value is always written");
    String::from_utf8(text).expect("JSON is text")
}

struct Indented {
    level: usize,
    /// Whether the list or object that was begun last has an element already.
    begun: bool,
}

impl Indented {
    fn begin(&mut self, to: &mut (impl Write + ?Sized), sign: &[u8]) -> io::Result<()> {
        self.level += 1;
        self.begun = false;
        to.write_all(sign)
    }

    fn end(&mut self, to: &mut (impl Write + ?Sized), sign: &[u8]) -> io::Result<()> {
        let lines = self.begun && self.level <= LEVELS_MAX;
        self.level -= 1;
        // The list or object around this one has at least this element.
        self.begun = true;
        if lines {
            self.new_line(to)?;
        }
        to.write_all(sign)
    }

    fn next(&mut self, to: &mut (impl Write + ?Sized), first: bool) -> io::Result<()> {
        self.begun = true;
        if !first {
            to.write_all(b",")?;
        }
        match self.level <= LEVELS_MAX {
            true => self.new_line(to),
            false if first => Ok(()),
            false => to.write_all(b" "),
        }
    }

    fn new_line(&self, to: &mut (impl Write + ?Sized)) -> io::Result<()> {
        to.write_all(b"\n")?;
        (0..self.level).try_for_each(|_| to.write_all(b"  "))
    }
}

impl Formatter for Indented {
    fn begin_array<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.begin(to, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.end(to, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.next(to, first)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.begin(to, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.end(to, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.next(to, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_looks_as_everywhere_as_long_as_it_is_not_deep() {
        for it in [
            json!(null),
            json!([]),
            json!({}),
            json!([[], {}, [1, [2]], {"a": {}, "b": [{"c": "d"}]}]),
            json!({"a": [], "b": {"c": [1, 2, "x"]}, "d": null}),
        ] {
            assert_eq!(indented(&it), format!("{it:#}"));
        }
    }

    #[test]
    fn what_is_deep_is_on_one_line_and_stays_readable() {
        let deep = (0..100).fold(json!([1, 2]), |inner, _| json!([inner, {"a": 3}]));
        let text = indented(&deep);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), deep);
        let spaces = |line: &str| line.len() - line.trim_start().len();
        assert!(text.lines().all(|it| spaces(it) <= 2 * LEVELS_MAX), "{text}");
        assert!(text.contains("[1, 2]"), "{text}");
    }
}
