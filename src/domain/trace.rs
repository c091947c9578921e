//! The trace in which a booking began, as its client named it. A client may write anything into the
//! attribute, so nothing but the digits of a trace may ever be taken from it.

use serde::{Deserialize, Serialize};

use super::Expected;

/// The id of a trace of W3C trace context: 32 hexadecimal digits, not all of them 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceId(u128);

/// How many hexadecimal digits the id of a trace has.
const DIGITS: usize = 32;

impl TraceId {
    /// Reads the id of a trace.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn parse(text: &str) -> Result<TraceId, Expected> {
        let is_digit = |it: u8| matches!(it, b'0'..=b'9' | b'a'..=b'f');
        let all = text.len() == DIGITS && text.bytes().all(is_digit);
        let id = u128::from_str_radix(text, 16).ok().filter(|it| all && *it != 0);
        id.map(TraceId).ok_or(Expected("the id of a trace: 32 of 0-9 and a-f, not all 0"))
    }

    /// The trace that a `traceparent` names; `None` if it names none.
    #[must_use]
    pub fn of_traceparent(text: &str) -> Option<TraceId> {
        TraceId::parse(text.split('-').nth(1)?).ok()
    }
}

impl std::fmt::Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl TryFrom<String> for TraceId {
    type Error = Expected;
    fn try_from(text: String) -> Result<TraceId, Expected> {
        TraceId::parse(&text)
    }
}

impl From<TraceId> for String {
    fn from(it: TraceId) -> String {
        it.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_its_32_digits_and_nothing_else_is_one() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(TraceId::parse(id).map(|it| it.to_string()).as_deref(), Ok(id));
        let parent = format!("00-{id}-b7ad6b7169203331-01");
        assert_eq!(TraceId::of_traceparent(&parent).map(String::from).as_deref(), Some(id));
        for bad in [
            "",
            "0",
            "+af7651916cd43dd8448eb211c80319c",
            "0AF7651916CD43DD8448EB211C80319C",
            "00000000000000000000000000000000",
            "0af7651916cd43dd8448eb211c80319c0",
            "0af7651916cd43dd8448eb211c80319<",
        ] {
            assert!(TraceId::parse(bad).is_err(), "{bad}");
            assert_eq!(TraceId::of_traceparent(&format!("00-{bad}-b7ad6b7169203331-01")), None);
        }
        assert_eq!(TraceId::of_traceparent(id), None);
    }
}
