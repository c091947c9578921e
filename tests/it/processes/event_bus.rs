//! The same four services on an event bus of EventBridge: the real Terraform applied to LocalStack,
//! and the real binary.

use std::process::Output;

use aws_sdk_sqs::types::MessageAttributeValue;
use booking::{audit::Evidence, domain::RoleName};
use serde_json::{Value, json};

use super::end_to_end::terraform;
use crate::harness::{
    Account, Folder, LocalStack, Service, Sketch, bare, binary, eventually, skipped, unique,
};

const EVENTS: [&str; 2] = ["--events", "eventbridge"];

async fn all_four(prefix: &str, data: &std::path::Path) -> Vec<Service> {
    let mut services = Vec::new();
    for role in RoleName::ALL {
        services.push(Service::start(role, prefix, data, &EVENTS).await);
    }
    services
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_article_on_an_event_bus_end_to_end() {
    if skipped("terraform") {
        return;
    }
    let (folder, prefix) = (Folder::new(), unique("bus"));
    let events = ["-var", "events=eventbridge"];
    let (code, said) = terraform(&folder, &prefix, &[&["apply"][..], &events].concat());
    assert_eq!(code, Some(0), "terraform apply failed:\n{said}");
    let plan = [&["plan", "-detailed-exitcode"][..], &events].concat();
    let (code, said) = terraform(&folder, &prefix, &plan);
    assert_eq!(code, Some(0), "a plan right after apply shows changes:\n{said}");

    let account = Account::existing_on_event_bus(&prefix).await;
    let services = all_four(&prefix, folder.path()).await;
    let status = &services[3];
    bookings_end_as_they_should(&account, &services).await;
    what_makes_no_sense_is_rejected(&account, status).await;
    the_command_line_requests(&prefix, status);
    what_could_not_be_delivered_is_shown_and_put_back(&account, status, &folder).await;

    drop(services);
    assert_eq!(Evidence::read(folder.path()).unwrap().violations(), []);
}

async fn bookings_end_as_they_should(account: &Account, services: &[Service]) {
    let (seats, status) = (&services[0], &services[3]);
    // Typed by hand, without any id: the EventId is the booking's.
    let typed = bare(&["12A"], "tok_visa").to_string();
    let id = account.put_event("booking.client", "booking-requested", &typed).await;
    let view = status.ending(&id).await;
    assert_eq!((&view["phase"], &view["conflict"]), (&json!("completed"), &json!(false)));
    assert_eq!(view["waiting_for"], json!([]));

    let publish = async |sketch: Sketch| {
        account.put_event("shop.web", "booking-requested", &sketch.cloud_event()).await;
        status.ending(&sketch.id).await["phase"].as_str().unwrap().to_owned()
    };
    assert_eq!(publish(Sketch::new("declined", &["14A"], "tok_declined")).await, "payment_failed");
    seats.has_heard("payment-failed", 1).await;
    assert_eq!(publish(Sketch::new("next", &["14A", "14B"], "tok_visa")).await, "completed");
    let lost = ["seat_unavailable", "refunded"];
    let phase = publish(Sketch::new("half", &["14B", "14C"], "tok_visa")).await;
    assert!(lost.contains(&phase.as_str()), "{phase}");
    assert_eq!(publish(Sketch::new("rest", &["14C"], "tok_timeout_then_ok")).await, "completed");
    for role in RoleName::ALL {
        eventually(&format!("the queue of {role} to be empty"), async || {
            (account.depth(role).await == (0, 0)).then_some(())
        })
        .await;
    }
}

async fn what_makes_no_sense_is_rejected(account: &Account, status: &Service) {
    let mut no_flight = bare(&["18A"], "tok_visa");
    no_flight.as_object_mut().unwrap().remove("flight");
    let text = no_flight.to_string();
    let id = account.put_event("booking.client", "booking-requested", &text).await;
    let view = status.ending(&id).await;
    assert_eq!(view["phase"], "rejected");
    let letter = account.dead_letters(RoleName::Seats, 1).await.remove(0);
    assert_eq!(letter.attributes["class"], "malformed");
    let envelope: Value = serde_json::from_str(&letter.body).unwrap();
    assert_eq!((&envelope["id"], &envelope["detail"]), (&json!(id), &no_flight));

    // Who calls himself one of ours is not heard, and seen.
    let typed = bare(&["19A"], "tok_visa").to_string();
    account.put_event("booking.payment", "booking-requested", &typed).await;
    for role in RoleName::ALL {
        let letters = account.dead_letters(role, 1).await;
        let untrusted = letters.iter().find(|it| it.attributes["class"] == "untrusted");
        assert!(untrusted.unwrap().attributes["reason"].contains("source: expected a source"));
    }
}

fn request(prefix: &str, status: &Service, more: &[&str]) -> Output {
    let mut command = binary();
    command.args(["request", "--flight", "WA117", "--date", "2027-03-01", "--name"]);
    command.args(["Grace O'Hopper", "--email", "grace@example.com", "--amount", "EUR 129.00"]);
    command.args(EVENTS).args(more).env("BOOKING_PREFIX", prefix);
    command.env("BOOKING_STATUS_URL", format!("http://{}", status.address));
    command.envs(LocalStack::running().environment()).env("BOOKING_TOKEN", "tok_visa");
    command.output().unwrap()
}

fn the_command_line_requests(prefix: &str, status: &Service) {
    let output = request(prefix, status, &["--seat", "16A", "--id", "cli-1", "--watch"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("booking cli-1") && text.contains("COMPLETED"), "{text}");
    assert!(!text.contains("tok_visa"), "the token came from the environment: {text}");

    // The line it prints is one that a shell runs and that says the same.
    let line = text.lines().find(|it| it.trim().starts_with("aws events put-events")).unwrap();
    let script = format!("set -- {line}; printf '%s\\n' \"$@\"");
    let mut shell = std::process::Command::new("sh");
    let words = shell.args(["-c", &script]).env("BOOKING_TOKEN", "tok_visa").output().unwrap();
    let words = String::from_utf8(words.stdout).unwrap();
    let words: Vec<&str> = words.lines().collect();
    assert_eq!(words[..4], ["aws", "events", "put-events", "--entries"]);
    let entries: Value = serde_json::from_str(words[4]).unwrap();
    let bus = format!("arn:aws:events:eu-central-1:000000000000:event-bus/{prefix}booking");
    assert_eq!(entries[0]["EventBusName"], bus);
    let detail: Value = serde_json::from_str(entries[0]["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(detail["booking_id"], "cli-1");
    assert_eq!(detail["payment"]["token"], "tok_visa");
    assert_eq!(detail["passenger"]["name"], "Grace O'Hopper");
}

/// Failure matrix: K2.
///
/// As an operator does it, who also announces again what seats has said.
async fn what_could_not_be_delivered_is_shown_and_put_back(
    account: &Account,
    status: &Service,
    folder: &Folder,
) {
    let lost = Sketch::new("lost", &["20A"], "tok_visa");
    let detail: Value = serde_json::from_str(&lost.cloud_event()).unwrap();
    let envelope = json!({
        "version": "0", "id": "17fb3cbc-0c44-4e5c-9d0f-6d2f4a1c8e11", "resources": [],
        "detail-type": "booking-requested", "source": "booking.client",
        "account": "000000000000", "time": "2027-01-01T00:00:00Z", "region": "eu-central-1",
        "detail": detail,
    });
    let undelivered = account.url(&account.names.undelivered_queue(RoleName::Seats)).await;
    let said = MessageAttributeValue::builder().data_type("String").string_value("NO_PERMISSIONS");
    let send = account.sqs.send_message().queue_url(undelivered);
    let send = send.message_attributes("ERROR_CODE", said.build().unwrap());
    send.message_body(envelope.to_string()).send().await.unwrap();
    let booking = |args: &[&str]| {
        let mut command = binary();
        command.args(args).args(EVENTS).env("BOOKING_PREFIX", &account.prefix);
        command.env("BOOKING_DATA", folder.path()).envs(LocalStack::running().environment());
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {text}");
        text
    };
    let shown = booking(&["dlq", "show", "seats", "--booking", "lost"]);
    for part in [
        "\"account\": \"000000000000\"",
        "booking.client",
        "20A",
        "EventBridge could not deliver it: NO_PERMISSIONS",
        "ERROR_CODE",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("ada@example.com") && !shown.contains("tok_visa"), "{shown}");
    booking(&["dlq", "redrive", "seats", "--booking", "lost"]);
    eventually("seats to deal with it", async || {
        (status.get("/bookings/lost").await.0 == 200).then_some(())
    })
    .await;
    let said = booking(&["resend", "seats", "lost"]);
    assert!(said.contains("announced again: seat-booked"), "{said}");
}

/// EventBridge drops what is put on a bus that does not exist, so nobody may begin there.
#[tokio::test]
async fn without_its_event_bus_no_service_starts_and_no_request_is_made() {
    let account = Account::make(false).await;
    let folder = Folder::new();
    let service = Service::spawn(
        LocalStack::running(),
        RoleName::Seats,
        &account.prefix,
        folder.path(),
        |it| {
            it.args(EVENTS);
        },
    );
    let log = service.log.clone();
    let code = service.ended().await;
    let told = std::fs::read_to_string(log).unwrap();
    assert!(code == Some(78) && told.contains("could not find the event bus"), "{code:?} {told}");
    let mut command = binary();
    command.args(["request", "--flight", "WA117", "--date", "2027-03-01", "--name", "Ada"]);
    command.args(["--email", "ada@example.com", "--amount", "EUR 129.00", "--seat", "1A"]);
    command.args(EVENTS).env("BOOKING_PREFIX", &account.prefix).env("BOOKING_TOKEN", "tok_visa");
    let output = command.envs(LocalStack::running().environment()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("could not find the event bus"), "{told}");
}

#[test]
fn events_and_what_contradicts_them_are_refused_with_both_names() {
    for (more, both) in [
        (&["--raw-delivery"][..], ["--raw-delivery", "--events eventbridge"]),
        (&["--integration", "step-functions"], ["--events", "--integration step-functions"]),
    ] {
        let folder = Folder::new();
        let mut command = binary();
        command.args(["seats", "--flights", "sample"]).args(EVENTS);
        command.args(more).env("BOOKING_DATA", folder.path());
        let output =
            command.envs(LocalStack::environment_of("http://127.0.0.1:9")).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(both.iter().all(|it| told.contains(it)), "{told}");
    }
}

/// Failure matrix: K6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_archive_replays_changes_nothing() {
    let (account, folder) = (Account::on_event_bus().await, Folder::new());
    let home = booking::aws::Home::new("eu-central-1", "000000000000");
    let (bus, archive) = (home.event_bus_arn(&account.names), format!("{}all", account.prefix));
    let create = account.events().create_archive().archive_name(&archive);
    create.event_source_arn(&bus).send().await.unwrap();
    let services = all_four(&account.prefix, folder.path()).await;
    let status = &services[3];
    let begun = booking::clock::Clock::Machine.now().as_second();
    for sketch in
        [Sketch::new("paid", &["12A"], "tok_visa"), Sketch::new("poor", &["14A"], "tok_declined")]
    {
        account.put_event("booking.client", "booking-requested", &sketch.cloud_event()).await;
        status.ending(&sketch.id).await;
    }
    let before = (status.ending("paid").await, status.ending("poor").await);
    let heard = heard(status).await;

    // A minute is the finest that the emulator replays.
    let at = |by: i64| aws_sdk_eventbridge::primitives::DateTime::from_secs(begun + by);
    let arn = format!("arn:aws:events:eu-central-1:000000000000:archive/{archive}");
    let destination = aws_sdk_eventbridge::types::ReplayDestination::builder().arn(&bus);
    let replay = account.events().start_replay().replay_name(&archive).event_source_arn(arn);
    let replay = replay.event_start_time(at(-120)).event_end_time(at(600));
    replay.destination(destination.build().unwrap()).send().await.unwrap();
    // Both requests and all that followed from them, once more.
    eventually("the replay to reach status", async || {
        (self::heard(status).await >= 2 * heard).then_some(())
    })
    .await;
    for role in RoleName::ALL {
        eventually(&format!("the queue of {role} to be empty"), async || {
            (account.depth(role).await == (0, 0)).then_some(())
        })
        .await;
        let dead = account.depth_of(&account.names.dead_letter_queue(role)).await;
        assert_eq!(dead, (0, 0), "dead letters of {role}");
    }
    assert_eq!((status.ending("paid").await, status.ending("poor").await), before);
    drop(services);
    assert_eq!(Evidence::read(folder.path()).unwrap().violations(), []);
}

/// How many deliveries status has settled.
async fn heard(status: &Service) -> u64 {
    let metrics = status.metrics().await;
    let lines = metrics.lines().filter(|it| it.starts_with("booking_deliveries_total{"));
    lines.filter_map(|it| it.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}
