//! The same four services under a state machine: the real Terraform applied to LocalStack, whose
//! Step Functions runs the definition as it is, and the real binary.

use std::process::{Command, Output};

use aws_sdk_sfn::types::ExecutionStatus;
use booking::{
    audit::Evidence,
    bus::{Answered, Desk, aws::AwsDesk},
    domain::{RoleName, ids::BookingId},
    wire::{self, Content, Intake, SealKey, TaskAnswer},
};
use serde_json::{Value, json};

use super::end_to_end::terraform;
use crate::harness::{
    Account, Folder, LocalStack, Machine, SEAL_KEY, Service, Sketch, binary, eventually, incoming,
    skipped, unique,
};

fn key() -> SealKey {
    SealKey::parse(SEAL_KEY).unwrap()
}

const INTEGRATION: [&str; 2] = ["--integration", "step-functions"];

async fn all_four(prefix: &str, data: &std::path::Path) -> Vec<Service> {
    let mut services = Vec::new();
    for role in RoleName::ALL {
        services.push(Service::start(role, prefix, data, &INTEGRATION).await);
    }
    services
}

/// Nothing may stay on a queue of tasks: neither work nor dead letters.
async fn queues_are_empty(account: &Account, machine: &Machine) {
    for role in RoleName::ALL {
        let name = machine.names.queue(role);
        eventually(&format!("{name} to be empty"), async || {
            (account.depth_of(&name).await == (0, 0)).then_some(())
        })
        .await;
        let dead = account.depth_of(&machine.names.dead_letter_queue(role)).await;
        assert_eq!(dead, (0, 0), "dead letters of {role}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_article_orchestrated_end_to_end() {
    if skipped("terraform") {
        return;
    }
    let (folder, prefix) = (Folder::new(), unique("sfn"));
    let integration = ["-var", "integration=step-functions"];
    let (code, said) = terraform(&folder, &prefix, &[&["apply"][..], &integration].concat());
    assert_eq!(code, Some(0), "terraform apply failed:\n{said}");
    let plan = [&["plan", "-detailed-exitcode"][..], &integration].concat();
    let (code, said) = terraform(&folder, &prefix, &plan);
    assert_eq!(code, Some(0), "a plan right after apply shows changes:\n{said}");

    let account = Account::existing(&prefix).await;
    let machine = Machine::existing(LocalStack::running(), &prefix).await;
    let services = all_four(&prefix, folder.path()).await;
    let status = &services[3];
    the_command_line_starts_a_booking_once(&prefix, &machine, status).await;
    bookings_end_as_they_should(&machine, status).await;
    nothing_personal_is_in_a_history(&machine).await;
    queues_are_empty(&account, &machine).await;

    drop(services);
    assert_eq!(Evidence::read(folder.path()).unwrap().violations(), []);
}

/// `booking request` on this road, as a person types it.
fn request(mut command: Command, prefix: &str, status: &Service, more: &[&str]) -> Output {
    let fixed = [
        "request",
        "--flight",
        "WA117",
        "--date",
        "2027-03-01",
        "--name",
        "Ada Lovelace",
        "--email",
        "ada@example.com",
        "--amount",
        "EUR 129.00",
        "--token",
        "tok_visa",
    ];
    command.args(fixed).args(INTEGRATION).args(more);
    command.env("BOOKING_STATUS_URL", format!("http://{}", status.address));
    command.env("BOOKING_PREFIX", prefix).envs(LocalStack::running().environment());
    command.output().unwrap()
}

async fn the_command_line_starts_a_booking_once(prefix: &str, machine: &Machine, status: &Service) {
    let output = request(binary(), prefix, status, &["--seat", "16A", "--id", "cli-1", "--watch"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("booking cli-1") && text.contains("COMPLETED"), "{text}");
    let line = text.lines().find(|it| it.contains("aws stepfunctions start-execution")).unwrap();
    assert!(line.contains("--name cli-1") && line.contains(&machine.arn), "{line}");
    assert!(!line.contains("Ada") && !line.contains("tok_visa"), "{line}");

    // The same id again, for another seat: the first one stands.
    let output = request(binary(), prefix, status, &["--seat", "16B", "--id", "cli-1", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["booking_id"], &told["started"]), (&json!("cli-1"), &json!(false)));
    assert_eq!(told["state_machine_arn"], machine.arn);
    assert_eq!(machine.count(ExecutionStatus::Succeeded).await, 1);
    assert_eq!(status.ending("cli-1").await["seats"], json!(["16A"]));
}

/// Both flows of the article, and the endings that it forgot.
async fn bookings_end_as_they_should(machine: &Machine, status: &Service) {
    let ended = async |sketch: Sketch| {
        assert!(machine.start(&sketch.event()).await);
        assert_eq!(machine.ended(&sketch.booking()).await, ExecutionStatus::Succeeded);
        let view = status.ending(&sketch.id).await;
        view["phase"].as_str().unwrap().to_owned()
    };
    assert_eq!(ended(Sketch::new("paid", &["12A"], "tok_visa")).await, "completed");
    let declined = Sketch::new("declined", &["14A"], "tok_declined");
    assert_eq!(ended(declined.clone()).await, "payment_failed");
    assert_eq!(ended(Sketch::new("next", &["14A", "14B"], "tok_visa")).await, "completed");
    // Nobody asks payment before there is a seat, so nothing has to be given back.
    assert_eq!(ended(Sketch::new("half", &["14B", "14C"], "tok_visa")).await, "seat_unavailable");
    let nowhere = Sketch { flight: "ZZ404", ..Sketch::new("nowhere", &["1A"], "tok_visa") };
    assert_eq!(ended(nowhere).await, "seat_unavailable");
    let slow = Sketch::new("slow", &["14C"], "tok_timeout_then_ok");
    assert_eq!(ended(slow).await, "completed");
    // It is over, and starting it again starts nothing.
    let before = machine.count(ExecutionStatus::Succeeded).await;
    assert!(machine.start(&declined.event()).await);
    assert_eq!(machine.count(ExecutionStatus::Running).await, 0);
    assert_eq!(machine.count(ExecutionStatus::Succeeded).await, before);
    assert_eq!(status.ending("declined").await["phase"], "payment_failed");
}

async fn nothing_personal_is_in_a_history(machine: &Machine) {
    let paid = BookingId::parse("paid").unwrap();
    let history = machine.history(&paid).await;
    let tells = |what: &str| history.iter().any(|it| it.contains(what));
    assert!(tells("seat-booked") && tells("receipt-sent") && tells("request"), "{history:?}");
    for personal in ["Ada", "Lovelace", "ada@example.com", "tok_visa"] {
        assert!(!tells(personal), "{personal} is in the history");
    }
}

/// A time-out is no answer: while payment stands still, the same is asked again, and what comes of
/// it in the end is one charge.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_times_out_is_asked_again_and_charged_once() {
    let (folder, localstack) = (Folder::new(), LocalStack::running());
    let account = Account::make(false).await;
    let machine = Machine::make(localstack, &account, |definition| {
        definition["States"]["TakePayment"]["TimeoutSeconds"] = json!(2);
        definition["States"]["TakePayment"]["HeartbeatSeconds"] = json!(1);
    })
    .await;
    let services = all_four(&account.prefix, folder.path()).await;
    let (payment, status) = (&services[1], &services[3]);
    payment.signal("STOP");
    let sketch = Sketch::new("patient", &["12A"], "tok_visa");
    assert!(machine.start(&sketch.event()).await);
    let asked = machine.names.queue(RoleName::Payment);
    eventually("payment to be asked three times", async || {
        let (visible, hidden) = account.depth_of(&asked).await;
        (visible + hidden >= 3).then_some(())
    })
    .await;
    payment.signal("CONT");
    assert_eq!(machine.ended(&sketch.booking()).await, ExecutionStatus::Succeeded);
    assert_eq!(status.ending("patient").await["phase"], "completed");
    queues_are_empty(&account, &machine).await;
    drop(services);
    let evidence = Evidence::read(folder.path()).unwrap();
    assert_eq!(evidence.violations(), []);
    assert_eq!(evidence.movements(&sketch.booking()).count(), 1);
}

/// The emulator takes late and second answers until the execution is over, which AWS does not; only
/// a token that it never gave is unknown to it.
/// Failure matrix: J3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_waits_for_is_no_failure() {
    let sfn = aws_sdk_sfn::Client::new(&LocalStack::running().config().await);
    let body = json!({ "token": "of-nobody", "booking": "b-1", "request": "none" });
    let Content::Task(task) = wire::open(&incoming(body.to_string()), &Intake::tasks(key())) else {
        panic!("no task: {body}")
    };
    let (token, desk) = (task.token.unwrap(), AwsDesk::new(sfn));
    for answer in [TaskAnswer::SetAside, TaskAnswer::Said(Vec::new())] {
        assert_eq!(desk.answer(&token, &answer).await.unwrap(), Answered::NobodyWaits);
    }
    desk.beat(&token).await.unwrap();
}

/// What cannot be read is told to the machine, which ends, and to a person, who has the message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_no_key_opens_ends_its_execution_and_is_set_aside() {
    let (folder, localstack) = (Folder::new(), LocalStack::running());
    let account = Account::make(false).await;
    let machine = Machine::make(localstack, &account, |_| ()).await;
    let services = all_four(&account.prefix, folder.path()).await;
    let booking = BookingId::parse("strange").unwrap();
    let start = machine.sfn.start_execution().state_machine_arn(&machine.arn).name("strange");
    start.input(r#"{"request":"bm90IHNlYWxlZA=="}"#).send().await.unwrap();
    assert_eq!(machine.ended(&booking).await, ExecutionStatus::Failed);
    let view = services[3].ending("strange").await;
    assert_eq!(view["phase"], "rejected");
    let said = view["rejections"][0].as_str().unwrap();
    assert!(said.contains("sealed for this booking"), "{said}");
    // The same by a person whose key is another one.
    let mut command = binary();
    command.env("BOOKING_SEAL_KEY", "another-seal-key-that-is-long-enough");
    let output = request(command, &account.prefix, &services[3], &["--seat", "12A", "--watch"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("REJECTED") && text.contains("--seal-key-file"), "{text}");
    for role in [RoleName::Seats, RoleName::Status] {
        let dead = machine.names.dead_letter_queue(role);
        eventually(&format!("two dead letters of {role}"), async || {
            (account.depth_of(&dead).await.0 == 2).then_some(())
        })
        .await;
    }
}

#[test]
fn without_a_seal_key_or_with_raw_delivery_no_service_of_a_state_machine_starts() {
    let folder = Folder::new();
    let refused = |key: Option<&str>, more: &[&str], words: [&str; 2]| {
        let mut command = binary();
        command.args(["seats", "--flights", "sample"]).args(INTEGRATION).args(more);
        command.env("BOOKING_DATA", folder.path()).env_remove("BOOKING_SEAL_KEY");
        command.envs(key.map(|it| ("BOOKING_SEAL_KEY", it)));
        command.envs(LocalStack::environment_of("http://127.0.0.1:9"));
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(words.iter().all(|it| told.contains(it)), "{told}");
    };
    refused(None, &[], ["--seal-key-file", "BOOKING_SEAL_KEY"]);
    refused(Some("short"), &[], ["BOOKING_SEAL_KEY", "32 to 4096 bytes"]);
    let raw = ["--raw-delivery", "--integration step-functions"];
    refused(Some(SEAL_KEY), &["--raw-delivery"], raw);
    let file = folder.join("large.key");
    std::fs::write(&file, format!("{SEAL_KEY}\n").repeat(1000)).unwrap();
    let large = ["--seal-key-file", file.to_str().unwrap()];
    refused(None, &large, ["more than 16384 bytes", "the seal key"]);
}
