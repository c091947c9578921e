//! What comes again, as a collector sees it of the real processes: a message that SNS delivered
//! twice, one that was given back, and a request that its client sent again.

use std::collections::BTreeSet;

use booking::domain::{RoleName, event::Kind};
use serde_json::Value;

use super::traces::{SPAN, TRACE, publish_traced, spawn};
use crate::harness::{Account, Collector, Folder, Sketch, Spans, eventually, skipped};

fn of<'a>(spans: &'a Spans, service: &str, name: &'a str) -> Vec<&'a Value> {
    let service = format!("booking-{service}");
    spans.named(name).filter(|it| it["service"] == service.as_str()).collect()
}

/// How this service dealt with requests.
fn requests<'a>(spans: &'a Spans, service: &str) -> Vec<&'a Value> {
    let kind = Kind::BookingRequested.topic();
    let is_request = |it: &&Value| it["attributes"]["cloudevents.event_type"] == kind;
    of(spans, service, "process").into_iter().filter(is_request).collect()
}

/// What these spans say, each once.
fn all(spans: &[&Value], attribute: &str) -> BTreeSet<String> {
    spans.iter().map(|it| it["attributes"][attribute].to_string()).collect()
}

/// Takes the one message that waits on the queue of seats, and puts it back twice: two messages of
/// SQS with one MessageId of SNS, as SNS makes them at times.
async fn deliver_twice(account: &Account) {
    let queue = account.url(&account.names.queue(RoleName::Seats)).await;
    let message = eventually("the message of seats", async || {
        let receive = account.sqs.receive_message().queue_url(&queue).send().await.unwrap();
        receive.messages.unwrap_or_default().pop()
    })
    .await;
    let (body, handle) = (message.body.unwrap(), message.receipt_handle.unwrap());
    account.sqs.delete_message().queue_url(&queue).receipt_handle(handle).send().await.unwrap();
    for _ in 0..2 {
        account.sqs.send_message().queue_url(&queue).message_body(&body).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_a_redelivery_and_a_request_sent_again_are_seen_as_such() {
    if skipped("localstack") {
        return;
    }
    let (account, folder, collector) =
        (Account::make(false).await, Folder::new(), Collector::start());
    let start = async |role| {
        let mut service = spawn(&account, &folder, role, &collector.environment());
        service.polls().await;
        service
    };
    // Its first charge gets no answer, so that payment gives the message back.
    let sketch = Sketch::new("again", &["12A"], "tok_timeout_then_ok");
    publish_traced(&account, &sketch).await;
    deliver_twice(&account).await;
    let _others = [start(RoleName::Seats).await, start(RoleName::Payment).await];
    let _receipt = start(RoleName::Receipt).await;
    let status = start(RoleName::Status).await;
    assert_eq!(status.ending("again").await["phase"], "completed");

    let there = |it: &Spans| {
        let verdicts = all(&requests(it, "payment"), "booking.verdict");
        requests(it, "seats").len() == 2 && verdicts.contains("\"done\"")
    };
    let spans = collector.spans_with("both deliveries", |it| there(&it.of(TRACE))).await.of(TRACE);

    // The duplicate: one message of SNS, published once, and two of SQS. It is decided once.
    let copies = requests(&spans, "seats");
    assert!(copies.iter().all(|it| it["parent"] == SPAN), "{copies:?}");
    assert_eq!(all(&copies, "booking.sns.message_id").len(), 1, "{copies:?}");
    assert_eq!(all(&copies, "messaging.message.id").len(), 2, "{copies:?}");
    assert_eq!(all(&copies, "booking.delivery.attempt"), ["1".to_owned()].into());
    decided_once(&spans, &copies);

    // The redelivery: the same message of SQS, given back and then done.
    let tries = requests(&spans, "payment");
    assert_eq!(all(&tries, "messaging.message.id").len(), 1, "{tries:?}");
    let told = |it: &&Value| {
        let says = &it["attributes"];
        (says["booking.delivery.attempt"].as_u64().unwrap(), says["booking.verdict"].clone())
    };
    let mut told: Vec<_> = tries.iter().map(told).collect();
    told.sort_by_key(|it| it.0);
    assert_eq!(told, [(1, "retry".into()), (2, "done".into())]);
    let failed: Vec<&Value> = tries.into_iter().filter(|it| it["status"] == "ERROR").collect();
    assert_eq!(all(&failed, "error.type"), ["\"outside\"".to_owned()].into());
    assert_eq!(all(&of(&spans, "payment", "effect charge"), "error.type").len(), 2, "one failed");

    // The client sends it again: another message of SNS, which is decided no second time.
    publish_traced(&account, &sketch).await;
    let spans = collector
        .spans_with("the third delivery", |it| requests(&it.of(TRACE), "seats").len() == 3)
        .await
        .of(TRACE);
    let copies = requests(&spans, "seats");
    assert_eq!(all(&copies, "booking.sns.message_id").len(), 2, "{copies:?}");
    decided_once(&spans, &copies);
}

/// Of these deliveries one has a commit, and what the others announce says that it was announced
/// before.
fn decided_once(spans: &Spans, deliveries: &[&Value]) {
    let below = |name: &'static str, delivery: &Value| -> Vec<&Value> {
        of(spans, "seats", name)
            .into_iter()
            .filter(|it| {
                it["parent"] == delivery["id"]
                    || it["links"].as_array().unwrap().iter().any(|it| it["id"] == delivery["id"])
            })
            .collect()
    };
    let mut decided = 0;
    for delivery in deliveries {
        // A commit that lost the race against the other copy decided nothing.
        let commits = below("settle", delivery);
        let commits = commits.iter().filter(|it| it["attributes"]["booking.conflict"] != true);
        let publishes = below("publish", delivery);
        let recalled = match commits.count() {
            0 => "true",
            _ => "null",
        };
        decided += u32::from(recalled == "null");
        assert_eq!(all(&publishes, "booking.recalled"), [recalled.to_owned()].into(), "{delivery}");
        for publish in publishes {
            assert_eq!(publish["attributes"]["cloudevents.event_type"], Kind::SeatBooked.topic());
        }
    }
    assert_eq!(decided, 1, "{deliveries:?}");
}
