//! `booking top` on a real terminal: what it shows, what it says is wrong, and what it leaves.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    body::Body,
    http::{StatusCode, Uri},
    response::Response,
};
use booking::domain::{RoleName, event::Kind};
use serde_json::{Value, json};

use crate::harness::{
    Account, Folder, LocalStack, Service, Sketch, Terminal, all_four, binary, eventually, skipped,
};

const SIZE: (u16, u16) = (80, 24);
/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9";

/// A status service of a script, which can be sick.
async fn status(bookings: Value) -> (String, Arc<AtomicBool>) {
    let sick = Arc::new(AtomicBool::new(false));
    let is_sick = Arc::clone(&sick);
    let rate = |kind: Kind| json!({"event": kind, "count": 123, "per_second": 12.3});
    let rates = json!({"as_of": "2027-02-01T09:30:00Z", "window_s": 10.0,
                       "events": Kind::ALL.map(rate)});
    let list = json!({ "bookings": bookings });
    let router = Router::new().fallback(move |uri: Uri| {
        let body = if uri.path() == "/rates" { rates.to_string() } else { list.to_string() };
        let code = match is_sick.load(Ordering::SeqCst) {
            true => StatusCode::SERVICE_UNAVAILABLE,
            false => StatusCode::OK,
        };
        async move { Response::builder().status(code).body(Body::from(body)).unwrap() }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, sick)
}

fn booking(id: &str, stuck: bool, from: &str) -> Value {
    json!({"booking_id": id, "phase": "seat_booked", "final": false, "conflict": false, "stuck": stuck,
           "as_of": "2027-02-01T09:30:00Z",
           "waiting_for": [{"event": "payment-ok", "from": from, "since": "2027-02-01T09:30:00Z"}]})
}

fn top(url: &str, endpoint: &str) -> Terminal {
    let environment = LocalStack::environment_of(endpoint);
    Terminal::start(SIZE, &["top", "--status-url", url], &environment)
}

/// The terminal is as the command found it: with echo, line by line, and with a cursor.
#[track_caller]
fn is_given_back(screen: &str, code: i32) {
    assert!(screen.contains(&format!("ended {code}")), "{screen}");
    let words: Vec<&str> = screen.split([' ', ';', '\n']).collect();
    for setting in ["icanon", "echo", "isig", "opost"] {
        assert!(words.contains(&setting), "-{setting}: {screen}");
    }
    assert!(!screen.contains("booking top"), "the screen of top is gone: {screen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_screen_has_rates_queues_and_stuck_bookings_and_q_ends_it() {
    if skipped("tmux") {
        return;
    }
    let bookings =
        json!([booking("b-stuck", true, "payment"), booking("b-open", false, "payment")]);
    let (url, _) = status(bookings).await;
    let terminal = top(&url, NOBODY);
    terminal.shows("booking-requested       12.3  client → seats, payment, receipt, status").await;
    let screen = terminal.shows("connection refused").await;
    assert_eq!(screen.lines().count(), 24, "{screen}");
    for it in
        ["over the last 10 s", "OPEN BOOKINGS: 2, 1 stuck", "b-open", "payment-ok from payment"]
    {
        assert!(screen.contains(it), "{it}: {screen}");
    }
    let stuck = screen.lines().find(|it| it.contains("b-stuck")).unwrap();
    assert!(stuck.starts_with("stuck"), "{screen}");
    terminal.press("q");
    is_given_back(&terminal.shows("ended").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_is_sick_is_told_in_its_place_and_comes_back() {
    if skipped("tmux") {
        return;
    }
    let (url, sick) = status(json!([booking("b-stuck", true, "payment")])).await;
    let terminal = top(&url, NOBODY);
    terminal.shows("b-stuck").await;
    terminal.shows("connection refused").await;
    sick.store(true, Ordering::SeqCst);
    let screen = terminal.shows("answers 503").await;
    assert!(!screen.contains("b-stuck") && screen.contains("connection refused"), "{screen}");
    sick.store(false, Ordering::SeqCst);
    // The screen also shows an address, and its port may contain any digits.
    let well = |it: &str| it.contains("b-stuck") && !it.contains("answers 503");
    terminal.is("b-stuck again", well).await;
    terminal.press("C-c");
    is_given_back(&terminal.shows("ended").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_status_and_without_credentials_it_says_so_and_goes_on() {
    if skipped("tmux") {
        return;
    }
    let home = Folder::new();
    let mut environment = LocalStack::environment_of(NOBODY);
    environment.retain(|(name, _)| !name.contains("KEY"));
    environment.push(("HOME", home.path().display().to_string()));
    let terminal = Terminal::start(SIZE, &["top", "--status-url", NOBODY], &environment);
    let all = |screen: &str| {
        screen.contains("there are no AWS credentials")
            && screen.matches("cannot ask the status service").count() == 2
    };
    terminal.is("all three to be told", all).await;
    terminal.press("q");
    is_given_back(&terminal.shows("ended").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_follows_the_size_of_the_terminal() {
    if skipped("tmux") {
        return;
    }
    let many: Vec<Value> =
        (0..60).map(|at| booking(&format!("b-{at}z"), true, "payment")).collect();
    let (url, _) = status(many.into()).await;
    let terminal = top(&url, NOBODY);
    let screen = terminal.shows("b-5z").await;
    assert!(!screen.contains("b-6z"), "{screen}");
    terminal.resize(120, 40);
    terminal.shows("b-21z").await;
    for (columns, lines) in [(20, 5), (2, 2), (200, 60)] {
        terminal.resize(columns, lines);
    }
    terminal.shows("b-40z").await;
    terminal.press("q");
    is_given_back(&terminal.shows("ended").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_it_and_the_terminal_is_given_back() {
    if skipped("tmux") {
        return;
    }
    let (url, _) = status(json!([])).await;
    for signal in ["TERM", "INT", "HUP"] {
        let terminal = top(&url, NOBODY);
        terminal.shows("OPEN BOOKINGS: 0").await;
        terminal.signal(signal);
        is_given_back(&terminal.shows("ended").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_hostile_status_says_is_shown_and_not_obeyed() {
    if skipped("tmux") {
        return;
    }
    let hostile = "\u{1b}[2J\u{1b}[H\u{1b}]0;owned\u{7}\u{202e}x";
    let (url, _) = status(json!([booking("b-1", true, hostile)])).await;
    let terminal = top(&url, NOBODY);
    terminal.resize(160, 24);
    let screen = terminal.shows(r"payment-ok from \u{1b}[2J\u{1b}[H").await;
    assert!(screen.starts_with("booking top"), "{screen}");
    terminal.press("q");
    is_given_back(&terminal.shows("ended").await, 0);
}

#[test]
fn without_a_terminal_it_names_the_command_for_pipes() {
    let output = binary().args(["top", "--status-url", NOBODY]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("booking list") && output.stdout.is_empty(), "{said}");
}

/// The real thing: four services, bookings, queues that fill because a service is away, and dead
/// letters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_running_system_it_shows_what_waits_what_died_and_what_a_redrive_would_do() {
    if skipped("tmux") || skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let services = all_four(&account.prefix, folder.path()).await;
    let status = services.iter().find(|it| it.role == RoleName::Status).unwrap();
    let publish = async |it: &str| account.publish(Kind::BookingRequested, it).await;
    publish(&Sketch::new("happy", &["12A"], "tok_visa").cloud_event()).await;
    assert_eq!(status.ending("happy").await["phase"], "completed");
    publish("{").await;
    for role in RoleName::ALL {
        let dlq = account.names.dead_letter_queue(role);
        eventually("a dead letter", async || (account.depth_of(&dlq).await.0 == 1).then_some(()))
            .await;
        // Deletes leave a little later. Whoever ends before that leaves a message on its queue.
        let queue = account.names.queue(role);
        eventually("all to be deleted", async || {
            (account.depth_of(&queue).await == (0, 0)).then_some(())
        })
        .await;
    }
    let url = format!("http://{}", status.address);
    let (status, others): (Vec<Service>, Vec<Service>) =
        services.into_iter().partition(|it| it.role == RoleName::Status);
    drop(others);
    for at in 0..10 {
        let wish = Sketch::new(&format!("waits-{at}"), &["14A"], "tok_visa");
        publish(&wish.cloud_event()).await;
    }

    let mut environment = LocalStack::running().environment();
    environment.extend([
        ("BOOKING_PREFIX", account.prefix.clone()),
        ("BOOKING_DATA", folder.path().display().to_string()),
        ("BOOKING_FLIGHTS", "sample".to_owned()),
    ]);
    let args = ["top", "--status-url", &url, "--dead-letter-reasons"];
    let terminal = Terminal::start((100, 40), &args, &environment);
    let row = |screen: &str, role: &str| -> Vec<String> {
        let line = screen.lines().find(|it| it.starts_with(&format!("{role} ")));
        line.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let wanted = ["payment", "10", "0", "1", "0"];
    let screen = terminal.is("ten that wait", |it| row(it, "payment") == wanted).await;
    assert_eq!(row(&screen, "status")[1..], ["0", "0", "1", "0"], "{screen}");
    let screen = terminal.shows("1 malformed").await;
    let malformed = screen.lines().filter(|it| it.contains("1 malformed"));
    let malformed: Vec<&str> = malformed.collect();
    assert_eq!(malformed.len(), 4, "{screen}");
    assert!(malformed.iter().all(|it| it.ends_with("1 would be set aside again")), "{screen}");
    assert!(screen.contains("OPEN BOOKINGS: 10"), "{screen}");

    // What was looked at is visible again, and another look finds what came meanwhile.
    let lost = Sketch::new("happy", &["12A"], "tok_visa").cloud_event();
    account.put(&account.names.undelivered_queue(RoleName::Seats), &lost).await;
    terminal.press("r");
    let screen = terminal.shows("1 undelivered").await;
    let undelivered = screen.lines().find(|it| it.contains("1 undelivered")).unwrap();
    assert!(undelivered.ends_with("1 would change nothing"), "{screen}");
    terminal.press("q");
    is_given_back(&terminal.shows("ended").await, 0);
    for role in RoleName::ALL {
        let dlq = account.names.dead_letter_queue(role);
        assert_eq!(account.depth_of(&dlq).await, (1, 0), "{role}");
    }
    drop(status);
}
