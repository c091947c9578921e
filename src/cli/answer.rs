//! What a server answers, read no further than a bound: one that sends without end fills no memory.

/// The most bytes of an answer about one thing.
pub(super) const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// The most bytes of a list.
pub(super) const LIST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why an answer was not read to its end.
pub(super) enum Unread {
    /// It has more bytes than the bound. With those up to it.
    TooLarge(Vec<u8>),
    /// The connection broke, or it took too long.
    Broken(reqwest::Error),
}

/// The body of an answer of at most `bytes_max` bytes.
pub(super) async fn read(
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
