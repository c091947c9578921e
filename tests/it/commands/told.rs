//! Whatever goes wrong on the way to AWS, and whatever the SDK has at hand then: no log line, no
//! answer of `/health` and no error of a command tells of a passenger, a token or a credential.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use axum::{
    body::{Body, Bytes},
    http::{
        StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use booking::domain::{RoleName, event::Kind};
use futures_util::{future::join_all, stream};
use serde_json::json;

use crate::{
    commands::cli::request_with,
    harness::{Account, Fate, Folder, LocalStack, Service, Way, bare, binary, eventually, skipped},
};

const NAME: &str = "Quentin Oxenstierna";
const EMAIL: &str = "quentin.oxenstierna@zephyr-mail.example";
const TOKEN: &str = "pm_9Zq7SecretWxyz";
/// In a header of every request, as a role on ECS has one.
const SESSION: &str = "SessionTokenOfTheRole";
/// What must not be told, in small letters.
const MARKS: [&str; 5] =
    ["quentin", "oxenstierna", "zephyr-mail", "secretwxyz", "sessiontokenoftherole"];

/// How far it has come: nothing is broken; all but questions and receives; receives as well;
/// everything.
const WORKS: u8 = 0;
const WITHOUT_ANSWERS: u8 = 1;
const WITHOUT_RECEIVES: u8 = 2;
const WITHOUT_ANYTHING: u8 = 3;

/// Something that goes wrong.
struct Trouble {
    name: &'static str,
    /// What becomes of a request, by its operation.
    fate: fn(&str) -> Fate,
    /// How that is told.
    says: &'static str,
}

static TROUBLES: [Trouble; 8] = [
    // The door is closed behind the first request; what has a connection loses it.
    Trouble {
        name: "refused",
        fate: |it| if it == "ReceiveMessage" { cut_off() } else { Fate::Stall },
        says: "connection refused",
    },
    Trouble { name: "stalled", fate: |_| Fate::Stall, says: "no answer in time" },
    Trouble { name: "cut", fate: |_| Fate::Halve, says: "no connection, or it broke" },
    Trouble { name: "portal", fate: |_| page(StatusCode::OK), says: "HTTP status 200" },
    Trouble {
        name: "bad-gateway",
        fate: |_| page(StatusCode::BAD_GATEWAY),
        says: "HTTP status 502",
    },
    Trouble {
        name: "4xx",
        fate: |it| error(it, StatusCode::BAD_REQUEST, "UnsupportedOperation"),
        says: "UnsupportedOperation: as AWS says it",
    },
    Trouble {
        name: "5xx",
        fate: |it| error(it, StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"),
        says: "InternalFailure: as AWS says it",
    },
    Trouble {
        name: "throttled",
        fate: |it| error(it, StatusCode::BAD_REQUEST, "Throttling"),
        says: "Throttling: as AWS says it",
    },
];

/// The connection ends within the answer, and nothing was done.
fn cut_off() -> Fate {
    let nothing: Result<Bytes, io::Error> = Err(io::Error::other("cut"));
    let body = Body::from_stream(stream::iter([nothing]));
    Fate::Answer(([(CONTENT_LENGTH, 100)], body).into_response())
}

/// A page of somebody in between, which repeats what it was asked.
fn page(status: StatusCode) -> Fate {
    let page = format!("<html><body>{NAME} {EMAIL} {TOKEN} {SESSION}</body></html>");
    Fate::Answer((status, [(CONTENT_TYPE, "text/html")], page).into_response())
}

/// An error as the operation's service says it.
fn error(operation: &str, status: StatusCode, code: &str) -> Fate {
    let topics = ["Publish", "PublishBatch", "GetCallerIdentity"].contains(&operation);
    let said: Response = if topics {
        let text = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
             <Message>as AWS says it</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        );
        (status, [(CONTENT_TYPE, "text/xml")], text).into_response()
    } else {
        let kind = format!("com.amazonaws.sqs#{code}");
        let text = json!({"__type": kind, "message": "as AWS says it"}).to_string();
        (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], text).into_response()
    };
    Fate::Answer(said)
}

/// A request with everything that is not to be told. One whose seats are no seats is set aside,
/// with all that is in it.
fn request(id: &str, seat: &str) -> String {
    let mut data = bare(&[seat], TOKEN);
    data["booking_id"] = json!(id);
    data["passenger"] = json!({"name": NAME, "email": EMAIL});
    data.to_string()
}

#[track_caller]
fn tells_nothing(text: &str, who: &str) {
    let small = text.to_lowercase();
    for mark in MARKS {
        let line = small.lines().find(|it| it.contains(mark));
        assert!(line.is_none(), "{who}: {mark:?} is in {line:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_on_the_way_to_aws_no_log_health_or_command_tells_what_was_sent() {
    if skipped("localstack") {
        return;
    }
    join_all(TROUBLES.iter().map(in_trouble)).await;
}

/// One service that meets one trouble, and then commands that meet it.
async fn in_trouble(trouble: &'static Trouble) {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let (stage, carried) = (Arc::new(AtomicU8::new(WORKS)), Arc::new(AtomicBool::new(false)));
    let (now, seen) = (Arc::clone(&stage), Arc::clone(&carried));
    let way = Way::to(&LocalStack::running().endpoint, move |operation, _, asked| {
        let stage = now.load(Ordering::SeqCst);
        let from = match operation {
            "GetQueueUrl" | "GetQueueAttributes" => WITHOUT_ANYTHING,
            "ReceiveMessage" => WITHOUT_RECEIVES,
            _ => WITHOUT_ANSWERS,
        };
        if stage < from {
            return Fate::Pass;
        }
        seen.fetch_or(asked.to_string().contains(NAME), Ordering::SeqCst);
        (trouble.fate)(operation)
    })
    .await;
    while_it_runs(trouble, &account, &folder, &way, &stage).await;
    assert!(carried.load(Ordering::SeqCst), "{}: a failed request had a name in it", trouble.name);
    commands(trouble, &account, folder, way, stage).await;
}

fn environment(endpoint: &str) -> Vec<(&'static str, String)> {
    let mut environment = LocalStack::environment_of(endpoint);
    environment.push(("AWS_SESSION_TOKEN", SESSION.to_owned()));
    environment.push(("RUST_LOG", "trace".to_owned()));
    environment
}

async fn while_it_runs(
    trouble: &Trouble,
    account: &Account,
    folder: &Folder,
    way: &Way,
    stage: &AtomicU8,
) {
    let (name, says) = (trouble.name, trouble.says);
    let role = RoleName::Seats;
    let mut service =
        Service::spawn_at(environment(&way.endpoint), role, &account.prefix, folder.path(), |_| {});
    service.polls().await;
    stage.store(WITHOUT_ANSWERS, Ordering::SeqCst);
    account.publish(Kind::BookingRequested, &request("wrong", NAME)).await;
    for (at, seat) in ["1A", "1B", "1C", "1D", "1E", "1F"].into_iter().enumerate() {
        account.publish(Kind::BookingRequested, &request(&format!("good-{at}"), seat)).await;
    }
    if name == "refused" {
        eventually("a request of each kind to be on its way", async || {
            let sent = |it| way.count(it) > 0;
            (sent("sqs:SendMessage") && sent("sns:PublishBatch")).then_some(())
        })
        .await;
        way.close();
    }
    let mut healths = String::new();
    let logged =
        |words: &str| service.logged().lines().any(|it| it.contains(words) && it.contains(says));
    eventually(&format!("{name}: verdicts that cannot be filed, and a pause"), async || {
        let (_, health) = service.get("/health").await;
        healths += &health.to_string();
        let paused = health["health"]["paused"].as_str().is_some_and(|it| it.contains(says));
        let both = logged("could not act on the verdict") && logged("given back");
        (both && (paused || name == "refused")).then_some(())
    })
    .await;
    // A receive that nobody answers ends after half a minute, in the same words.
    if name != "stalled" {
        stage.store(WITHOUT_RECEIVES, Ordering::SeqCst);
        eventually(&format!("{name}: a receive that fails"), async || {
            let (_, health) = service.get("/health").await;
            healths += &health.to_string();
            logged("could not receive").then_some(())
        })
        .await;
    }
    let log = service.logged();
    assert!(log.contains("good-0"), "{name}: {log}");
    tells_nothing(&log, &format!("{name}: the log"));
    tells_nothing(&healths, &format!("{name}: /health"));
}

/// Commands, and the start of a service.
async fn commands(
    trouble: &'static Trouble,
    account: &Account,
    folder: Folder,
    way: Way,
    stage: Arc<AtomicU8>,
) {
    if trouble.name == "refused" {
        // Nobody listens there any more: then there is no queue to be found either.
        stage.store(WITHOUT_ANYTHING, Ordering::SeqCst);
    }
    let prefix = account.prefix.clone();
    let dead = account.names.dead_letter_queue(RoleName::Seats);
    let request_command = request_with(&[("--name", NAME), ("--email", EMAIL), ("--token", TOKEN)]);
    let known = [&request_command[..], &["--account", "000000000000"]].concat();
    let at = |it: u8| if trouble.name == "refused" { WITHOUT_ANYTHING } else { it };
    for (broken, commands) in [
        (
            WITHOUT_ANSWERS,
            vec![
                known,
                // Asks STS first.
                request_command,
                vec!["resend", "seats", "good-0"],
                vec!["dlq", "redrive", "seats", "--all"],
            ],
        ),
        (WITHOUT_RECEIVES, vec![vec!["dlq", "ls", "seats"]]),
        (
            WITHOUT_ANYTHING,
            vec![
                vec!["dlq", "ls", "seats"],
                vec!["seats", "--flights", "sample", "--http", "127.0.0.1:0"],
            ],
        ),
    ] {
        if broken == WITHOUT_RECEIVES && trouble.name == "stalled" {
            continue;
        }
        account.put(&dead, &request("dead", NAME)).await;
        stage.store(at(broken), Ordering::SeqCst);
        join_all(commands.iter().map(async |args| {
            let (code, text) = run(args, &prefix, folder.path(), &way.endpoint).await;
            let who = format!("{}: {}", trouble.name, args[..2].join(" "));
            assert!(code.is_some_and(|it| it != 0), "{who}: {code:?}: {text}");
            assert!(text.contains(trouble.says), "{who} says {text}");
            tells_nothing(&text, &who);
        }))
        .await;
    }
}

async fn run(
    args: &[&'static str],
    prefix: &str,
    data: &Path,
    endpoint: &str,
) -> (Option<i32>, String) {
    let (args, prefix, environment) = (args.to_vec(), prefix.to_owned(), environment(endpoint));
    let data: PathBuf = data.to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let mut command = binary();
        command.args(args).env("BOOKING_PREFIX", prefix).env("BOOKING_DATA", data);
        command.envs(environment).output().unwrap()
    });
    let output = ended.await.unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), text)
}
