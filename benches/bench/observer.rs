//! Finds out when each receipt was announced, by a queue of its own. It talks to the backend
//! directly: its requests must never be counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use anyhow::ensure;
use serde::Deserialize;

use crate::{
    bookings::{self, Numbers},
    topology::Topology,
};

const LONG_POLL_S: i32 = 20;

/// The receipts that have been announced.
#[derive(Debug, Default)]
pub struct Heard {
    /// When the first announcement of a booking's receipt arrived.
    pub at: BTreeMap<String, Instant>,
    events: BTreeSet<String>,
    /// How many announcements repeated an event.
    pub repeats: usize,
}

#[derive(Deserialize)]
struct ReceiptSent {
    id: String,
    subject: String,
}

impl Heard {
    /// Receives once, with a long poll if `wait`. Returns the number of messages.
    pub async fn receive(&mut self, topology: &Topology, wait: bool) -> anyhow::Result<usize> {
        let receive = topology.sqs.receive_message().queue_url(&topology.observer_url);
        let receive = receive.max_number_of_messages(10);
        let receive = receive.wait_time_seconds(if wait { LONG_POLL_S } else { 0 });
        let messages = receive.send().await?.messages.unwrap_or_default();
        let now = Instant::now();
        for message in &messages {
            let event: ReceiptSent =
                serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
            if self.events.insert(event.id) {
                ensure!(!self.at.contains_key(&event.subject), "two receipts of {}", event.subject);
                self.at.insert(event.subject, now);
            } else {
                self.repeats += 1;
            }
        }
        Ok(messages.len())
    }

    /// Fails unless a receipt was announced for each of these bookings, and for no other.
    pub fn check(&self, numbers: &Numbers) -> anyhow::Result<()> {
        let wanted: BTreeSet<String> = numbers.clone().map(bookings::id).collect();
        let heard: BTreeSet<String> = self.at.keys().cloned().collect();
        let missing = wanted.difference(&heard).count();
        let invented = heard.difference(&wanted).count();
        ensure!(missing + invented == 0, "receipts: {missing} missing, {invented} invented");
        Ok(())
    }
}
