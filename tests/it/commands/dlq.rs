//! Dead letters: why they died is said, secrets are not, and back on the queue they do what a first
//! delivery would have done.

use booking::{
    audit::Evidence,
    domain::{RoleName, event::Kind},
};
use serde_json::{Value, json};

use crate::harness::{Account, Folder, LocalStack, Service, Sketch, all_four, binary, eventually};

/// Runs `booking dlq` on an account; exit code and stdout.
fn dlq(account: &Account, folder: &Folder, args: &[&str]) -> (Option<i32>, String) {
    let output = binary()
        .arg("dlq")
        .args(args)
        .args(["--prefix", &account.prefix])
        .env("BOOKING_DATA", folder.path())
        .env("BOOKING_FLIGHTS", "sample")
        .envs(LocalStack::running().environment())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap() + &said)
}

#[track_caller]
fn says(account: &Account, folder: &Folder, args: &[&str], code: i32, wanted: &[&str]) -> String {
    let (ended, text) = dlq(account, folder, args);
    assert_eq!(ended, Some(code), "{args:?}: {text}");
    for it in wanted {
        assert!(text.contains(it), "{args:?} says not {it:?} but\n{text}");
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_set_aside_is_explained_and_its_secrets_are_not_told() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let _seats = Service::start(RoleName::Seats, &account.prefix, folder.path(), &[]).await;
    let no_flight = json!({
        "booking_id": "no-flight",
        "passenger": {"name": "Ada Lovelace", "email": "ada@example.com"},
        "payment": {"token": "tok_secret", "amount": {"minor": 12900, "currency": "EUR"}},
        "note": "call Ada on 0170",
    });
    account.publish(Kind::BookingRequested, &no_flight.to_string()).await;
    account.publish(Kind::BookingRequested, r#"{"name": "Lovelace", 4111111111111111"#).await;
    let listed: Value = eventually("two dead letters", async || {
        let (_, text) = dlq(&account, &folder, &["ls", "seats", "--json"]);
        let listed: Value = serde_json::from_str(&text).unwrap();
        (listed["total"] == 2).then_some(listed)
    })
    .await;
    assert_eq!(listed["more"], false);
    // Both were worked on at once: either may have been set aside first.
    let (own, others): (Vec<&Value>, Vec<&Value>) =
        listed["messages"].as_array().unwrap().iter().partition(|it| it["booking"] == "no-flight");
    let line = own[0];
    assert_eq!(line["queue"], account.names.dead_letter_queue(RoleName::Seats));
    assert_eq!(
        (&line["event"], &line["booking"]),
        (&json!("booking-requested"), &json!("no-flight"))
    );
    assert_eq!((&line["class"], line["sent_at"].is_string()), (&json!("malformed"), true));

    let mut told = says(
        &account,
        &folder,
        &["ls", "seats"],
        0,
        &["booking-requested  no-flight", "malformed: flight: is missing", "2 messages: 2 on"],
    );
    told += &says(
        &account,
        &folder,
        &["show", "seats", "--booking", "no-flight"],
        0,
        &[
            "class      malformed",
            r#""name": "***""#,
            "a***@e***.com",
            r#""minor": 12900"#,
            "role ",
        ],
    );
    let other = others[0]["message_id"].as_str().unwrap();
    told += &says(
        &account,
        &folder,
        &["show", "seats", "--message", &other[..8]],
        0,
        &["bytes that are not shown: ", "expected JSON"],
    );
    told += &says(
        &account,
        &folder,
        &["redrive", "seats", "--dry-run"],
        1,
        &["no-flight  still poison: flight: is missing", "2 messages, 2 still poison"],
    );
    for secret in ["Ada", "Lovelace", "ada@", "tok_", "4111", "0170"] {
        assert!(!told.contains(secret), "{secret} is told:\n{told}");
    }
    let raw = &["show", "seats", "--booking", "no-flight", "--raw"];
    says(&account, &folder, raw, 0, &["body, unmasked", "tok_secret"]);

    // Put back, it is set aside again: nothing is lost, and nobody is fooled.
    let back = &["redrive", "seats", "--booking", "no-flight"];
    says(&account, &folder, back, 0, &["it will be set aside again: flight: is missing"]);
    eventually("it to come back", async || {
        dlq(&account, &folder, &["ls", "seats"]).1.contains("2 messages").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_goes_to_its_end_when_what_died_is_put_back() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let services = all_four(&account.prefix, folder.path()).await;
    let status = &services[3];
    let request = Sketch::new("back", &["12A"], "tok_visa").cloud_event();
    // As if seats alone had set it aside, for a reason that is gone.
    for role in [RoleName::Payment, RoleName::Receipt, RoleName::Status] {
        account.put(&account.names.queue(role), &request).await;
    }
    let dead = account.names.dead_letter_queue(RoleName::Seats);
    account.put(&dead, &request).await;
    eventually("seats to be all that is missing", async || {
        (status.get("/bookings/back").await.1["phase"] == "paid").then_some(())
    })
    .await;

    let rehearse = ["redrive", "seats", "--booking", "back", "--dry-run"];
    says(&account, &folder, &["ls", "seats"], 0, &["unexplained: nothing on it says why"]);
    let would = &["back  would confirm 12A, announce seat-booked", "nothing was changed"];
    says(&account, &folder, &rehearse, 0, would);
    says(&account, &folder, &rehearse, 0, would);
    says(&account, &folder, &["redrive", "seats"], 0, &["put back  ", "1 message put back on"]);
    assert_eq!(status.ending("back").await["phase"], "completed");

    // The same once more: every role has dealt with it, and none does it twice.
    for role in RoleName::ALL {
        account.put(&account.names.dead_letter_queue(role), &request).await;
    }
    for (role, words) in [
        ("seats", "no-op: already confirmed for 12A; would announce seat-booked again"),
        ("payment", "no-op: already charged EUR 129.00; would announce payment-ok again"),
        ("receipt", "no-op: already sent"),
        ("status", "no-op: already completed"),
    ] {
        says(&account, &folder, &["redrive", role, "--dry-run"], 0, &[words]);
        says(&account, &folder, &["redrive", role], 0, &["1 message put back on"]);
        let once = ["redrive", role, "--booking", "back"];
        says(&account, &folder, &once, 1, &["no dead letters of"]);
        says(&account, &folder, &["redrive", role], 0, &["no dead letters of"]);
    }
    eventually("all to be dealt with", async || {
        for role in RoleName::ALL {
            if account.depth(role).await != (0, 0) {
                return None;
            }
        }
        Some(())
    })
    .await;
    assert_eq!(status.ending("back").await["phase"], "completed");
    drop(services);
    assert_eq!(Evidence::read(folder.path()).unwrap().violations(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_asks_nobody_outside_and_writes_nothing() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    // What makes the stores.
    drop(all_four(&account.prefix, folder.path()).await);
    let request = Sketch::new("dry", &["12A", "12B"], "tok_visa").cloud_event();
    for role in RoleName::ALL {
        account.put(&account.names.dead_letter_queue(role), &request).await;
    }
    for _ in 0..2 {
        for (role, words) in [
            ("seats", "would hold 12A, 12B, announce seat-booked"),
            ("payment", "would ask the gateway to charge EUR 129.00 (key dry)"),
            ("receipt", "would remember booking-requested; it waits for the seats and the payment"),
            ("status", "would record booking-requested: the booking becomes requested"),
        ] {
            says(&account, &folder, &["redrive", role, "--dry-run"], 0, &[words]);
        }
    }
    let evidence = Evidence::read(folder.path()).unwrap();
    assert_eq!(evidence.violations(), []);
    let receipts = std::fs::read_dir(folder.join("receipts")).unwrap().count();
    assert_eq!(receipts, 0, "a receipt went out");
    for role in RoleName::ALL {
        assert_eq!(account.depth(role).await, (0, 0), "{role}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sns_could_not_deliver_is_delivered_by_hand() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let queue = account.url(&account.names.queue(RoleName::Status)).await;
    account.sqs.delete_queue().queue_url(&queue).send().await.unwrap();
    let request = Sketch::new("lost", &["12A"], "tok_visa").cloud_event();
    account.publish(Kind::BookingRequested, &request).await;
    let undelivered = account.names.undelivered_queue(RoleName::Status);
    let text = eventually("SNS to give up", async || {
        let (_, text) = dlq(&account, &folder, &["ls", "status"]);
        text.contains("1 message").then_some(text)
    })
    .await;
    assert!(text.contains("undelivered: it could not be delivered: "), "{text}");
    assert!(text.contains(&format!(" 1 on {undelivered}")), "{text}");
    says(&account, &folder, &["redrive", "status"], 78, &["cannot use the queue"]);
    account.make_queue(RoleName::Status).await;
    let shown = [undelivered.as_str(), r#""TopicArn": "#, r#""name": "***""#];
    says(&account, &folder, &["show", "status"], 0, &shown);
    says(&account, &folder, &["redrive", "status"], 0, &["lost  (was undelivered)"]);
    let status = Service::start(RoleName::Status, &account.prefix, folder.path(), &[]).await;
    eventually("status to hear of it", async || {
        (status.get("/bookings/lost").await.1["phase"] == "requested").then_some(())
    })
    .await;
    says(&account, &folder, &["ls", "status"], 0, &["no dead letters of status"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_received_too_often_is_told_from_what_was_set_aside() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let request = Sketch::new("often", &["12A"], "tok_visa").cloud_event();
    account.put(&account.names.queue(RoleName::Seats), &request).await;
    let queue = account.url(&account.names.queue(RoleName::Seats)).await;
    eventually("SQS to move it", async || {
        let receive = account.sqs.receive_message().queue_url(&queue).visibility_timeout(0);
        receive.send().await.unwrap();
        dlq(&account, &folder, &["ls", "seats"]).1.contains("1 message").then_some(())
    })
    .await;
    let wanted = &["retries-exhausted: received 10 times without success; the role's log says why"];
    says(&account, &folder, &["ls", "seats"], 0, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_finds_all_and_takes_none() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let dead = account.names.dead_letter_queue(RoleName::Payment);
    for at in 0..23 {
        let sketch = Sketch::new(&format!("many-{at}"), &["12A"], "tok_visa");
        account.put(&dead, &sketch.cloud_event()).await;
    }
    for _ in 0..2 {
        let text = says(&account, &folder, &["ls", "payment"], 0, &["23 messages: 23 on"]);
        assert_eq!(text.lines().count(), 25, "a head, a line a message, a total:\n{text}");
        assert!(text.lines().nth(1).unwrap().contains("many-0"), "the oldest first:\n{text}");
    }
    let some = &["ls", "payment", "--limit", "5"];
    says(&account, &folder, some, 0, &["5 messages", "more than the 5 looked at (--limit)"]);
    says(
        &account,
        &folder,
        &["redrive", "payment", "--booking", "many-7"],
        0,
        &["1 message put back"],
    );
    says(&account, &folder, &["ls", "payment"], 0, &["22 messages"]);
    assert_eq!(account.depth(RoleName::Payment).await, (1, 0));
}
