//! The key of the payment provider and the password of the mail server, whatever the outside does:
//! in no log line at the most detailed level, in no command line, help text, health answer, metric
//! or last word of a process that is told to stop, is aborted or ends with an error.

use std::{io, net::SocketAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use booking::{
    domain::{RoleName, event::Kind},
    wiring::store_file,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::harness::{
    Account, Folder, KEY, LocalStack, MAIL_PASSWORD, MailServer, Service, Sketch, Stripe, binary,
    eventually, free_port, skipped, unique,
};

/// A key and a password that nobody accepts, and that are nowhere else.
const OTHER_KEY: &str = "sk_test_marked_secret_of_the_tests";
const OTHER_PASSWORD: &str = "marked password of the tests";

/// The same as the mail server is told them.
fn secrets() -> Vec<String> {
    let mut all = Vec::new();
    for (user, password) in [("ada", MAIL_PASSWORD), ("ada", OTHER_PASSWORD)] {
        all.push(password.to_owned());
        all.push(STANDARD.encode(password));
        all.push(STANDARD.encode(format!("\0{user}\0{password}")));
    }
    all.extend([KEY, OTHER_KEY].map(str::to_owned));
    all
}

fn is_clean(what: &str, text: &str) {
    for secret in secrets() {
        assert!(!text.contains(&secret), "{what} shows {secret}:\n{text}");
    }
}

/// Looks everywhere that a service shows anything.
async fn shows_no_secret(service: &Service) {
    let command_line = format!("/proc/{}/cmdline", service.pid());
    // A system without this file has no other place to look at here.
    let command_line = if cfg!(target_os = "linux") {
        std::fs::read_to_string(command_line).unwrap()
    } else {
        "booking".to_owned()
    };
    assert!(command_line.contains("booking"), "{command_line}");
    let nowhere = reqwest::get(format!("http://{}/nowhere", service.address)).await.unwrap();
    for (what, text) in [
        ("the log", service.logged()),
        ("the command line", command_line),
        ("/health", service.get("/health").await.1.to_string()),
        ("/metrics", service.metrics().await),
        ("a path that is none", nowhere.text().await.unwrap()),
    ] {
        is_clean(&format!("{what} of {}", service.role), &text);
    }
}

type Settings = Vec<(&'static str, String)>;

/// A service with these settings, at the most detailed level.
async fn started(
    role: RoleName,
    account: &Account,
    folder: &Folder,
    more: &[(&'static str, String)],
) -> Service {
    let mut service = spawned(role, account, folder, more);
    service.polls().await;
    service
}

/// The same, and not waited for.
fn spawned(
    role: RoleName,
    account: &Account,
    folder: &Folder,
    more: &[(&'static str, String)],
) -> Service {
    let adapt = |it: &mut std::process::Command| {
        it.envs(more.iter().cloned()).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    };
    Service::spawn(LocalStack::running(), role, &account.prefix, folder.path(), adapt)
}

async fn four(
    account: &Account,
    folder: &Folder,
    settings: &[(&'static str, String)],
) -> Vec<Service> {
    let mut services = Vec::new();
    for role in RoleName::ALL {
        services.push(started(role, account, folder, settings).await);
    }
    services
}

fn stripe_at(url: &str, key: &str) -> Settings {
    vec![
        ("BOOKING_GATEWAY", "stripe".to_owned()),
        ("BOOKING_STRIPE_KEY", key.to_owned()),
        ("BOOKING_STRIPE_URL", url.to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_and_no_password_shows_while_all_is_well_and_the_receipt_arrives() {
    if skipped("stripe") {
        return;
    }
    let (account, folder, server) =
        (Account::make(false).await, Folder::new(), MailServer::start());
    let settings = [stripe_at(Stripe::running().url(), KEY), server.environment()].concat();
    let services = four(&account, &folder, &settings).await;
    let id = unique("well");
    let request = Sketch::new(&id, &["12A"], "tok_visa").cloud_event();
    account.publish(Kind::BookingRequested, &request).await;
    let ended = services[3].ending(&id).await;
    assert_eq!(ended["phase"], "completed");
    let mails = server.mails_to("ada@example.com");
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].header("X-Receipt-Number"), ended["receipt"]["number"].as_str());
    for service in &services {
        shows_no_secret(service).await;
    }
    let files = std::fs::read_dir(folder.join("receipts")).map_or(0, Iterator::count);
    assert_eq!(files, 0, "no receipt is a file");
}

/// A mail server that refuses every login and repeats what it was told.
async fn echoing_mail_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(refuse_login(stream));
        }
    });
    address
}

async fn refuse_login(stream: TcpStream) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut lines = BufReader::new(from).lines();
    to.write_all(b"220 localhost\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer = match line.split_once(' ') {
            Some(("AUTH", told)) => {
                let told = told.rsplit(' ').next().unwrap_or_default();
                let clear = String::from_utf8(STANDARD.decode(told).unwrap()).unwrap();
                format!("535 5.7.8 {told} {} is wrong\r\n", clear.replace('\0', " "))
            }
            _ => "250-localhost\r\n250 AUTH PLAIN\r\n".to_owned(),
        };
        to.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// A provider that refuses every key and repeats it.
async fn echoing_stripe() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = format!(
        "{{\"error\":{{\"type\":\"{OTHER_KEY}\",\"code\":\"{OTHER_KEY}\",\
         \"message\":\"Invalid API Key provided: {OTHER_KEY}\",\"param\":\"{OTHER_KEY}\"}}}}"
    );
    let answer = format!(
        "HTTP/1.1 401 {OTHER_KEY}\r\ncontent-length: {}\r\nrequest-id: {OTHER_KEY}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

/// Failure matrix: D24, E20.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_and_no_password_shows_when_both_are_refused_and_health_says_what_to_look_at() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let mail = vec![
        ("BOOKING_MAILER", "smtp".to_owned()),
        ("BOOKING_SMTP_SERVER", echoing_mail_server().await.to_string()),
        ("BOOKING_SMTP_TLS", "off".to_owned()),
        ("BOOKING_SMTP_USER", "ada".to_owned()),
        ("BOOKING_SMTP_PASSWORD", OTHER_PASSWORD.to_owned()),
    ];
    let services = four(&account, &folder, &mail).await;
    let (other, there) = (Account::make(false).await, Folder::new());
    let stripe = stripe_at(&echoing_stripe().await, OTHER_KEY);
    let payment = started(RoleName::Payment, &other, &there, &stripe).await;
    for seat in ["1A", "1B", "1C", "1D", "1E", "1F", "1G", "1H"] {
        let request = Sketch::new(&unique("refused"), &[seat], "tok_visa").cloud_event();
        account.publish(Kind::BookingRequested, &request).await;
        other.publish(Kind::BookingRequested, &request).await;
    }
    let receipt = services.iter().find(|it| it.role == RoleName::Receipt).unwrap();
    for (service, says) in [
        (receipt, "answers 535 5.7.8 to the login; look at --smtp-user and its password"),
        (&payment, "refuses our key or our account"),
    ] {
        eventually(&format!("health of {} to say why", service.role), async || {
            service.get("/health").await.1.to_string().contains(says).then_some(())
        })
        .await;
        assert!(!service.logged().contains("set aside"), "{}", service.logged());
    }
    for service in services.iter().chain([&payment]) {
        shows_no_secret(service).await;
    }
    // The last words of a process that is told to stop.
    payment.signal("TERM");
    let log = payment.log.clone();
    assert_eq!(payment.ended().await, Some(0));
    is_clean("the end of payment", &std::fs::read_to_string(log).unwrap());
}

/// What a service leaves behind that finds its file damaged (70), and one that is aborted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_and_no_password_shows_in_the_last_words_of_a_service_that_ends_badly() {
    let account = Account::make(false).await;
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let mut settings = stripe_at(&nobody, OTHER_KEY);
    settings.extend([
        ("BOOKING_MAILER", "smtp".to_owned()),
        ("BOOKING_SMTP_SERVER", "localhost:9".to_owned()),
        ("BOOKING_SMTP_USER", "ada".to_owned()),
        ("BOOKING_SMTP_PASSWORD", OTHER_PASSWORD.to_owned()),
    ]);
    for role in [RoleName::Payment, RoleName::Receipt] {
        let folder = Folder::new();
        let service = started(role, &account, &folder, &settings).await;
        service.signal("ABRT");
        let log = service.log.clone();
        assert_eq!(service.ended().await, None, "a signal has no exit code");
        let aborted = std::fs::read_to_string(&log).unwrap();
        is_clean("a service that is aborted", &aborted);

        for suffix in ["-wal", "-shm"] {
            std::fs::remove_file(folder.join(&format!("{role}.db{suffix}"))).unwrap();
        }
        let file = store_file(folder.path(), role);
        let long = usize::try_from(std::fs::metadata(&file).unwrap().len()).unwrap();
        std::fs::write(&file, "x".repeat(long)).unwrap();
        let service = spawned(role, &account, &folder, &settings);
        assert_eq!(service.ended().await, Some(70));
        let all = std::fs::read_to_string(&log).unwrap();
        let last_words = all.strip_prefix(&aborted).unwrap();
        assert!(last_words.contains("not a database"), "{last_words}");
        is_clean("a service that ends with 70", last_words);
    }
}

/// Exit code and all output of a command with these settings, in a folder that was begun.
fn said(args: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = Folder::new();
    let begun = binary().arg("init").current_dir(folder.path()).output().unwrap();
    assert!(begun.status.success());
    let output = binary()
        .args(args)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", folder.path())
        .envs([("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full")])
        .envs(settings.iter().copied())
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).unwrap())
}

#[test]
fn no_password_shows_when_a_setting_is_wrong_and_the_setting_is_named() {
    let folder = Folder::new();
    let file = folder.join("password");
    std::fs::write(&file, format!("{OTHER_PASSWORD}\n")).unwrap();
    let file = file.to_str().unwrap();
    let (mailer, server) = (("BOOKING_MAILER", "smtp"), "BOOKING_SMTP_SERVER");
    let user = ("BOOKING_SMTP_USER", "ada");
    let password = ("BOOKING_SMTP_PASSWORD", OTHER_PASSWORD);
    let at = (server, "smtp.example.com");
    let leaky = format!("smtp://ada:{OTHER_PASSWORD}@smtp.example.com");
    for (settings, code, says) in [
        (vec![], 2, "--mailer"),
        (vec![mailer], 78, "BOOKING_SMTP_SERVER"),
        (vec![mailer, (server, leaky.as_str())], 78, "expected HOST or HOST:PORT"),
        (vec![mailer, at, user], 78, "--smtp-user needs a password"),
        (vec![mailer, at, password], 78, "--smtp-user"),
        (
            vec![mailer, at, user, password, ("BOOKING_SMTP_PASSWORD_FILE", file)],
            78,
            "both set: give one of them",
        ),
        (
            vec![mailer, at, user, ("BOOKING_SMTP_PASSWORD_FILE", "/no/such/file")],
            78,
            "/no/such/file (--smtp-password-file)",
        ),
        (
            vec![mailer, at, user, password, ("BOOKING_SMTP_TLS", "off")],
            78,
            "a password is sent to another machine with starttls or implicit only",
        ),
        (vec![mailer, at, user, password, ("BOOKING_SMTP_TLS", OTHER_PASSWORD)], 2, "--smtp-tls"),
        (
            vec![mailer, at, user, password, ("BOOKING_SMTP_CA", file)],
            78,
            "has no certificate in it that can be read",
        ),
        // All is well with the mailer, and the next setting that is missing is said.
        (vec![mailer, at, user, password], 78, "AWS_REGION"),
        (vec![mailer, at, user, ("BOOKING_SMTP_PASSWORD_FILE", file)], 78, "AWS_REGION"),
    ] {
        for command in [&["receipt"][..], &["resend", "receipt", "b-1"]] {
            let (ended, told) = said(command, &settings);
            assert_eq!(ended, Some(code), "{command:?} {settings:?}: {told}");
            assert!(told.contains(says), "{command:?} does not say {says:?}: {told}");
            // Whoever writes a password where another setting belongs gets to see it.
            if !settings.contains(&("BOOKING_SMTP_TLS", OTHER_PASSWORD)) {
                is_clean("an error", &told);
            }
        }
    }
    // Of other roles, no mailer is asked for.
    let (_, told) = said(&["resend", "seats", "b-1"], &[]);
    assert!(told.contains("AWS_REGION"), "{told}");
}

#[test]
fn no_help_shows_a_key_a_password_or_an_address_that_is_set() {
    let settings = [
        ("BOOKING_STRIPE_KEY", OTHER_KEY),
        ("BOOKING_SMTP_PASSWORD", OTHER_PASSWORD),
        ("BOOKING_SMTP_SERVER", OTHER_PASSWORD),
        ("BOOKING_STRIPE_URL", OTHER_KEY),
    ];
    let mut commands = vec![vec!["--help"], vec!["resend", "--help"]];
    commands.extend(RoleName::ALL.map(|it| vec![it.as_str(), "--help"]));
    for command in commands {
        let (code, told) = said(&command, &settings);
        assert_eq!(code, Some(0), "{told}");
        is_clean(&format!("{command:?}"), &told);
    }
}
