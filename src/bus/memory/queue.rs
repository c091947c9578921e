//! One queue: its messages in the order of arrival, and which of them can be received now. No
//! operation may ever become slow because many messages are on the queue.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::super::{Delivery, ReceiptHandle};
use crate::wire::Incoming;

/// A message on its queue.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) message_id: String,
    pub(super) body: Arc<str>,
    sent_at: Timestamp,
    visible_at: Timestamp,
    receives: u32,
    /// The number of this message's last hand-out, which makes each receipt handle unique.
    handed_out: u64,
}

/// The messages of one queue, hidden ones included.
#[derive(Debug, Default)]
pub(super) struct Messages {
    messages: BTreeMap<u64, Queued>,
    /// All messages, ordered by the time at which they can be received.
    visible: BTreeSet<(Timestamp, u64)>,
    put: u64,
    handed_out: u64,
}

impl Messages {
    pub(super) fn put(&mut self, message_id: String, body: Arc<str>, now: Timestamp) {
        self.put += 1;
        let (sent_at, visible_at) = (now, now);
        let queued = Queued { message_id, body, sent_at, visible_at, receives: 0, handed_out: 0 };
        self.messages.insert(self.put, queued);
        self.visible.insert((now, self.put));
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// When the next message can be received. `None` when the queue is empty.
    pub(super) fn next_visible(&self) -> Option<Timestamp> {
        self.visible.first().map(|it| it.0)
    }

    /// The places of the messages that can be received, the longest visible first.
    pub(super) fn receivable(&self, now: Timestamp) -> impl Iterator<Item = u64> {
        self.visible.iter().take_while(move |it| it.0 <= now).map(|it| it.1)
    }

    /// Whether the message at a place was received too often already.
    pub(super) fn exhausted(&self, place: u64, receives_max: u32) -> bool {
        self.messages.get(&place).is_some_and(|it| it.receives >= receives_max)
    }

    /// Hands out the message at a place, and hides it until `until`.
    pub(super) fn hand_out(&mut self, place: u64, until: Timestamp) -> Option<Delivery> {
        self.move_to(place, until);
        let it = self.messages.get_mut(&place)?;
        self.handed_out += 1;
        (it.receives, it.handed_out) = (it.receives + 1, self.handed_out);
        Some(Delivery {
            incoming: Incoming {
                body: it.body.as_ref().to_owned(),
                kind_attribute: None,
                sent_at: it.sent_at,
                attempt: it.receives,
                hop: None,
            },
            message_id: it.message_id.clone(),
            group: None,
            receipt_handle: ReceiptHandle(format!("{place}#{}", it.handed_out)),
        })
    }

    /// Deletes the message of this handle, if the handle is still valid.
    pub(super) fn delete(&mut self, handle: &ReceiptHandle) {
        if let Some(place) = self.place(handle) {
            self.remove(place);
        }
    }

    /// Makes the message of this handle visible at `at`, if the handle is still valid.
    pub(super) fn show_at(&mut self, handle: &ReceiptHandle, at: Timestamp) {
        if let Some(place) = self.place(handle) {
            self.move_to(place, at);
        }
    }

    /// Hides the message of this handle for `by` from `now`. False if the message is visible again
    /// or the handle is no longer valid.
    pub(super) fn extend(
        &mut self,
        handle: &ReceiptHandle,
        now: Timestamp,
        by: SignedDuration,
    ) -> bool {
        let hidden = |it: &u64| self.messages[it].visible_at > now;
        let Some(place) = self.place(handle).filter(hidden) else { return false };
        self.move_to(place, now + by);
        true
    }

    /// The place of the message of a handle, if the handle is still valid.
    fn place(&self, handle: &ReceiptHandle) -> Option<u64> {
        let (place, handed_out) = handle.0.split_once('#')?;
        let (place, handed_out): (u64, u64) = (place.parse().ok()?, handed_out.parse().ok()?);
        self.messages.get(&place).filter(|it| it.handed_out == handed_out).map(|_| place)
    }

    fn move_to(&mut self, place: u64, at: Timestamp) {
        if let Some(it) = self.messages.get_mut(&place) {
            self.visible.remove(&(it.visible_at, place));
            it.visible_at = at;
            self.visible.insert((at, place));
        }
    }

    /// Removes the message at a place.
    pub(super) fn remove(&mut self, place: u64) -> Option<Queued> {
        let it = self.messages.remove(&place)?;
        self.visible.remove(&(it.visible_at, place));
        Some(it)
    }
}
