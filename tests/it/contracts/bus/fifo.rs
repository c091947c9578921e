//! What is true of FIFO topics and queues alone, beside the contract of all.

use std::time::Duration;

use booking::{
    aws::DeadQueue,
    bus::Queue,
    dead_letters::{DeadLetters, Scan},
    domain::{
        RoleName,
        event::{Data, Event, Kind, NoCharge},
        ids::outcome_id,
    },
    wire::{self, Message},
};
use futures_util::future::join_all;

use super::{HIDDEN, message, nothing_comes, say, take, the_contract};
use crate::harness::{Account, Sketch, eventually};

#[tokio::test]
async fn fifo_queues_keep_the_contract() {
    the_contract(Account::fifo().await).await;
}

fn declined(booking: &str) -> Message {
    let request = Sketch::new(booking, &["12A"], "tok_declined").event();
    let data = Data::PaymentFailed { reason: NoCharge::Declined };
    wire::encode(&Event::outcome(RoleName::Payment, &request.about(), request.time, data)).unwrap()
}

/// Failure matrix: L3.
#[tokio::test]
async fn a_client_cannot_make_a_later_outcome_a_repetition() {
    let account = Account::fifo().await;
    let seats = account.bus(RoleName::Seats).await;
    let sketch = Sketch::new("robbed", &["12A"], "tok_declined");
    let guessed = outcome_id(&sketch.booking(), Kind::PaymentFailed);
    let topic = account.topic_arn(Kind::BookingRequested);
    let publish = account.sns.publish().topic_arn(topic).message(sketch.cloud_event());
    let publish = publish.message_group_id("robbed").message_deduplication_id(guessed);
    publish.send().await.unwrap();
    let request = take(&seats, HIDDEN).await;
    seats.delete(&request.receipt_handle).await.unwrap();

    let payment = account.bus(RoleName::Payment).await;
    say(&payment, &declined("robbed")).await.unwrap();
    let outcome = take(&seats, HIDDEN).await;
    let event = wire::decode(&outcome.incoming, &account.intake()).unwrap();
    assert_eq!(event.kind(), Kind::PaymentFailed);
    assert_eq!(outcome.group.as_deref(), Some("robbed"));
}

/// Failure matrix: L6.
#[tokio::test]
async fn what_a_process_publishes_twice_comes_once_and_of_another_process_again() {
    let account = Account::fifo().await;
    let seats = account.bus(RoleName::Seats).await;
    let payment = account.bus(RoleName::Payment).await;
    for _ in 0..2 {
        say(&payment, &declined("b-1")).await.unwrap();
    }
    let once = take(&seats, HIDDEN).await;
    seats.delete(&once.receipt_handle).await.unwrap();
    nothing_comes(&seats).await;
    say(&account.bus(RoleName::Payment).await, &declined("b-1")).await.unwrap();
    take(&seats, HIDDEN).await;
}

/// Failure matrix: L1.
///
/// This is what the worker relies on: nothing of a booking comes while something of it is in
/// flight, and what was received together with it comes again in the same order.
#[tokio::test]
async fn a_fifo_queue_brings_nothing_of_a_booking_while_something_of_it_is_in_flight() {
    let account = Account::fifo().await;
    let seats = account.bus(RoleName::Seats).await;
    say(&seats, &message("b-1")).await.unwrap();
    say(&account.bus(RoleName::Payment).await, &declined("b-1")).await.unwrap();
    let first = take(&seats, HIDDEN).await;
    nothing_comes(&seats).await;
    say(&seats, &message("b-2")).await.unwrap();
    let other = take(&seats, HIDDEN).await;
    assert_eq!(other.group.as_deref(), Some("b-2"));
    seats.give_back(&first.receipt_handle, Duration::ZERO).await.unwrap();
    let again = take(&seats, HIDDEN).await;
    assert_eq!(again.incoming.body, first.incoming.body);
    seats.delete(&again.receipt_handle).await.unwrap();
    let second = take(&seats, HIDDEN).await;
    assert!(second.incoming.body.contains("payment-failed"), "{}", second.incoming.body);

    // Two that were received together, and go back in one batch.
    say(&seats, &message("b-3")).await.unwrap();
    say(&account.bus(RoleName::Payment).await, &declined("b-3")).await.unwrap();
    let mut before = Vec::new();
    for _ in 0..2 {
        // A receive that came before the second one would hide the first one.
        eventually("both messages to be there", async || {
            (account.depth(RoleName::Seats).await.0 == 2).then_some(())
        })
        .await;
        let both = seats.receive(10, Duration::from_secs(1), HIDDEN).await.unwrap();
        assert_eq!(both.len(), 2);
        let handles = both.iter().map(|it| seats.give_back(&it.receipt_handle, Duration::ZERO));
        join_all(handles).await.into_iter().for_each(Result::unwrap);
        before.push(both.into_iter().map(|it| it.incoming.body).collect::<Vec<_>>());
    }
    assert!(before[0] == before[1] && before[0][1].contains("payment-failed"), "{before:?}");
}

/// Failure matrix: L4.
#[tokio::test]
async fn a_dead_letter_that_is_put_back_at_once_is_no_repetition() {
    let account = Account::fifo().await;
    let seats = account.bus(RoleName::Seats).await;
    // Many of one booking, and all of them can be seen.
    for number in 0..12 {
        let id = format!("{number}");
        let topic = account.topic_arn(Kind::BookingRequested);
        let publish = account.sns.publish().topic_arn(topic).message(&id);
        publish.message_group_id("b-1").message_deduplication_id(id).send().await.unwrap();
        let delivery = take(&seats, HIDDEN).await;
        let why = booking::bus::DeadLetter {
            attributes: vec![("class", "malformed".into()), ("group", "b-1".into())],
        };
        seats.set_aside(&delivery, &why).await.unwrap();
        seats.delete(&delivery.receipt_handle).await.unwrap();
    }
    let clients = account.clients();
    let letters = DeadLetters::connect(clients, &account.names, RoleName::Seats).await.unwrap();
    let mut scan = Scan::new(&letters, 100);
    let mut dead = Vec::new();
    while let Some(more) = scan.next().await.unwrap() {
        dead.extend(more);
    }
    assert_eq!(dead.len(), 12);
    let to = letters.role_queue().await.unwrap();
    let lot: Vec<_> = dead.iter().take(1).collect();
    let filed = letters.put_back(DeadQueue::Dlq, &lot, &to).await;
    assert!(matches!(filed[..], [booking::dead_letters::Filed::Done]), "{filed:?}");
    let again = take(&seats, HIDDEN).await;
    assert_eq!(again.group.as_deref(), Some("b-1"));
    scan.finish().await;
}
