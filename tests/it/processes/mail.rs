//! Receipts by a mail server, from the whole program: one that can never arrive holds up no other,
//! all wait for a server that is down, and an operator sends one again.

use std::{io::Write, process::Stdio};

use booking::domain::{RoleName, event::Kind};
use serde_json::Value;

use crate::harness::{
    Account, Folder, LocalStack, MailServer, Service, Sketch, all_four, binary, eventually, unique,
};

/// A request whose receipt goes to this address.
fn request(id: &str, seat: &'static str, address: &str) -> String {
    let text = Sketch::new(id, &[seat], "tok_visa").cloud_event();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    event["data"]["passenger"]["email"] = address.into();
    event.to_string()
}

/// The four services, which send by this server.
async fn four(account: &Account, folder: &Folder, server: &MailServer) -> Vec<Service> {
    let mut services = Vec::new();
    for role in RoleName::ALL {
        let localstack = LocalStack::running();
        let mut service = Service::spawn(localstack, role, &account.prefix, folder.path(), |it| {
            it.envs(server.environment());
        });
        service.polls().await;
        services.push(service);
    }
    services
}

/// Failure matrix: E13, E21.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_addressee_who_gets_no_mail_is_set_aside_and_the_others_get_theirs() {
    let (account, folder, server) =
        (Account::make(false).await, Folder::new(), MailServer::start());
    let services = four(&account, &folder, &server).await;
    let [refused, later, good] = ["refused", "later", "good"].map(unique);
    for (id, seat, address) in [
        (&refused, "12A", "refused@example.com"),
        (&later, "12B", "later.once@example.com"),
        (&good, "12C", "good@example.com"),
    ] {
        account.publish(Kind::BookingRequested, &request(id, seat, address)).await;
    }
    for id in [&later, &good] {
        assert_eq!(services[3].ending(id).await["phase"], "completed");
    }
    let dead = account.names.dead_letter_queue(RoleName::Receipt);
    eventually("the receipt that is refused to be set aside", async || {
        (account.depth_of(&dead).await.0 == 1).then_some(())
    })
    .await;
    let (_, view) = services[3].get(&format!("/bookings/{refused}")).await;
    assert_eq!(view["phase"], "confirmed", "paid and seated: {view}");
    let logged = services.iter().map(|it| it.logged()).collect::<String>();
    assert!(logged.contains("550 5.1.1 to RCPT TO") && logged.contains("450 4.2.0 to RCPT TO"));
    assert!(!logged.contains("polling stops"), "one addressee says nothing about the server");
    let addresses = ["later.once@example.com", "good@example.com", "refused@example.com"];
    assert_eq!(addresses.map(|it| server.mails_to(it).len()), [1, 1, 0]);

    let resend = |id: &str| {
        let output = binary()
            .args(["resend", "receipt", id, "--prefix", &account.prefix, "--data"])
            .arg(folder.path())
            .envs(LocalStack::running().environment())
            .envs(server.environment())
            // As the service has it, so that both write the same itinerary.
            .env("BOOKING_FLIGHTS", "sample")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, said) = resend(&good);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("sent again: receipt R-") && said.contains("receipt-sent"), "{said}");
    let copies = server.mails_to("good@example.com");
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[0].text, copies[1].text);
    let files = std::fs::read_dir(folder.join("receipts")).map_or(0, Iterator::count);
    assert_eq!(files, 0, "no receipt is a file");
}

/// Failure matrix: E20.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_that_waited_for_a_mail_server_all_go_out_when_it_is_back() {
    let (account, folder, mut server) =
        (Account::make(false).await, Folder::new(), MailServer::start());
    server.stop();
    let services = four(&account, &folder, &server).await;
    let seats = ["1A", "1B", "1C", "1D", "1E", "1F", "2A", "2B", "2C", "2D", "2E", "2F"];
    let booked = seats.map(|seat| (unique("waits"), seat));
    for (id, seat) in &booked {
        let address = format!("{id}@example.com");
        account.publish(Kind::BookingRequested, &request(id, seat, &address)).await;
    }
    let receipt = services.iter().find(|it| it.role == RoleName::Receipt).unwrap();
    // Before that, it may say for a moment that it has as many in hand as it may.
    eventually("receipt to pause because nobody listens", async || {
        let (_, health) = receipt.get("/health").await;
        health["health"]["paused"].as_str()?.contains("connection refused").then_some(())
    })
    .await;
    assert_eq!(server.mails().len(), 0);
    server.restart();
    for (id, _) in &booked {
        assert_eq!(services[3].ending(id).await["phase"], "completed");
        assert!(!server.mails_to(&format!("{id}@example.com")).is_empty(), "the mail of {id}");
    }
    let dead = account.names.dead_letter_queue(RoleName::Receipt);
    assert_eq!(account.depth_of(&dead).await, (0, 0), "none is set aside");
}

/// A receipt of the folder, which is sent again by the mail server: forty times in one command.
async fn resent(address: &str, password: Option<&str>) -> (Option<i32>, String) {
    let (account, folder, server) =
        (Account::make(false).await, Folder::new(), MailServer::start());
    let id = unique("again");
    let services = all_four(&account.prefix, folder.path()).await;
    account.publish(Kind::BookingRequested, &request(&id, "12A", address)).await;
    assert_eq!(services[3].ending(&id).await["phase"], "completed");
    drop(services);
    let mut command = binary();
    command
        .args(["resend", "receipt", "-", "--prefix", &account.prefix, "--data"])
        .arg(folder.path())
        .envs(LocalStack::running().environment())
        .envs(server.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(password) = password {
        command.env("BOOKING_SMTP_PASSWORD", password);
    }
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{id} ").repeat(40).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_refused_ends_resend_after_three_lots_and_an_addressee_does_not() {
    let (code, said) = resent("ada@example.com", Some("wrong")).await;
    assert_eq!(code, Some(78), "{said}");
    assert_eq!(said.matches("not announced: ").count(), 24, "three lots of eight: {said}");
    assert!(said.contains("24 not announced again"), "{said}");
    let (code, said) = resent("later@example.com", None).await;
    assert_eq!(code, Some(75), "{said}");
    assert_eq!(said.matches("not announced: ").count(), 40, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_stalls_has_eight_receipts_and_the_others_keep_their_receives() {
    let (account, folder, server) =
        (Account::make(false).await, Folder::new(), MailServer::start());
    let services = four(&account, &folder, &server).await;
    for seat in ["1A", "1B", "1C", "1D", "1E", "1F", "2A", "2B", "2C", "2D", "2E", "2F"] {
        let stalls = request(&unique("stalls"), seat, "stalls@example.com");
        account.publish(Kind::BookingRequested, &stalls).await;
    }
    let receipt = services.iter().find(|it| it.role == RoleName::Receipt).unwrap();
    let paused = eventually("receipt to have as many in hand as it may", async || {
        receipt.get("/health").await.1["health"]["paused"].as_str().map(str::to_owned)
    })
    .await;
    assert!(paused.contains("with --mailer smtp, 8 at most"), "{paused}");
}
