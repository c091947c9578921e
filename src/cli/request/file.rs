//! Reads a request from a file, so that no name has to stand on a command line. Must not print
//! anything from the file.

use std::{
    io::{self, Read},
    path::Path,
};

use super::super::Fault;
use crate::{
    domain::{ids::BookingId, request::Request},
    wire::{self, EVENT_BYTES_MAX},
};

/// Reads the `data` of a request from a file, or from stdin if `file` is `-`. Returns it with the
/// booking id that it names. `token` is used if the data has no token.
pub(super) fn request(
    file: &Path,
    token: Option<&str>,
) -> Result<(Option<BookingId>, Request), Fault> {
    let text = text(file)?;
    let text = token.and_then(|it| with_token(&text, it)).unwrap_or(text);
    let place = if file == Path::new("-") { "stdin".into() } else { file.display().to_string() };
    wire::read_request(&text).map_err(|it| Fault::Usage(format!("--from-file {place}: {it}")))
}

fn text(file: &Path) -> Result<String, Fault> {
    let unreadable = |it: io::Error| {
        Fault::Config(format!("cannot read {} (--from-file): {it}", file.display()))
    };
    let from: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(std::fs::File::open(file).map_err(unreadable)?),
    };
    let mut bytes = Vec::new();
    from.take(EVENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > EVENT_BYTES_MAX {
        let most = format!("--from-file: expected at most {EVENT_BYTES_MAX} bytes");
        return Err(Fault::Usage(most));
    }
    let no_text = |_| Fault::Usage("--from-file: expected JSON in UTF-8".to_owned());
    String::from_utf8(bytes).map_err(no_text)
}

/// The request with this token. `None` if it has a token already, or no payment to put it in.
fn with_token(text: &str, token: &str) -> Option<String> {
    let mut data: serde_json::Value = serde_json::from_str(text).ok()?;
    let payment = data.get_mut("payment")?.as_object_mut()?;
    if payment.contains_key("token") {
        return None;
    }
    payment.insert("token".to_owned(), token.into());
    Some(data.to_string())
}
