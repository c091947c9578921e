//! The spans of the real processes, as a collector gets them, and what becomes of bookings when the
//! collector does not work.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use aws_sdk_sns::types::MessageAttributeValue;
use aws_sdk_sqs::types::{MessageSystemAttributeNameForSends, MessageSystemAttributeValue};
use booking::{
    domain::{RoleName, event::Kind},
    topics,
};
use serde_json::Value;

use crate::harness::{
    Account, Collector, Folder, LocalStack, Service, Sketch, Spans, binary, eventually, free_port,
    skipped,
};

/// What a client says of itself: a span of its own.
pub const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub const SPAN: &str = "b7ad6b7169203331";
/// What must not stand in any span.
const SECRETS: [&str; 6] = ["Ada", "Lovelace", "ada@", "tok_", "secret-token", "vendor"];

pub fn spawn(
    account: &Account,
    folder: &Folder,
    role: RoleName,
    environment: &[(&str, &str)],
) -> Service {
    Service::spawn(LocalStack::running(), role, &account.prefix, folder.path(), |it| {
        it.envs(environment.iter().copied());
    })
}

/// All four, and they poll.
async fn all(account: &Account, folder: &Folder, environment: &[(&str, &str)]) -> Vec<Service> {
    let spawn = |role| spawn(account, folder, role, environment);
    let mut services: Vec<Service> = RoleName::ALL.into_iter().map(spawn).collect();
    for it in &mut services {
        it.polls().await;
    }
    services
}

/// Publishes as a client that knows traces.
pub async fn publish_traced(account: &Account, sketch: &Sketch) {
    let text = |it: &str| {
        let text = MessageAttributeValue::builder().data_type("String").string_value(it);
        text.build().unwrap()
    };
    let publish = account.sns.publish().topic_arn(account.topic_arn(Kind::BookingRequested));
    let publish = publish.message(sketch.cloud_event());
    let publish = publish.message_attributes("traceparent", text(&format!("00-{TRACE}-{SPAN}-01")));
    publish.message_attributes("tracestate", text("vendor=Ada")).send().await.unwrap();
}

/// How many services hear these.
fn hops(kinds: &[Kind]) -> usize {
    let heard =
        |it: &topics::Topic| if kinds.contains(&it.topic) { it.subscribers.len() } else { 0 };
    topics::all().iter().map(heard).sum()
}

/// Each hop once: the span that published the message, and who dealt with it.
fn processed(spans: &Spans) -> BTreeSet<(String, String)> {
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    spans.named("process").map(|it| (text(&it["parent"]), text(&it["service"]))).collect()
}

const HAPPY: [Kind; 4] =
    [Kind::BookingRequested, Kind::SeatBooked, Kind::PaymentOk, Kind::ReceiptSent];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_booking_over_four_processes_is_one_trace_in_which_every_hop_has_its_parent() {
    if skipped("localstack") {
        return;
    }
    let (account, folder, collector) =
        (Account::make(false).await, Folder::new(), Collector::start());
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret-token");
    let environment = [&collector.environment()[..], &[headers]].concat();
    let services = all(&account, &folder, &environment).await;
    publish_traced(&account, &Sketch::new("traced", &["12A"], "tok_visa")).await;
    assert_eq!(services[3].ending("traced").await["phase"], "completed");

    let wanted = hops(&HAPPY);
    let spans =
        collector.spans_with("every hop", |it| processed(&it.of(TRACE)).len() == wanted).await;
    let own = spans.of(TRACE);
    every_span_has_its_parent(&own);
    every_span_is_named_as_the_conventions_have_it(&own, &account);
    let services_of = |it: &Spans| -> BTreeSet<String> {
        it.0.iter().map(|it| it["service"].as_str().unwrap().to_owned()).collect()
    };
    let four = RoleName::ALL.map(|it| format!("booking-{it}"));
    assert_eq!(services_of(&own), four.into());
    for name in ["effect charge", "effect send receipt"] {
        assert_eq!(own.named(name).count(), 1, "{name}");
    }
    every_hop_is_linked_from_its_receive(&spans, &own);
    let told = Value::from(spans.0.clone()).to_string();
    for secret in SECRETS {
        assert!(!told.contains(secret), "{secret} is in {told}");
    }
    let asked = collector.asked().await;
    assert!(asked.iter().all(|it| it["headers"]["authorization"] == "Bearer secret-token"));
    for service in services {
        log_lines_have_the_ids(&service, &own);
        service.signal("TERM");
        let (log, role) = (service.log.clone(), service.role);
        assert_eq!(service.ended().await, Some(0), "{role}");
        let log = std::fs::read_to_string(log).unwrap();
        assert!(!log.contains("secret-token") && !log.contains("vendor"), "{log}");
    }
}

fn every_span_has_its_parent(own: &Spans) {
    for span in &own.0 {
        let name = span["name"].as_str().unwrap();
        let parent = own.parent(span);
        let Some(parent) = parent else {
            assert_eq!(span["parent"], SPAN, "{span}");
            assert_eq!(span["attributes"]["cloudevents.event_type"], "booking-requested", "{span}");
            assert!(name.starts_with("process"), "only what the client sent comes from outside");
            continue;
        };
        let after = parent["name"].as_str().unwrap();
        if name.starts_with("process") {
            assert!(after.starts_with("publish"), "{span}");
            let topic = parent["attributes"]["messaging.destination.name"].as_str().unwrap();
            let kind = span["attributes"]["cloudevents.event_type"].as_str().unwrap();
            assert!(topic.ends_with(kind), "{span} after {parent}");
        } else {
            assert!(after.starts_with("process"), "{span}");
            assert_eq!(parent["service"], span["service"], "{span}");
        }
        assert!(span["begun_ns"].as_u64() >= parent["begun_ns"].as_u64(), "{span} after {parent}");
    }
}

fn every_span_is_named_as_the_conventions_have_it(own: &Spans, account: &Account) {
    for span in &own.0 {
        let name = span["name"].as_str().unwrap();
        let says = &span["attributes"];
        assert_eq!(says["messaging.message.conversation_id"], "traced", "{span}");
        assert_eq!(
            (&span["status"], &span["state"], &span["scope"]),
            (&"UNSET".into(), &"".into(), &"booking".into())
        );
        let role = span["service"].as_str().unwrap().strip_prefix("booking-").unwrap();
        let queue = format!("{}booking-{role}", account.prefix);
        let (operation, place) = name.split_once(' ').unwrap();
        let (kind, system, of_type, there) = match operation {
            "process" => ("CONSUMER", "aws_sqs", "process", queue),
            "settle" => ("INTERNAL", "aws_sqs", "settle", queue),
            "publish" => {
                let topic = says["cloudevents.event_type"].as_str().unwrap();
                ("PRODUCER", "aws.sns", "send", format!("{}{topic}", account.prefix))
            }
            "effect" => {
                assert_eq!(
                    (&span["kind"], &says["booking.effect"]),
                    (&"CLIENT".into(), &place.into())
                );
                continue;
            }
            other => panic!("{other}"),
        };
        assert_eq!(span["kind"], kind, "{span}");
        for (attribute, value) in [
            ("messaging.system", system),
            ("messaging.operation.name", operation),
            ("messaging.operation.type", of_type),
            ("messaging.destination.name", &there),
        ] {
            assert_eq!(says[attribute], value, "{span}");
        }
        assert_eq!(place, there);
        if operation == "process" {
            assert!(says["messaging.message.id"].is_string(), "{span}");
            assert_eq!(says["booking.verdict"], "done", "{span}");
        }
    }
}

fn every_hop_is_linked_from_its_receive(spans: &Spans, own: &Spans) {
    for process in own.named("process") {
        let linked = spans.named("receive").any(|receive| {
            receive["service"] == process["service"]
                && receive["links"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|it| it["id"] == process["parent"])
        });
        assert!(linked, "no receive is linked to what published {process}");
    }
}

fn log_lines_have_the_ids(service: &Service, own: &Spans) {
    let ids = |line: &Value| {
        Some((
            line["span"]["trace_id"].as_str()?.to_owned(),
            line["span"]["span_id"].as_str()?.to_owned(),
        ))
    };
    let log = service.logged();
    let lines = log.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
    let settled: Vec<_> = lines.filter(|it| it["message"] == "settled").collect();
    assert!(!settled.is_empty(), "{log}");
    for line in settled {
        let (trace, span) = ids(&line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(trace, TRACE);
        let here = own.named("process").any(|it| it["id"] == span.as_str());
        assert!(here, "{line}");
    }
}

/// Every kind of ending: then every subscription of `topics/` has been used, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_graph_that_a_back_end_computes_is_what_topics_says() {
    if skipped("localstack") {
        return;
    }
    let (account, folder, collector) =
        (Account::make(false).await, Folder::new(), Collector::start());
    let environment = collector.environment();
    let mut services = Vec::new();
    for role in [RoleName::Payment, RoleName::Receipt, RoleName::Status] {
        let mut service = spawn(&account, &folder, role, &environment);
        service.polls().await;
        services.push(service);
    }
    // Paid before seats hears of it, so that the money has to go back.
    let nowhere = Sketch { flight: "XX999", ..Sketch::new("nowhere", &["12A"], "tok_visa") };
    account.publish(Kind::BookingRequested, &nowhere.cloud_event()).await;
    let status = &services[2];
    eventually("it to be paid", async || {
        let (_, view) = status.get("/bookings/nowhere").await;
        view.to_string().contains("payment-ok").then_some(())
    })
    .await;
    let mut seats = spawn(&account, &folder, RoleName::Seats, &environment);
    seats.polls().await;
    for sketch in
        [Sketch::new("good", &["12A"], "tok_visa"), Sketch::new("no", &["12B"], "tok_declined")]
    {
        account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    }
    for (id, phase) in [("nowhere", "refunded"), ("good", "completed"), ("no", "payment_failed")] {
        assert_eq!(status.ending(id).await["phase"], phase);
    }
    let ours = topics::all().into_iter().filter(|it| it.publisher != "client");
    let wanted: BTreeSet<(String, String, String)> = ours
        .flat_map(|topic| {
            let (from, name) =
                (format!("booking-{}", topic.publisher), account.names.topic(topic.topic));
            let edge = move |it: topics::Subscriber| {
                (from.clone(), name.clone(), format!("booking-{}", it.role))
            };
            topic.subscribers.into_iter().map(edge)
        })
        .collect();
    let spans = collector.spans_with("every hop", |it| it.edges().len() >= wanted.len()).await;
    assert_eq!(spans.edges(), wanted);
    // No client said anything of traces, and each booking has one trace all the same.
    for id in ["nowhere", "good", "no"] {
        let about = |it: &&Value| it["attributes"]["messaging.message.conversation_id"] == id;
        let traces: BTreeSet<&str> =
            spans.0.iter().filter(about).map(|it| it["trace"].as_str().unwrap()).collect();
        assert_eq!(traces.len(), 1, "{id}: {traces:?}");
    }
}

/// X-Ray's own header, which SQS keeps beside a message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_header_of_x_ray_is_taken_up() {
    if skipped("localstack") {
        return;
    }
    let (account, folder, collector) =
        (Account::make(false).await, Folder::new(), Collector::start());
    let mut seats = spawn(&account, &folder, RoleName::Seats, &collector.environment());
    seats.polls().await;
    let header = format!("Root=1-{}-{};Parent={SPAN};Sampled=1", &TRACE[..8], &TRACE[8..]);
    let header = MessageSystemAttributeValue::builder().data_type("String").string_value(header);
    let send = account
        .sqs
        .send_message()
        .queue_url(account.url(&account.names.queue(RoleName::Seats)).await);
    let send = send.message_body(Sketch::new("x-ray", &["12A"], "tok_visa").cloud_event());
    let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
    send.message_system_attributes(name, header.build().unwrap()).send().await.unwrap();
    let spans =
        collector.spans_with("its span", |it| it.of(TRACE).named("process").next().is_some()).await;
    assert_eq!(spans.of(TRACE).named("process").next().unwrap()["parent"], SPAN);
}

/// The number in a line of `/metrics`.
fn dropped(metrics: &str) -> u64 {
    let line = metrics.lines().find_map(|it| it.strip_prefix("booking_spans_dropped_total "));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_collector_does_bookings_end_as_ever_and_dropped_spans_are_counted() {
    if skipped("localstack") {
        return;
    }
    let collector = Collector::start();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    for (way, endpoint) in
        [("down", &nobody), ("fails", &collector.endpoint), ("hangs", &collector.endpoint)]
    {
        if way != "down" {
            collector.way(way).await;
        }
        let (account, folder) = (Account::make(false).await, Folder::new());
        // Two spans have room, so that more find none while the collector hangs.
        let services = all(
            &account,
            &folder,
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", if way == "hangs" { "600000" } else { "300" }),
                ("OTEL_BSP_SCHEDULE_DELAY", "50"),
                ("OTEL_BSP_MAX_QUEUE_SIZE", "2"),
            ],
        )
        .await;
        let ends = [
            ("good", "12A", "tok_visa", "completed"),
            ("no", "12B", "tok_declined", "payment_failed"),
        ];
        for (id, seat, token, phase) in ends {
            account
                .publish(Kind::BookingRequested, &Sketch::new(id, &[seat], token).cloud_event())
                .await;
            assert_eq!(services[3].ending(id).await["phase"], phase, "{way}");
        }
        for service in services {
            let role = service.role;
            eventually(&format!("{role} to count dropped spans: {way}"), async || {
                (dropped(&service.metrics().await) > 0).then_some(())
            })
            .await;
            let (log, told) = (service.log.clone(), Instant::now());
            service.signal("TERM");
            assert_eq!(service.ended().await, Some(0), "{role}, {way}");
            // A receive of one second, the drain, and two seconds for the last spans.
            assert!(
                told.elapsed() < Duration::from_secs(10),
                "{role}, {way}: {:?}",
                told.elapsed()
            );
            let log = std::fs::read_to_string(log).unwrap();
            let says =
                if way == "hangs" { "last spans were not sent" } else { "spans cannot be sent" };
            assert_eq!(log.matches(says).count(), 1, "{role}, {way}: {log}");
        }
    }
}

#[test]
fn a_service_whose_collector_makes_no_sense_does_not_start_and_says_which_setting() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "secret-token:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://user:secret-token@localhost:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret-token"),
        ("OTEL_TRACES_SAMPLER", "secret-token"),
    ] {
        let folder = Folder::new();
        let mut seats = binary();
        seats.args(["seats", "--flights", "sample", "--http", "127.0.0.1:0", "--data"]);
        seats.arg(folder.path()).env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        let output = seats.env(name, value).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains(name) && !told.contains("secret-token"), "{told}");
    }
}
