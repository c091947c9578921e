//! A process that plays a part of AWS: started by a script of `localstack/`, ended with the run.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::Credentials;

use super::{root, say};

/// The region the tests use.
pub const REGION: &str = "eu-central-1";

/// Something that answers at an endpoint.
pub struct Emulator {
    pub endpoint: String,
    /// Holds its stdin: it ends when that closes, however the test process ends. None when somebody
    /// else started it.
    leash: Option<Child>,
}

impl Emulator {
    /// The one whose endpoint a variable names, else one that the script starts.
    pub fn of_run(variable: &str, script: &str) -> Emulator {
        match std::env::var(variable) {
            Ok(endpoint) => {
                say(&format!("tests use the endpoint of {variable}: {endpoint}"));
                Emulator { endpoint, leash: None }
            }
            Err(_) => Emulator::start(script),
        }
    }

    /// Starts one by its script, and waits until it answers.
    pub fn start(script: &str) -> Emulator {
        let mut child = Command::new("python3")
            .arg(root().join("localstack").join(script))
            .args(["--port", "0", "--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 must be installed: https://www.python.org/downloads/");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let endpoint = line.trim().strip_prefix("ready ").unwrap_or_else(|| {
            panic!("localstack/{script} started nothing: it says why above, and what to do")
        });
        Emulator { endpoint: endpoint.to_owned(), leash: Some(child) }
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
        signal(self.leash.as_ref().expect("only what a test started is its to stop"), name);
    }
}

/// What the SDKs need to talk to whatever is at an endpoint.
pub async fn config(endpoint: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .endpoint_url(endpoint)
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .load()
        .await
}

/// Sends a signal by name.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.unwrap().success(), "kill -{name} {}", child.id());
}
