//! What is true of an event bus of EventBridge alone, beside the contract of all.

use booking::{
    domain::{RoleName, event::Kind},
    wire,
};

use super::{
    HIDDEN, nothing_comes, take, the_contract, topics_example,
    what_many_do_at_once_is_done_for_each,
};
use crate::harness::{Account, bare, eventually, intake};

#[tokio::test]
async fn an_event_bus_keeps_the_contract() {
    let account = Account::on_event_bus().await;
    let count = account.count.clone();
    the_contract(account).await;
    let metrics = booking::metrics::Metrics::new(count).render();
    let line = "booking_aws_requests_total{service=\"eventbridge\",operation=\"PutEvents\"}";
    assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    assert!(!metrics.contains("service=\"sns\""), "{metrics}");
}

#[tokio::test]
async fn an_event_bus_is_asked_in_batches_for_what_many_do_at_once() {
    let account = Account::on_event_bus().await;
    let count = account.count.clone();
    what_many_do_at_once_is_done_for_each(&account).await;
    let metrics = booking::metrics::Metrics::new(count).render();
    let line = "booking_aws_requests_total{service=\"eventbridge\",operation=\"PutEvents\"} 2\n";
    assert!(metrics.contains(line), "{line} is not in\n{metrics}");
}

/// Failure matrix: K3, K4.
///
/// What nobody may say for another reaches nobody, and what everybody may say is read.
#[tokio::test]
async fn an_event_bus_delivers_what_its_source_may_say() {
    let account = Account::on_event_bus().await;
    let bus = account.bus(RoleName::Status).await;
    let body = topics_example(Kind::PaymentOk);
    account.put_event("booking.seats", "payment-ok", &body).await;
    account.put_event("booking.client", "payment-ok", &body).await;
    account.put_event("booking.payment", "seat-booked", &body).await;
    let bare = bare(&["12A"], "tok_visa").to_string();
    let id = account.put_event("shop.web", "booking-requested", &bare).await;
    let delivery = take(&bus, HIDDEN).await;
    let event = wire::decode(&delivery.incoming, &account.intake()).unwrap();
    assert_eq!(event.booking.as_str(), id, "the EventId is the booking's");
    let sns = wire::decode(&delivery.incoming, &intake()).unwrap_err();
    assert_eq!(sns.why, wire::Why::Untrusted, "topics put nothing into such an envelope");
    nothing_comes(&bus).await;

    // A rule that lets too much through does not make it true.
    account.put_event("booking.status", "booking-requested", &bare).await;
    let delivery = take(&bus, HIDDEN).await;
    let refusal = wire::decode(&delivery.incoming, &account.intake()).unwrap_err();
    assert_eq!((refusal.why, refusal.flaw.path.as_str()), (wire::Why::Untrusted, "source"));
}

/// Failure matrix: K5.
///
/// What EventBridge cannot deliver goes to the same queue as what SNS cannot.
#[tokio::test]
async fn an_event_that_cannot_be_delivered_is_kept_beside_its_queue() {
    let account = Account::on_event_bus().await;
    let gone = account.url(&account.names.queue(RoleName::Receipt)).await;
    account.sqs.delete_queue().queue_url(gone).send().await.unwrap();
    let id = account.put_event("booking.client", "booking-requested", "{}").await;
    let undelivered = account.names.undelivered_queue(RoleName::Receipt);
    let url = account.url(&undelivered).await;
    let body = eventually("what could not be delivered", async || {
        let receive = account.sqs.receive_message().queue_url(&url);
        receive.send().await.unwrap().messages?.pop()?.body
    })
    .await;
    let envelope: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&envelope["id"], &envelope["detail-type"]),
        (&id.into(), &"booking-requested".into())
    );
}
