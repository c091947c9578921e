//! Reads JSON such that every value knows its path and its position in the text. An error names
//! both, and what was expected there. It must never quote the value.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::domain::Expected;

/// What is wrong with a message: where the problem is, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem} (line {line} column {column})")]
pub struct Flaw {
    /// The path of the value, such as `data.payment.token`.
    pub path: String,
    /// What was expected, such as `expected a string`, or `is missing`.
    pub problem: String,
    /// Line in the event's text, counted from 1.
    pub line: usize,
    /// Column in that line, in characters, counted from 1.
    pub column: usize,
}

/// 2^53 - 1: an `f64` represents every whole number up to this one exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

/// One JSON value that is not parsed yet, with its path and its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a, 'p> {
    whole: &'a str,
    text: &'a str,
    path: Path<'p>,
}

/// The fields of an object, by name. If a name occurs twice, the last one counts, as `serde_json`
/// has it.
#[derive(Debug)]
pub(super) struct Fields<'a, 'p> {
    node: Node<'a, 'p>,
    fields: Pairs<'a>,
}

/// The fields in the order of the text. An event has about a dozen, so a linear search is fastest.
#[derive(Debug)]
struct Pairs<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs<'de>, M::Error> {
                let mut pairs = Vec::with_capacity(16);
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(Read)
    }
}

#[derive(Clone, Copy, Debug)]
enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'static str),
    Index(&'p Path<'p>, usize),
}

#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Node<'a, 'static> {
    /// Takes a whole text as one value.
    ///
    /// # Errors
    /// When it is not JSON. Names line and column of the first such place.
    pub(super) fn parse(text: &'a str) -> Result<Self, Flaw> {
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => Ok(Node { whole: text, text: raw.get(), path: Path::Root }),
            // Only the category, since the message of serde could quote the value.
            Err(error) => Err(Flaw {
                path: "message".to_owned(),
                problem: if error.is_eof() { "JSON that ends too early" } else { "expected JSON" }
                    .to_owned(),
                line: error.line(),
                column: error.column(),
            }),
        }
    }
}

impl<'a> Node<'a, 'static> {
    /// Takes a separate text as the value of the field `name` of an event.
    ///
    /// # Errors
    /// When it is not JSON. Names line and column, in that text, of the first such place.
    pub(super) fn embedded(text: &'a str, name: &'static str) -> Result<Self, Flaw> {
        let node = Node::parse(text)?;
        Ok(Node { path: Path::Field(&Path::Root, name), ..node })
    }
}

impl<'a, 'p> Node<'a, 'p> {
    /// The JSON text of the value.
    #[must_use]
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The fields of the value.
    ///
    /// # Errors
    /// When it is not an object.
    pub(super) fn object(self) -> Result<Fields<'a, 'p>, Flaw> {
        let fields =
            serde_json::from_str(self.text).map_err(|_| self.flaw("expected an object"))?;
        Ok(Fields { node: self, fields })
    }

    /// The value as a string.
    ///
    /// # Errors
    /// When it is not a string.
    pub(super) fn string(&self) -> Result<Cow<'a, str>, Flaw> {
        // The text is known to be JSON. Without an escape, the string is the text between the
        // quotes.
        let quoted = self.text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        if let Some(plain) = quoted.filter(|it| !it.contains('\\')) {
            return Ok(Cow::Borrowed(plain));
        }
        serde_json::from_str::<Text<'a>>(self.text)
            .map(|it| it.0)
            .map_err(|_| self.flaw("expected a string"))
    }

    /// The value as an integer of 0 or more. `12900.0` and `1.29e4` count as integers, as in JSON
    /// Schema.
    ///
    /// # Errors
    /// When it is not such a number, or is too large to be exact.
    pub(super) fn integer(&self) -> Result<u64, Flaw> {
        if let Ok(it) = serde_json::from_str(self.text) {
            return Ok(it);
        }
        let number = serde_json::from_str::<f64>(self.text).ok();
        let whole = number.filter(|it| it.fract() == 0.0 && (0.0..=EXACT_MAX).contains(it));
        // Every whole number in this range is exact.
        whole.map(|it| it as u64).ok_or_else(|| self.flaw("expected an integer"))
    }

    /// Applies `parse` to the string.
    ///
    /// # Errors
    /// When the value is not a string, or `parse` refuses it.
    pub(super) fn parsed<T>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, Expected>,
    ) -> Result<T, Flaw> {
        parse(&self.string()?).map_err(|it| self.flaw(&it.to_string()))
    }

    /// Applies `read` to each element of the array.
    ///
    /// # Errors
    /// When the value is not an array, or `read` fails for an element.
    pub(super) fn each<T>(
        &self,
        read: impl Fn(Node<'a, '_>) -> Result<T, Flaw>,
    ) -> Result<Vec<T>, Flaw> {
        let elements: Vec<&RawValue> =
            serde_json::from_str(self.text).map_err(|_| self.flaw("expected an array"))?;
        let node = |(at, raw): (usize, &'a RawValue)| {
            read(Node { whole: self.whole, text: raw.get(), path: Path::Index(&self.path, at) })
        };
        elements.into_iter().enumerate().map(node).collect()
    }

    /// The flaw `problem`, at the path and position of this value.
    #[must_use]
    pub(super) fn flaw(&self, problem: &str) -> Flaw {
        // The text of every node is a slice of the whole, so its offset is the distance between
        // their pointers.
        let offset = (self.text.as_ptr() as usize).saturating_sub(self.whole.as_ptr() as usize);
        let before = self.whole.get(..offset).unwrap_or("");
        let line = before.rsplit('\n').next().unwrap_or("");
        Flaw {
            path: self.path.to_string(),
            problem: problem.to_owned(),
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }
}

impl<'a> Fields<'a, 'static> {
    /// Takes a whole text as one object.
    ///
    /// # Errors
    /// When it is not JSON, or not an object.
    pub(super) fn parse(text: &'a str) -> Result<Self, Flaw> {
        match serde_json::from_str(text) {
            Ok(fields) => Ok(Fields {
                node: Node { whole: text, text: text.trim_ascii(), path: Path::Root },
                fields,
            }),
            // Read it again, to find out which of the two errors it is.
            Err(_) => Node::parse(text)?.object(),
        }
    }
}

impl<'a, 'p> Fields<'a, 'p> {
    /// The field of this name, unless it is missing or null.
    #[must_use]
    pub(super) fn optional<'n>(&'n self, name: &'static str) -> Option<Node<'a, 'n>> {
        // Searched from the end, since the last of two with the same name counts.
        let (_, raw) = self.fields.0.iter().rev().find(|(it, _)| it.0 == name)?;
        let raw = Some(raw).filter(|it| it.get() != "null")?;
        let path = Path::Field(&self.node.path, name);
        Some(Node { whole: self.node.whole, text: raw.get(), path })
    }

    /// Applies `parse` to the string in the field of this name, unless it is missing or null.
    ///
    /// # Errors
    /// When the value is not a string, or `parse` refuses it.
    pub(super) fn optional_parsed<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Expected>,
    ) -> Result<Option<T>, Flaw> {
        self.optional(name).map(|it| it.parsed(parse)).transpose()
    }

    /// The field of this name.
    ///
    /// # Errors
    /// When it is missing or null.
    pub(super) fn required<'n>(&'n self, name: &'static str) -> Result<Node<'a, 'n>, Flaw> {
        self.optional(name).ok_or_else(|| self.missing(name))
    }

    /// The flaw that the field of this name is missing.
    pub(super) fn missing(&self, name: &'static str) -> Flaw {
        let missing = Path::Field(&self.node.path, name);
        Flaw { path: missing.to_string(), ..self.node.flaw("is missing") }
    }

    /// The object itself.
    #[must_use]
    pub(super) fn node(&self) -> &Node<'a, 'p> {
        &self.node
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => f.write_str("message"),
            Path::Field(Path::Root, name) => f.write_str(name),
            Path::Field(parent, name) => write!(f, "{parent}.{name}"),
            Path::Index(parent, at) => write!(f, "{parent}[{at}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flaw_says_path_expected_kind_and_position_and_never_the_value() {
        let text = "{\"a\": {\"b\": [\n  \"fine\", 4111111111111111]}}";
        let a = Node::parse(text).unwrap().object().unwrap();
        let b = a.required("a").unwrap().object().unwrap();
        let list = b.required("b").unwrap();
        let flaw = list.each(|it| it.string().map(Cow::into_owned)).unwrap_err();
        assert_eq!(flaw.to_string(), "a.b[1]: expected a string (line 2 column 11)");
        assert_eq!(b.required("c").unwrap_err().to_string(), "a.c: is missing (line 1 column 7)");
    }

    #[test]
    fn what_is_no_json_is_told_by_line_and_column() {
        let flaw = Node::parse("{\"token\": 4111x}").unwrap_err();
        assert!(!flaw.to_string().contains("4111"), "{flaw}");
        assert_eq!((flaw.line, flaw.problem.as_str()), (1, "expected JSON"));
        assert_eq!(Node::parse("{").unwrap_err().problem, "JSON that ends too early");
    }
}
