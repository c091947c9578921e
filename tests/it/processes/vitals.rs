//! What status says of rates and queues, with real queues and real services.

use std::sync::Arc;

use booking::{
    aws::Clients,
    clock::Clock,
    domain::{RoleName, event::Kind},
    metrics::RequestCount,
    vitals::{self, Vitals, Watch},
    wire,
};
use serde_json::{Value, json};

use crate::harness::{
    Account, Fate, Folder, LocalStack, Service, Sketch, Way, eventually, skipped,
};

/// A watch over the queues of an account, by way of an endpoint, and its clock.
async fn watch(account: &Account, endpoint: &str) -> (Arc<dyn Watch>, Clock) {
    let config = LocalStack::running().config().await;
    let config = config.into_builder().endpoint_url(endpoint).build();
    let clients = Clients::within_limits(&config, RequestCount::default()).unwrap();
    let clock = Clock::manual(Clock::Machine.now());
    (vitals::of_queues(&clients, &account.names, clock.clone()), clock)
}

fn figures(seen: &Vitals) -> Vec<(RoleName, [u64; 4], Option<&str>)> {
    let of = seen.services.iter();
    of.map(|it| {
        let figures = [it.waiting, it.in_flight, it.dead, it.undelivered];
        (it.role, figures, it.problem.as_deref())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_depths_of_all_queues_are_seen_and_nothing_is_received() {
    if skipped("localstack") {
        return;
    }
    let account = Account::make(false).await;
    let names = &account.names;
    for (queue, many) in [
        (names.queue(RoleName::Seats), 3),
        (names.dead_letter_queue(RoleName::Seats), 2),
        (names.undelivered_queue(RoleName::Receipt), 1),
    ] {
        for _ in 0..many {
            account.put(&queue, "{}").await;
        }
    }
    let url = account.url(&names.queue(RoleName::Seats)).await;
    let taken = account.sqs.receive_message().queue_url(url).max_number_of_messages(1);
    assert_eq!(taken.send().await.unwrap().messages.unwrap().len(), 1);

    let way = Way::to(&LocalStack::running().endpoint, |_, _, _| Fate::Pass).await;
    let (watch, clock) = watch(&account, &way.endpoint).await;
    let seen = watch.look().await;
    let wanted = [
        (RoleName::Seats, [2, 1, 2, 0], None),
        (RoleName::Payment, [0, 0, 0, 0], None),
        (RoleName::Receipt, [0, 0, 0, 1], None),
        (RoleName::Status, [0, 0, 0, 0], None),
    ];
    assert_eq!(figures(&seen), wanted);
    // Who looks again at once gets the same. Later, the queues are asked again, by the addresses
    // that are known by then.
    account.put(&names.queue(RoleName::Payment), "{}").await;
    assert_eq!(watch.look().await, seen);
    clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(watch.look().await.services[1].waiting, 1);
    let asked = ["GetQueueAttributes", "GetQueueUrl"].map(|it| format!("sqs:{it}"));
    assert_eq!(way.seen(), asked.into());
    let counts = ["GetQueueAttributes", "GetQueueUrl"].map(|it| way.count(&format!("sqs:{it}")));
    assert_eq!(counts, [24, 12]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_cannot_be_looked_at_says_why_and_the_others_are_seen() {
    if skipped("localstack") {
        return;
    }
    let account = Account::make(false).await;
    account.put(&account.names.queue(RoleName::Payment), "{}").await;
    let (gone, mute) = (
        account.names.dead_letter_queue(RoleName::Seats),
        account.names.undelivered_queue(RoleName::Status),
    );
    let url = account.url(&gone).await;
    account.sqs.delete_queue().queue_url(url).send().await.unwrap();
    let stalled = mute.clone();
    let way = Way::to(&LocalStack::running().endpoint, move |_, _, asked: &Value| {
        let is_mute = asked["QueueName"] == json!(stalled);
        if is_mute { Fate::Stall } else { Fate::Pass }
    })
    .await;
    let (watch, _) = watch(&account, &way.endpoint).await;
    let seen = watch.look().await;
    let problem = |at: usize| seen.services[at].problem.clone().unwrap_or_default();
    assert!(
        problem(0).contains(&gone) && problem(0).contains("was terraform/ applied"),
        "{seen:?}"
    );
    assert_eq!((seen.services[1].waiting, &seen.services[1].problem), (1, &None));
    assert!(problem(3).contains(&mute) && problem(3).contains("within 10 s"), "{seen:?}");
    assert_eq!((seen.services[0].dead, seen.services[3].waiting), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_says_how_often_each_event_was_heard_and_what_waits_on_the_queues() {
    if skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let more = ["--watch-queues"];
    let status = Service::start(RoleName::Status, &account.prefix, folder.path(), &more).await;
    for at in 0..3 {
        let sketch = Sketch::new(&format!("b-{at}"), &["12A"], "tok_visa");
        account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
        let booked = wire::encode(&sketch.heard(Kind::SeatBooked)).unwrap().body;
        account.publish(Kind::SeatBooked, &booked).await;
        // Said twice, it counts once.
        account.publish(Kind::SeatBooked, &booked).await;
    }
    let counted = |rates: &Value, event: &str| {
        let all = rates["events"].as_array().unwrap();
        all.iter().find(|it| it["event"] == event).unwrap()["count"].as_u64().unwrap()
    };
    let rates = eventually("all to be counted", async || {
        let (code, rates) = status.get("/rates").await;
        assert_eq!(code, 200, "{rates}");
        let heard = ["booking-requested", "seat-booked"].map(|it| counted(&rates, it));
        (heard == [3, 3]).then_some(rates)
    })
    .await;
    assert_eq!(rates["window_s"], 60.0);
    assert_eq!(rates["events"].as_array().unwrap().len(), Kind::ALL.len());
    assert_eq!(counted(&rates, "payment-ok"), 0);
    assert_eq!(rates["events"][0]["per_second"], 0.05);

    // Nobody takes what the others hear.
    eventually("what waits for seats", async || {
        let (code, vitals) = status.get("/vitals").await;
        assert_eq!(code, 200, "{vitals}");
        let seats = json!({"service": "seats", "waiting": 3, "in_flight": 0, "dead_letters": 0,
                           "undelivered": 0});
        (vitals["services"][0] == seats).then_some(())
    })
    .await;
}
