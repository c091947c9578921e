//! The same four services on FIFO topics and queues: the real Terraform applied to LocalStack, and
//! the real binary.

use std::process::Output;

use aws_sdk_sqs::types::QueueAttributeName;
use booking::{
    audit::Evidence,
    domain::{RoleName, event::Kind},
};
use serde_json::{Value, json};

use super::end_to_end::terraform;
use crate::harness::{
    Account, CANARY_KEY, Folder, LocalStack, Service, Sketch, bare, binary, eventually, skipped,
    unique,
};

const FIFO: &str = "--fifo";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_article_on_fifo_queues_end_to_end() {
    if skipped("terraform") {
        return;
    }
    let (folder, prefix) = (Folder::new(), unique("fifo"));
    let fifo = ["-var", "fifo=true"];
    let (code, said) = terraform(&folder, &prefix, &[&["apply"][..], &fifo].concat());
    assert_eq!(code, Some(0), "terraform apply failed:\n{said}");
    let plan = [&["plan", "-detailed-exitcode"][..], &fifo].concat();
    let (_, said) = terraform(&folder, &prefix, &plan);
    // This emulator forgets the scope, and nothing else.
    let scopes = said.matches("+ fifo_throughput_scope ").count();
    assert!(said.contains("Plan: 0 to add, 8 to change, 0 to destroy.") && scopes == 8, "{said}");

    let account = Account::existing(&prefix).await.and_fifo();
    let mut services: Vec<Service> = Vec::new();
    for role in RoleName::ALL {
        let payment = services.get(1).map(|it| format!("payment=http://{}", it.address));
        let mut more = vec![FIFO];
        if let (RoleName::Status, Some(payment)) = (role, &payment) {
            more.extend(["--watch-queues", "--watch-health", payment]);
        }
        services.push(Service::start(role, &prefix, folder.path(), &more).await);
    }
    let status = &services[3];
    let (code, vitals) = status.get("/vitals").await;
    let held_up: Vec<&Value> =
        vitals["services"].as_array().unwrap().iter().map(|it| &it["held_up"]).collect();
    assert_eq!((code, held_up), (200, vec![&json!(null), &json!(0), &json!(null), &json!(null)]));
    bookings_end_as_they_should(&account, &services).await;
    what_was_set_aside_is_put_back(&account, status, &folder).await;
    the_command_line_requests(&prefix, status);

    drop(services);
    assert_eq!(Evidence::read(folder.path()).unwrap().violations(), []);
}

async fn bookings_end_as_they_should(account: &Account, services: &[Service]) {
    let (seats, status) = (&services[0], &services[3]);
    // Typed by hand, without an id of its own: the MessageId is the booking's.
    let typed = bare(&["12A"], "tok_visa").to_string();
    let id = account.publish(Kind::BookingRequested, &typed).await;
    let view = status.ending(&id).await;
    assert_eq!((&view["phase"], &view["conflict"]), (&json!("completed"), &json!(false)));

    let publish = async |sketch: Sketch| {
        account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
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

/// Failure matrix: L4.
async fn what_was_set_aside_is_put_back(account: &Account, status: &Service, folder: &Folder) {
    account.publish(Kind::BookingRequested, "{}").await;
    let booking = |args: &[&str]| {
        let mut command = binary();
        command.args(args).arg(FIFO).env("BOOKING_PREFIX", &account.prefix);
        command.env("BOOKING_DATA", folder.path()).env("BOOKING_CANARY_KEY", CANARY_KEY);
        command.envs(LocalStack::running().environment());
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text)
    };
    eventually("seats to set it aside", async || {
        let (_, listed) = booking(&["dlq", "ls", "seats"]);
        listed.contains("malformed").then_some(())
    })
    .await;
    let (code, said) = booking(&["dlq", "redrive", "seats", "--class", "malformed"]);
    assert_eq!(code, Some(0), "{said}");
    // It comes again at once, and is set aside once more.
    eventually("seats to set it aside again", async || {
        let (_, listed) = booking(&["dlq", "ls", "seats", "--json"]);
        listed.contains("malformed").then_some(())
    })
    .await;
    for queue in account.names.queues() {
        // As the loop of docs/EVENTS.md does.
        let url = account.url(&queue.name(&account.names)).await;
        let set = account.sqs.set_queue_attributes().queue_url(url);
        set.attributes(QueueAttributeName::MaximumMessageSize, "1048576").send().await.unwrap();
    }
    let url = format!("http://{}", status.address);
    let (code, said) = booking(&["check", "--canary", "--status-url", &url]);
    assert_eq!(code, Some(0), "{said}");
}

fn request(prefix: &str, status: &Service, more: &[&str]) -> Output {
    let mut command = binary();
    command.args(["request", "--flight", "WA117", "--date", "2027-03-01", "--name"]);
    command.args(["Grace O'Hopper", "--email", "grace@example.com", "--amount", "EUR 129.00"]);
    command.arg(FIFO).args(more).env("BOOKING_PREFIX", prefix);
    command.env("BOOKING_STATUS_URL", format!("http://{}", status.address));
    command.envs(LocalStack::running().environment()).env("BOOKING_TOKEN", "tok_visa");
    command.output().unwrap()
}

fn the_command_line_requests(prefix: &str, status: &Service) {
    let output = request(prefix, status, &["--seat", "16A", "--id", "cli-1", "--watch"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("booking cli-1") && text.contains("COMPLETED"), "{text}");
    let same = format!(
        "aws sns publish --topic-arn \
         arn:aws:sns:eu-central-1:000000000000:{prefix}booking-requested.fifo --message-group-id \
         cli-1 --message-deduplication-id cli-1 --message '"
    );
    assert!(text.contains(&same), "{same} is not in {text}");
}

#[test]
fn fifo_and_what_contradicts_it_are_refused_with_both_names() {
    for (more, other) in [
        (["--events", "eventbridge"], "--events eventbridge"),
        (["--integration", "step-functions"], "--integration step-functions"),
    ] {
        let folder = Folder::new();
        let mut command = binary();
        command.args(["seats", "--flights", "sample", FIFO]);
        command.args(more).env("BOOKING_DATA", folder.path());
        let output =
            command.envs(LocalStack::environment_of("http://127.0.0.1:9")).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains(FIFO) && told.contains(other), "{told}");
    }
}

#[test]
fn a_url_of_a_health_that_makes_no_sense_is_refused_and_never_repeated() {
    for wrong in ["payment=user:secret@payment", "cook=http://secret", "http://user:secret@payment"]
    {
        let folder = Folder::new();
        let mut status = binary();
        status.args(["status", FIFO, "--data"]).arg(folder.path()).arg("--watch-queues");
        let output = status.env("BOOKING_WATCH_HEALTH", wrong).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("BOOKING_WATCH_HEALTH") && !said.contains("secret"), "{said}");
    }
}

#[test]
fn a_health_is_asked_of_fifo_queues_that_are_watched_and_otherwise_refused() {
    for (set, missing) in [("BOOKING_FIFO", "--watch-queues"), ("BOOKING_WATCH_QUEUES", "--fifo")] {
        let folder = Folder::new();
        let mut status = binary();
        status.args(["status", "--watch-health", "payment=http://payment", "--data"]);
        // From the environment, `no` is said, and is not the same as yes.
        status.arg(folder.path()).env("BOOKING_FIFO", "no").env("BOOKING_WATCH_QUEUES", "no");
        let output = status.env(set, "yes").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("--watch-health") && said.contains(missing), "{said}");
    }
}
