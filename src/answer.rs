//! Reads the answer of an HTTP server up to a bound. It must never read further, so that a server
//! that sends without end cannot fill the memory.

/// Why an answer was not read to its end.
pub(crate) enum Unread {
    /// The answer is longer than the bound. Holds the bytes up to the bound.
    TooLarge(Vec<u8>),
    /// The connection broke, or the answer took too long.
    Broken(reqwest::Error),
}

/// Reads a body of at most `bytes_max` bytes.
pub(crate) async fn read(
    mut answer: reqwest::Response,
    bytes_max: usize,
) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(Unread::Broken)? {
        let room = bytes_max - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Err(Unread::TooLarge(body));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
