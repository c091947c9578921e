//! `booking check` on a real account: well, and with one thing at a time broken; and canaries.

use std::collections::BTreeSet;

use aws_sdk_sqs::types::QueueAttributeName;
use axum::http::StatusCode;
use booking::{
    bus::memory::Unkindness,
    clock::Clock,
    demo::Stage,
    domain::{
        RoleName,
        canary::{CANARIES_MAX, CanaryId, Hop, Sighting},
        event::Kind,
    },
    durability::Durability,
    roles::StatusRole,
    runtime::{UnitOfWork, sightings},
    store::sqlite::{Engine, Inline},
    topics,
    wire::{self, CanaryKey},
    wiring::store_file,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{
    Account, CANARY_KEY, DynamoDbLocal, Fate, Folder, LocalStack, Service, Tables, Way, all_four,
    binary, eventually, skipped,
};

/// Runs `booking check` on an account; exit code, stdout and stderr.
fn run(account: &Account, args: &[&str]) -> (Option<i32>, String, String) {
    let output = binary()
        .args(["check", "--prefix", &account.prefix])
        .args(args)
        .envs(LocalStack::running().environment())
        .output()
        .unwrap();
    let text = |it| String::from_utf8(it).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// What `--json` says; the exit code must agree with it.
#[track_caller]
fn json(account: &Account, args: &[&str]) -> Value {
    let (code, text, said) = run(account, &[args, &["--json"]].concat());
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{said}"));
    assert_eq!(code, Some(if report["well"] == true { 0 } else { 1 }), "{report:#}");
    assert_eq!(report["well"], report["findings"].as_array().unwrap().is_empty());
    report
}

/// Exactly one finding, about this, with these words in it; told to people as well.
#[track_caller]
fn finds(account: &Account, subject: &str, words: &[&str]) {
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

async fn set_attribute(account: &Account, role: RoleName, name: QueueAttributeName, text: &str) {
    let url = account.url(&account.names.queue(role)).await;
    let set = account.sqs.set_queue_attributes().queue_url(url).attributes(name, text);
    set.send().await.unwrap();
}

async fn unsubscribe(account: &Account, topic: Kind, role: RoleName) {
    let arn = account.subscription(topic, role).await;
    account.sns.unsubscribe().subscription_arn(arn).send().await.unwrap();
}

/// As somebody does it by hand, who thinks of no dead-letter queue.
async fn subscribe(account: &Account, topic: Kind, role: RoleName) {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a13_a_deleted_subscription_is_found_and_nothing_else() {
    let account = Account::make(false).await;
    unsubscribe(&account, Kind::PaymentFailed, RoleName::Seats).await;
    let subject = format!("subscription of {0}booking-seats to {0}payment-failed", account.prefix);
    finds(&account, &subject, &["does not exist", "nobody frees the seats", "terraform apply"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a13_a_removed_queue_policy_is_found_and_nothing_else() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a13_a_deleted_queue_or_topic_is_one_finding_each() {
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
async fn a13_a_canary_goes_through_all_subscriptions_and_touches_no_booking() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let services = all_four(&account.prefix, folder.path()).await;
    let status = &services[3];
    let url = format!("http://{}", status.address);
    let canary = ["--canary", "--status-url", &url];

    let report = json(&account, &canary);
    assert_eq!(report["findings"], serde_json::json!([]), "{report:#}");
    assert_eq!(arrived(&report), hops());
    let times = report["canary"]["hops"].as_array().unwrap().iter().map(|it| &it["after_s"]);
    assert!(
        times.map(|it| it.as_f64().unwrap()).all(|it| (-1.0..60.0).contains(&it)),
        "{report:#}"
    );
    let (code, text, _) = run(&account, &canary);
    let last = "all as topics/ says; canary: 17 of 17 hops\n";
    assert!(code == Some(0) && text.ends_with(last), "{text}");

    // One subscription less: that hop is missing, and its finding is the account's.
    unsubscribe(&account, Kind::SeatBooked, RoleName::Status).await;
    let report = json(&account, &canary);
    let lost: BTreeSet<(String, String)> = hops().difference(&arrived(&report)).cloned().collect();
    assert_eq!(lost, [("seat-booked".to_owned(), "status".to_owned())].into());
    assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report:#}");

    // Nothing of it is a booking, or a dead letter, or left on a queue.
    assert_eq!(status.get("/bookings").await.1, serde_json::json!({"bookings": []}));
    for role in RoleName::ALL {
        for queue in [account.names.dead_letter_queue(role), account.names.undelivered_queue(role)]
        {
            assert_eq!(account.depth_of(&queue).await, (0, 0), "{queue}");
        }
        eventually("the answers to be dropped", async || {
            (account.depth(role).await == (0, 0)).then_some(())
        })
        .await;
    }
    let seats = services[0].metrics().await;
    let counted = r#"booking_deliveries_total{event="canary",verdict="done"}"#;
    assert!(seats.contains(counted), "{seats}");
    drop(services);
    let evidence = booking::audit::Evidence::read(folder.path()).unwrap();
    assert_eq!((evidence.violations(), evidence.records().count()), (vec![], 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_run_is_named_by_the_canary_alone() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let mut running = Vec::new();
    for role in [RoleName::Seats, RoleName::Receipt, RoleName::Status] {
        running.push(Service::start(role, &account.prefix, folder.path(), &[]).await);
    }
    let url = format!("http://{}", running[2].address);
    let report = json(&account, &["--canary", "--timeout", "6s", "--status-url", &url]);
    let findings = report["findings"].as_array().unwrap();
    assert_eq!((findings.len(), &findings[0]["subject"]), (1, &"service payment".into()));
    let lost: BTreeSet<String> =
        hops().difference(&arrived(&report)).map(|it| it.1.clone()).collect();
    assert_eq!(lost, ["payment".to_owned()].into(), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_is_not_sent_when_nobody_can_be_asked_about_it() {
    let account = Account::make(false).await;
    let (code, text, said) = run(&account, &["--canary", "--status-url", "http://127.0.0.1:9"]);
    assert_eq!((code, text.as_str()), (Some(75), ""), "{said}");
    assert!(said.contains("cannot ask the status service at"), "{said}");

    // One that is older than canaries has no such path.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async { axum::serve(listener, axum::Router::new()).await });
    let (code, text, said) = run(&account, &["--canary", "--status-url", &url]);
    serving.abort();
    assert_eq!((code, text.as_str()), (Some(78), ""), "{said}");
    assert!(said.contains("knows no canaries"), "{said}");
    for role in RoleName::ALL {
        assert_eq!(account.depth(role).await, (0, 0), "{role}");
    }
}

#[tokio::test]
async fn a_canary_through_the_real_consumers_is_kept_by_status_and_by_no_rule() {
    let folder = Folder::new();
    let unkindness = Unkindness { duplicates_percent: 40, shuffle: true };
    let key = CanaryKey::parse(CANARY_KEY).unwrap();
    let mut stage = Stage::new(folder.path(), 7, unkindness).unwrap().with_canaries(&key);
    let canary = at(stage.now(), 1);
    for topic in Kind::ALL {
        let message = wire::canary(canary, topic, stage.now(), &key);
        stage.exchange().publish_text(topic, &message.body);
    }
    while stage.step().await.unwrap() {}
    for role in RoleName::ALL {
        assert_eq!(stage.exchange().dead(role).len(), 0, "{role}");
    }
    drop(stage);
    for role in RoleName::ALL {
        let engine = Engine::open_read_only(&store_file(folder.path(), role), role).unwrap();
        let keys: Vec<String> = engine.all().unwrap().into_iter().map(|it| it.0).collect();
        if role == RoleName::Status {
            assert_eq!(keys.len(), 17, "{keys:?}");
            let seen = sightings(&Inline::new(engine), canary).await.unwrap();
            let seen = seen.iter().map(|it| it.hop).map(named).collect::<BTreeSet<_>>();
            assert_eq!(seen, hops());
        } else {
            assert!(keys.is_empty(), "{role}: {keys:?}");
        }
    }
}

#[tokio::test]
async fn a_newer_canary_takes_the_place_of_an_older_one_and_never_the_other_way() {
    let folder = Folder::new();
    let file = store_file(folder.path(), RoleName::Status);
    let engine = Engine::open(&file, RoleName::Status, Durability::ProcessDeath).unwrap();
    let store = Inline::new(engine);
    let work = UnitOfWork::new(StatusRole, store.clone(), Clock::Machine);
    let hop = Hop { topic: Kind::SeatBooked, role: RoleName::Receipt };
    let seen = |ms| Sighting { hop, at: Timestamp::from_millisecond(ms).unwrap() };

    let canary = |ms: u128, chance: u128| {
        at(Timestamp::from_millisecond(i64::try_from(ms).unwrap()).unwrap(), chance)
    };
    for ms in 1..=5 * CANARIES_MAX {
        work.keep_sighting(canary(ms, ms), seen(1)).await.unwrap();
    }
    let rows = store.engine().all().unwrap();
    assert_eq!(rows.len(), usize::try_from(CANARIES_MAX).unwrap());

    let (older, newest) = (canary(1000, 3), canary(1001, 3));
    for (canary, ms) in [(older, 2), (newest, 3), (older, 4), (newest, 5)] {
        work.keep_sighting(canary, seen(ms)).await.unwrap();
    }
    assert_eq!(sightings(&store, older).await.unwrap(), []);
    assert_eq!(sightings(&store, newest).await.unwrap(), [seen(3)], "the first word counts");
    // But who claims to be from the future keeps no place from those that come.
    let ahead = canary(u128::from(u32::MAX) << 10, 3);
    work.keep_sighting(ahead, seen(6)).await.unwrap();
    work.keep_sighting(newest, seen(7)).await.unwrap();
    assert_eq!(sightings(&store, newest).await.unwrap(), [seen(7)]);
}

/// A canary made at a time: as of version 7 the time, the version, the variant, and what chance
/// would say.
pub fn at(time: Timestamp, chance: u128) -> CanaryId {
    let ms = u128::try_from(time.as_millisecond()).unwrap();
    CanaryId::new(Uuid::from_u128(ms << 80 | 7 << 76 | 8 << 60 | chance)).unwrap()
}

pub fn named(hop: Hop) -> (String, String) {
    (hop.topic.to_string(), hop.role.to_string())
}

/// Every hop of `topics/`.
pub fn hops() -> BTreeSet<(String, String)> {
    let of = |it: topics::Topic| {
        let topic = it.topic;
        it.subscribers.into_iter().map(move |it| named(Hop { topic, role: it.role }))
    };
    topics::all().into_iter().flat_map(of).collect()
}

/// The hops a canary made.
fn arrived(report: &Value) -> BTreeSet<(String, String)> {
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let hops = report["canary"]["hops"].as_array().unwrap();
    let made = hops.iter().filter(|it| it["state"] == "arrived");
    made.map(|it| (text(&it["topic"]), text(&it["role"]))).collect()
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
