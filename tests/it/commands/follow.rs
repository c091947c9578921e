//! `booking show --follow` and `booking list --stuck`, against a status service of a script.

use std::{
    process::{Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    http::{StatusCode, Uri},
    response::Response,
};
use serde_json::{Value, json};

use crate::harness::binary;

/// What status knows of the booking at one moment.
#[derive(Clone, Copy)]
enum Then {
    Nothing,
    Down,
    /// So many facts of a booking in this phase.
    Facts(usize, &'static str, bool),
}

fn answer(then: Then) -> Response {
    let json = |status, body: Value| {
        Response::builder().status(status).body(Body::from(body.to_string())).unwrap()
    };
    let Then::Facts(facts, phase, is_final) = then else {
        return match then {
            Then::Down => json(StatusCode::SERVICE_UNAVAILABLE, json!({"error": "later"})),
            Then::Nothing | Then::Facts(..) => {
                json(StatusCode::NOT_FOUND, json!({"booking_id": "b-1", "phase": "unknown"}))
            }
        };
    };
    let kinds = ["booking-requested", "seat-booked", "payment-ok", "receipt-sent"];
    let entry = |(at, kind): (usize, &&str)| json!({"type": kind, "time": format!("2027-02-01T09:30:0{at}Z"), "source": "/booking/x"});
    let timeline: Vec<Value> = kinds[..facts].iter().enumerate().map(entry).collect();
    let waiting =
        json!([{"event": "payment-ok", "from": "payment", "since": "2027-02-01T09:30:00Z"}]);
    json(
        StatusCode::OK,
        json!({
            "booking_id": "b-1", "phase": phase, "final": is_final, "conflict": false,
            "stuck": false, "waiting_for": if is_final { json!([]) } else { waiting },
            "timeline": timeline, "as_of": "2027-02-01T09:30:00Z",
        }),
    )
}

/// A server that gives one answer after the other, and then the last one again and again.
async fn serve(answers: &'static [Then]) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let url = listen(move |_| {
        let at = count.fetch_add(1, Ordering::Relaxed);
        answer(answers[at.min(answers.len() - 1)])
    });
    (url.await, asked)
}

async fn listen(answer: impl Fn(Uri) -> Response + Clone + Send + Sync + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(move |uri: Uri| {
        let answer = answer(uri);
        async move { answer }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn run(args: Vec<String>) -> (Option<i32>, String, String) {
    let run = move || -> Output { binary().args(args).stdin(Stdio::null()).output().unwrap() };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn follow(url: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let args = [&["show", "b-1", "--follow", "--status-url", url], more].concat();
    run(args.into_iter().map(str::to_owned).collect()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_is_followed_from_before_it_is_seen_to_its_end_over_an_outage_of_status() {
    use Then::{Down, Facts, Nothing};
    let (url, asked) = serve(&[
        Nothing,
        Facts(1, "requested", false),
        Down,
        Down,
        Facts(2, "seat_booked", false),
        Facts(4, "completed", true),
    ])
    .await;
    let (code, out, err) = follow(&url, &[]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(asked.load(Ordering::Relaxed), 6, "{out}");
    assert!(err.contains("booking b-1 has not been seen yet: waiting for it"), "{err}");
    assert_eq!(err.matches("asking again").count(), 1, "an outage is told once: {err}");
    let (followed, whole) = out.split_once("\nbooking b-1  COMPLETED").unwrap();
    assert_eq!(followed.trim_end().lines().count(), 4, "each event once: {out}");
    assert!(whole.contains("receipt-sent"), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_that_ends_otherwise_is_1_and_a_status_that_cannot_be_asked_is_75() {
    let (url, _) = serve(&[Then::Facts(2, "payment_failed", true)]).await;
    let (code, out, _) = follow(&url, &["--json"]).await;
    assert_eq!(code, Some(1));
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["phase"], "payment_failed");
    let (url, _) = serve(&[Then::Down]).await;
    assert_eq!(follow(&url, &[]).await.0, Some(75));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stuck_are_listed_and_behind_the_first_that_is_not_nobody_is_asked_for() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let url = listen(move |uri| {
        assert!(uri.query().is_some_and(|it| it.contains("order=stalest")), "{uri}");
        count.fetch_add(1, Ordering::Relaxed);
        let line = |id: &str, stuck: bool| {
            json!({
                "booking_id": id, "phase": "seat_booked", "final": false, "stuck": stuck,
                "conflict": false, "as_of": "2027-02-01T09:30:00Z", "waiting_for": [],
            })
        };
        let list = json!({"bookings": [line("b-1", true), line("b-2", true), line("b-3", false)],
                          "next": "s.1.b-3"});
        Response::new(Body::from(list.to_string()))
    })
    .await;
    let args = ["list", "--stuck", "--all", "--status-url", &url].map(str::to_owned).to_vec();
    let (code, out, err) = run(args).await;
    assert_eq!((code, asked.load(Ordering::Relaxed)), (Some(0), 1), "{err}");
    assert!(out.contains("b-1") && out.contains("b-2") && !out.contains("b-3"), "{out}");
}
