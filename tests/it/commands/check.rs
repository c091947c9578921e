//! `booking check` on a real account: well, and with one thing at a time broken; and canaries.

use aws_sdk_eventbridge::types::Target;
use aws_sdk_sqs::types::QueueAttributeName;
use axum::http::StatusCode;
use booking::domain::{RoleName, event::Kind};
use serde_json::{Value, json};

use crate::harness::{Account, DynamoDbLocal, Fate, LocalStack, Tables, Way, binary, skipped};

/// Runs `booking check` on an account; exit code, stdout and stderr.
pub fn run(account: &Account, args: &[&str]) -> (Option<i32>, String, String) {
    let events: &[&str] = if account.is_event_bus() { &["--events", "eventbridge"] } else { &[] };
    let output = binary()
        .args(["check", "--prefix", &account.prefix])
        .args(events)
        .args(args)
        .envs(LocalStack::running().environment())
        .output()
        .unwrap();
    let text = |it| String::from_utf8(it).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// What `--json` says; the exit code must agree with it.
#[track_caller]
pub fn json(account: &Account, args: &[&str]) -> Value {
    let (code, text, said) = run(account, &[args, &["--json"]].concat());
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{said}"));
    assert_eq!(code, Some(if report["well"] == true { 0 } else { 1 }), "{report:#}");
    assert_eq!(report["well"], report["findings"].as_array().unwrap().is_empty());
    report
}

/// Exactly one finding, about this, with these words in it; told to people as well.
#[track_caller]
pub fn finds(account: &Account, subject: &str, words: &[&str]) {
    let report = json(account, &[]);
    let findings = report["findings"].as_array().unwrap();
    let [finding] = findings.as_slice() else { panic!("one finding, not {report:#}") };
    assert_eq!(finding["subject"], subject);
    let text = format!("{} {} {}", finding["wrong"], finding["breaks"], finding["mend"]);
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
    let (code, text, _) = run(account, &[]);
    assert_eq!(code, Some(1), "{text}");
    for word in [subject, "  wrong:  ", "  breaks: ", "  mend:   ", "\n1 finding\n"] {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
}

pub async fn set_attribute(
    account: &Account,
    role: RoleName,
    name: QueueAttributeName,
    text: &str,
) {
    let url = account.url(&account.names.queue(role)).await;
    let set = account.sqs.set_queue_attributes().queue_url(url).attributes(name, text);
    set.send().await.unwrap();
}

pub async fn unsubscribe(account: &Account, topic: Kind, role: RoleName) {
    let arn = account.subscription(topic, role).await;
    account.sns.unsubscribe().subscription_arn(arn).send().await.unwrap();
}

/// As somebody does it by hand, who thinks of no dead-letter queue.
pub async fn subscribe(account: &Account, topic: Kind, role: RoleName) {
    let subscribe = account.sns.subscribe().topic_arn(account.topic_arn(topic));
    let subscribe = subscribe.protocol("sqs").endpoint(account.queue_arn(role));
    subscribe.send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_as_topics_says_has_no_findings_and_nothing_is_changed_or_published() {
    let account = Account::make(false).await;
    let (code, text, said) = run(&account, &[]);
    assert_eq!(
        (code, text.as_str(), said.as_str()),
        (Some(0), "17 subscriptions, 8 topics, 12 queues: all as topics/ says\n", "")
    );
    let report = json(&account, &[]);
    let counts = ["topics", "queues", "subscriptions"].map(|it| report[it].as_u64().unwrap());
    assert_eq!((counts, report.get("canary")), ([8, 12, 17], None));
    for role in RoleName::ALL {
        assert_eq!(account.depth(role).await, (0, 0));
    }
}

/// Failure matrix: A13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_subscription_is_found_and_nothing_else() {
    let account = Account::make(false).await;
    unsubscribe(&account, Kind::PaymentFailed, RoleName::Seats).await;
    let subject = format!("subscription of {0}booking-seats to {0}payment-failed", account.prefix);
    finds(&account, &subject, &["does not exist", "nobody frees the seats", "terraform apply"]);
}

/// Failure matrix: A13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_queue_policy_is_found_and_nothing_else() {
    let account = Account::make(false).await;
    set_attribute(&account, RoleName::Payment, QueueAttributeName::Policy, "").await;
    let subject = format!("queue {}booking-payment", account.prefix);
    let words = ["no policy", "booking-requested, seat-unavailable", "booking dlq redrive payment"];
    finds(&account, &subject, &words);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_delivery_is_found_and_nothing_else() {
    let account = Account::make(false).await;
    let (topic, role) = (Kind::BookingRequested, RoleName::Receipt);
    let arn = account.subscription(topic, role).await;
    let set = account.sns.set_subscription_attributes().subscription_arn(arn);
    let set = set.attribute_name("RawMessageDelivery").attribute_value("true");
    set.send().await.unwrap();
    let subject =
        format!("subscription of {0}booking-receipt to {0}booking-requested", account.prefix);
    finds(&account, &subject, &["raw message delivery is on", "any event in any name"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_redrive_policy_is_found_and_nothing_else() {
    let account = Account::make(false).await;
    set_attribute(&account, RoleName::Seats, QueueAttributeName::RedrivePolicy, "").await;
    let subject = format!("queue {}booking-seats", account.prefix);
    finds(&account, &subject, &["no redrive policy", "goes round until it is too old"]);

    let account = Account::make(false).await;
    let (topic, role) = (Kind::SeatBooked, RoleName::Status);
    unsubscribe(&account, topic, role).await;
    subscribe(&account, topic, role).await;
    let subject = format!("subscription of {0}booking-status to {0}seat-booked", account.prefix);
    finds(&account, &subject, &["no dead-letter queue", "is lost"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_on_a_wrong_topic_is_found_and_nothing_else() {
    let account = Account::make(false).await;
    subscribe(&account, Kind::SeatReleased, RoleName::Payment).await;
    let subject = format!("subscription of {0}booking-payment to {0}seat-released", account.prefix);
    let arn = account.subscription(Kind::SeatReleased, RoleName::Payment).await;
    finds(&account, &subject, &["no such subscription", &format!("--subscription-arn {arn}")]);
}

/// Failure matrix: A13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_queue_or_topic_is_one_finding_each() {
    let account = Account::make(false).await;
    let url = account.url(&account.names.queue(RoleName::Receipt)).await;
    account.sqs.delete_queue().queue_url(url).send().await.unwrap();
    let subject = format!("queue {}booking-receipt", account.prefix);
    finds(&account, &subject, &["does not exist", "booking dlq redrive receipt"]);

    let account = Account::make(false).await;
    let arn = account.topic_arn(Kind::PaymentOk);
    account.sns.delete_topic().topic_arn(arn).send().await.unwrap();
    let subject = format!("topic {}payment-ok", account.prefix);
    finds(&account, &subject, &["does not exist", "seats, receipt, status never hear it"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_prefix_is_one_finding() {
    let nobody = Account::existing("nothing-here-").await;
    finds(&nobody, "account 000000000000 in eu-central-1", &["no topic and no queue", "--prefix"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_looked_at_is_no_finding_but_exit_code_78() {
    let account = Account::make(false).await;
    let denied = "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code>\
        <Message>not authorized</Message></Error></ErrorResponse>";
    let sns = axum::Router::new().fallback(async move || (StatusCode::FORBIDDEN, denied));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async { axum::serve(listener, sns).await });
    let output = binary()
        .args(["check", "--json", "--prefix", &account.prefix])
        .envs(LocalStack::running().environment())
        .env("AWS_ENDPOINT_URL_SNS", endpoint)
        .output()
        .unwrap();
    serving.abort();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0), "{text}");
    assert!(text.contains("booking-requested`: it does not exist or may not be used"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_bus_as_topics_says_has_no_findings_and_nothing_is_changed_or_published() {
    let account = Account::on_event_bus().await;
    let (code, text, said) = run(&account, &[]);
    assert_eq!(
        (code, text.as_str(), said.as_str()),
        (Some(0), "17 rules on an event bus, 12 queues: all as topics/ says\n", "")
    );
    let report = json(&account, &[]);
    let counts = ["topics", "queues", "subscriptions"].map(|it| report[it].as_u64().unwrap());
    assert_eq!((counts, report.get("canary")), ([8, 12, 17], None));
    for role in RoleName::ALL {
        assert_eq!(account.depth(role).await, (0, 0));
    }
    let nobody = Account::existing_on_event_bus("nothing-here-").await;
    let words = ["no event bus and no queue", "--prefix"];
    finds(&nobody, "account 000000000000 in eu-central-1", &words);
}

/// One thing is broken at a time, and mended before the next or hidden by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_rule_is_found_and_nothing_else() {
    let account = Account::on_event_bus().await;
    let (events, bus) = (account.events(), account.names.event_bus());
    let (topic, role) = (Kind::PaymentFailed, RoleName::Seats);
    let rule = account.names.rule(role.as_str(), topic);
    let subject = format!("rule {rule}");

    events.disable_rule().name(&rule).event_bus_name(&bus).send().await.unwrap();
    finds(&account, &subject, &["it is not enabled", "nobody frees the seats"]);
    events.enable_rule().name(&rule).event_bus_name(&bus).send().await.unwrap();

    let target = |queue: RoleName, id: &str| {
        let arn = account.queue_arn(queue);
        Target::builder().id(id).arn(arn)
    };
    let put = async |rule: &str, target: Target| {
        let put = events.put_targets().rule(rule).event_bus_name(&bus).targets(target);
        assert_eq!(put.send().await.unwrap().failed_entry_count(), 0);
    };
    let remove = async |rule: &str, id: &str| {
        let remove = events.remove_targets().rule(rule).event_bus_name(&bus).ids(id);
        assert_eq!(remove.send().await.unwrap().failed_entry_count(), 0);
    };
    put(&rule, target(role, "mine").build().unwrap()).await;
    let removal = format!("remove-targets --event-bus-name {bus} --rule {rule} --ids mine");
    finds(&account, &subject, &["it has 2 targets", "2 times", &removal]);
    remove(&rule, "mine").await;

    let strange = format!("{}copy", account.prefix);
    let pattern = r#"{"detail-type": ["seat-released"]}"#;
    let copy = events.put_rule().name(&strange).event_bus_name(&bus).event_pattern(pattern);
    copy.send().await.unwrap();
    put(&strange, target(role, "1").build().unwrap()).await;
    let removal = format!("remove-targets --event-bus-name {bus} --rule {strange} --ids 1");
    finds(&account, &format!("rule {strange}"), &["no such rule", "seat-released", &removal]);
    remove(&strange, "1").await;

    // As somebody does it by hand, who thinks of no dead-letter queue.
    put(&rule, target(role, role.as_str()).build().unwrap()).await;
    finds(&account, &subject, &["no dead-letter queue", "is lost"]);
    put(&rule, target(role, role.as_str()).input_path("$.detail").build().unwrap()).await;
    finds(&account, &subject, &["its target has an InputPath", "the envelope of EventBridge"]);

    let pattern = r#"{"detail-type": ["payment-failed"]}"#;
    let wider = events.put_rule().name(&rule).event_bus_name(&bus).event_pattern(pattern);
    wider.send().await.unwrap();
    finds(&account, &subject, &["its event pattern is", "booking.payment"]);

    remove(&rule, role.as_str()).await;
    finds(&account, &subject, &["it has no target"]);
    events.delete_rule().name(&rule).event_bus_name(&bus).send().await.unwrap();
    finds(&account, &subject, &["it does not exist", "terraform apply"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_bus_that_may_not_be_looked_at_is_no_finding_but_exit_code_78() {
    let account = Account::on_event_bus().await;
    let denied = r#"{"__type": "AccessDeniedException", "Message": "no"}"#;
    let events = axum::Router::new().fallback(async move || (StatusCode::BAD_REQUEST, denied));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async { axum::serve(listener, events).await });
    let output = binary()
        .args(["check", "--json", "--events", "eventbridge", "--prefix", &account.prefix])
        .envs(LocalStack::running().environment())
        .env("AWS_ENDPOINT_URL_EVENTBRIDGE", endpoint)
        .output()
        .unwrap();
    serving.abort();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0), "{text}");
    let right = "`events:DescribeEventBus` on `arn:aws:events:eu-central-1:000000000000:event-bus/";
    assert!(text.contains(right), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_looked_at_where_the_services_have_some() {
    if skipped("dynamodb") {
        return;
    }
    let account = Account::make(false).await;
    let dynamodb = DynamoDbLocal::running();
    let tables = Tables::make_in(dynamodb, &account.prefix).await;
    let check = || {
        let mut check = binary();
        check.args(["check", "--prefix", &account.prefix]);
        check.envs(LocalStack::running().environment()).envs(dynamodb.environment());
        let output = check.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let well = "17 subscriptions, 8 topics, 12 queues, 4 tables: all as topics/ says\n";
    assert_eq!(check(), (Some(0), well.to_owned()));

    let (client, table) =
        (aws_sdk_dynamodb::Client::new(&tables.config), tables.names.table(RoleName::Receipt));
    client.delete_table().table_name(&table).send().await.unwrap();
    let (code, text) = check();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with(&format!("table {table}\n  wrong:  it does not exist\n")), "{text}");
    assert!(text.ends_with("\n1 finding\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_may_not_be_looked_at_are_no_finding_but_exit_code_78() {
    if skipped("dynamodb") {
        return;
    }
    let account = Account::make(false).await;
    let dynamodb = DynamoDbLocal::running();
    let denied =
        json!({"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "no"});
    let way = Way::to(&dynamodb.endpoint, move |operation, _, _| {
        assert_eq!(operation, "DescribeTable");
        Fate::Say(StatusCode::BAD_REQUEST, denied.clone())
    });
    let output = binary()
        .args(["check", "--prefix", &account.prefix])
        .envs(LocalStack::running().environment())
        .envs(dynamodb.environment())
        .env("AWS_ENDPOINT_URL_DYNAMODB", &way.await.endpoint)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0), "{text}");
    assert!(text.contains("dynamodb:DescribeTable"), "{text}");
}
