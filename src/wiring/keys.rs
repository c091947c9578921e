//! Secrets, from a file or a variable and from nowhere else.

use std::io::{self, Read};

use crate::{config::CanaryArgs, fault::Fault, wire::CanaryKey};

/// The variable that holds the key itself.
const VARIABLE: &str = "BOOKING_CANARY_KEY";
/// A file with more bytes than this is no key.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// The key of canaries, if there is one.
///
/// # Errors
/// When it cannot be read or is too short, or when it is given twice.
pub fn canary_key(args: &CanaryArgs) -> Result<Option<CanaryKey>, Fault> {
    let given = std::env::var(VARIABLE).ok().filter(|it| !it.is_empty());
    let (text, place) = match (given, &args.canary_key_file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let twice = format!("{VARIABLE} and {VARIABLE}_FILE are both set: give one of them");
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
