//! An empty variable is no value. `AWS_ENDPOINT_URL=` in an environment file means that there is
//! none; the AWS SDK would take it for an endpoint, and the command line for a setting that makes
//! no sense.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::Command,
};

/// What the names of our settings begin with, and those of the AWS SDK and of ECS.
const OURS: [&str; 3] = ["AWS_", "BOOKING_", "ECS_"];
/// Of a proxy's two names the first that is there counts, also if it says nothing.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/// Begins this program anew, in this process, without the variables that are set to nothing.
/// Returns when there are none, which is the rule.
///
/// # Errors
/// When the system does not let it begin anew.
pub fn forget_empty() -> io::Result<()> {
    let empty: Vec<OsString> =
        env::vars_os().filter(|(name, value)| is_empty(name, value)).map(|it| it.0).collect();
    if empty.is_empty() {
        return Ok(());
    }
    let error = match env::current_exe() {
        Ok(program) => begin_anew(program, &empty),
        Err(it) => it,
    };
    // The command line tells a setting of ours that makes no sense; the SDK would fall over its
    // own.
    let ours = empty.iter().all(|it| it.as_encoded_bytes().starts_with(b"BOOKING_"));
    if ours { Ok(()) } else { Err(error) }
}

/// Only comes back when it cannot be done.
fn begin_anew(program: PathBuf, without: &[OsString]) -> io::Error {
    let mut arguments = env::args_os();
    let mut anew = Command::new(program);
    anew.arg0(arguments.next().unwrap_or_else(|| "booking".into())).args(arguments);
    for name in without {
        anew.env_remove(name);
    }
    anew.exec()
}

fn is_empty(name: &OsStr, value: &OsStr) -> bool {
    let ours = OURS.iter().any(|it| name.as_encoded_bytes().starts_with(it.as_bytes()));
    let proxy = PROXIES.iter().any(|it| name.eq_ignore_ascii_case(it));
    (ours || proxy) && value.as_encoded_bytes().trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_settings_and_those_of_the_sdk_are_forgotten_and_only_when_they_say_nothing() {
        let empty = |name: &str, value: &str| is_empty(OsStr::new(name), OsStr::new(value));
        assert!(empty("AWS_ENDPOINT_URL", "") && empty("BOOKING_PREFIX", " "));
        assert!(!empty("AWS_REGION", "eu-central-1") && !empty("BOOKING_RAW_DELIVERY", "0"));
        assert!(empty("HTTPS_PROXY", "") && empty("no_proxy", ""));
        assert!(!empty("https_proxy", "http://proxy") && !empty("RUST_LOG", ""));
    }
}
