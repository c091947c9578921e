//! An empty variable is no value. `AWS_ENDPOINT_URL=` in an environment file means that there is none; the
//! AWS SDK would take it for an endpoint, and the command line for a setting that makes no sense.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt,
    process::Command,
};

/// What the names of our settings begin with, and those of the AWS SDK.
const OURS: [&str; 2] = ["AWS_", "BOOKING_"];

/// Begins this program anew, in this process, without the variables that are set to nothing. Returns when
/// there are none, which is the rule.
///
/// # Errors
/// When the system does not let it begin anew.
pub fn forget_empty() -> io::Result<()> {
    let empty: Vec<OsString> =
        env::vars_os().filter(|(name, value)| is_empty(name, value)).map(|it| it.0).collect();
    if empty.is_empty() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut anew = Command::new(env::current_exe()?);
    anew.arg0(arguments.next().unwrap_or_else(|| "booking".into())).args(arguments);
    for name in &empty {
        anew.env_remove(name);
    }
    // Only comes back when it cannot be done.
    Err(anew.exec())
}

fn is_empty(name: &OsStr, value: &OsStr) -> bool {
    let ours = OURS.iter().any(|it| name.as_encoded_bytes().starts_with(it.as_bytes()));
    ours && value.as_encoded_bytes().trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_settings_and_those_of_the_sdk_are_forgotten_and_only_when_they_say_nothing() {
        let empty = |name: &str, value: &str| is_empty(OsStr::new(name), OsStr::new(value));
        assert!(empty("AWS_ENDPOINT_URL", "") && empty("BOOKING_PREFIX", " "));
        assert!(!empty("AWS_REGION", "eu-central-1") && !empty("BOOKING_RAW_DELIVERY", "0"));
        assert!(!empty("HTTP_PROXY", "") && !empty("RUST_LOG", ""));
    }
}
