//! The fifth service of `docs/ADD-A-SERVICE.md`, in both of its forms, beside the four: as
//! processes, on the topics of LocalStack, under duplicates, and killed at its work.

use std::collections::BTreeSet;

use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, QueueAttributeName, SendMessageBatchRequestEntry,
};
use booking::{
    clock::Clock,
    domain::{ServiceName, event::Kind},
    wire::{self, CanaryKey},
};

use crate::{
    commands::check_canary::at,
    harness::{
        Account, CANARY_KEY, Folder, Form, Guest, HEARD, LOYALTY, Sketch, all_four, enveloped,
        eventually,
    },
};

const BOOKINGS: usize = 200;
/// How many are requested at once.
const ROUND: usize = 10;
/// How long the queue of a guest hides a received message, in seconds.
const VISIBILITY_S: &str = "4";

/// How often the queue is looked at before a process that was stopped may go on.
const LOOKS: usize = 20;

/// A queue that gets what loyalty gets, so that the test can put it on loyalty's queue again.
const TAP: ServiceName = ServiceName::guest("tap");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loyalty_in_python_counts_each_completed_booking_once() {
    counts_each_completed_booking_once(Form::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loyalty_on_our_runtime_counts_each_completed_booking_once() {
    counts_each_completed_booking_once(Form::Rust).await;
}

async fn counts_each_completed_booking_once(form: Form) {
    let (account, folder) = (Account::make(false).await, Folder::new());
    for guest in [LOYALTY, TAP] {
        account.guest(guest, &HEARD).await;
    }
    hides_for(&account, VISIBILITY_S).await;
    let mut guest = Guest::start(form, &account.prefix);
    let services = all_four(&account.prefix, folder.path()).await;

    // Some are refunded although they complete, before or after: by the test, which plays payment.
    let sketches: Vec<Sketch> = (0..BOOKINGS).map(sketch).collect();
    let refund = |it: &Sketch| wire::encode(&it.heard(Kind::PaymentRefunded)).unwrap().body;
    for (round, some) in sketches.chunks(ROUND).enumerate() {
        if round % 2 == 0 {
            account.publish(Kind::PaymentRefunded, &refund(&some[5])).await;
        }
        for _ in 0..2 {
            let requests = some.iter().map(Sketch::cloud_event);
            account.publish_all(Kind::BookingRequested, requests).await;
        }
        if round % 2 == 1 {
            account.publish(Kind::PaymentRefunded, &refund(&some[5])).await;
        }
        if round == BOOKINGS / ROUND / 2 {
            eventually("loyalty to be at work", async || {
                (!guest.bookings().is_empty()).then_some(())
            })
            .await;
            guest.kill_and_start_again();
        }
    }
    kill_in_flight(&account, &mut guest).await;

    let mut completed = BTreeSet::new();
    for it in &sketches {
        if services[3].ending(&it.id).await["phase"] == "completed" {
            completed.insert(it.id.clone());
        }
    }
    hears_everything_twice_more(&account).await;
    eventually("the queue of loyalty to be empty", async || {
        (account.depth(LOYALTY).await == (0, 0)).then_some(())
    })
    .await;
    // The others were declined, lost their seat to the one before, or got their money back.
    assert_eq!(completed.len(), 140, "{form:?}");
    assert_eq!(guest.bookings(), completed, "{form:?}\n{}", guest.logged());
    assert_eq!(guest.points(), completed.len(), "{form:?}");

    ends_well_when_it_is_told_to(&account, &mut guest).await;
    assert_eq!(guest.bookings(), completed, "{form:?}");
}

/// Of each round, one is declined, one wants the seat of the one before, and one is refunded.
fn sketch(at: usize) -> Sketch {
    let seat = if at % 10 == 9 { at - 1 } else { at };
    let seat = format!("{}{}", 1 + seat / 10, b"ABCDEFGHJK"[seat % 10] as char);
    let token = if at % 10 == 3 { "tok_declined" } else { "tok_visa" };
    let id = format!("loyal-{at}");
    Sketch { id, flight: "WA240", seats: vec![seat.leak()], token }
}

async fn hides_for(account: &Account, seconds: &str) {
    let url = account.url(&account.names.queue(LOYALTY)).await;
    let set = account.sqs.set_queue_attributes().queue_url(url);
    let set = set.attributes(QueueAttributeName::VisibilityTimeout, seconds);
    set.send().await.unwrap();
}

/// Stops the process again and again until SQS says that it has a message in flight, and kills it
/// then. An open receive of a stopped process takes a message, too.
async fn kill_in_flight(account: &Account, guest: &mut Guest) {
    let queue = account.names.queue(LOYALTY);
    let again = wire::encode(&sketch(0).heard(Kind::ReceiptSent)).unwrap().body;
    let again = envelope_of(account, Kind::ReceiptSent, &again);
    eventually("loyalty to have a message in flight", async || {
        guest.signal("STOP");
        account.put(&queue, &again).await;
        for _ in 0..LOOKS {
            if account.depth(LOYALTY).await.1 > 0 {
                return Some(());
            }
        }
        guest.signal("CONT");
        None
    })
    .await;
    guest.kill_and_start_again();
}

/// Puts what came to loyalty on its queue twice more.
async fn hears_everything_twice_more(account: &Account) {
    let (tap, queue) = (account.names.queue(TAP), account.names.queue(LOYALTY));
    let (tap, queue) = (account.url(&tap).await, account.url(&queue).await);
    loop {
        let receive = account.sqs.receive_message().queue_url(&tap).max_number_of_messages(10);
        let messages = receive.send().await.unwrap().messages.unwrap_or_default();
        if messages.is_empty() {
            return;
        }
        let mut delete = account.sqs.delete_message_batch().queue_url(&tap);
        let mut again = account.sqs.send_message_batch().queue_url(&queue);
        for (at, it) in messages.into_iter().enumerate() {
            let (id, handle) = (at.to_string(), it.receipt_handle.unwrap());
            let entry = DeleteMessageBatchRequestEntry::builder().id(&id).receipt_handle(handle);
            delete = delete.entries(entry.build().unwrap());
            let entry = SendMessageBatchRequestEntry::builder().id(&id);
            again = again.entries(entry.message_body(it.body.unwrap()).build().unwrap());
        }
        for _ in 0..2 {
            again.clone().send().await.unwrap();
        }
        delete.send().await.unwrap();
    }
}

/// What is no event of ours ends on the dead-letter queue, a canary is nothing, and after SIGTERM
/// what was received is dealt with.
async fn ends_well_when_it_is_told_to(account: &Account, guest: &mut Guest) {
    let queue = account.names.queue(LOYALTY);
    let url = account.url(&queue).await;
    let dead = account.names.dead_letter_queue(LOYALTY);
    let redrive = format!(
        r#"{{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:{dead}","maxReceiveCount":2}}"#
    );
    let set = account.sqs.set_queue_attributes().queue_url(url);
    let set = set.attributes(QueueAttributeName::RedrivePolicy, redrive);
    set.send().await.unwrap();
    hides_for(account, "1").await;

    let receipt = wire::encode(&sketch(1).heard(Kind::ReceiptSent)).unwrap().body;
    let (key, now) = (CanaryKey::parse(CANARY_KEY).unwrap(), Clock::Machine.now());
    let canary = wire::canary(at(now, 1), Kind::ReceiptSent, now, &key).body;
    let of_client = receipt.replace("/booking/receipt", "/somebody");
    let poison = [
        "no JSON".to_owned(),
        envelope_of(account, Kind::ReceiptSent, &of_client),
        envelope_of(account, Kind::PaymentRefunded, &receipt),
        envelope_of(account, Kind::ReceiptSent, &receipt.replace("sent:1", "sent:2")),
        envelope_of(account, Kind::ReceiptSent, "[]"),
    ];
    for body in &poison {
        account.put(&queue, body).await;
    }
    account.put(&queue, &envelope_of(account, Kind::ReceiptSent, &canary)).await;
    account.dead_letters(LOYALTY, poison.len()).await;
    eventually("the queue of loyalty to be empty", async || {
        (account.depth(LOYALTY).await == (0, 0)).then_some(())
    })
    .await;
    assert_eq!(account.depth_of(&dead).await, (0, poison.len() as u64), "and no canary");
    for secret in ["somebody", "no JSON", "Lovelace"] {
        assert!(!guest.logged().contains(secret), "{secret} in {}", guest.logged());
    }

    guest.signal("TERM");
    // Ends the open receive at once.
    account.put(&queue, &envelope_of(account, Kind::ReceiptSent, &receipt)).await;
    let code = eventually("loyalty to end", async || guest.exit_code()).await;
    assert_eq!(code, 0, "{}", guest.logged());
}

/// An event as SNS brings it from a topic of this account.
fn envelope_of(account: &Account, topic: Kind, event: &str) -> String {
    let ours = format!("000000000000:{}{topic}", account.prefix);
    enveloped(topic, event).body.replace(&format!("000000000000:{topic}"), &ours)
}
