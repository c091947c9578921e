//! Names, addresses and tokens: not in anybody's file who does not need them, not on a terminal.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{Router, extract::State};
use booking::{
    audit::Evidence, bus::memory::Unkindness, demo::Stage, domain::event::Kind,
    domain::status::Phase,
};
use serde_json::{Value, json};

use crate::harness::{Folder, Sketch, bare, binary};

/// A name, an address and a token that are nowhere else.
const NAME: &str = "Marked Nameholder";
const EMAIL: &str = "marked.address@example.com";
const TOKEN: &str = "tok_marked_secret";
/// A client writes into source and id what it likes.
const SOURCE: &str = "mailto:marked.source@example.com";
const EVENT: &str = "marked event of somebody";

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Whose files have this text anywhere in their bytes, write-ahead logs included: `seats`,
/// `payment`, `receipt`, `status`, `gateway` or `receipts`.
fn who_has(folder: &Folder, text: &str) -> Vec<String> {
    let mut owners = Vec::new();
    for file in files(folder.path()) {
        let bytes = std::fs::read(&file).unwrap();
        if bytes.windows(text.len()).any(|it| it == text.as_bytes()) {
            let place = file.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned();
            owners.push(place.split(['.', '/']).next().unwrap().to_owned());
        }
    }
    owners.sort_unstable();
    owners.dedup();
    owners
}

/// Bookings through all four services, on their real files.
async fn play(folder: &Folder, texts: &[String]) -> Stage {
    let unkindness = Unkindness { duplicates_percent: 30, shuffle: true };
    let mut stage = Stage::new(folder.path(), 11, unkindness).unwrap();
    for text in texts {
        stage.exchange().publish_text(Kind::BookingRequested, text);
    }
    while stage.step().await.unwrap() {}
    stage
}

/// A whole event with a passenger and a token of one's own.
fn request(id: &str, name: &str, email: &str, token: &str) -> String {
    let mut event: Value =
        serde_json::from_str(&Sketch::new(id, &["1A"], "tok_visa").cloud_event()).unwrap();
    event["data"]["passenger"] = json!({"name": name, "email": email});
    event["data"]["payment"]["token"] = token.into();
    event["source"] = SOURCE.into();
    event["id"] = format!("{EVENT} {id}").into();
    event.to_string()
}

#[tokio::test]
async fn each_role_keeps_of_a_request_only_what_it_needs() {
    let folder = Folder::new();
    // While the services have their files open: what was written is in the write-ahead logs.
    let marked = [
        request("completed", NAME, EMAIL, "tok_visa"),
        // The simulated gateway takes money for no other token.
        request("declined", "Ada", "ada@example.com", TOKEN).replace("1A", "2A"),
    ];
    let stage = play(&folder, &marked).await;
    let wal = files(folder.path()).iter().any(|it| it.to_string_lossy().ends_with("-wal"));
    assert!(wal, "there are write-ahead logs to be looked at");
    for (what, text, wanted) in [
        ("a name", NAME, &["receipt", "receipts"][..]),
        ("an address", EMAIL, &["receipt", "receipts"]),
        ("a token", TOKEN, &["gateway"]),
        ("a source", SOURCE, &[]),
        ("an event's id", EVENT, &[]),
        ("a flight", "WA117", &["receipt", "receipts", "seats", "status"]),
    ] {
        assert_eq!(who_has(&folder, text), wanted, "{what}");
    }
    let evidence = Evidence::read(folder.path()).unwrap();
    let phases: Vec<Phase> = evidence.records().map(|(_, it)| it.standing().phase).collect();
    assert_eq!(phases, [Phase::Completed, Phase::PaymentFailed]);
    drop(stage);
}

#[tokio::test]
async fn who_is_called_erased_gets_a_receipt_like_everybody_else() {
    let folder = Folder::new();
    let text = request("named-erased", "erased", "erased@erased.invalid", "tok_visa");
    let stage = play(&folder, &[text]).await;
    drop(stage);
    assert_eq!(who_has(&folder, "To: erased <erased@erased.invalid>"), ["receipts"]);
    let evidence = Evidence::read(folder.path()).unwrap();
    let (_, record) = evidence.records().next().unwrap();
    assert_eq!(record.standing().phase, Phase::Completed);
    assert_eq!(evidence.violations(), []);
}

/// SNS as far as a publish needs it; remembers what was published.
#[derive(Clone, Default)]
struct Sns(Arc<Mutex<Vec<Value>>>);

impl Sns {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(take).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    /// The one request that was published, if any.
    fn published(&self) -> Vec<Value> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

async fn take(State(sns): State<Sns>, form: axum::body::Bytes) -> String {
    let form = String::from_utf8(form.to_vec()).unwrap();
    let message = form.split('&').find_map(|it| it.strip_prefix("Message=")).unwrap();
    sns.0.lock().unwrap().push(serde_json::from_str(&unquoted(message)).unwrap());
    "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
     <MessageId>6b1d0c4e-7c1f-4d0a-9b62-3a51c0ffee17</MessageId></PublishResult></PublishResponse>"
        .to_owned()
}

/// A value of a form, as text.
fn unquoted(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// `booking request`, on SNS at this endpoint.
fn client(endpoint: &str, args: &[&str]) -> Command {
    let mut command = binary();
    command.arg("request").args(args).envs([
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("BOOKING_ACCOUNT", "000000000000"),
    ]);
    command
}

/// Exit code and everything it said, having heard `input`.
fn said(command: &mut Command, input: &str) -> (Option<i32>, String) {
    let pipe = Stdio::piped;
    let mut child = command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    // Who refuses the command line does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

const FLAGS: [&str; 10] = [
    "--flight=WA117",
    "--date=2027-03-01",
    "--seat=12A",
    "--name",
    NAME,
    "--email",
    EMAIL,
    "--amount=EUR 129.00",
    "--id",
    "b-1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_from_the_environment_is_published_and_never_printed() {
    let sns = Sns::default();
    let endpoint = sns.start().await;
    for more in [&[][..], &["--json"]] {
        let args = [&FLAGS[..], more].concat();
        let (code, text) = said(client(&endpoint, &args).env("BOOKING_TOKEN", TOKEN), "");
        assert_eq!(code, Some(0), "{text}");
        assert!(!text.contains(TOKEN), "{text}");
        assert_eq!(sns.published()[0]["data"]["payment"]["token"], TOKEN);
        if more.is_empty() {
            // The line it prints takes the token from where this one came from.
            let line = text.lines().find(|it| it.trim().starts_with("aws sns publish")).unwrap();
            let shell = format!("set -- {line}; printf '%s\\n' \"$7\"");
            let mut shell =
                Command::new("sh").args(["-c", &shell]).env("BOOKING_TOKEN", TOKEN).output();
            let message = shell.as_mut().map(|it| String::from_utf8(it.stdout.clone())).unwrap();
            let message: Value = serde_json::from_str(&message.unwrap()).unwrap();
            assert_eq!(message["payment"]["token"], TOKEN);
        }
    }
    for args in [&["--help"][..], &["--nonsense"], &["--flight=x"], &FLAGS[..8]] {
        let (_, text) = said(client("http://127.0.0.1:9", args).env("BOOKING_TOKEN", TOKEN), "");
        assert!(!text.contains(TOKEN), "{args:?}: {text}");
    }
    let (code, text) = said(&mut client(&endpoint, &FLAGS), "");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--token") && text.contains("BOOKING_TOKEN"), "{text}");
    // What makes no token is refused, and not repeated.
    let (code, text) = said(client(&endpoint, &FLAGS).env("BOOKING_TOKEN", "4111111111111111"), "");
    assert_eq!((code, text.contains("4111")), (Some(2), false), "{text}");
    assert_eq!(sns.published(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_from_a_file_puts_nobody_on_a_command_line_or_a_terminal() {
    let (sns, folder) = (Sns::default(), Folder::new());
    let endpoint = sns.start().await;
    let mut data = bare(&["12A"], TOKEN);
    data["passenger"] = json!({"name": NAME, "email": EMAIL});
    let file = folder.join("request.json");
    std::fs::write(&file, data.to_string()).unwrap();
    let file = file.to_str().unwrap();

    for (args, input) in [
        (vec!["--from-file", file], String::new()),
        (vec!["--from-file", "-", "--json"], data.to_string()),
        (vec!["--from-file", "-", "--id", "b-1"], data.to_string()),
    ] {
        let (code, text) = said(&mut client(&endpoint, &args), &input);
        assert_eq!(code, Some(0), "{args:?}: {text}");
        for secret in [NAME, EMAIL, TOKEN] {
            assert!(!text.contains(secret), "{text}");
        }
        let published = &sns.published()[0];
        assert_eq!(published["data"], data);
        assert!(text.contains(published["subject"].as_str().unwrap()), "{text}");
        assert!(!args.contains(&"--id") || published["subject"] == "b-1", "{published}");
    }

    // A token can be left to the environment; that of the file comes first.
    let mut without = data.clone();
    without["payment"].as_object_mut().unwrap().remove("token");
    for (given, wanted) in [(&without, "tok_other"), (&data, TOKEN)] {
        let mut command = client(&endpoint, &["--from-file", "-"]);
        let (code, text) = said(command.env("BOOKING_TOKEN", "tok_other"), &given.to_string());
        assert_eq!((code, text.contains("tok_other")), (Some(0), false), "{text}");
        assert_eq!(sns.published()[0]["data"]["payment"]["token"], wanted);
    }
    // An id in the file is the booking's.
    let mut named = data.clone();
    named["booking_id"] = "b-7".into();
    let (code, text) = said(&mut client(&endpoint, &["--from-file", "-"]), &named.to_string());
    assert_eq!((code, text.contains("booking b-7")), (Some(0), true), "{text}");
    assert_eq!(sns.published()[0]["subject"], "b-7");

    let mut card = data.clone();
    card["passenger"]["name"] = "4111 1111 1111 1111".into();
    let mut seat = data.clone();
    seat["seats"] = json!(["12A", EMAIL]);
    let too_large = format!("{{\"note\": \"{}\"}}", "x".repeat(300 * 1024));
    for (args, input, code, says) in [
        (vec!["--from-file", "-"], without.to_string(), 2, "payment.token: is missing"),
        (vec!["--from-file", "-"], card.to_string(), 2, "name: holds what could be a card number"),
        (vec!["--from-file", "-"], seat.to_string(), 2, "seats[1]: expected a seat such as 12A"),
        (vec!["--from-file", "-"], format!("{{\"name\": {NAME}"), 2, "line 1 column 10"),
        (vec!["--from-file", "-"], too_large, 2, "245760 bytes"),
        (vec!["--from-file", "-", "--id", "b-8"], named.to_string(), 2, "--id: "),
        (vec!["--from-file", "-", "--name", NAME], data.to_string(), 2, "cannot be used with"),
        (vec!["--from-file", "/no/such/file"], String::new(), 78, "/no/such/file"),
    ] {
        let (ended, text) = said(&mut client(&endpoint, &args), &input);
        assert_eq!(ended, Some(code), "{args:?}: {text}");
        assert!(text.contains(says), "{args:?}: {text:?} does not say {says:?}");
        let quoted = [NAME, EMAIL, TOKEN, "4111"].iter().any(|it| text.contains(it));
        assert!(!quoted, "{text}");
    }
    assert_eq!(sns.published(), Vec::<Value>::new(), "nothing that was refused was published");
}
