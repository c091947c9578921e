//! Checks the attributes of a CloudEvent: source, id, time and trace. An error must never quote the
//! value.

use jiff::Timestamp;

use crate::domain::Expected;

/// The longest id or source, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Checks an id or a source.
pub(super) fn name(text: &str) -> Result<String, Expected> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(Expected("1 to 255 bytes of text without control characters"));
    }
    Ok(text.to_owned())
}

/// Reads an instant.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, Expected> {
    text.parse().map_err(|_| Expected("an instant as in RFC 3339, such as 2027-03-01T09:30:00Z"))
}

/// Checks a W3C trace context of version 00.
pub(super) fn traceparent(text: &str) -> Result<String, Expected> {
    let hex = |it: &str| it.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<&str> = text.split('-').collect();
    match parts[..] {
        ["00", trace, parent, flags]
            if (trace.len(), parent.len(), flags.len()) == (32, 16, 2)
                && parts.iter().all(|it| hex(it)) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(Expected("a traceparent of version 00")),
    }
}
