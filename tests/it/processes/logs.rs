//! The logs of real processes against what must never stand in them.

use booking::domain::{RoleName, event::Kind};
use serde_json::{Value, json};

use crate::harness::{Account, Folder, LocalStack, Service, bare, eventually, without_chance};

/// What must not stand in any log, in small letters: the passenger, tokens, cards, and what bodies
/// and envelopes are made of.
const SECRETS: [&str; 15] = [
    "quentin",
    "oxenstierna",
    "zephyr",
    "tok_",
    "pm_9zq7",
    "secretwxyz",
    "4111",
    "1111 1111",
    "hidden remark",
    "specversion",
    "datacontenttype",
    "notification",
    "signingcert",
    "unsubscribeurl",
    "\\u00e9phyr",
];
/// All of the product's own lines, and as much as can be had of the libraries'.
const FILTERS: [&str; 2] = [
    "trace",
    "trace,aws=trace,hyper=trace,hyper_util=trace,aws_smithy_runtime=trace,aws_sdk_sqs=trace",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_line_tells_a_name_an_address_a_token_a_card_or_a_body_at_any_level() {
    for (format, filter) in [("text", FILTERS[1]), ("json", FILTERS[0]), ("json", FILTERS[1])] {
        let (account, folder) = (Account::make(false).await, Folder::new());
        let mut services = Vec::new();
        for role in RoleName::ALL {
            services.push(Service::spawn(
                LocalStack::running(),
                role,
                &account.prefix,
                folder.path(),
                |it| {
                    it.env("BOOKING_LOG_FORMAT", format).env("RUST_LOG", filter);
                },
            ));
        }
        for it in &mut services {
            it.polls().await;
        }
        let handle = every_kind_of_booking(&account, &services[3]).await;
        let mut settled = String::new();
        for service in services {
            let (role, log) = (service.role, service.log.clone());
            service.signal("TERM");
            assert_eq!(service.ended().await, Some(0));
            // The prefix has a number of chance.
            let log = std::fs::read_to_string(log).unwrap().replace(&account.prefix, "prefix-");
            tells_no_secret(&log, &handle, &format!("{role}, {format}, RUST_LOG={filter}"));
            settled += &log.lines().filter(|it| tells_of_good(it)).collect::<Vec<_>>().join("\n");
            settled += "\n";
        }
        if format == "json" {
            // Three messages are announced, and one ends the booking. Logs are paid by the byte.
            assert!((4..=6).contains(&settled.lines().count()), "{settled}");
            assert!(settled.len() <= settled.lines().count() * 240, "{settled}");
            for outcome in [r#""announces":"seat-booked""#, r#""phase":"completed""#] {
                assert!(settled.contains(outcome), "{settled}");
            }
        }
    }
}

/// Completed, declined, answered too late, rejected for a card, and no event at all. Returns a
/// piece that every receipt handle of this account has.
async fn every_kind_of_booking(account: &Account, status: &Service) -> String {
    let publish = async |id: &str, seat: &str, token: &str, remark: &str| {
        let mut data = bare(&[seat], token);
        data["booking_id"] = json!(id);
        data["passenger"] = json!({
            "name": "Quentin Oxenstierna-Zéphyr",
            "email": "quentin.oxenstierna@zephyr-mail.example",
        });
        data["remark"] = json!(remark);
        account.publish(Kind::BookingRequested, &data.to_string()).await;
    };
    publish("good", "12A", "tok_visa", "a hidden remark").await;
    publish("no", "12B", "pm_9Zq7SecretWxyz", "a hidden remark").await;
    publish("late", "12C", "tok_timeout_then_ok", "a hidden remark").await;
    publish("card", "12D", "tok_visa", "4111 1111 1111 1111").await;
    publish("wrong", "Quentin", "pm_9Zq7SecretWxyz", "a hidden remark").await;
    let no_json = "{\"name\": Quentin Oxenstierna, \"token\": pm_9Zq7SecretWxyz}";
    account.publish(Kind::BookingRequested, no_json).await;
    let ends = [("good", "completed"), ("no", "payment_failed"), ("late", "completed")];
    for (id, phase) in [&ends[..], &[("card", "rejected"), ("wrong", "rejected")]].concat() {
        assert_eq!(status.ending(id).await["phase"], phase, "{id}");
    }
    publish("taken", "12A", "tok_visa", "a hidden remark").await;
    assert_ne!(status.ending("taken").await["phase"], "completed");
    for role in RoleName::ALL {
        account.dead_letters(role, 3).await;
        eventually(&format!("the queue of {role} to be empty"), async || {
            (account.depth(role).await == (0, 0)).then_some(())
        })
        .await;
    }
    account.handle_piece().await
}

/// Of what went well nothing is told then, and a redelivery is told all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_wants_no_lines_of_what_went_well_has_those_of_what_came_again() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let mut services = Vec::new();
    for role in RoleName::ALL {
        let silent = |it: &mut std::process::Command| {
            it.env("BOOKING_LOG_SETTLED", "none");
        };
        let stack = LocalStack::running();
        services.push(Service::spawn(stack, role, &account.prefix, folder.path(), silent));
    }
    for it in &mut services {
        it.polls().await;
    }
    let publish = async |id: &str, token: &str| {
        let mut data = bare(&["12A"], token);
        data["booking_id"] = json!(id);
        account.publish(Kind::BookingRequested, &data.to_string()).await;
    };
    // The first answer of the provider is lost, so payment gives the message back once.
    publish("good", "tok_timeout_then_ok").await;
    assert_eq!(services[3].ending("good").await["phase"], "completed");
    for service in &services {
        let told = service.logged().lines().filter(|it| tells_of_good(it)).count();
        let wanted = usize::from(service.role == RoleName::Payment);
        assert_eq!(told, wanted, "{}: {}", service.role, service.logged());
    }
}

/// Whether a line at INFO says that a message of the booking `good` is settled.
fn tells_of_good(line: &str) -> bool {
    let Ok(line) = serde_json::from_str::<Value>(line) else { return false };
    let settled = line["level"] == "INFO" && line["message"] == "settled";
    settled && line["span"]["booking.id"] == "good"
}

fn tells_no_secret(log: &str, handle: &str, what: &str) {
    for id in ["good", "no", "late", "card", "wrong"] {
        assert!(log.contains(id), "{what}: nothing about {id}");
    }
    // Any four digits may stand in an id, in a port and in a time.
    let small = without_chance(log).to_lowercase();
    for secret in SECRETS {
        let line = small.lines().find(|it| it.contains(secret));
        assert!(line.is_none(), "{what}: {secret:?} is in {line:?}");
    }
    assert!(!log.contains(handle), "{what}: a receipt handle");
    // The cap itself: what is not ours says nothing below info, in spans neither.
    for line in log.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok()) {
        let ours = line["target"].as_str().is_some_and(|it| it.starts_with("booking"));
        assert!(
            ours || !["DEBUG", "TRACE"].contains(&line["level"].as_str().unwrap()),
            "{what}: {line}"
        );
        let span = &line["span"]["name"];
        assert!(span.is_null() || span == "delivery", "{what}: {line}");
        assert!(line["spans"].is_null(), "{what}: the span is told twice: {line}");
    }
}
