//! IAM enforced: the four roles, a client and an operator act under exactly the policies that
//! Terraform plans, on an AWS that refuses everything else (moto, with what
//! localstack/iam_server.py adds and says is not enforced). Everything they do goes through, and
//! with any one action taken away exactly the calls that need it are refused, and whoever needed it
//! says which one it was.

mod deployment;
mod event_bus;
mod secrets;

use std::collections::BTreeSet;

use booking::{
    domain::{RoleName, event::Kind},
    durability::Durability,
    wiring::{begin, new_deployment},
};
use serde_json::Value;

use self::deployment::{Deployment, actions, output, without};
use crate::harness::{
    Enforcing, Environment, Fate, Folder, Service, Sketch, Way, eventually, skipped,
};

/// Settings or account have to be mended first.
const CONFIG: Option<i32> = Some(78);

/// What a call says that IAM did not allow.
fn missing(action: &str) -> String {
    format!("IAM does not allow `{action}` on `")
}

/// The rows are in DynamoDB.
fn in_tables(mut environment: Environment) -> Environment {
    environment.push(("BOOKING_STORE", "dynamodb".to_owned()));
    environment
}

/// Status looks at all queues.
fn watching(role: RoleName, mut environment: Environment) -> Environment {
    if role == RoleName::Status {
        environment.push(("BOOKING_WATCH_QUEUES", "true".to_owned()));
    }
    environment
}

/// The four roles, each as itself.
async fn services(deployed: &Deployment, folder: &Folder, tables: bool) -> Vec<Service> {
    let mut services = Vec::new();
    for role in RoleName::ALL {
        let mut policy = deployed.policy(role.as_str());
        if !tables {
            // What Terraform plans without store=dynamodb: the same without what is about tables.
            let statements = policy["Statement"].as_array_mut().unwrap();
            statements.retain(|it| !it["Action"][0].as_str().unwrap().starts_with("dynamodb:"));
        }
        let mut environment = deployed.somebody("role", role.as_str(), &policy).await;
        if tables {
            environment = in_tables(environment);
        }
        let environment = watching(role, environment);
        let mut service =
            Service::spawn_at(environment, role, &deployed.prefix, folder.path(), |_| {});
        service.polls().await;
        services.push(service);
    }
    services
}

/// Bookings to every kind of end, a retry and poison, by a client who may publish requests and no
/// more.
async fn all_stories_end(tables: bool) {
    let (deployed, folder) = (Deployment::make().await, Folder::new());
    let services = services(&deployed, &folder, tables).await;
    let status = services.iter().find(|it| it.role == RoleName::Status).unwrap();
    let client = deployed.somebody("user", "client", &deployed.policy("client")).await;
    let request = |id: &str, seats: &[&str], token: &str| {
        let mut args = vec!["request", "--flight", "WA117", "--date", "2027-03-01", "--id", id];
        args.extend(["--name", "Ada", "--email", "ada@example.com", "--amount", "EUR 129.00"]);
        args.extend(seats.iter().flat_map(|it| ["--seat", it]));
        let mut client = client.clone();
        client.push(("BOOKING_TOKEN", token.to_owned()));
        let (code, said) = output(&deployed, &client, &folder, &args);
        assert_eq!(code, Some(0), "{said}");
    };
    let ends = async |id: &str, phases: &[&str]| {
        let phase = status.ending(id).await["phase"].as_str().unwrap().to_owned();
        assert!(phases.contains(&phase.as_str()), "{id}: {phase}");
    };
    request("happy", &["12A", "12B"], "tok_visa");
    ends("happy", &["completed"]).await;
    request("declined", &["14A"], "tok_declined");
    ends("declined", &["payment_failed"]).await;
    request("taken", &["12B", "12C"], "tok_visa");
    // Charged or not, as it happens: if so, the money goes back.
    ends("taken", &["seat_unavailable", "refunded"]).await;
    request("late", &["15A"], "tok_timeout_then_ok");
    ends("late", &["completed"]).await;
    deployed.publish(Kind::BookingRequested, "{").await;
    for role in RoleName::ALL {
        deployed.set_aside(role).await;
    }
    for query in ["", "?phase=completed", "?order=stalest", "?flight=WA117", "?date=2027-03-01"] {
        assert_eq!(status.get(&format!("/bookings{query}")).await.0, 200);
    }
    let (code, vitals) = status.get("/vitals").await;
    assert_eq!((code, vitals.to_string().contains("problem")), (200, false), "{vitals}");

    let mut operator = deployed.somebody("user", "operator", &deployed.policy("operator")).await;
    if tables {
        operator = in_tables(operator);
    }
    let url = format!("http://{}", status.address);
    deployed.put(RoleName::Seats, &Sketch::new("lost", &["16A", "16B"], "tok_visa")).await;
    for args in [
        &["check", "--canary", "--status-url", &url][..],
        &["dlq", "ls", "receipt"],
        &["dlq", "redrive", "seats", "--dry-run", "--booking", "lost"],
        &["dlq", "redrive", "seats", "--booking", "lost"],
        &["resend", "seats,receipt", "happy"],
    ] {
        let (code, said) = output(&deployed, &operator, &folder, args);
        assert_eq!(code, Some(0), "{args:?}: {said}");
    }
    let roles = RoleName::ALL.map(RoleName::as_str);
    for who in roles.into_iter().chain(["client", "operator"]) {
        assert_eq!(deployed.refused(who).await, BTreeSet::new(), "{who}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_stories_end_under_exactly_the_policies_of_terraform() {
    if !skipped("iam") && !skipped("terraform") {
        all_stories_end(false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_stories_end_under_exactly_the_policies_of_terraform_with_rows_in_tables() {
    if !skipped("iam") && !skipped("terraform") {
        all_stories_end(true).await;
    }
}

/// The statements that status has only to look at the queues of all services.
const WATCH: &str = "Watch";

/// Without these a service cannot begin: it says so and ends.
fn needed_to_begin(action: &str) -> bool {
    let first = ["sqs:GetQueueUrl", "sqs:GetQueueAttributes", "dynamodb:GetItem", "dynamodb:Query"];
    first.contains(&action)
}

/// One role without one action of one statement of its policy, the `nth` time it is tried.
async fn one_action_less(
    deployed: &Deployment,
    role: RoleName,
    nth: usize,
    sid: &str,
    action: &str,
) {
    let (folder, who) = (Folder::new(), format!("{role}-{nth}"));
    let policy = without(&deployed.policy(role.as_str()), sid, action);
    let mut environment = in_tables(deployed.somebody("role", &who, &policy).await);
    environment = watching(role, environment);
    let mut way = None;
    if action == "sqs:ChangeMessageVisibility" {
        // Nothing can be written: what is in hand has to be given back.
        let broken = Way::to(Enforcing::running().endpoint(), |operation, _, _| match operation {
            "PutItem" | "TransactWriteItems" => {
                Fate::Say(axum::http::StatusCode::INTERNAL_SERVER_ERROR, Value::Null)
            }
            _ => Fate::Pass,
        });
        let broken = broken.await;
        environment.push(("AWS_ENDPOINT_URL_DYNAMODB", broken.endpoint.clone()));
        way = Some(broken);
    }
    deployed.empty(role).await;
    match sid {
        "SetAside" => deployed.publish(Kind::BookingRequested, "{").await,
        _ => deployed.tell_of(&who).await,
    }
    let service = Service::spawn_at(environment, role, &deployed.prefix, folder.path(), |_| {});
    if needed_to_begin(action) && !sid.starts_with(WATCH) {
        let log = service.log.clone();
        let code = service.ended().await;
        let said = std::fs::read_to_string(log).unwrap();
        assert_eq!(code, CONFIG, "{role} without {action} of {sid}: {said}");
        assert!(said.contains(&missing(action)), "{role} without {action} of {sid}: {said}");
    } else {
        let ask = async |path: &str| {
            let answer = reqwest::get(format!("http://{}{path}", service.address)).await.ok()?;
            answer.text().await.ok()
        };
        eventually(&format!("{role} to say that {action} of {sid} is missing"), async || {
            let said = match action {
                _ if sid.starts_with(WATCH) => ask("/vitals").await?,
                // Who cannot receive does nothing at all: that is what /health is asked for.
                "sqs:ReceiveMessage" => ask("/health").await?,
                _ => {
                    // Status alone answers it; the others have no such path.
                    ask("/bookings").await?;
                    service.logged()
                }
            };
            said.contains(&missing(action)).then_some(())
        })
        .await;
    }
    drop(way);
    let refused = deployed.refused(&who).await;
    assert!(!refused.is_empty());
    let only = format!("{action} ");
    assert!(refused.iter().all(|it| it.starts_with(&only)), "without {action}: {refused:?}");
}

/// A role without each action of each statement of its policy in turn.
async fn every_action_less(role: RoleName) {
    if skipped("iam") || skipped("terraform") {
        return;
    }
    let all = actions(&deployment::policy_of(role.as_str()));
    assert!(all.len() >= 9, "{role}: {all:?}");
    let deployed = Deployment::make().await;
    for (nth, (sid, action)) in all.iter().enumerate() {
        one_action_less(&deployed, role, nth, sid, action).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_without_one_action_is_refused_exactly_that_and_says_which_right_is_missing() {
    every_action_less(RoleName::Seats).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payment_without_one_action_is_refused_exactly_that_and_says_which_right_is_missing() {
    every_action_less(RoleName::Payment).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipt_without_one_action_is_refused_exactly_that_and_says_which_right_is_missing() {
    every_action_less(RoleName::Receipt).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_without_one_action_is_refused_exactly_that_and_says_which_right_is_missing() {
    every_action_less(RoleName::Status).await;
}

/// What an operator cannot do without an action: each on queues of its own, since what is looked at
/// without being given back is hidden for a while.
const OPERATORS: [(&str, &[&str]); 15] = [
    ("sns:GetTopicAttributes", &["check"]),
    ("sns:ListSubscriptionsByTopic", &["check"]),
    ("sns:GetSubscriptionAttributes", &["check"]),
    ("sqs:GetQueueUrl", &["check"]),
    ("sqs:GetQueueAttributes", &["check"]),
    ("dynamodb:DescribeTable", &["check"]),
    ("sns:Publish", &["resend", "seats", "happy"]),
    ("dynamodb:GetItem", &["resend", "seats", "happy"]),
    ("ses:SendRawEmail", &["resend", "receipt", "happy"]),
    ("dynamodb:BatchGetItem", &["dlq", "redrive", "seats", "--dry-run", "--booking", "lost"]),
    ("dynamodb:Query", &["dlq", "redrive", "status", "--dry-run", "--booking", "lost"]),
    ("sqs:ReceiveMessage", &["dlq", "ls", "seats"]),
    ("sqs:SendMessage", &["dlq", "redrive", "seats", "--booking", "lost"]),
    ("sqs:DeleteMessage", &["dlq", "redrive", "receipt", "--booking", "lost"]),
    ("sqs:ChangeMessageVisibility", &["dlq", "ls", "payment"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_without_one_action_is_refused_exactly_that_and_told_which_right_is_missing() {
    if skipped("iam") || skipped("terraform") {
        return;
    }
    let (deployed, folder) = (Deployment::make().await, Folder::new());
    let services = services(&deployed, &folder, true).await;
    let status = services.iter().find(|it| it.role == RoleName::Status).unwrap();
    let happy = Sketch::new("happy", &["12A", "12B"], "tok_visa").cloud_event();
    deployed.publish(Kind::BookingRequested, &happy).await;
    assert_eq!(status.ending("happy").await["phase"], "completed");
    for role in RoleName::ALL {
        deployed.put(role, &Sketch::new("lost", &["16A", "16B"], "tok_visa")).await;
    }
    let whole = deployed.policy("operator");
    let tried: BTreeSet<String> = OPERATORS.iter().map(|it| it.0.to_owned()).collect();
    let all: BTreeSet<String> = actions(&whole).into_iter().map(|it| it.1).collect();
    assert_eq!(tried, all);
    for (at, (action, args)) in OPERATORS.iter().enumerate() {
        let mut policy = whole.clone();
        for (sid, it) in actions(&whole) {
            if it == *action {
                policy = without(&policy, &sid, action);
            }
        }
        let who = format!("operator-{at}");
        let environment = in_tables(deployed.somebody("user", &who, &policy).await);
        let (code, said) = output(&deployed, &environment, &folder, args);
        let refused = deployed.refused(&who).await;
        let only = format!("{action} ");
        assert!(!refused.is_empty(), "without {action}: {args:?}: {said}");
        assert!(refused.iter().all(|it| it.starts_with(&only)), "without {action}: {refused:?}");
        // What cannot be given back is seen again by itself a minute later: that is no failure.
        if *action != "sqs:ChangeMessageVisibility" {
            assert_eq!(code, CONFIG, "without {action}: {args:?}: {said}");
            assert!(said.contains(&missing(action)), "without {action}: {args:?}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_publish_requests_and_nothing_else() {
    if skipped("iam") || skipped("terraform") {
        return;
    }
    let (deployed, folder) = (Deployment::make().await, Folder::new());
    let policy = deployed.policy("client");
    assert_eq!(actions(&policy).len(), 1);
    let client = deployed.somebody("user", "client", &policy).await;
    begin(folder.path(), &[RoleName::Seats], new_deployment(), Durability::ProcessDeath).unwrap();
    for args in [&["check"][..], &["dlq", "ls", "seats"], &["seats", "--flights", "sample"]] {
        let (code, said) = output(&deployed, &client, &folder, args);
        assert!(code == CONFIG && said.contains("IAM does not allow `"), "{args:?}: {said}");
    }
    // Nor any topic but the one: what a role says only the role can say.
    for kind in Kind::ALL {
        let published = deployed.publish_as(&client, kind).await;
        assert_eq!(published.is_ok(), kind == Kind::BookingRequested, "{kind}: {published:?}");
    }
    let none = without(&policy, "PublishOwnTopics", "sns:Publish");
    let nobody = deployed.somebody("user", "nobody", &none).await;
    let args = "request --flight WA117 --date 2027-03-01 --seat 12A --name Ada --email a@example.com \
                --token tok_visa --amount";
    let args: Vec<&str> = args.split_whitespace().chain(["EUR 129.00"]).collect();
    let (code, said) = output(&deployed, &nobody, &folder, &args);
    let topic = deployed.topic_arn(Kind::BookingRequested);
    let named = format!("IAM does not allow `sns:Publish` on `{topic}`");
    assert!(code == CONFIG && said.contains(&named), "{said}");
}

/// That a right on one thing is none on another: else none of the above would mean much.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_of_another_role_opens_nothing() {
    if skipped("iam") || skipped("terraform") {
        return;
    }
    let (deployed, folder) = (Deployment::make().await, Folder::new());
    for (role, other) in RoleName::ALL.into_iter().zip(RoleName::ALL.into_iter().cycle().skip(1)) {
        let policy = deployed.policy(other.as_str());
        let environment = in_tables(deployed.somebody("role", role.as_str(), &policy).await);
        let service = Service::spawn_at(environment, role, &deployed.prefix, folder.path(), |_| {});
        let log = service.log.clone();
        assert_eq!(service.ended().await, CONFIG, "{role} as {other}");
        let said = std::fs::read_to_string(log).unwrap();
        assert!(said.contains(&missing("dynamodb:GetItem")), "{role} as {other}: {said}");
    }
}

/// The queue policies, too, are Terraform's, and what they leave out does not come in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_a_queue_policy_leaves_out_is_not_heard_there() {
    if skipped("iam") || skipped("terraform") {
        return;
    }
    let deployed = Deployment::make().await;
    deployed.let_nothing_in(RoleName::Payment).await;
    let text = Sketch::new("happy", &["12A"], "tok_visa").cloud_event();
    deployed.publish(Kind::BookingRequested, &text).await;
    let names = &deployed.names;
    assert_eq!(deployed.depth(&names.queue(RoleName::Seats)).await, 1);
    assert_eq!(deployed.depth(&names.queue(RoleName::Payment)).await, 0);
    assert_eq!(deployed.depth(&names.undelivered_queue(RoleName::Payment)).await, 1);
}
