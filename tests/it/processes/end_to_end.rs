//! The whole product as a user has it: the real Terraform applied to LocalStack, the four roles as
//! processes of the real binary, bookings triggered over SNS, endings read over HTTP.

use std::process::Command;

use aws_sdk_sqs::types::QueueAttributeName;
use booking::{
    audit::Evidence,
    domain::{RoleName, event::Kind},
    topics,
};
use serde_json::{Value, json};

use crate::{
    contracts::mailer,
    harness::{
        Account, Folder, LocalStack, Service, Sketch, all_four, bare, binary, root, skipped,
        unique, without_chance,
    },
};

/// What nobody should ever send, and some do.
const CARD: &str = "4111111111111111";

/// Runs `localstack/terraform` in a folder of its own.
pub fn terraform(folder: &Folder, prefix: &str, action: &[&str]) -> (Option<i32>, String) {
    let output = Command::new("python3")
        .arg(root().join("localstack/terraform"))
        .args(["--workdir", &folder.join("terraform").display().to_string()])
        .args(["--endpoint", &LocalStack::running().endpoint])
        .args(action)
        .args(["-no-color", "-var", &format!("prefix={prefix}")])
        .output()
        .expect("python3 must be installed: https://www.python.org/downloads/");
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.code(), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terraform_localstack_and_four_processes_end_to_end() {
    if skipped("terraform") {
        return;
    }
    let (folder, prefix) = (Folder::new(), unique("e2e"));
    let (code, said) = terraform(&folder, &prefix, &["apply"]);
    assert_eq!(
        code,
        Some(0),
        "terraform apply failed; exit code 3 means it is not installed:\n{said}"
    );
    let (code, said) = terraform(&folder, &prefix, &["plan", "-detailed-exitcode"]);
    assert_eq!(code, Some(0), "a plan right after apply shows changes:\n{said}");

    let account = Account::existing(&prefix).await;
    what_terraform_made_is_what_topics_says(&account).await;
    queues_are_small_until_they_are_raised(&account).await;
    the_account_check_finds_nothing(&prefix, &[]);
    let (code, said) = terraform(&folder, &prefix, &["plan", "-detailed-exitcode"]);
    assert_eq!(code, Some(0), "terraform would make the queues small again:\n{said}");

    let services = all_four(&prefix, folder.path()).await;
    let status = &services[3];
    let status_url = format!("http://{}", status.address);
    the_account_check_finds_nothing(&prefix, &["--canary", "--status-url", &status_url]);
    bookings_end_as_they_should(&account, &services, &folder).await;
    what_makes_no_sense_is_rejected(&account, status).await;
    the_command_line_requests_shows_and_lists(&prefix, status);
    the_status_api_answers(status).await;
    every_service_is_healthy_and_counts_its_requests(&services).await;
    no_log_tells_what_it_should_not(&prefix, &services);

    drop(services);
    assert_eq!(Evidence::read(folder.path()).unwrap().violations(), []);
}

async fn what_terraform_made_is_what_topics_says(account: &Account) {
    for topic in topics::all() {
        let arn = account.topic_arn(topic.topic);
        let list = account.sns.list_subscriptions_by_topic().topic_arn(&arn).send().await.unwrap();
        let mut made: Vec<String> =
            list.subscriptions.unwrap().into_iter().filter_map(|it| it.endpoint).collect();
        made.sort();
        let arn = |it: String| format!("arn:aws:sqs:eu-central-1:000000000000:{it}");
        let mut wanted: Vec<String> =
            topic.listeners().map(|(name, _)| arn(account.names.queue_named(name))).collect();
        wanted.sort();
        assert_eq!(made, wanted, "{}", topic.topic);
    }
}

/// What docs/EVENTS.md tells an operator to do once: the provider cannot.
async fn queues_are_small_until_they_are_raised(account: &Account) {
    let mut check = binary();
    check.args(["check", "--prefix", &account.prefix]);
    let output = check.envs(LocalStack::running().environment()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.matches("at most 262144 bytes, less than 1048576").count(), 12, "{text}");
    for role in RoleName::ALL {
        let names = &account.names;
        let dead = names.dead_letter_queue(role);
        for queue in [dead, names.undelivered_queue(role), names.queue(role)] {
            let raise = account.sqs.set_queue_attributes().queue_url(account.url(&queue).await);
            let most = QueueAttributeName::MaximumMessageSize;
            raise.attributes(most, "1048576").send().await.unwrap();
        }
    }
}

fn the_account_check_finds_nothing(prefix: &str, more: &[&str]) {
    let mut check = binary();
    check.args(["check", "--prefix", prefix]).args(more);
    let output = check.envs(LocalStack::running().environment()).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && text.contains("all as topics/ says"), "{text}");
}

async fn bookings_end_as_they_should(account: &Account, services: &[Service], folder: &Folder) {
    let (seats, status) = (&services[0], &services[3]);
    // Typed by hand, without any id: the MessageId is the booking's.
    let id = account.publish(Kind::BookingRequested, &bare(&["12A"], "tok_visa").to_string()).await;
    let view = status.ending(&id).await;
    assert_eq!(view["phase"], "completed");
    assert_eq!(view["conflict"], false);
    assert_eq!(view["waiting_for"], json!([]));
    let kinds: Vec<&str> = view["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert_eq!((kinds.len(), kinds[0]), (4, "booking-requested"), "{kinds:?}");

    let number = view["receipt"]["number"].as_str().unwrap();
    let letter = mailer::read(&folder.join(&format!("receipts/{number}.eml")));
    assert!(letter["to"].as_str().unwrap().contains("ada@example.com"));
    for part in ["plain", "html"] {
        for wanted in [number, "Ada Lovelace", "WA117", "2027-03-01", "12A", "EUR 129.00"] {
            assert!(letter[part].as_str().unwrap().contains(wanted), "{wanted} in the {part} part");
        }
    }

    // Whole CloudEvents: a declined card, whose seat the next booking gets.
    let publish = async |sketch: Sketch| {
        account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
        status.ending(&sketch.id).await["phase"].as_str().unwrap().to_owned()
    };
    assert_eq!(publish(Sketch::new("declined", &["14A"], "tok_declined")).await, "payment_failed");
    seats.has_heard("payment-failed", 1).await;
    assert_eq!(
        publish(Sketch::new("poor", &["14A"], "tok_insufficient_funds")).await,
        "payment_failed"
    );
    seats.has_heard("payment-failed", 2).await;
    assert_eq!(publish(Sketch::new("next", &["14A", "14B"], "tok_visa")).await, "completed");
    let lost = ["seat_unavailable", "refunded"];
    let phase = publish(Sketch::new("half", &["14B", "14C"], "tok_visa")).await;
    assert!(lost.contains(&phase.as_str()), "{phase}");
    assert_eq!(publish(Sketch::new("rest", &["14C"], "tok_timeout_then_ok")).await, "completed");
}

async fn what_makes_no_sense_is_rejected(account: &Account, status: &Service) {
    let mut no_flight = bare(&["18A"], "tok_visa");
    no_flight.as_object_mut().unwrap().remove("flight");
    let mut free = bare(&["18A"], "tok_visa");
    free["payment"]["amount"]["minor"] = json!(0);
    let ten = ["1A", "1B", "1C", "1D", "1E", "1F", "2A", "2B", "2C", "2D"];
    let cases = [
        ("not json".to_owned(), "malformed", "message: expected JSON (line 1 column 2)"),
        (no_flight.to_string(), "malformed", "flight: is missing"),
        (
            bare(&["18A"], CARD).to_string(),
            "card-number",
            "payment.token: holds what could be a card",
        ),
        (bare(&ten, "tok_visa").to_string(), "malformed", "seats: expected 1 to 9 different seats"),
        (free.to_string(), "malformed", "payment.amount.minor: expected an integer from 1"),
    ];
    let mut ids = Vec::new();
    for (text, _, _) in &cases {
        ids.push(account.publish(Kind::BookingRequested, text).await);
    }
    for (id, (_, _, says)) in ids.iter().zip(&cases) {
        let view = status.ending(id).await;
        assert_eq!(view["phase"], "rejected");
        assert!(view["rejections"][0].as_str().unwrap().contains(says), "{view}");
        let url = format!("http://{}", status.address);
        let shown = binary().args(["show", id, "--status-url", &url]).output().unwrap();
        let text = String::from_utf8(shown.stdout).unwrap();
        assert!(text.contains("REJECTED") && text.contains(says), "{text}");
    }
    for role in RoleName::ALL {
        let letters = account.dead_letters(role, cases.len()).await;
        for (id, (text, class, says)) in ids.iter().zip(&cases) {
            let letter = letters.iter().find(|it| it.attributes["booking"] == *id).unwrap();
            let envelope: Value = serde_json::from_str(&letter.body).unwrap();
            assert_eq!(envelope["Message"], text.as_str(), "{role}: the body is untouched");
            assert_eq!(letter.attributes["class"], *class);
            assert_eq!(letter.attributes["sns_message_id"], *id);
            assert!(letter.attributes["reason"].contains(says), "{:?}", letter.attributes);
        }
    }
}

fn the_command_line_requests_shows_and_lists(prefix: &str, status: &Service) {
    let url = format!("http://{}", status.address);
    let booking = |args: &[&str]| {
        let output = binary()
            .args(args)
            .env("BOOKING_STATUS_URL", &url)
            .env("BOOKING_PREFIX", prefix)
            .envs(LocalStack::running().environment())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let request = |seat, token, more: &[&str]| {
        let fixed =
            ["request", "--flight", "WA117", "--date", "2027-03-01", "--name", "Grace O'Hopper"];
        let paid = [
            "--email",
            "grace@example.com",
            "--amount",
            "EUR 129.00",
            "--seat",
            seat,
            "--token",
            token,
        ];
        booking(&[&fixed[..], &paid[..], more].concat())
    };
    let (code, text) = request("16A", "tok_visa", &["--watch", "--id", "cli-1"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("booking cli-1") && text.contains("COMPLETED"), "{text}");

    // The line it prints is one that a shell runs and that says the same.
    let line = text.lines().find(|it| it.trim().starts_with("aws sns publish")).unwrap();
    let words =
        Command::new("sh").args(["-c", &format!("set -- {line}; printf '%s\\n' \"$@\"")]).output();
    let words = String::from_utf8(words.unwrap().stdout).unwrap();
    let words: Vec<&str> = words.lines().collect();
    assert_eq!(words[..4], ["aws", "sns", "publish", "--topic-arn"]);
    assert_eq!(
        words[4],
        format!("arn:aws:sns:eu-central-1:000000000000:{prefix}booking-requested")
    );
    let message: Value = serde_json::from_str(words[6]).unwrap();
    assert_eq!(message["booking_id"], "cli-1");
    assert_eq!(message["passenger"]["name"], "Grace O'Hopper");

    let (code, text) = request("16B", "tok_declined", &["--watch", "--json"]);
    assert_eq!(code, Some(1), "{text}");
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["phase"], "payment_failed");

    let (code, text) = booking(&["show", "cli-1"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("flight WA117 on 2027-03-01, seat 16A"), "{text}");
    let (code, text) = booking(&["show", "nobody"]);
    assert_eq!((code, text.as_str()), (Some(1), ""));
    let (code, text) = booking(&["list", "--phase", "completed", "--json"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("\"cli-1\""), "{text}");
}

async fn the_status_api_answers(status: &Service) {
    assert_eq!(
        status.get("/bookings/nobody").await,
        (404, json!({"booking_id": "nobody", "phase": "unknown"}))
    );
    assert_eq!(status.get("/bookings/a%20b").await.0, 400);
    // Every error is JSON, also of what no route sees.
    for (path, wanted) in [
        ("/bookings/%FF", 400),
        ("/bookings?after=%FF", 400),
        ("/nowhere", 404),
        ("/canaries/%FF", 400),
    ] {
        let (code, said) = status.get(path).await;
        assert_eq!((code, said["error"].is_string()), (wanted, true), "{path}: {said}");
    }
    let posted = reqwest::Client::new().post(format!("http://{}/bookings", status.address));
    let posted = posted.send().await.unwrap();
    assert_eq!(posted.status(), 405);
    assert!(posted.json::<Value>().await.unwrap()["error"].is_string());
    for bad in
        ["phase=done", "limit=0", "limit=501", "limit=x", "sort=up", "order=stalest&phase=paid"]
    {
        let (code, answer) = status.get(&format!("/bookings?{bad}")).await;
        assert_eq!(code, 400, "{bad}");
        assert!(answer["error"].is_string(), "{bad}");
    }
    let (code, answer) = status.get("/bookings?phase=payment_failed&limit=2").await;
    assert_eq!((code, answer["bookings"].as_array().unwrap().len()), (200, 2));
    let times: Vec<&str> = answer["bookings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["as_of"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|one, other| one >= other), "newest first: {times:?}");
    let (_, answer) = status.get("/bookings?order=stalest").await;
    assert_eq!(answer["bookings"], json!([]), "nothing is open");
}

async fn every_service_is_healthy_and_counts_its_requests(services: &[Service]) {
    for service in services {
        let (code, health) = service.get("/health").await;
        assert_eq!((code, &health["role"]), (200, &json!(service.role.as_str())));
        let probe = binary().args(["healthcheck", "--http", &service.address]).status().unwrap();
        assert!(probe.success(), "{}", service.role);
        let metrics = service.metrics().await;
        for line in [
            "booking_aws_requests_total{service=\"sqs\",operation=\"ReceiveMessage\"}",
            "booking_aws_requests_total{service=\"sqs\",operation=\"DeleteMessageBatch\"}",
            "booking_deliveries_total{event=\"booking-requested\",verdict=\"done\"}",
            "booking_deliveries_total{event=\"booking-requested\",verdict=\"poison\"}",
        ] {
            assert!(metrics.contains(line), "{}: {line} is not in\n{metrics}", service.role);
        }
        let publishes = metrics.contains("service=\"sns\",operation=\"PublishBatch\"");
        assert_eq!(publishes, service.role != RoleName::Status, "{}", service.role);
    }
}

fn no_log_tells_what_it_should_not(prefix: &str, services: &[Service]) {
    for service in services {
        // Any four digits may stand in an id and in a time, and in the prefix, a number of chance.
        let log = without_chance(&service.logged().replace(prefix, "prefix-"));
        assert!(log.contains("holds what could be a card number"), "{}: {log}", service.role);
        for secret in ["4111", "Lovelace", "Hopper", "ada@", "grace@", "tok_"] {
            assert!(!log.contains(secret), "{} logs {secret}", service.role);
        }
    }
}
