//! Checks what the gateway `stripe` shows, and where it sends its key. The key must never appear in
//! anything that the program shows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use booking::{
    domain::{RoleName, event::Kind},
    gateway::{
        Gateway, GatewayError,
        stripe::{StripeGateway, StripeKey},
    },
    runtime::Chain,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    contracts::gateway::{booking, fare, token},
    harness::{
        Account, Folder, KEY, LocalStack, Service, Sketch, Stripe, binary, eventually, skipped,
    },
};

/// How long the gateway waits for an answer.
const LIMIT: Duration = Duration::from_secs(5);
/// A key in the form of a live key. It belongs to no account.
const LIVE_KEY: &str = "sk_live_worth_a_lot";
/// The most bytes of an answer that the gateway reads: 1 MiB.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Failure matrix: D24.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_refused_is_said_without_the_key() {
    if skipped("stripe") {
        return;
    }
    // localstripe accepts every key that begins with sk_, and this key does not.
    let gateway = Stripe::running().gateway_with("rk_test_nobody_knows", LIMIT);
    let error = gateway.charge(&booking("a"), &token("tok_visa"), fare()).await.unwrap_err();
    assert!(matches!(error, GatewayError::KeyRefused { .. }), "{error}");
    let told = format!("{} {error:?} {gateway:?}", Chain(&error));
    assert!(told.contains("refuses our key") && !told.contains("nobody_knows"), "{told}");
}

#[tokio::test]
async fn who_cannot_reach_stripe_says_neither_key_nor_token_nor_booking() {
    let key = StripeKey::parse(KEY).unwrap();
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let gateway = StripeGateway::new(&nowhere, &key, LIMIT).unwrap();
    let a = booking("a");
    let error = gateway.charge(&a, &token("tok_secret"), fare()).await.unwrap_err();
    let unfound = gateway.find(&a).await.unwrap_err();
    for error in [error, unfound] {
        let told = format!("{} {error:?}", Chain(&error));
        for secret in [KEY, "tok_secret", a.as_str()] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

/// Answers every request with these bytes. Returns the address, and a count of the requests.
async fn answering(answer: Vec<u8>) -> (reqwest::Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&answer).await;
        }
    });
    (url, asked)
}

async fn charged_at(url: &reqwest::Url) -> GatewayError {
    let key = StripeKey::parse(KEY).unwrap();
    let gateway = StripeGateway::new(url, &key, LIMIT).unwrap();
    gateway.charge(&booking("a"), &token("tok_visa"), fare()).await.unwrap_err()
}

#[tokio::test]
async fn a_redirect_is_not_followed_so_no_other_host_gets_the_key() {
    let (elsewhere, asked_elsewhere) = answering(Vec::new()).await;
    for status in [302, 307, 308] {
        let redirect = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\
             connection: close\r\n\r\n"
        );
        let (url, asked) = answering(redirect.into_bytes()).await;
        let error = charged_at(&url).await;
        assert!(matches!(error, GatewayError::Unreachable(_)), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
    assert_eq!(asked_elsewhere.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_no_answer() {
    // This is an intent of a charge, followed by white space.
    let intent = json!({"object": "payment_intent", "id": "pi_1", "status": "succeeded",
                        "amount": 12900, "currency": "eur"});
    let body = format!("{intent}{}", " ".repeat(ANSWER_BYTES_MAX));
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let (url, _) = answering([head, body].concat().into_bytes()).await;
    let error = charged_at(&url).await;
    assert!(Chain(&error).to_string().contains("too long"), "{}", Chain(&error));
}

/// A real `booking payment --gateway stripe` with this key, at the most detailed log level.
async fn payment(account: &Account, folder: &Folder, key: &str) -> Service {
    let url = Stripe::running().url();
    let (role, prefix) = (RoleName::Payment, &account.prefix);
    let adapt = |it: &mut std::process::Command| {
        it.args(["--gateway", "stripe"]).env("RUST_LOG", "trace");
        it.envs([("BOOKING_STRIPE_KEY", key), ("BOOKING_STRIPE_URL", url)]);
    };
    let mut service = Service::spawn(LocalStack::running(), role, prefix, folder.path(), adapt);
    service.polls().await;
    service
}

/// Checks that no log line, command line, health answer or metric of the service has this text.
async fn shows_nowhere(service: &Service, secret: &str) {
    let command_line = format!("/proc/{}/cmdline", service.pid());
    // On a system without this file there is nothing to check.
    let command_line = std::fs::read_to_string(command_line).unwrap_or_default();
    let health = service.get("/health").await.1.to_string();
    for seen in [service.logged(), command_line, health, service.metrics().await] {
        assert!(!seen.contains(secret), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_charges_by_stripe_and_nothing_that_it_shows_has_its_key_or_a_token() {
    if skipped("stripe") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let service = payment(&account, &folder, KEY).await;
    let (paid, declined) = (booking("paid"), booking("declined"));
    for (id, token) in [(&paid, "tok_visa"), (&declined, "tok_declined")] {
        let request = Sketch::new(id.as_str(), &["12A"], token).cloud_event();
        account.publish(Kind::BookingRequested, &request).await;
    }
    eventually("a charge and a decline", async || {
        let moved = [
            Stripe::running().moved_of(&paid).await.charges.len(),
            Stripe::running().moved_of(&declined).await.others.len(),
        ];
        let settled = service.logged().matches("\"settled\"").count();
        (moved == [1, 1] && settled >= 2).then_some(())
    })
    .await;
    for secret in [KEY, "tok_visa", "tok_declined"] {
        shows_nowhere(&service, secret).await;
    }
}

/// Failure matrix: D24.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_says_that_the_key_is_refused_and_no_booking_fails_for_it() {
    const REFUSED: &str = "rk_test_nobody_knows";
    if skipped("stripe") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let service = payment(&account, &folder, REFUSED).await;
    for seat in ["1A", "1B", "1C", "1D", "1E", "1F"] {
        let request = Sketch::new(booking(seat).as_str(), &[seat], "tok_visa").cloud_event();
        account.publish(Kind::BookingRequested, &request).await;
    }
    eventually("health to say why", async || {
        let health = service.get("/health").await.1.to_string();
        health.contains("refuses our key or our account").then_some(())
    })
    .await;
    assert!(!service.logged().contains("set aside") && !service.logged().contains("settled"));
    shows_nowhere(&service, REFUSED).await;
}

/// The exit code of `booking payment --gateway stripe` with these variables, and all its output.
fn begun(environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = Folder::new();
    let begun = binary().arg("init").current_dir(folder.path()).output().unwrap();
    assert!(begun.status.success());
    let output = binary()
        .args(["payment", "--gateway", "stripe"])
        .envs(environment.iter().copied())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", folder.path())
        .env("RUST_LOG", "trace")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).unwrap())
}

#[test]
fn a_live_key_and_an_address_without_tls_are_refused_with_78_and_the_key_is_not_told() {
    let url = ("BOOKING_STRIPE_URL", "http://127.0.0.1:9");
    let (code, told) = begun(&[url, ("BOOKING_STRIPE_KEY", LIVE_KEY)]);
    assert_eq!(code, Some(78), "{told}");
    assert!(told.contains("a live key goes to an https:// address") && !told.contains(LIVE_KEY));
    // With TLS the key is accepted, and the program stops at the next missing setting.
    let (code, told) = begun(&[("BOOKING_STRIPE_KEY", LIVE_KEY)]);
    assert_eq!(code, Some(78), "{told}");
    assert!(told.contains("AWS_REGION") && !told.contains(LIVE_KEY), "{told}");
    assert!(!told.contains("test key"), "{told}");
}

#[test]
fn an_address_that_stripe_cannot_have_is_refused_with_78_and_not_told() {
    let parts = "expected an address without user, password, query and fragment";
    let scheme = "it does not begin with http:// or https://";
    for (address, why) in [
        ("https://ada:worth-a-lot@x.com", parts),
        ("https://worth-a-lot@x.com", parts),
        ("https://x.com?key=worth-a-lot", parts),
        ("ftp://ada:worth-a-lot@x.com", scheme),
        ("ada:worth-a-lot@x.com", scheme),
        ("worth-a-lot.com", "it is not a URL"),
    ] {
        let settings = [("BOOKING_STRIPE_URL", address), ("BOOKING_STRIPE_KEY", KEY)];
        let (code, told) = begun(&settings);
        assert_eq!(code, Some(78), "{told}");
        assert!(told.contains(why), "{told}");
        assert!(!told.contains("worth-a-lot"), "{told}");
    }
}

#[test]
fn a_test_key_is_said_at_the_start_and_never_shown() {
    let folder = Folder::new();
    let file = folder.join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let file = ("BOOKING_STRIPE_KEY_FILE", file.to_str().unwrap());
    for given in [("BOOKING_STRIPE_KEY", KEY), file] {
        let (code, told) = begun(&[given]);
        assert_eq!(code, Some(78), "{told}");
        assert!(told.contains("AWS_REGION"), "{told}");
        assert_eq!(told.matches("test key: no real money moves").count(), 1, "{told}");
        assert!(!told.contains(KEY), "{told}");
    }
    let (code, told) = begun(&[("BOOKING_STRIPE_KEY", KEY), file]);
    assert_eq!(code, Some(78));
    assert!(told.contains("both set: give one of them") && !told.contains(KEY), "{told}");
}

#[test]
fn what_is_no_key_is_refused_and_not_repeated() {
    for wrong in ["pk_test_published", "hunter2"] {
        let (code, told) = begun(&[("BOOKING_STRIPE_KEY", wrong)]);
        assert_eq!(code, Some(78), "{told}");
        assert!(told.contains("expected a secret or restricted key") && !told.contains(wrong));
    }
}

#[test]
fn the_help_of_payment_shows_no_key_and_no_address_that_is_set() {
    let url = "https://user:hidden-password@example.com";
    let output = binary()
        .args(["payment", "--help"])
        .envs([("BOOKING_STRIPE_KEY", LIVE_KEY), ("BOOKING_STRIPE_URL", url)])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("--stripe-key-file"), "{told}");
    assert!(!told.contains(LIVE_KEY) && !told.contains("hidden-password"), "{told}");
}
