//! The real LocalStack: one for all tests of a run, ended with the run; and one of its own for a test
//! that would disturb the others.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::Credentials;

use super::root;

/// The account LocalStack plays.
pub const ACCOUNT: &str = "000000000000";
/// The region the tests use.
pub const REGION: &str = "eu-central-1";

/// A LocalStack that answers.
pub struct LocalStack {
    pub endpoint: String,
    /// Holds its stdin: LocalStack ends when that closes, however the test process ends.
    leash: Option<Child>,
}

impl LocalStack {
    /// The LocalStack of this run. Uses AWS_ENDPOINT_URL if it is set.
    pub fn running() -> &'static LocalStack {
        static RUNNING: OnceLock<LocalStack> = OnceLock::new();
        RUNNING.get_or_init(|| match std::env::var("AWS_ENDPOINT_URL") {
            Ok(endpoint) => {
                say(&format!("tests use the endpoint of AWS_ENDPOINT_URL: {endpoint}"));
                LocalStack { endpoint, leash: None }
            }
            Err(_) => LocalStack::start(),
        })
    }

    /// Another one, ended when dropped. For a test that treats it badly.
    pub fn start() -> LocalStack {
        let mut child = Command::new("python3")
            .arg(root().join("localstack/serve.py"))
            .args(["--port", "0", "--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 must be installed: https://www.python.org/downloads/");
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let endpoint = line.trim().strip_prefix("ready ").unwrap_or_else(|| {
            panic!("LocalStack did not start; localstack/serve.py says why above, run it by hand to see")
        });
        LocalStack { endpoint: endpoint.to_owned(), leash: Some(child) }
    }

    /// Stops it where it stands: it takes connections and answers nothing.
    pub fn freeze(&self) {
        self.signal("USR1");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("USR2");
    }

    fn signal(&self, name: &str) {
        let child = self.leash.as_ref().expect("only what a test started is its to stop");
        signal(child, name);
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
        aws_config::defaults(BehaviorVersion::v2026_01_12())
            .endpoint_url(&self.endpoint)
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .load()
            .await
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

/// Sends a signal by name.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.unwrap().success(), "kill -{name} {}", child.id());
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
