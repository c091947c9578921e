//! The words for answers that hyper makes by itself. Bytes that are no HTTP request never reach the
//! router: hyper answers them with a status and without a body. An answer of the router must pass
//! unchanged.

/// The most bytes of a header, and the size of the buffers of a connection.
pub(super) const BUFFER_BYTES_MAX: usize = 16 * 1024;

/// The answer that replaces one of hyper's own; `None` for all other bytes.
///
/// This relies on three facts: hyper begins a write with the head of an answer, it closes the
/// connection after an answer of its own, and every error of the router has a body.
pub(super) fn instead_of(written: &[u8]) -> Option<Vec<u8>> {
    if !written.starts_with(b"HTTP/1.") {
        return None;
    }
    // Exactly one head, and nothing behind it.
    let head = str::from_utf8(written).ok()?.strip_suffix("\r\n\r\n")?;
    if head.contains("\r\n\r\n") {
        return None;
    }
    let (first, fields) = head.split_once("\r\n")?;
    let status = first.split(' ').nth(1).filter(|it| it.starts_with('4'))?;
    for own in ["content-length: 0", "connection: close"] {
        fields.lines().find(|it| it.eq_ignore_ascii_case(own))?;
    }
    let problem = match status {
        "431" => format!("the header is too large: expected at most {BUFFER_BYTES_MAX} bytes"),
        _ => "this cannot be read as an HTTP request".to_owned(),
    };
    let body = serde_json::json!({ "error": problem }).to_string();
    let length = body.len();
    let answer = format!(
        "{first}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    Some(answer.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_without_a_body_gets_another() {
        let own = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let answer = String::from_utf8(instead_of(own).unwrap()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(body["error"].is_string(), "{body}");
        for other in [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}",
            // The answer to a HEAD.
            "HTTP/1.1 404 Not Found\r\ncontent-length: 44\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            // An answer of the router, on a connection that stays open.
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 400 Bad Request\r\n\
             connection: close\r\ncontent-length: 0\r\n\r\n",
            "{\"bookings\":[]}",
            "",
        ] {
            assert_eq!(instead_of(other.as_bytes()), None, "{other}");
        }
    }
}
