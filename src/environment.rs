//! Treats empty environment variables as not set. `AWS_ENDPOINT_URL=` in an environment file means
//! that there is no endpoint, but the AWS SDK would take it for one, and the command line would
//! refuse it. A variable that is not a setting must never be removed.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::Command,
};

/// The prefixes of this program's settings, and of those of the AWS SDK, of ECS and of
/// OpenTelemetry.
const OURS: [&str; 4] = ["AWS_", "BOOKING_", "ECS_", "OTEL_"];
/// The variables for proxies, in capitals or not. Each has two names, and the HTTP client would
/// take the first that is set, even if it is empty.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/// If there are empty variables, starts this program again in the same process, without them.
/// Returns if there are none, which is the normal case.
///
/// # Errors
/// When the program cannot be started again, and an empty variable of the AWS SDK, ECS or a proxy
/// is set.
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
    // The command line reports an empty setting of this program itself, but the SDK would not
    // report one of its own.
    let ours = empty.iter().all(|it| it.as_encoded_bytes().starts_with(b"BOOKING_"));
    if ours { Ok(()) } else { Err(error) }
}

/// Replaces this process by the same program without these variables. Returns only when that fails.
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
        assert!(empty("OTEL_EXPORTER_OTLP_ENDPOINT", ""));
        assert!(empty("HTTPS_PROXY", "") && empty("no_proxy", ""));
        assert!(!empty("https_proxy", "http://proxy") && !empty("RUST_LOG", ""));
    }
}
