//! Publishes the requests for bookings, through the client's door of the proxy. It must never slow
//! down because the services are slow.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use aws_sdk_sns::types::PublishBatchRequestEntry;
use booking::{aws::Names, domain::event::Kind};
use tokio::task::JoinSet;

use crate::{
    bookings::{self, Numbers},
    proxy::Door,
    topology::{config, topic_arn},
};

/// The most entries of one `PublishBatch`.
const BATCH_MAX: usize = 10;
/// How many batches are sent at the same time.
const AT_ONCE: usize = 8;

/// When each booking is due to be published.
pub type Due = BTreeMap<String, Instant>;

/// Publishes all requests, ten in each batch, and returns when all are on the queues.
pub async fn backlog(door: &Arc<Door>, numbers: &Numbers, names: &Names) -> anyhow::Result<()> {
    let sns = aws_sdk_sns::Client::new(&config(door.address).await);
    let mut sending = JoinSet::new();
    for start in numbers.clone().step_by(BATCH_MAX) {
        if sending.len() >= AT_ONCE {
            sending.join_next().await.context("some are on their way")???;
        }
        let batch = start..numbers.end.min(start + BATCH_MAX);
        sending.spawn(publish_batch(sns.clone(), batch, names.clone()));
    }
    while let Some(sent) = sending.join_next().await {
        sent??;
    }
    Ok(())
}

async fn publish_batch(
    sns: aws_sdk_sns::Client,
    batch: Numbers,
    names: Names,
) -> anyhow::Result<()> {
    let mut publish = sns.publish_batch().topic_arn(topic_arn(&names, Kind::BookingRequested));
    for number in batch {
        let entry = PublishBatchRequestEntry::builder().id(number.to_string());
        let (group, id) = fifo_ids(&names, number);
        let entry = entry.set_message_group_id(group).set_message_deduplication_id(id);
        let entry = entry.message(bookings::request(number)).build()?;
        publish = publish.publish_batch_request_entries(entry);
    }
    ensure!(publish.send().await?.failed().is_empty(), "an entry was not published");
    Ok(())
}

/// The group and the deduplication id of a request, if the topic is FIFO.
fn fifo_ids(names: &Names, number: usize) -> (Option<String>, Option<String>) {
    let id = names.are_fifo().then(|| bookings::id(number));
    (id.clone(), id)
}

/// Publishes each request by itself, at its own time, whether or not earlier bookings are finished.
/// Returns at once, and publishes in the background.
pub async fn steady(
    door: &Arc<Door>,
    numbers: &Numbers,
    per_s: f64,
    names: &Names,
) -> anyhow::Result<Due> {
    let sns = aws_sdk_sns::Client::new(&config(door.address).await);
    let began = Instant::now() + Duration::from_millis(100);
    let at =
        |number: usize| began + Duration::from_secs_f64((number - numbers.start) as f64 / per_s);
    let due: Due = numbers.clone().map(|it| (bookings::id(it), at(it))).collect();
    for number in numbers.clone() {
        let (sns, at, names) = (sns.clone(), at(number), names.clone());
        tokio::spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            let publish = sns.publish().topic_arn(topic_arn(&names, Kind::BookingRequested));
            let (group, id) = fifo_ids(&names, number);
            let publish = publish.set_message_group_id(group).set_message_deduplication_id(id);
            // The run fails later, because the receipt of this booking is missing.
            if let Err(error) = publish.message(bookings::request(number)).send().await {
                eprintln!("not published: {}", booking::runtime::Chain(&error));
            }
        });
    }
    Ok(due)
}
