//! Reads the canary key from a file or from a variable. A secret must never be taken from the
//! command line, and never be printed.

use std::io::{self, Read};

use crate::{config::CanaryArgs, fault::Fault, wire::CanaryKey};

/// The variable that holds the key itself.
const VARIABLE: &str = "BOOKING_CANARY_KEY";
/// The most bytes that are read from the file.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// The key that canaries are made with, if one is set.
///
/// # Errors
/// If the key cannot be read, is too short, or is set twice.
pub fn canary_key(args: &CanaryArgs) -> Result<Option<CanaryKey>, Fault> {
    let given = std::env::var(VARIABLE).ok().filter(|it| !it.is_empty());
    let (text, place) = match (given, &args.canary_key_file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let twice = format!("{VARIABLE} and {VARIABLE}_FILE are both set: unset one of them");
            return Err(Fault::Config(twice));
        }
        (Some(key), None) => (key, VARIABLE.to_owned()),
        (None, Some(file)) => {
            let mut text = String::new();
            let read = |file: std::fs::File| file.take(FILE_BYTES_MAX).read_to_string(&mut text);
            let place = format!("{} (--canary-key-file)", file.display());
            let unreadable =
                |it: io::Error| Fault::Config(format!("cannot read the canary key {place}: {it}"));
            std::fs::File::open(file).and_then(read).map_err(unreadable)?;
            (text, place)
        }
    };
    let wrong = |it| Fault::Config(format!("{place}: {it}"));
    CanaryKey::parse(&text).map(Some).map_err(wrong)
}
