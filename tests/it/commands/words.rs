//! docs/COMMANDS.md against the binary: every situation of its tables is brought about, and exit
//! code, status and words are the ones that stand there.
//!
//! One file: a situation of the table and what brings it about belong together.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
    time::Duration,
};

use booking::{
    cli::Cli,
    domain::RoleName,
    durability::Durability,
    wiring::{begin, new_deployment, store_file},
};
use clap::CommandFactory;

use crate::{
    commands::{cli::REQUEST, unreachable::answering},
    harness::{Account, Folder, Service, binary, eventually, skipped},
    repository::documents::document,
};

/// The rows of the table whose first column is called this; cells without the marks of code.
fn table(first: &str) -> Vec<Vec<String>> {
    let text = document("docs/COMMANDS.md");
    let (_, rest) = text.split_once(&format!("| {first} |")).expect("there is such a table");
    let rows = rest.lines().skip(2).take_while(|it| it.starts_with("| "));
    let cell = |it: &str| match it.trim().strip_prefix("``") {
        // It has such marks in it.
        Some(it) => it.trim_end_matches('`').trim().to_owned(),
        None => it.trim().replace('`', ""),
    };
    let rows: Vec<Vec<String>> =
        rows.map(|it| it.trim_matches('|').split(" | ").map(cell).collect()).collect();
    assert!(rows.len() > 5, "{first}: {rows:?}");
    rows
}

/// The command of a row with what it needs besides.
fn command(words: &str) -> Command {
    let mut command = binary();
    let mut words = words.split(' ').skip(1);
    match words.next().unwrap() {
        "request" => {
            command.args(REQUEST).args(["--account", "000000000000"]);
        }
        "seats" => {
            command.args(["seats", "--flights", "sample", "--http", "127.0.0.1:0"]);
        }
        "status" => {
            command.arg("status");
            if !words.clone().any(|it| it == "--http") {
                command.args(["--http", "127.0.0.1:0"]);
            }
        }
        other => {
            command.arg(other);
        }
    }
    command.args(words);
    command
}

/// An answer of the given status, type and body.
fn answer(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    answering(
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n\
             {body}"
        )
        .leak(),
    )
}

fn json_error(status: &str, code: &str, message: &str) -> String {
    let body = format!("{{\"__type\":\"com.amazonaws#{code}\",\"message\":\"{message}\"}}");
    answer(status, "application/x-amz-json-1.0", &body)
}

fn xml_error(status: &str, code: &str, message: &str) -> String {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>1</RequestId></ErrorResponse>"
    );
    answer(status, "text/xml", &body)
}

/// What a service of its own is needed for.
const OF_A_RUNNING_SERVICE: [&str; 3] = [
    "status has not seen the booking",
    "told to stop while it waits for messages",
    "told to stop a second time",
];

/// Settings in which every command would work, if there were an AWS at the endpoint.
fn settings(endpoint: &str) -> Vec<(&'static str, String)> {
    crate::harness::LocalStack::environment_of(endpoint)
}

/// Brings a situation about in a folder: the environment of the command.
fn situation(name: &str, folder: &Folder) -> Vec<(&'static str, String)> {
    let file = store_file(&folder.join("data"), RoleName::Seats);
    let nobody = "http://127.0.0.1:9";
    let but = |more: &[(&'static str, &str)]| {
        let mut all = settings(nobody);
        all.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        all
    };
    let without = |names: &[&str]| {
        let mut all = settings(nobody);
        all.retain(|(name, _)| !names.iter().any(|it| name.starts_with(it)));
        all
    };
    let profile = |text: &str| {
        fs::write(folder.join("config"), text).unwrap();
        ("AWS_CONFIG_FILE", folder.join("config").display().to_string())
    };
    let page = "<html>log in</html>";
    match name {
        "SQS throttles" => settings(&json_error("400 Bad", "RequestThrottled", "Rate exceeded")),
        "SQS is broken" => settings(&json_error("500 Oh", "InternalFailure", "try again")),
        "KMS throttles SQS" => settings(&json_error("400 Bad", "KmsThrottled", "Rate exceeded")),
        "DynamoDB throttles" => {
            settings(&json_error("400 Bad", "ThrottlingException", "Rate exceeded"))
        }
        "STS throttles" | "SNS throttles" => {
            settings(&xml_error("400 Bad", "Throttling", "Rate exceeded"))
        }
        "somebody in between answers 200 with a page" => {
            settings(&answer("200 OK", "text/html", page))
        }
        "somebody in between answers 502 with a page" => {
            settings(&answer("502 Bad Gateway", "text/html", page))
        }
        "nobody listens at the endpoint" | "there is no terminal" => settings(nobody),
        "nobody answers at the endpoint" => {
            // Takes connections for as long as this process lives, and says nothing.
            let listener: &'static TcpListener =
                Box::leak(Box::new(TcpListener::bind("127.0.0.1:0").unwrap()));
            settings(&format!("http://{}", listener.local_addr().unwrap()))
        }
        "IAM does not allow it" => {
            settings(&json_error("403 No", "AccessDenied", "no identity-based policy"))
        }
        "there is no such queue" => {
            settings(&json_error("400 Bad", "QueueDoesNotExist", "no such queue"))
        }
        "there are no credentials" => without(&["AWS_ACCESS", "AWS_SECRET"]),
        "there is no such profile" => {
            let mut all = without(&["AWS_ACCESS", "AWS_SECRET"]);
            all.push(("AWS_PROFILE", "nobody".to_owned()));
            all
        }
        "no region is set" => without(&["AWS_REGION"]),
        "the variable of the region is empty" => but(&[("AWS_REGION", "")]),
        "the region in the profile is empty" => {
            let mut all = without(&["AWS_REGION"]);
            all.push(profile("[default]\nregion =\n"));
            all
        }
        "an endpoint without http://" => but(&[("AWS_ENDPOINT_URL", "localhost:4566")]),
        "a collector without http://" => but(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318")]),
        "FIPS, and an endpoint of one's own" => but(&[("AWS_USE_FIPS_ENDPOINT", "true")]),
        "dual stack, and an endpoint of one's own for SQS" => {
            let mut all = without(&["AWS_ENDPOINT_URL"]);
            all.push(("AWS_ENDPOINT_URL_SQS", nobody.to_owned()));
            all.push(profile("[default]\nuse_dualstack_endpoint = true\n"));
            all
        }
        "every setting of ours is empty, and no region is set" => {
            let mut all = without(&["AWS_REGION"]);
            all.extend(every_setting().into_iter().map(|it| (it, String::new())));
            all
        }
        "BOOKING_RAW_DELIVERY=perhaps" => but(&[("BOOKING_RAW_DELIVERY", "perhaps")]),
        "the store has not begun" => {
            fs::remove_file(file).unwrap();
            settings(nobody)
        }
        "the file of the store is damaged"
        | "the file of the store is damaged, and asked by a command" => {
            let long = fs::metadata(&file).unwrap().len();
            fs::write(&file, "x".repeat(usize::try_from(long).unwrap())).unwrap();
            settings(nobody)
        }
        "nobody is at --status-url" => but(&[("BOOKING_STATUS_URL", nobody)]),
        "a 404 of somebody else" | "a list from somebody else" => {
            but(&[("BOOKING_STATUS_URL", &answer("404 Not Found", "text/html", page))])
        }
        "status wants a token" => {
            let said = answer("401 Unauthorized", "application/json", "{}");
            but(&[("BOOKING_STATUS_URL", &said)])
        }
        "status could be reached by others, and wants no token" => settings(nobody),
        "the token is too short" => but(&[("BOOKING_STATUS_TOKEN", "too-short")]),
        "the port of the page is taken" => {
            // For as long as this process lives.
            std::mem::forget(TcpListener::bind("127.0.0.1:14999"));
            settings(nobody)
        }
        "--status-url without http://" => but(&[("BOOKING_STATUS_URL", "localhost:8080")]),
        other => panic!("docs/COMMANDS.md has a situation that nobody brings about: {other:?}"),
    }
}

#[track_caller]
fn is_as_the_row_says(row: &[String], code: Option<i32>, text: &str) {
    let [situation, command, wanted, says] = row else { panic!("{row:?}") };
    let wanted = Some(wanted.parse().unwrap());
    assert_eq!(code, wanted, "{situation}: {command}: {text}");
    assert!(text.contains(says), "{situation}: {command} says {text:?}, not {says:?}");
    for secret in ["ada@example.com", "tok_visa"] {
        assert!(!text.contains(secret), "{situation}: {text}");
    }
}

#[test]
fn in_every_situation_of_the_table_the_exit_code_and_the_words_are_the_ones_in_it() {
    let rows = table("situation");
    thread::scope(|scope| {
        for row in rows.iter().filter(|it| !OF_A_RUNNING_SERVICE.contains(&it[0].as_str())) {
            scope.spawn(move || {
                let folder = Folder::new();
                let roles = [RoleName::Seats, RoleName::Status];
                let data = folder.join("data");
                begin(&data, &roles, new_deployment(), Durability::ProcessDeath).unwrap();
                let output = command(&row[1])
                    .current_dir(folder.path())
                    .env("HOME", folder.path())
                    .envs(situation(&row[0], &folder))
                    .output()
                    .unwrap();
                let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
                is_as_the_row_says(row, output.status.code(), &text);
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_table_says_of_a_service_that_runs_is_so() {
    if skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let rows = table("situation");
    let role = RoleName::Status;
    for name in OF_A_RUNNING_SERVICE {
        let row = rows.iter().find(|it| it[0] == name).unwrap_or_else(|| panic!("no row {name}"));
        // Long enough to be waiting still when the second signal comes.
        let long = ["--long-poll", "20s", "--drain", "25s"];
        let more = if name.ends_with("a second time") { &long[..] } else { &[] };
        let service = Service::start(role, &account.prefix, folder.path(), more).await;
        let log = service.log.clone();
        let before = service.logged().len();
        let since = || fs::read_to_string(&log).unwrap()[before..].to_owned();
        if name.starts_with("status") {
            let url = format!("http://{}", service.address);
            let output = command(&row[1]).env("BOOKING_STATUS_URL", url).output().unwrap();
            let text = String::from_utf8(output.stderr).unwrap();
            is_as_the_row_says(row, output.status.code(), &text);
            continue;
        }
        service.signal("INT");
        if name.ends_with("a second time") {
            eventually("the first signal to be heard", async || {
                since().contains("stopping").then_some(())
            })
            .await;
            service.signal("INT");
        }
        let code = service.ended().await;
        is_as_the_row_says(row, code, &since());
    }
}

/// The bytes of what the table of answers says is asked.
fn asked(words: &str) -> String {
    let (request, more) = words.split_once(", ").unwrap_or((words, ""));
    let header = match more.split_once(' ') {
        None => String::new(),
        Some(("accepting", it)) => format!("accept: {it}\r\n"),
        Some(("with", "a header of 20 KiB")) => format!("x-large: {}\r\n", "x".repeat(20 * 1024)),
        Some(other) => panic!("docs/COMMANDS.md asks {other:?}"),
    };
    if request == "no HTTP" {
        return "Good day!\r\n\r\n".to_owned();
    }
    format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n")
}

/// What comes back on a connection of its own.
fn answered(address: &str, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // Of what is too large not all is read, and then the connection is reset: behind the answer.
    let _ = stream.write_all(bytes.as_bytes());
    let (mut came, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(more @ 1..) = stream.read(&mut piece) {
        came.extend_from_slice(&piece[..more]);
    }
    String::from_utf8(came).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_over_http_has_the_status_the_type_and_the_words_of_the_table() {
    if skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let service = Service::start(RoleName::Status, &account.prefix, folder.path(), &[]).await;
    for row in table("asked") {
        let [question, status, kind, says] = &row[..] else { panic!("{row:?}") };
        let came = answered(&service.address, &asked(question));
        let (head, body) = came.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{row:?}: {came}"));
        let mut lines = head.lines();
        assert_eq!(lines.next().unwrap().split(' ').nth(1), Some(status.as_str()), "{question}");
        let field = |name: &str| {
            let line = head.lines().find_map(|it| it.strip_prefix(&format!("{name}: ")));
            line.unwrap_or_else(|| panic!("{question}: no {name} in {head}"))
        };
        assert_eq!(field("content-type"), kind, "{question}");
        assert_eq!(field("content-length"), body.len().to_string(), "{question}");
        assert!(body.contains(says), "{question}: {body}");
        if kind.starts_with("text/html") {
            assert!(body.starts_with("<!doctype html>"), "{question}: {body}");
        } else if status != "200" {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert!(body.is_object(), "{question}: {body}");
        }
    }
    // After a good request, too, on the same connection.
    let two = format!("{}Good day!\r\n\r\n", asked("GET /health").replace("close", "keep-alive"));
    let came = answered(&service.address, &two);
    assert!(came.starts_with("HTTP/1.1 200") && came.contains("HTTP/1.1 400"), "{came}");
    assert!(came.ends_with(r#"{"error":"this cannot be read as an HTTP request"}"#), "{came}");
}

/// Every command that does something, as it is typed: `dlq ls`.
pub fn all_commands() -> Vec<String> {
    fn collect(of: &clap::Command, before: &str, all: &mut Vec<String>) {
        for it in of.get_subcommands() {
            let name = format!("{before}{}", it.get_name());
            // One with commands below it may do something by itself as well.
            if !it.is_subcommand_required_set() {
                all.push(name.clone());
            }
            collect(it, &format!("{name} "), all);
        }
    }
    let mut all = Vec::new();
    collect(&Cli::command(), "", &mut all);
    all
}

/// The variable of every setting of every command, and what else is read from the environment.
fn every_setting() -> BTreeSet<&'static str> {
    fn collect(of: &clap::Command, all: &mut BTreeSet<&'static str>) {
        let variables = of.get_arguments().filter_map(|it| it.get_env()?.to_str());
        all.extend(variables.map(|it| -> &'static str { it.to_owned().leak() }));
        of.get_subcommands().for_each(|it| collect(it, all));
    }
    let mut all = BTreeSet::from(["BOOKING_TOKEN", "BOOKING_CANARY_KEY", "BOOKING_STATUS_TOKEN"]);
    collect(&Cli::command(), &mut all);
    assert!(all.len() > 20, "{all:?}");
    all
}

#[test]
fn every_command_and_every_exit_code_stands_in_the_document_and_no_other() {
    let codes: Vec<String> = table("exit code").into_iter().map(|it| it[0].clone()).collect();
    assert_eq!(codes, ["0", "1", "2", "70", "75", "78", "130"]);
    let rows = table("command");
    let named: Vec<&str> = rows.iter().filter_map(|it| it[0].strip_prefix("booking ")).collect();
    assert_eq!(named, all_commands());
    for row in &rows {
        let known = row[1].split(' ').all(|it| codes.iter().any(|code| code == it));
        assert!(known, "{row:?}");
    }
    let used: BTreeSet<String> = table("situation").into_iter().map(|it| it[2].clone()).collect();
    for row in table("situation") {
        let words: Vec<&str> = row[1].split(' ').skip(1).collect();
        let of = rows.iter().find(|it| it[0] == format!("booking {}", words[0])).unwrap();
        assert!(of[1].split(' ').any(|it| it == row[2]), "{row:?} is none of {of:?}");
    }
    assert_eq!(used.len(), codes.len(), "each of them is brought about: {used:?}");
}

#[test]
fn a_setting_that_is_empty_is_as_if_it_were_not_set_whichever_it_is() {
    let sdks = [
        "AWS_REGION",
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_SNS",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_CA_BUNDLE",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_USE_FIPS_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "ECS_CONTAINER_METADATA_URI_V4",
    ];
    let all: Vec<&str> = every_setting().into_iter().chain(sdks).collect();
    // What it takes to get behind the command line; a demo has no settings.
    for words in [
        "seats --flights sample",
        "payment --gateway simulated",
        "receipt --mailer folder",
        "seats",
        "payment",
        "receipt",
        "status",
        "init",
        "list --status-url http://127.0.0.1:9",
        "show b-1",
        "check",
        "check --canary",
        "resend seats b-1",
        "erase b-1",
        "dlq ls seats",
        "dlq redrive seats --all",
        "healthcheck --http 127.0.0.1:9",
        "topics",
    ] {
        let run = |set: bool| {
            let folder = Folder::new();
            let mut command = binary();
            command.args(words.split(' ')).current_dir(folder.path()).env("HOME", folder.path());
            command.env_remove("BOOKING_CANARY_KEY").env("AWS_EC2_METADATA_DISABLED", "true");
            if set {
                command.envs(all.iter().map(|it| (*it, "")));
            }
            let output = command.output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            // A line of a log begins with its time.
            let said =
                said.lines().filter(|it| !it.starts_with("20")).collect::<Vec<_>>().join("\n");
            (output.status.code(), said)
        };
        assert_eq!(run(true), run(false), "{words}");
    }
}
