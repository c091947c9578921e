//! Messages as large as a queue holds.

use aws_sdk_sqs::types::QueueAttributeName;
use booking::{
    bus::{DeadLetter, Queue},
    domain::RoleName,
    wire::Message,
};

use super::{HIDDEN, message, say, take};
use crate::harness::Account;

/// As large as a queue holds: there is no room for a reason then, and the message stays.
#[tokio::test]
async fn what_is_set_aside_keeps_its_body_however_large() {
    const QUEUE_BYTES: usize = 256 * 1024;
    let account = Account::make(false).await;
    let dead = account.url(&account.names.dead_letter_queue(RoleName::Payment)).await;
    let small = account.sqs.set_queue_attributes().queue_url(dead);
    let most = QueueAttributeName::MaximumMessageSize;
    small.attributes(most, QUEUE_BYTES.to_string()).send().await.unwrap();
    let bus = account.bus(RoleName::Payment).await;
    let text =
        |bytes: usize| Message { body: format!("\"{}\"", "x".repeat(bytes)), ..message("large") };
    say(&bus, &text(1)).await.unwrap();
    let small = take(&bus, HIDDEN).await;
    bus.delete(&small.receipt_handle).await.unwrap();
    for (room, known) in [(0, 0), (1, 0), (100, 2)] {
        say(&bus, &text(1 + QUEUE_BYTES - small.incoming.body.len() - room)).await.unwrap();
        let delivery = take(&bus, HIDDEN).await;
        assert_eq!(delivery.incoming.body.len(), QUEUE_BYTES - room);
        let reason = ("reason", "because ".repeat(128));
        let why = DeadLetter { attributes: vec![("class", "malformed".into()), reason] };
        bus.set_aside(&delivery, &why).await.unwrap();
        bus.delete(&delivery.receipt_handle).await.unwrap();
        let letter = account.dead_letters(RoleName::Payment, 1).await.remove(0);
        assert!(letter.body == delivery.incoming.body, "{room} bytes of room");
        assert_eq!(letter.attributes.len(), known, "{room} bytes of room");
    }
}
