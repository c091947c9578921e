//! MiniStack, whose Lambda runs functions as processes, with event source mappings of SQS. Ended
//! when dropped.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Mutex,
};

use aws_config::SdkConfig;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use booking::domain::RoleName;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Account, Folder, binary,
    emulator::{REGION, config},
    peers::{peer, started},
};

/// What a function is given besides what finds AWS.
const SETTINGS: [(&str, &str); 7] = [
    ("BOOKING_FLIGHTS", "sample"),
    ("BOOKING_GATEWAY", "simulated"),
    ("BOOKING_GATEWAY_PATIENCE", "200ms"),
    ("BOOKING_EFFECT_TIMEOUT", "2s"),
    ("BOOKING_MAILER", "folder"),
    ("BOOKING_STORE", "dynamodb"),
    ("BOOKING_LOG_FORMAT", "json"),
];

/// How long a function may take, in seconds: its start counts, too.
const TIMEOUT_S: u32 = 20;

const MAPPINGS: &str = "/2015-03-31/event-source-mappings";

/// An AWS of a test's own.
pub struct MiniStack {
    pub endpoint: String,
    child: Child,
    mappings: Mutex<BTreeMap<RoleName, String>>,
}

impl MiniStack {
    /// Starts one. Its functions log to `<data>/<role>.log`, and keep receipts in `data`.
    pub fn start(data: &Path) -> MiniStack {
        let mut command = peer("ministack.py");
        command.env("BOOKING_DATA", data).env("MINISTACK_REGION", REGION);
        let (child, port) = started(&mut command);
        let endpoint = format!("http://127.0.0.1:{port}");
        MiniStack { endpoint, child, mappings: Mutex::default() }
    }

    /// What the SDKs need to talk to it.
    pub async fn config(&self) -> SdkConfig {
        config(&self.endpoint).await
    }

    /// Makes the functions of all roles, each with the mapping of its queue, which hides a message
    /// for so many seconds. `more` are further settings of a role.
    pub async fn deploy(
        &self,
        account: &Account,
        hidden_s: u32,
        more: impl Fn(RoleName) -> Vec<(&'static str, String)>,
    ) {
        for role in RoleName::ALL {
            self.function(account, role, hidden_s, more(role)).await;
        }
    }

    async fn function(
        &self,
        account: &Account,
        role: RoleName,
        hidden_s: u32,
        more: Vec<(&'static str, String)>,
    ) {
        let name = format!("{}booking-{role}", account.prefix);
        let mut variables: Vec<_> =
            SETTINGS.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        variables.push(("BOOKING_PREFIX", account.prefix.clone()));
        variables.extend(more);
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        let made = json!({
            "FunctionName": name,
            "Runtime": "provided.al2023",
            "Handler": role.as_str(),
            "Role": format!("arn:aws:iam::000000000000:role/{name}"),
            "Code": {"ZipFile": STANDARD.encode(zip())},
            "Timeout": TIMEOUT_S,
            "MemorySize": 256,
            "Environment": {"Variables": variables.collect::<serde_json::Map<_, _>>()},
        });
        self.lambda(Method::POST, "/2015-03-31/functions", made).await;
        let url = account.url(&account.names.queue(role)).await;
        let set = account.sqs.set_queue_attributes().queue_url(url);
        set.attributes("VisibilityTimeout".into(), hidden_s.to_string()).send().await.unwrap();
        let mapping = json!({
            "EventSourceArn": account.queue_arn(role),
            "FunctionName": name,
            "BatchSize": 10,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {"MaximumConcurrency": 2},
        });
        let made = self.lambda(Method::POST, MAPPINGS, mapping).await;
        let id = made["UUID"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        self.mappings.lock().unwrap().insert(role, id);
    }

    /// Lets the mapping of a role receive, or not.
    pub async fn enable(&self, role: RoleName, enabled: bool) {
        let id = self.mappings.lock().unwrap()[&role].clone();
        let enabled = json!({"Enabled": enabled});
        self.lambda(Method::PUT, &format!("{MAPPINGS}/{id}"), enabled).await;
    }

    /// Invokes a function by hand, and returns what it answered.
    pub async fn invoke(&self, account: &Account, role: RoleName, payload: Value) -> Value {
        let name = format!("{}booking-{role}", account.prefix);
        let path = format!("/2015-03-31/functions/{name}/invocations");
        self.lambda(Method::POST, &path, payload).await
    }

    /// What the function of status answers at its function URL, to somebody who has signed.
    pub async fn status(&self, account: &Account, path: &str, query: &str) -> Value {
        let request = json!({
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {},
            "requestContext": {
                "authorizer": {"iam": {"accountId": "000000000000"}},
                "http": {"method": "GET", "path": path},
                "timeEpoch": 0,
            },
            "isBase64Encoded": false,
        });
        let answer = self.invoke(account, RoleName::Status, request).await;
        serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or(Value::Null)
    }

    async fn lambda(&self, method: Method, path: &str, body: Value) -> Value {
        // Nobody checks the signature, but the scope says which region and service it is for.
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential=test/20270301/{REGION}/lambda/aws4_request, \
             SignedHeaders=host, Signature=0"
        );
        let asked = reqwest::Client::new().request(method, format!("{}{path}", self.endpoint));
        let answer = asked.header("authorization", signed).json(&body).send().await.unwrap();
        let (code, text) = (answer.status(), answer.text().await.unwrap());
        assert!(code.is_success(), "{path}: {code} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// The processes of a role that run now.
    pub fn processes(&self, role: RoleName) -> Vec<u32> {
        let read = |pid: u32, file| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        // After the name, which is in parentheses and may hold anything: its state, its parent.
        let parent = |pid| -> Option<u32> {
            let stat = read(pid, "stat").ok()?;
            stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
        };
        let is_it = |pid: &u32| {
            let line = read(*pid, "cmdline").unwrap_or_default();
            line.ends_with(&format!("lambda\0{role}\0"))
                && parent(*pid).and_then(parent) == Some(self.child.id())
        };
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        all.filter_map(|it| it.file_name().to_str()?.parse().ok()).filter(is_it).collect()
    }
}

impl Drop for MiniStack {
    fn drop(&mut self) {
        // It ends when its stdin closes, and its functions with it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The code of a function: a script that starts the binary under test where it is. What `just
/// lambda` makes has the binary beside it. It is who made the tables: DynamoDB Local shows nobody
/// the tables of somebody else.
fn zip() -> Vec<u8> {
    let folder = Folder::new();
    let file: PathBuf = folder.join("function.zip");
    let start = format!(
        "#!/bin/sh\nexport AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test\n\
         unset AWS_SESSION_TOKEN\nexec '{}' lambda \"$_HANDLER\" 2>>\"$BOOKING_DATA/$_HANDLER.log\"\n",
        binary().get_program().display()
    );
    let made = Command::new("python3")
        .args(["-c", "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr('bootstrap', sys.argv[2])"])
        .arg(&file)
        .arg(start)
        .status();
    assert!(made.unwrap().success());
    std::fs::read(file).unwrap()
}
