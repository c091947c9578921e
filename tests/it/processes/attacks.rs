//! Section I of the failure matrix against the real binary: what a client that may publish on
//! `booking-requested` can do to the bookings of others, tried on four processes.

use booking::{
    audit::Evidence,
    domain::{
        RoleName,
        event::{Event, Kind},
        ids::{BookingId, Cause, outcome_id},
    },
    durability::Durability,
    store::sqlite::Engine,
    wire,
    wiring::{gateway_in, store_file},
};
use serde_json::{Value, json};

use crate::harness::{
    Account, Folder, LocalStack, Service, Sketch, all_four, binary, eventually, skipped,
};

/// The request of `sketch`, which calls itself what `role` will call its outcome of `kind`.
fn called(sketch: &Sketch, role: RoleName, kind: Kind) -> String {
    let id = outcome_id(&sketch.booking(), kind);
    let cause = Cause { source: role.source().to_owned(), id };
    wire::encode(&Event { cause, ..sketch.event() }).unwrap().body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_client_holds_no_cabin_keeps_no_refund_and_tells_no_flight_but_its_own() {
    if skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let services = all_four(&account.prefix, folder.path()).await;
    let status = &services[3];
    the_cabin_held_by_declines(&account, status, &folder).await;
    the_swallowed_refund(&account, status, &folder).await;
    the_other_flight(&account, status).await;
    the_id_that_was_taken(&account, status).await;
    drop(services);
    assert_eq!(Evidence::read(folder.path()).unwrap().violations(), []);
}

/// I2, I7: twenty declined cards whose requests call themselves their own `payment-failed`.
async fn the_cabin_held_by_declines(account: &Account, status: &Service, folder: &Folder) {
    let mut mine = Vec::new();
    for row in 1..=20 {
        let seats = ["A", "B", "C", "D", "E", "F"].map(|it| &*format!("{row}{it}").leak());
        let sketch = Sketch::new(&format!("cabin-{row}"), &seats, "tok_declined");
        let text = called(&sketch, RoleName::Payment, Kind::PaymentFailed);
        account.publish(Kind::BookingRequested, &text).await;
        mine.push(sketch.id);
    }
    for id in &mine {
        status.ending(id).await;
    }
    // An honest passenger gets a seat of each of the rows.
    let seats: Vec<&str> = (1..=9).map(|row| &*format!("{row}A").leak()).collect();
    let honest = Sketch::new("honest", &seats, "tok_visa");
    account.publish(Kind::BookingRequested, &honest.cloud_event()).await;
    assert_eq!(status.ending("honest").await["phase"], "completed");
    let held = eventually("the seats of declined cards to be free", async || {
        let rows = rows(folder, RoleName::Seats);
        let held = rows.iter().filter(|(key, body)| {
            key.starts_with("seat/") && mine.iter().any(|it| body.contains(&format!("\"{it}\"")))
        });
        Some(held.count()).filter(|it| *it == 0)
    });
    assert_eq!(held.await, 0, "seats held afterwards");
}

/// I2: a request that calls itself its own `seat-unavailable` is charged and has no seat.
async fn the_swallowed_refund(account: &Account, status: &Service, folder: &Folder) {
    let sketch = Sketch::new("refund", &["1A"], "tok_visa");
    let named = called(&sketch, RoleName::Seats, Kind::SeatUnavailable);
    account.publish(Kind::BookingRequested, &named).await;
    account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    // What was refused is an ending of its own, until the other request is heard of.
    let view = eventually("the other request to end", async || {
        let view = status.ending("refund").await;
        (view["phase"] != "rejected").then_some(view)
    });
    assert_ne!(view.await["phase"], "completed");
    let gateway = gateway_in(folder.path(), std::time::Duration::ZERO, Durability::ProcessDeath);
    let booking = BookingId::parse("refund").unwrap();
    let ledger = gateway.unwrap().ledger_of(&booking).await.unwrap();
    let refunds = ledger.iter().filter(|it| it.movement == "refund").count();
    assert_eq!(ledger.len(), 2 * refunds, "charged without a seat: {ledger:?}");
}

/// I4: six later requests under the id of a completed booking.
async fn the_other_flight(account: &Account, status: &Service) {
    let own = Sketch::new("own", &["25A"], "tok_visa");
    account.publish(Kind::BookingRequested, &own.cloud_event()).await;
    let before = status.ending("own").await;
    assert_eq!(before["phase"], "completed");
    for row in 1..=6 {
        let mut other: Value = serde_json::from_str(&own.cloud_event()).unwrap();
        other["id"] = json!(format!("other-{row}"));
        other["time"] = json!("1970-01-01T00:00:00Z");
        other["data"]["flight"] = json!("WA240");
        other["data"]["seats"] = json!([format!("2{row}C")]);
        other["data"]["payment"]["amount"]["minor"] = json!(row);
        account.publish(Kind::BookingRequested, &other.to_string()).await;
    }
    let view = eventually("status to hear of all requests", async || {
        let (_, view) = status.get("/bookings/own").await;
        let requests = view["timeline"].as_array()?.iter();
        let requests = requests.filter(|it| it["type"] == "booking-requested").count();
        (requests == 7).then_some(view)
    })
    .await;
    for told in ["phase", "flight", "date", "seats", "receipt", "request_digest"] {
        assert_eq!(view[told], before[told], "{told}");
    }
    let amounts: Vec<&Value> = view["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["type"] == "booking-requested")
        .filter_map(|it| it.get("amount"))
        .collect();
    assert_eq!(amounts, [&json!({"minor": 12900, "currency": "EUR"})], "of its own request alone");
    assert_eq!(view["conflict"], true);
}

/// I5: somebody else came first under this id; who follows a request is not shown theirs.
async fn the_id_that_was_taken(account: &Account, status: &Service) {
    let first = Sketch::new("taken", &["26A"], "tok_visa");
    account.publish(Kind::BookingRequested, &first.cloud_event()).await;
    assert_eq!(status.ending("taken").await["phase"], "completed");
    let mut request = binary();
    request
        .args(["request", "--watch", "--id", "taken", "--prefix", &account.prefix])
        .args(["--flight", "WA117", "--date", "2027-03-01", "--seat", "26B", "--name", "Bob"])
        .args(["--email", "bob@example.com", "--token", "tok_visa", "--amount", "EUR 1.00"])
        .args(["--status-url", &format!("http://{}", status.address)])
        .envs(LocalStack::running().environment());
    let output = tokio::task::spawn_blocking(move || request.output().unwrap()).await.unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("CONFLICT") && !text.contains("26A"), "{text}");
}

fn rows(folder: &Folder, role: RoleName) -> Vec<(String, String)> {
    let file = store_file(folder.path(), role);
    Engine::open_read_only(&file, role).unwrap().all().unwrap()
}

/// What somebody else sent under the id of a request, refused or not answered, is not its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_a_request_waits_for_its_own_end() {
    if skipped("localstack") {
        return;
    }
    let view = |phase: &str, is_final: bool, more: Value| {
        let mut view = json!({
            "booking_id": "w-1", "phase": phase, "final": is_final, "conflict": false, "stuck": false,
            "waiting_for": [], "timeline": [], "as_of": "2027-02-01T09:30:00Z",
        });
        view.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        view.to_string()
    };
    let entry = |kind: &str| {
        let time = "2027-02-01T09:30:00Z";
        json!({"type": kind, "time": time, "source": "client", "reason": "a stranger's"})
    };
    let other = Sketch::new("w-1", &["26A"], "tok_visa").event().digest;
    let heard = json!({"request_digest": other, "timeline": [entry("booking-requested")]});
    let refused = json!({"rejections": ["a stranger's"], "timeline": [entry("rejected")]});
    // Asked first whether there is a status service at all, then again and again.
    let answers = [
        view("rejected", true, refused.clone()),
        view("rejected", true, refused),
        view("requested", false, heard),
        view("completed", true, json!({})),
    ];
    let (url, asked) = telling(answers.to_vec()).await;
    let account = Account::make(false).await;
    let mut request = binary();
    request
        .args(["request", "--watch", "--id", "w-1", "--prefix", &account.prefix])
        .args(["--flight", "WA117", "--date", "2027-03-01", "--seat", "26B", "--name", "Bob"])
        .args(["--email", "bob@example.com", "--token", "tok_visa", "--amount", "EUR 1.00"])
        .args(["--status-url", &url])
        .envs(LocalStack::running().environment());
    let output = tokio::task::spawn_blocking(move || request.output().unwrap()).await.unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("COMPLETED") && !text.contains("a stranger's"), "{text}");
    assert!(asked.load(std::sync::atomic::Ordering::SeqCst) >= answers.len(), "{text}");
}

/// A status service that gives these answers one after the other, the last one for ever; and how
/// often it was asked.
async fn telling(answers: Vec<String>) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    let answer = move || {
        let at = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let answer = answers[at.min(answers.len() - 1)].clone();
        async move { ([("content-type", "application/json")], answer) }
    };
    let router = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}
