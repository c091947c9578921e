//! The real LocalStack: one for all tests of a run, ended with the run; and one of its own for a
//! test that would disturb the others.

use std::{io::Write, sync::OnceLock};

use aws_config::SdkConfig;

use super::emulator::{Emulator, REGION, config};

/// The account LocalStack plays.
pub const ACCOUNT: &str = "000000000000";
const SCRIPT: &str = "serve.py";

/// A LocalStack that answers.
pub struct LocalStack(Emulator);

impl std::ops::Deref for LocalStack {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        &self.0
    }
}

impl LocalStack {
    /// The LocalStack of this run. Uses AWS_ENDPOINT_URL if it is set.
    pub fn running() -> &'static LocalStack {
        static RUNNING: OnceLock<LocalStack> = OnceLock::new();
        RUNNING.get_or_init(|| LocalStack(Emulator::of_run("AWS_ENDPOINT_URL", SCRIPT)))
    }

    /// Another one, ended when dropped. For a test that treats it badly.
    pub fn start() -> LocalStack {
        LocalStack(Emulator::start(SCRIPT))
    }

    /// Whether it answers within a second.
    pub async fn answers(&self) -> bool {
        let ask = reqwest::get(format!("{}/_localstack/health", self.endpoint));
        tokio::time::timeout(std::time::Duration::from_secs(1), ask)
            .await
            .is_ok_and(|it| it.is_ok())
    }

    /// What the SDKs need to talk to it.
    pub async fn config(&self) -> SdkConfig {
        config(&self.endpoint).await
    }

    /// The environment in which a `booking` process, or the AWS CLI, talks to it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        LocalStack::environment_of(&self.endpoint)
    }

    /// The same for whatever is at an endpoint.
    pub fn environment_of(endpoint: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", endpoint.to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }
}

/// Whether the user left this part out; said aloud.
pub fn skipped(what: &str) -> bool {
    let left_out = std::env::var("BOOKING_TEST_SKIP").unwrap_or_default();
    let skip = left_out.split(',').any(|it| it.trim() == what);
    if skip {
        say(&format!("SKIPPED: {what}, because BOOKING_TEST_SKIP={left_out}"));
    }
    skip
}

/// Says something that is seen also when the test passes: libtest keeps `eprintln!` to itself.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
