//! Each role may do exactly what it does: the calls that the SDK sent, recorded in a run of the
//! four real processes, against the policies that Terraform plans. Nothing missing, nothing spare.

use std::collections::{BTreeMap, BTreeSet};

use booking::domain::{RoleName, event::Kind};
use serde_json::{Value, json};

use crate::harness::{
    Account, DynamoDbLocal, Fate, Folder, LocalStack, Service, Ses, Sketch, Tables, Way, binary,
    definitions, eventually, planned, skipped,
};

type Actions = BTreeSet<String>;

/// The action that IAM asks for.
fn action(service: &str, operation: &str) -> String {
    let operation = match operation {
        "PublishBatch" => "Publish",
        "SendMessageBatch" => "SendMessage",
        "DeleteMessageBatch" => "DeleteMessage",
        "ChangeMessageVisibilityBatch" => "ChangeMessageVisibility",
        // Of ours it holds conditional puts only.
        "TransactWriteItems" => "PutItem",
        // Ours is a whole message, for which SES asks its older action.
        "SendEmail" => return "ses:SendRawEmail".to_owned(),
        other => other,
    };
    let service = if service == "eventbridge" { "events" } else { service };
    format!("{service}:{operation}")
}

/// What is needed and not allowed, and what is allowed and not needed.
fn compare(done: &Actions, allowed: &Actions) -> (Actions, Actions) {
    (done - allowed, allowed - done)
}

async fn done_by(service: &Service) -> Actions {
    let label = |line: &str, name: &str| {
        let rest = line.split(&format!("{name}=\"")).nth(1)?;
        Some(rest.split('"').next()?.to_owned())
    };
    let metrics = service.metrics().await;
    let lines = metrics.lines().filter(|it| it.starts_with("booking_aws_requests_total{"));
    lines
        .map(|it| action(&label(it, "service").unwrap(), &label(it, "operation").unwrap()))
        .collect()
}

/// The identity of the sender that receipts have by themselves.
const IDENTITY: &str = "arn:aws:ses:eu-central-1:000000000000:identity/booking.example";

/// What Terraform would make for this account.
fn plan(account: &Account) -> Vec<Value> {
    let prefix = format!("prefix={}", account.prefix);
    let identity = format!("ses_identity_arn={IDENTITY}");
    let events = if account.is_event_bus() { "events=eventbridge" } else { "events=sns" };
    let variables = [prefix.as_str(), "store=dynamodb", "mailer=ses", &identity, events];
    planned(&LocalStack::running().endpoint, &variables)
}

/// The setting that says what carries the events of this account.
fn events(account: &Account) -> (&'static str, &'static str) {
    ("BOOKING_EVENTS", if account.is_event_bus() { "eventbridge" } else { "sns" })
}

/// An SES of the version that is used here, which LocalStack does not have. The sender of receipts
/// may send by it.
async fn ses() -> &'static Ses {
    let ses = Ses::running();
    ses.verifies("booking.example").await;
    ses
}

/// The settings that send receipts by it.
fn by_ses(endpoint: &str) -> [(&str, &str); 2] {
    [("BOOKING_MAILER", "ses"), ("AWS_ENDPOINT_URL_SESV2", endpoint)]
}

/// The policies that Terraform would make: action => resources, by role.
fn policies(plan: &[Value]) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let ours = |it: &&Value| it["type"] == "aws_iam_policy";
    let policy = |it: &Value| {
        let text = it["values"]["policy"].as_str().expect("the policy stands in the plan");
        let policy: Value = serde_json::from_str(text).unwrap();
        let mut allowed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for statement in policy["Statement"].as_array().unwrap() {
            assert_eq!(statement["Effect"], "Allow");
            for action in texts(&statement["Action"]) {
                allowed.entry(action).or_default().extend(texts(&statement["Resource"]));
            }
        }
        // The operator's is one alone, and has no index.
        (it["index"].as_str().or(it["name"].as_str()).unwrap().to_owned(), allowed)
    };
    plan.iter().filter(ours).map(policy).collect()
}

/// The tables that Terraform would make, as far as DynamoDB is told: by role.
fn tables(plan: &[Value], prefix: &str) -> BTreeMap<String, Value> {
    let sorted = |of: &Value| {
        let mut all = of.as_array().cloned().unwrap_or_default();
        all.sort_by_key(|it| it["name"].to_string());
        all
    };
    let table = |it: &Value| {
        let values = &it["values"];
        let indexes = sorted(&values["global_secondary_index"]);
        let index = |it: Value| {
            json!({"name": it["name"], "hash_key": it["hash_key"], "range_key": it["range_key"],
                   "projection_type": it["projection_type"]})
        };
        let definition = json!({
            "name": values["name"].as_str().unwrap().strip_prefix(prefix).unwrap(),
            "billing_mode": values["billing_mode"],
            "hash_key": values["hash_key"],
            "attribute": sorted(&values["attribute"]),
            "global_secondary_index": indexes.into_iter().map(index).collect::<Vec<_>>(),
        });
        assert_eq!(values["range_key"], Value::Null);
        (it["index"].as_str().unwrap().to_owned(), definition)
    };
    plan.iter().filter(|it| it["type"] == "aws_dynamodb_table").map(table).collect()
}

fn texts(of: &Value) -> Vec<String> {
    of.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

/// Everything that a role ever calls: bookings to several ends, a retry, a heartbeat, poison, a
/// list.
async fn provoke(account: &Account, dynamodb: &DynamoDbLocal, services: &[Service]) {
    let status = services.iter().find(|it| it.role == RoleName::Status).unwrap();
    let publish = async |sketch: Sketch| {
        account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    };
    let ends = async |id: &str, phase: &str| assert_eq!(status.ending(id).await["phase"], phase);
    publish(Sketch::new("happy", &["12A", "12B"], "tok_visa")).await;
    ends("happy", "completed").await;
    publish(Sketch::new("declined", &["14A"], "tok_declined")).await;
    ends("declined", "payment_failed").await;
    publish(Sketch::new("late", &["15A"], "tok_timeout_then_ok")).await;
    ends("late", "completed").await;
    // Nobody gets on while DynamoDB stands still: what is in hand is extended, and later given
    // back.
    dynamodb.freeze();
    publish(Sketch::new("frozen", &["16A"], "tok_visa")).await;
    for service in services {
        eventually(&format!("{} to keep what it has in hand", service.role), async || {
            done_by(service).await.contains("sqs:ChangeMessageVisibility").then_some(())
        })
        .await;
    }
    dynamodb.thaw();
    ends("frozen", "completed").await;
    // EventBridge takes nothing but objects.
    account.publish(Kind::BookingRequested, "{}").await;
    for role in RoleName::ALL {
        account.dead_letters(role, 1).await;
    }
    for query in ["", "?phase=completed", "?order=stalest", "?flight=WA117", "?date=2027-03-01"] {
        assert_eq!(status.get(&format!("/bookings{query}")).await.0, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_policy_is_exactly_what_its_role_calls() {
    if skipped("terraform") || skipped("dynamodb") {
        return;
    }
    each_policy_is_what_its_role_calls(Account::make(false).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_an_event_bus_every_policy_is_exactly_what_its_role_calls() {
    if skipped("terraform") || skipped("dynamodb") {
        return;
    }
    each_policy_is_what_its_role_calls(Account::on_event_bus().await).await;
}

async fn each_policy_is_what_its_role_calls(account: Account) {
    let (folder, ses) = (Folder::new(), ses().await);
    let prefix = account.prefix.clone();
    let dynamodb = DynamoDbLocal::start();
    let _tables = Tables::make_in(&dynamodb, &prefix).await;
    let mut services = Vec::new();
    for role in RoleName::ALL {
        let mut service =
            Service::spawn(LocalStack::running(), role, &prefix, folder.path(), |it| {
                it.envs(dynamodb.environment())
                    .envs(by_ses(&ses.endpoint))
                    .envs([events(&account)]);
            });
        service.polls().await;
        services.push(service);
    }
    provoke(&account, &dynamodb, &services).await;

    let plan = plan(&account);
    // What the tests and these services worked on is what Terraform makes.
    assert_eq!(tables(&plan, &prefix), definitions());
    let policies = policies(&plan);
    for service in &services {
        let role = service.role;
        let done = done_by(service).await;
        let policy = &policies[role.as_str()];
        let allowed: Actions = policy.keys().cloned().collect();
        let nothing = (Actions::new(), Actions::new());
        assert_eq!(compare(&done, &allowed), nothing, "{role}: missing, spare");
        // The comparison can fail: one action less, one more.
        for action in &allowed {
            let mut fewer = allowed.clone();
            fewer.remove(action);
            assert_eq!(compare(&done, &fewer).0, Actions::from([action.clone()]), "{role}");
        }
        let more = &allowed | &Actions::from(["sqs:PurgeQueue".to_owned()]);
        assert_eq!(compare(&done, &more).1, Actions::from(["sqs:PurgeQueue".to_owned()]));
        for (action, resources) in policy {
            for resource in resources {
                assert!(is_own(&account, role, resource), "{role}: {action} on {resource}");
            }
        }
    }
    // A client publishes requests, and that is all.
    let client: Vec<(&str, Vec<&str>)> = policies["client"]
        .iter()
        .map(|(action, on)| (action.as_str(), on.iter().map(String::as_str).collect()))
        .collect();
    if account.is_event_bus() {
        let bus = account.event_bus_arn();
        let may = ["events:DescribeEventBus", "events:PutEvents"].map(|it| (it, vec![&*bus]));
        assert_eq!(client, may);
    } else {
        let topic = account.topic_arn(Kind::BookingRequested);
        assert_eq!(client, [("sns:Publish", vec![&*topic])]);
    }
}

/// check with its canary on an event bus: all else is the same as with topics.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_an_event_bus_the_operator_may_do_exactly_what_check_does() {
    if skipped("terraform") {
        return;
    }
    let (account, folder) = (Account::on_event_bus().await, Folder::new());
    let mut services = Vec::new();
    for role in RoleName::ALL {
        let more = ["--events", "eventbridge"];
        services.push(Service::start(role, &account.prefix, folder.path(), &more).await);
    }
    let aws = Way::to(&LocalStack::running().endpoint, |_, _, _| Fate::Pass).await;
    let url = format!("http://{}", services[3].address);
    let output = binary()
        .args(["check", "--canary", "--status-url", &url, "--prefix", &account.prefix])
        .envs(LocalStack::running().environment())
        .envs([events(&account), ("AWS_ENDPOINT_URL", aws.endpoint.as_str())])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("all as topics/ says"), "{said}");
    let about_events = |it: &String| it.starts_with("events:");
    let policies = policies(&plan(&account));
    let allowed = policies["operator"].keys().filter(|it| about_events(it)).cloned();
    let named = |it: String| it.split_once(':').map(|(service, name)| action(service, name));
    let done = aws.seen().into_iter().filter_map(named).filter(about_events);
    let (done, allowed) = (done.collect(), allowed.collect());
    assert_eq!(compare(&done, &allowed), (Actions::new(), Actions::new()), "missing, spare");
}

/// Runs a command as an operator does, and returns its exit code and what it said.
fn operate(account: &Account, folder: &Folder, ways: &[(&str, &str)], args: &[&str]) -> String {
    let output = binary()
        .args(args)
        .args(["--prefix", &account.prefix])
        .envs([("BOOKING_STORE", "dynamodb"), ("BOOKING_FLIGHTS", "sample")])
        .env("BOOKING_DATA", folder.path())
        .envs(LocalStack::running().environment())
        .envs(ways.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    said
}

/// check with its canary, dlq and resend, for every role for which there is something to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_policy_is_exactly_what_the_commands_for_operators_call() {
    if skipped("terraform") || skipped("dynamodb") {
        return;
    }
    let (account, folder, ses) = (Account::make(false).await, Folder::new(), ses().await);
    let dynamodb = DynamoDbLocal::running();
    let _tables = Tables::make_in(dynamodb, &account.prefix).await;
    let mut services = Vec::new();
    for role in RoleName::ALL {
        let environment = dynamodb.environment();
        let localstack = LocalStack::running();
        let mut service = Service::spawn(localstack, role, &account.prefix, folder.path(), |it| {
            it.envs(environment).envs(by_ses(&ses.endpoint));
        });
        service.polls().await;
        services.push(service);
    }
    let publish = async |text: &str| account.publish(Kind::BookingRequested, text).await;
    publish(&Sketch::new("happy", &["12A"], "tok_visa").cloud_event()).await;
    let status = services.iter().find(|it| it.role == RoleName::Status).unwrap();
    assert_eq!(status.ending("happy").await["phase"], "completed");
    publish("{").await;
    for role in RoleName::ALL {
        let dlq = account.names.dead_letter_queue(role);
        eventually(&format!("{dlq} to have one"), async || {
            (account.depth_of(&dlq).await.0 == 1).then_some(())
        })
        .await;
        // What SNS could not deliver: two seats are two rows to look at.
        let late = Sketch::new("late", &["14A", "14B"], "tok_visa").cloud_event();
        account.put(&account.names.undelivered_queue(role), &late).await;
    }

    let aws = Way::to(&LocalStack::running().endpoint, |_, _, _| Fate::Pass).await;
    let tables = Way::to(&dynamodb.endpoint, |_, _, _| Fate::Pass).await;
    let mail = Way::to(&ses.endpoint, |_, _, _| Fate::Pass).await;
    let [mailer, sesv2] = by_ses(&mail.endpoint);
    let ways = [
        ("AWS_ENDPOINT_URL", aws.endpoint.as_str()),
        ("AWS_ENDPOINT_URL_DYNAMODB", tables.endpoint.as_str()),
        mailer,
        sesv2,
    ];
    let run = |args: &[&str]| operate(&account, &folder, &ways, args);
    let url = format!("http://{}", status.address);
    run(&["check", "--canary", "--status-url", &url]);
    for role in RoleName::ALL {
        let role = role.as_str();
        run(&["dlq", "ls", role]);
        let told = run(&["dlq", "redrive", role, "--dry-run", "--booking", "late"]);
        assert!(told.contains("late"), "{told}");
        run(&["dlq", "redrive", role, "--booking", "late"]);
    }
    run(&["resend", "all", "happy"]);
    run(&["dlq", "drop", "all", "--class", "malformed"]);

    let policies = policies(&plan(&account));
    let allowed: Actions = policies["operator"].keys().cloned().collect();
    let sent = aws.seen().into_iter().chain(tables.seen()).chain(mail.seen());
    let sent: Vec<String> = sent.collect();
    let named = |it: &String| it.split_once(':').map(|(service, name)| action(service, name));
    let mut done: Actions = sent.iter().filter_map(named).collect();
    // Everybody may ask who he is.
    assert!(done.remove("sts:GetCallerIdentity"));
    assert_eq!(compare(&done, &allowed), (Actions::new(), Actions::new()), "missing, spare");
}

/// Whether a role may have anything to do with it: its queue, its dead-letter queue, its table and
/// the indexes of that, the topics it publishes to, and for receipt the identity that sends.
fn is_own(account: &Account, role: RoleName, resource: &str) -> bool {
    const INDEXES: [&str; 4] = ["newest", "stalest", "of_flight", "of_day"];
    let name = resource.rsplit(':').next().unwrap();
    let names = &account.names;
    let table = format!("table/{}", names.table(role));
    let published = booking::topics::all().into_iter().filter(|it| it.publisher == role.as_str());
    name == names.queue(role)
        || name == names.dead_letter_queue(role)
        || name == table
        || (role == RoleName::Receipt && resource == IDENTITY)
        || name
            .strip_prefix(&format!("{table}/index/"))
            .is_some_and(|it| role == RoleName::Status && INDEXES.contains(&it))
        || (account.is_event_bus() && resource == account.event_bus_arn())
        || published.map(|it| account.topic_arn(it.topic)).any(|it| it == resource)
}
