//! A command that takes longer than two seconds says so, to a person at a terminal and to nobody
//! else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Body, http::Uri, response::Response};
use booking::domain::RoleName;
use serde_json::{Value, json};

use tokio::sync::Semaphore;

use crate::harness::{Account, Fate, Folder, LocalStack, PATIENCE, Terminal, Way, binary, skipped};

/// The size of the terminals.
const SIZE: (u16, u16) = (80, 24);
/// How long a peer is slow where nothing must be shown meanwhile: longer than a command is quiet.
const SLOW: Duration = Duration::from_secs(5);

/// A status service that answers after this.
async fn status<F>(first: impl Fn() -> F + Clone + Send + Sync + 'static) -> String
where
    F: Future<Output = ()> + Send,
{
    let view = json!({
        "booking_id": "b-1", "phase": "completed", "final": true, "conflict": false, "stuck": false,
        "waiting_for": [], "rejections": [], "timeline": [], "as_of": "2027-02-01T09:30:00Z",
    });
    let router = Router::new().fallback(move || {
        let (body, first) = (view.to_string(), first());
        async move {
            first.await;
            Response::new(Body::from(body))
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// What a command that prints nothing about its progress says, on a terminal.
async fn says_nothing_of(terminal: &Terminal, progress: &str) -> String {
    // Looked at as often as it can be: the line would be there for seconds.
    terminal
        .is("it to end", |screen| {
            assert!(!screen.contains(progress), "{screen}");
            screen.contains("ended")
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_command_shows_on_a_terminal_that_it_goes_on_and_takes_it_away_at_the_end() {
    if skipped("tmux") {
        return;
    }
    let told = Arc::new(Semaphore::new(0));
    let answer = Arc::clone(&told);
    let url = status(move || {
        let answer = Arc::clone(&answer);
        async move { drop(answer.acquire().await) }
    })
    .await;
    let terminal = Terminal::start(SIZE, &["show", "b-1", "--status-url", &url], &[]);
    let screen = terminal.shows("asks the status service (").await;
    assert!(!screen.contains("COMPLETED"), "{screen}");
    told.add_permits(1);
    let screen = terminal.shows("ended 0").await;
    assert!(screen.starts_with("booking b-1  COMPLETED"), "nothing is left of it: {screen}");
    assert!(!screen.contains("asks the status service"), "{screen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_a_quick_command_nor_one_that_prints_json_shows_any_progress() {
    if skipped("tmux") {
        return;
    }
    let slow = status(|| tokio::time::sleep(SLOW)).await;
    let quick = status(async || ()).await;
    for args in [
        &["show", "b-1", "--status-url", &quick][..],
        &["show", "b-1", "--json", "--status-url", &slow],
    ] {
        let terminal = Terminal::start(SIZE, args, &[]);
        let screen = says_nothing_of(&terminal, "asks the status").await;
        assert!(screen.contains("ended 0"), "{args:?}: {screen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_pipe_nothing_is_said_but_the_answer() {
    let url = status(|| tokio::time::sleep(SLOW)).await;
    let output = tokio::task::spawn_blocking(move || {
        binary().args(["show", "b-1", "--status-url", &url]).output().unwrap()
    });
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty() && output.stdout.starts_with(b"booking b-1"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_demo_counts_its_bookings_on_a_terminal() {
    if skipped("tmux") {
        return;
    }
    let folder = Folder::new();
    let temporary = ("TMPDIR", folder.path().display().to_string());
    let terminal = Terminal::start(SIZE, &["demo", "--bookings", "20000"], &[temporary]);
    let screen = terminal.shows(" of 20000 (").await;
    assert!(screen.contains("demo ["), "{screen}");
}

/// Every command that walks over dead letters: the line stays below what is printed meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_walk_over_dead_letters_says_how_far_it_is() {
    if skipped("tmux") || skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let queue = account.names.undelivered_queue(RoleName::Status);
    for _ in 0..3 {
        account.put(&queue, "{").await;
    }
    let url = account.url(&queue).await;
    for (args, says) in [
        (&["dlq", "ls", "status"][..], "3 messages: 0 on"),
        (&["dlq", "redrive", "status"], "3 messages put back"),
    ] {
        // The messages come at once. The next receives are answered when the progress was seen.
        let (url, is_first, seen) = (url.clone(), AtomicBool::new(true), Arc::default());
        let is_seen: Arc<AtomicBool> = Arc::clone(&seen);
        let held = move |operation: &str, _, asked: &Value| {
            let is_held = operation == "ReceiveMessage"
                && asked["QueueUrl"] == json!(url)
                && !is_first.swap(false, Ordering::SeqCst);
            let deadline = Instant::now() + PATIENCE;
            while is_held && !is_seen.load(Ordering::SeqCst) && Instant::now() < deadline {
                // On a thread that nothing else of the test needs.
                tokio::task::block_in_place(|| std::thread::sleep(Duration::from_millis(20)));
            }
            Fate::Pass
        };
        let way = Way::to(&LocalStack::running().endpoint, held).await;
        let mut environment = LocalStack::environment_of(&way.endpoint);
        environment.extend([
            ("BOOKING_PREFIX", account.prefix.clone()),
            ("BOOKING_DATA", folder.path().display().to_string()),
        ]);
        let terminal = Terminal::start((120, 24), args, &environment);
        let screen = terminal.shows("dead letters: looked at 3, ").await;
        assert!(!screen.contains(says), "{screen}");
        seen.store(true, Ordering::SeqCst);
        let screen = terminal.shows("ended 0").await;
        assert!(screen.contains(says) && !screen.contains("looked at"), "{screen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_is_on_its_way_is_counted_hop_by_hop() {
    if skipped("tmux") || skipped("localstack") {
        return;
    }
    // A status service that hears nothing.
    let router = Router::new().fallback(async |uri: Uri| {
        let canary = uri.path().rsplit('/').next().unwrap_or_default();
        Response::new(Body::from(json!({"canary": canary, "hops": []}).to_string()))
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let account = Account::make(false).await;
    let mut environment = LocalStack::running().environment();
    environment.push(("BOOKING_PREFIX", account.prefix.clone()));
    let args = ["check", "--canary", "--timeout", "8s", "--status-url", &url];
    let terminal = Terminal::start(SIZE, &args, &environment);
    terminal.shows("checks: canary on 0 of ").await;
    let screen = terminal.shows("ended 1").await;
    assert!(!screen.contains("checks: canary"), "{screen}");
}
