//! An AWS that enforces IAM: moto, one for all tests of a run, with somebody for each part to play.
//! What it enforces and what not is said in localstack/iam_server.py.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use aws_config::SdkConfig;
use aws_sdk_sqs::config::Credentials;
use serde_json::{Value, json};

use super::emulator::{Emulator, REGION, config};

const SCRIPT: &str = "iam.py";
/// Who makes topics and queues; the same stands in localstack/iam_server.py.
const ADMIN: (&str, &str) = ("AKIAIOSFODNN7ADMIN00", "an-emulator-on-this-machine-has-no-secrets");

/// The environment in which a `booking` process is somebody.
pub type Environment = Vec<(&'static str, String)>;

/// A moto that answers.
pub struct Enforcing(Emulator);

impl Enforcing {
    /// The account it plays.
    pub const ACCOUNT: &str = "123456789012";

    /// The one of this run.
    pub fn running() -> &'static Enforcing {
        static RUNNING: OnceLock<Enforcing> = OnceLock::new();
        RUNNING.get_or_init(|| Enforcing(Emulator::start(SCRIPT)))
    }

    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// What the SDKs need to do anything at all.
    pub async fn config(&self) -> SdkConfig {
        let all = config(self.endpoint()).await.to_builder();
        let admin = Credentials::new(ADMIN.0, ADMIN.1, None, None, "test");
        all.credentials_provider(aws_sdk_sqs::config::SharedCredentialsProvider::new(admin)).build()
    }

    /// Somebody who may do what a policy says and nothing else: a `user` with a key, or a `role` as
    /// a task on ECS has it.
    pub async fn somebody(&self, kind: &str, name: &str, policy: &Value) -> Environment {
        let asked = json!({"kind": kind, "name": name, "policy": policy});
        let made = reqwest::Client::new()
            .post(format!("{}/principal", self.endpoint()))
            .json(&asked)
            .send()
            .await
            .unwrap();
        let made: Value = made.json().await.unwrap();
        let text = |it: &str| made[it].as_str().unwrap_or_default().to_owned();
        let mut environment = vec![
            ("AWS_ENDPOINT_URL", self.endpoint().to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", text("AccessKeyId")),
            ("AWS_SECRET_ACCESS_KEY", text("SecretAccessKey")),
        ];
        if kind == "role" {
            environment.push(("AWS_SESSION_TOKEN", text("SessionToken")));
        }
        environment
    }

    /// What AWS says to a call of boto3, made as somebody or, without one, as the one who may do
    /// anything; or the code of its error.
    pub async fn call(
        &self,
        who: Option<&Environment>,
        service: &str,
        operation: &str,
        arguments: Value,
    ) -> Result<Value, String> {
        let who: Option<BTreeMap<_, _>> = who.map(|it| it.iter().cloned().collect());
        let asked = json!({"environment": who, "service": service, "operation": operation,
                           "arguments": arguments});
        let url = format!("{}/call", self.endpoint());
        let answer = reqwest::Client::new().post(url).json(&asked).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        match answer["error"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(answer["said"].clone()),
        }
    }

    /// What somebody was refused, each as `action resource`.
    pub async fn refused(&self, name: &str) -> BTreeSet<String> {
        let all = reqwest::get(format!("{}/refused", self.endpoint())).await.unwrap();
        let all: Vec<Value> = all.json().await.unwrap();
        let text = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
        // arn:…:user/<name>, arn:…:assumed-role/<name>/task
        let his = |it: &&Value| text(it, "principal").split('/').nth(1) == Some(name);
        all.iter()
            .filter(his)
            .map(|it| format!("{} {}", text(it, "action"), text(it, "resource")))
            .collect()
    }
}
