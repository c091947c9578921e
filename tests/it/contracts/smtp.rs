//! A mail server that refuses, stalls, cuts and dies: what the mailer makes of each answer, and
//! that it never repeats one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use booking::{
    mailer::{
        DEFAULT_SENDER, Letterhead, MailError, Mailer,
        smtp::{Encryption, Server, SmtpMailer},
    },
    runtime::Chain,
};

use super::mailer::receipt_to;
use crate::harness::{MAIL_PASSWORD, MAIL_USER, MailServer, eventually, free_port};

/// How long the mailer waits where an answer comes.
const LIMIT: Duration = Duration::from_secs(20);
/// How long it waits where none comes.
const SHORT: Duration = Duration::from_secs(2);

fn mailer(server: Server, limit: Duration) -> SmtpMailer {
    SmtpMailer::new(server, Arc::default(), limit)
}

/// What the error is, in one word.
fn kind(sent: &Result<(), MailError>) -> &'static str {
    match sent {
        Ok(()) => "sent",
        Err(MailError::Unwritable { .. }) => "unwritable",
        Err(MailError::AddressRefused { .. }) => "address refused",
        Err(MailError::Undecided { .. }) => "undecided",
        Err(MailError::WeAreRefused { .. }) => "we are refused",
        Err(MailError::Failed { .. }) => "failed",
    }
}

/// The error and its causes, which say nothing that is nobody's business.
fn told(error: &MailError) -> String {
    let told = Chain(error).to_string();
    for secret in [MAIL_PASSWORD, "example.com", "hunter2"] {
        assert!(!format!("{told} {error:?}").contains(secret), "{told} {error:?}");
    }
    told
}

/// Failure matrix: E13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_mail_server_does_is_about_the_address_or_about_us_or_about_neither() {
    let server = MailServer::start();
    for (name, limit, wanted, copies, says) in [
        ("refused", LIMIT, "address refused", 0, "550 5.1.1 to RCPT TO"),
        ("unwanted", LIMIT, "address refused", 0, "550 5.1.1 to the text of the mail"),
        ("spam", LIMIT, "undecided", 0, "554 5.7.1 to the text of the mail"),
        ("later", LIMIT, "undecided", 0, "450 4.2.0 to RCPT TO"),
        ("full", LIMIT, "failed", 0, "452 4.3.1 to RCPT TO"),
        ("relayed", LIMIT, "we are refused", 0, "554 5.7.1 to RCPT TO"),
        ("odd", LIMIT, "failed", 0, "the text of the mail"),
        // The refusal is the answer, although clearing the connection takes too long.
        ("stalls.reset", SHORT, "address refused", 0, "550 5.1.1 to RCPT TO"),
        // Each step is in time, and all of them together are not.
        ("slow", SHORT, "failed", 0, "did not take it in time"),
        ("stalls", SHORT, "failed", 0, "did not answer in time to RCPT TO"),
        ("stalls.text", SHORT, "failed", 0, "did not answer in time to the text of the mail"),
        ("cut", LIMIT, "failed", 0, "RCPT TO"),
        ("cut.text", LIMIT, "failed", 0, "the text of the mail"),
        ("cut.after", LIMIT, "failed", 1, "the text of the mail"),
        ("hangs.up", LIMIT, "sent", 1, ""),
    ] {
        let mailer = mailer(server.as_known(Encryption::StartTls), limit);
        let address = format!("{name}@example.com");
        // Over a connection that was used before, as usual.
        mailer.send(&receipt_to("before@example.com")).await.unwrap();
        let sent = mailer.send(&receipt_to(&address)).await;
        assert_eq!(kind(&sent), wanted, "{name}: {sent:?}");
        if let Err(error) = &sent {
            assert!(told(error).contains(says), "{name}: {}", told(error));
        }
        assert_eq!(server.mails_to(&address).len(), copies, "{name}");
        // Whatever happened, the next receipt arrives.
        let next = format!("after.{name}@example.com");
        mailer.send(&receipt_to(&next)).await.unwrap();
        assert_eq!(server.mails_to(&next).len(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_is_used_again_even_after_an_address_that_is_refused() {
    let server = MailServer::start();
    for encryption in [Encryption::StartTls, Encryption::Implicit, Encryption::Off] {
        let mailer = mailer(server.as_known(encryption), LIMIT);
        let before = server.mails().len();
        for name in ["a", "b", "refused", "c", "later", "d"] {
            let sent = mailer.send(&receipt_to(&format!("{name}@example.com"))).await;
            assert_eq!(sent.is_ok(), name.len() == 1, "{name}");
        }
        let mails = &server.mails()[before..];
        assert_eq!(mails.len(), 4);
        assert!(mails.iter().all(|it| it.connection == mails[0].connection), "{mails:?}");
        assert!(mails.iter().all(|it| it.login == (encryption != Encryption::Off)));
        assert!(mails.iter().all(|it| it.from == "receipts@booking.example"));
    }
}

/// Failure matrix: E9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_server_that_died_with_the_mail_there_is_one_more_copy_of_the_same_mail() {
    let mut server = MailServer::start();
    let mailer = mailer(server.as_known(Encryption::StartTls), LIMIT);
    let receipt = receipt_to("dies.once@example.com");
    let sent = mailer.send(&receipt).await;
    assert_eq!(kind(&sent), "failed");
    eventually("the server to end", async || server.has_ended().then_some(())).await;
    let sent = mailer.send(&receipt).await;
    assert_eq!(kind(&sent), "failed", "nobody listens: {sent:?}");
    assert!(told(&sent.unwrap_err()).contains("connection refused"));
    server.restart();
    mailer.send(&receipt).await.unwrap();
    let copies = server.mails_to("dies.once@example.com");
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[0].text, copies[1].text, "the same Message-ID, and all the rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_server_closed_meanwhile_costs_no_receipt() {
    let mut server = MailServer::start();
    let mailer = mailer(server.as_known(Encryption::StartTls), LIMIT);
    mailer.send(&receipt_to("a@example.com")).await.unwrap();
    server.stop();
    server.restart();
    mailer.send(&receipt_to("b@example.com")).await.unwrap();
    assert_eq!(server.mails_to("b@example.com").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_let_in_says_so_and_what_to_look_at() {
    let server = MailServer::start();
    let authority = std::fs::read(server.authority()).unwrap();
    let at = |at: Encryption, by: Encryption, trusted: Option<&[u8]>| {
        Server::new(&server.address(at), by, trusted).unwrap()
    };
    let (starttls, implicit, off) = (Encryption::StartTls, Encryption::Implicit, Encryption::Off);
    let trusting = || at(starttls, starttls, Some(&authority));
    let other_name = server.address(starttls).replace("localhost", "127.0.0.1");
    let sender = DEFAULT_SENDER;
    let stranger = "stranger@booking.example";
    for (server, from, says) in [
        (at(starttls, starttls, None), sender, "no TLS with the mail server: invalid peer"),
        (at(implicit, implicit, None), sender, "no TLS with the mail server: invalid peer"),
        (
            Server::new(&other_name, starttls, Some(&authority)).unwrap(),
            sender,
            "no TLS with the mail server: invalid peer",
        ),
        (at(off, starttls, Some(&authority)), sender, "does not offer STARTTLS"),
        (at(starttls, off, None), sender, "answers 530"),
        (trusting(), sender, "answers 530"),
        (
            trusting().with_login(MAIL_USER, "hunter2").unwrap(),
            sender,
            "answers 535 5.7.8 to the login; look at --smtp-user and its password",
        ),
        (
            trusting().with_login(MAIL_USER, MAIL_PASSWORD).unwrap(),
            stranger,
            "answers 550 5.7.1 to MAIL FROM; look at --mail-from",
        ),
        (
            at(off, off, None).with_login(MAIL_USER, MAIL_PASSWORD).unwrap(),
            sender,
            "does not offer the login",
        ),
    ] {
        let head = Arc::new(Letterhead::new(from).unwrap());
        let mailer = SmtpMailer::new(server, head, LIMIT);
        let sent = mailer.send(&receipt_to("ada@example.com")).await;
        assert_eq!(kind(&sent), "we are refused", "{says}: {sent:?}");
        let told = told(&sent.unwrap_err());
        assert!(told.contains(says), "{told} does not say: {says}");
    }
    assert_eq!(server.mails().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    for encryption in [Encryption::StartTls, Encryption::Implicit, Encryption::Off] {
        let server = Server::new(&silent, encryption, None).unwrap();
        let began = Instant::now();
        let sent = mailer(server, SHORT).send(&receipt_to("ada@example.com")).await;
        assert_eq!(kind(&sent), "failed", "{sent:?}");
        assert!(told(&sent.unwrap_err()).contains("did not answer in time to the connection"));
        assert!(began.elapsed() >= SHORT / 2, "it was waited for");
    }
    let nobody = format!("127.0.0.1:{}", free_port());
    let server = Server::new(&nobody, Encryption::Off, None).unwrap();
    let sent = mailer(server, LIMIT).send(&receipt_to("ada@example.com")).await;
    assert!(told(&sent.unwrap_err()).contains("connection refused"));
}
