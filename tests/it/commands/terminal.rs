//! What a server says reaches a terminal as text, and never as a command to it.

use std::{convert::Infallible, process::Output};

use axum::{
    Router,
    body::{Body, Bytes},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    harness::{binary, root},
    repository::layers::sources,
};

/// What a terminal obeys, hides or turns around: escape sequences, C1 controls, bidirectional
/// overrides and isolates, zero-width letters, separators of lines, and a line break.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{90}q\u{9c}\u{7f}\r\n\u{85}\u{202e}\u{2066}\
\u{2069}\u{200b}\u{200d}\u{2060}\u{feff}\u{ad}\u{61c}\u{2028}\u{2029}\u{e0041}STUCK";

/// A server that answers everything with this.
async fn serve(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = Router::new().fallback(move || {
        let answer = answer();
        async move { answer }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn run(args: &[&str]) -> Output {
    binary().args(args).output().unwrap()
}

/// A booking in which every text that a server chooses freely is this one.
fn view(text: &str) -> Value {
    let entry = |kind: &str| {
        json!({"type": kind, "time": "2027-02-01T09:30:00Z", "source": text, "reason": text,
        "receipt": text})
    };
    json!({
        "booking_id": "b-1", "phase": "completed", "final": true, "conflict": false, "stuck": false,
        "waiting_for": [], "receipt": {"number": text, "valid": true}, "rejections": [text],
        "timeline": [entry("booking-requested"), entry(text)], "as_of": "2027-02-01T09:30:00Z",
    })
}

#[track_caller]
fn nothing_is_obeyed(output: &Output) -> String {
    let text = String::from_utf8([&*output.stdout, &*output.stderr].concat()).unwrap();
    for letter in HOSTILE.chars().filter(|it| !it.is_ascii_graphic() && *it != '\n') {
        assert!(!text.contains(letter), "{letter:?} is in {text:?}");
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_status_server_says_is_text_on_a_terminal_and_adds_no_line() {
    let answer = |text: &'static str| move || Response::new(Body::from(view(text).to_string()));
    let harmless = format!("http://{}", serve(answer("x")).await);
    let hostile = format!("http://{}", serve(answer(HOSTILE)).await);
    let lines = |url: &str, more: &[&str]| {
        let output = run(&[&["show", "b-1", "--status-url", url], more].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        nothing_is_obeyed(&output).lines().count()
    };
    assert_eq!(lines(&hostile, &[]), lines(&harmless, &[]));
    assert_eq!(lines(&hostile, &["--json"]), 1);
    let output = run(&["show", "b-1", "--json", "--status-url", &hostile]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["rejections"], json!([HOSTILE]), "a program gets what was said");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_answer_is_an_error_that_quotes_nothing_that_is_obeyed() {
    for body in [HOSTILE.to_owned(), json!({"phase": HOSTILE, "bookings": HOSTILE}).to_string()] {
        let said = body.clone();
        let address = serve(move || Response::new(Body::from(said.clone()))).await;
        let url = format!("http://{address}");
        for args in [&["show", "b-1"][..], &["list"], &["list", "--json"]] {
            let output = run(&[args, &["--status-url", &url]].concat());
            assert_eq!(output.status.code(), Some(75), "{output:?}");
            assert_eq!(nothing_is_obeyed(&output).lines().count(), 1, "{output:?}");
        }
    }
    let address = serve(|| {
        let sick = axum::http::StatusCode::SERVICE_UNAVAILABLE;
        Response::builder().status(sick).body(Body::from(HOSTILE)).unwrap()
    });
    let output = run(&["healthcheck", "--http", &address.await]);
    assert_eq!(output.status.code(), Some(1));
    let text = nothing_is_obeyed(&output);
    assert!(text.contains("is not healthy") && text.lines().count() == 1, "{text}");
}

/// More than any computer has, as fast as it is read: white space, which JSON may begin with.
fn endless() -> Body {
    let chunk = Ok::<_, Infallible>(Bytes::from(vec![b' '; 64 * 1024]));
    Body::from_stream(futures_util::stream::repeat(chunk))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_does_not_end_is_cut_off_at_a_bound() {
    let address = serve(|| Response::new(endless())).await;
    let url = format!("http://{address}");
    for (args, says) in [
        (["show", "b-1", "--status-url", &url].as_slice(), "more than 1 MiB"),
        (&["show", "b-1", "--json", "--status-url", &url], "more than 1 MiB"),
        (&["list", "--status-url", &url], "more than 4 MiB"),
    ] {
        let output = run(args);
        let text = nothing_is_obeyed(&output);
        assert_eq!((output.status.code(), text.lines().count()), (Some(78), 1), "{text}");
        assert!(text.contains(says), "{args:?}: {text}");
    }
    let sick = axum::http::StatusCode::SERVICE_UNAVAILABLE;
    let address = serve(move || Response::builder().status(sick).body(endless()).unwrap()).await;
    let output = run(&["healthcheck", "--http", &address]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.len() < 1024, "{} bytes", output.stderr.len());
}

#[test]
fn only_one_room_writes_to_the_terminal() {
    let mut files = sources(&root().join("src"));
    files.retain(|it| !it.ends_with("cli/terminal.rs") && !it.ends_with("telemetry.rs"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in ["stdout()", "stderr()", "print!(", "println!("] {
            assert!(!text.contains(word), "{} writes by itself: {word}", file.display());
        }
    }
}
