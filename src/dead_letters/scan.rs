//! Scans a role's two dead-letter queues to their end, however many messages are on them. A message
//! that was looked at stays hidden until the scan ends, since SQS would otherwise bring it again
//! and again instead of the rest. Only its id and its receipt handle may be kept in memory. At the
//! end, all hidden messages are made visible again.

use std::{collections::HashMap, time::Duration};

use aws_sdk_sqs::types::MessageSystemAttributeName;
use tokio::task::JoinSet;

use super::queues::{Dead, DeadLetters, dead};
use crate::{
    aws::{DeadQueue, FIFO},
    bus::{
        BusError, ENTRIES_MAX, RECEIVE_MAX, ReceiptHandle,
        aws::{change_visibility, failure, seconds},
    },
};

/// How long a receive waits. Without a wait, SQS asks only some of its servers and may miss
/// messages. With one, it asks all of them.
const WAIT: Duration = Duration::from_secs(1);
/// How long a message is hidden while the rest is scanned, at thousands of messages a second. If
/// the process dies meanwhile, the messages become visible by themselves after this time.
const HIDDEN: Duration = Duration::from_secs(180);
/// The most receives that are open at once on a queue which has shown that many messages are on it.
const RECEIVES_MAX: usize = 8;
/// The most messages of a queue that are hidden at once. SQS stops at 120,000 and does not say so.
const HIDDEN_MAX: usize = 100_000;
/// If this many receives in a row bring nothing new, the messages that were hidden first are
/// visible again, and the scan of the queue ends.
const SEEN_AGAIN_MAX: u32 = 3;
/// The most lots that are given back at once.
const LOTS_MAX: usize = 8;

/// One scan of both queues.
#[derive(Debug)]
pub struct Scan {
    letters: DeadLetters,
    /// The most messages of each queue that may be looked at.
    most: usize,
    sides: [Side; 2],
    open: JoinSet<(DeadQueue, usize, Result<Vec<Dead>, BusError>)>,
}

/// The scan of one queue.
#[derive(Debug)]
struct Side {
    place: DeadQueue,
    /// The receipt handles of the hidden messages, by message id.
    hidden: HashMap<String, ReceiptHandle>,
    /// How many different messages the queue has brought.
    brought: usize,
    /// How many messages the open receives may bring.
    asked: usize,
    open: usize,
    /// How many receives should be open.
    wanted: usize,
    seen_again: u32,
    /// How many messages each group has brought, on a FIFO queue.
    groups: HashMap<String, usize>,
    end: Option<End>,
}

/// Why nothing more is received from a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A receive found no message.
    Empty,
    /// A bound was reached. There may be more messages.
    Bound,
}

impl Side {
    fn new(place: DeadQueue) -> Side {
        Side {
            place,
            hidden: HashMap::new(),
            brought: 0,
            asked: 0,
            open: 0,
            wanted: 1,
            seen_again: 0,
            groups: HashMap::new(),
            end: None,
        }
    }

    /// How many messages the next receive may bring; `None` when no receive may begin now.
    fn next(&mut self, most: usize) -> Option<usize> {
        if self.end.is_some() || self.open >= self.wanted {
            return None;
        }
        let left = most.saturating_sub(self.brought + self.asked);
        let room = HIDDEN_MAX.saturating_sub(self.hidden.len() + self.asked);
        let max = RECEIVE_MAX.min(left).min(room);
        if max == 0 {
            // An open receive may bring less than it asked for, which leaves room for another one.
            if self.open == 0 {
                self.end = Some(End::Bound);
            }
            return None;
        }
        self.open += 1;
        self.asked += max;
        Some(max)
    }

    /// Records what a receive brought, and returns the messages that were not seen before.
    fn received(&mut self, asked: usize, mut messages: Vec<Dead>) -> Vec<Dead> {
        self.open -= 1;
        self.asked -= asked;
        if messages.is_empty() {
            // SQS brings no more of a group while ten of it are hidden.
            let crowded = self.groups.values().any(|it| *it >= RECEIVE_MAX);
            self.end = self.end.or(crowded.then_some(End::Bound));
            // A bound that was reached before stays the end: there may be more messages.
            self.end = self.end.or(Some(End::Empty));
            return messages;
        }
        self.wanted = (self.wanted * 2).min(RECEIVES_MAX);
        messages.retain(|it| {
            // Only the newest receipt handle of a message is certain to be valid.
            let (id, handle) = (&it.delivery.message_id, &it.delivery.receipt_handle);
            self.hidden.insert(id.clone(), handle.clone()).is_none()
        });
        for group in messages.iter().filter_map(|it| it.delivery.group.as_ref()) {
            *self.groups.entry(group.clone()).or_default() += 1;
        }
        self.brought += messages.len();
        self.seen_again = if messages.is_empty() { self.seen_again + 1 } else { 0 };
        if self.seen_again >= SEEN_AGAIN_MAX {
            self.end = self.end.or(Some(End::Bound));
        }
        messages
    }
}

impl Scan {
    /// A scan that looks at no more than `most` messages of each queue.
    #[must_use]
    pub fn new(letters: &DeadLetters, most: usize) -> Scan {
        let sides = [DeadQueue::Dlq, DeadQueue::Undelivered].map(Side::new);
        Scan { letters: letters.clone(), most, sides, open: JoinSet::new() }
    }

    /// The new messages of the next receive, if it brings any. `None` when both queues were scanned
    /// to their end or to a bound. The future may be dropped while it waits, and `next` be called
    /// again.
    ///
    /// # Errors
    /// When a queue cannot be received from.
    pub async fn next(&mut self) -> Result<Option<Vec<Dead>>, BusError> {
        for side in &mut self.sides {
            while let Some(max) = side.next(self.most) {
                let (letters, place) = (self.letters.clone(), side.place);
                let receive = async move { (place, max, receive(&letters, place, max).await) };
                self.open.spawn(receive);
            }
        }
        let Some(done) = self.open.join_next().await else { return Ok(None) };
        let (place, asked, received) = done.map_err(|died| {
            let name = self.letters.name(DeadQueue::Dlq).to_owned();
            BusError::Failed { operation: "receive from", name, source: died.into() }
        })?;
        Ok(Some(self.side(place).received(asked, received?)))
    }

    /// Records that a message was deleted, so that it is not given back.
    pub fn gone(&mut self, place: DeadQueue, message_id: &str) {
        self.side(place).hidden.remove(message_id);
    }

    /// How many messages were looked at.
    #[must_use]
    pub fn looked_at(&self) -> usize {
        self.sides.iter().map(|it| it.brought).sum()
    }

    /// Ends the scan, and makes every message that was not deleted visible again. If that fails for
    /// one, it becomes visible by itself. True when both queues were scanned to their end.
    pub async fn finish(mut self) -> bool {
        let mut whole = self.sides.iter().all(|it| it.end == Some(End::Empty));
        // Messages that the open receives still bring are hidden as well, and nobody looks at them.
        while let Some(done) = self.open.join_next().await {
            if let Ok((place, asked, Ok(messages))) = done {
                whole &= self.side(place).received(asked, messages).is_empty();
            }
        }
        let mut lots = JoinSet::new();
        for side in self.sides {
            let handles: Vec<ReceiptHandle> = side.hidden.into_values().collect();
            for lot in handles.chunks(ENTRIES_MAX) {
                if lots.len() >= LOTS_MAX {
                    lots.join_next().await;
                }
                let (letters, lot) = (self.letters.clone(), lot.to_vec());
                lots.spawn(async move {
                    let at_once = lot.iter().map(|it| (it, Duration::ZERO));
                    let url = letters.queue(side.place).url();
                    // If this fails for a message, it becomes visible when its time is over.
                    let _ = change_visibility(&letters.clients().sqs, url, at_once).await;
                });
            }
        }
        while lots.join_next().await.is_some() {}
        whole
    }

    fn side(&mut self, place: DeadQueue) -> &mut Side {
        let [dlq, undelivered] = &mut self.sides;
        match place {
            DeadQueue::Dlq => dlq,
            DeadQueue::Undelivered => undelivered,
        }
    }
}

async fn receive(
    letters: &DeadLetters,
    place: DeadQueue,
    max: usize,
) -> Result<Vec<Dead>, BusError> {
    let queue = letters.queue(place);
    let received = letters
        .clients()
        .polls
        .receive_message()
        .queue_url(queue.url())
        .max_number_of_messages(i32::try_from(max).unwrap_or(1))
        .wait_time_seconds(seconds(WAIT))
        .visibility_timeout(seconds(HIDDEN))
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All")
        .send()
        .await
        .map_err(|it| {
            let right = letters.right("sqs:ReceiveMessage", queue);
            failure("receive from", queue.name(), right, it)
        })?;
    let messages = received.messages.unwrap_or_default().into_iter();
    Ok(messages.filter_map(|it| dead(place, it)).map(|it| in_group(it, queue.name())).collect())
}

/// The letter, with its group only if the queue is FIFO: on a standard queue a group holds up
/// nothing, and any client may have named one.
fn in_group(mut dead: Dead, queue: &str) -> Dead {
    dead.delivery.group = dead.delivery.group.filter(|_| queue.ends_with(FIFO));
    dead
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{bus::Delivery, wire::Incoming};

    fn messages(ids: std::ops::Range<u32>) -> Vec<Dead> {
        let dead = |id: u32| {
            let delivery = Delivery {
                incoming: Incoming {
                    body: "{}".to_owned(),
                    kind_attribute: None,
                    sent_at: Timestamp::UNIX_EPOCH,
                    attempt: 1,
                    hop: None,
                },
                message_id: id.to_string(),
                receipt_handle: ReceiptHandle("h".to_owned()),
                group: None,
            };
            Dead { place: DeadQueue::Dlq, delivery, moved: false, attributes: Default::default() }
        };
        ids.map(dead).collect()
    }

    #[test]
    fn a_short_queue_is_asked_once_at_a_time_and_a_long_one_by_many() {
        let mut side = Side::new(DeadQueue::Dlq);
        assert_eq!((side.next(1000), side.next(1000)), (Some(10), None));
        for round in 0..4 {
            assert_eq!(side.received(10, messages(10 * round..10 * (round + 1))).len(), 10);
            while side.next(1000).is_some() {}
        }
        assert_eq!(side.open, RECEIVES_MAX);
        side.received(10, messages(0..0));
        assert_eq!((side.next(1000), side.end), (None, Some(End::Empty)));
        assert_eq!(side.received(10, messages(40..43)).len(), 3, "what was open still counts");
    }

    /// SQS brings no more of a group while ten of it are hidden.
    #[test]
    fn of_a_group_that_fills_a_receive_there_may_be_more() {
        for (group, end) in [(Some("b-1"), End::Bound), (None, End::Empty)] {
            let mut side = Side::new(DeadQueue::Dlq);
            side.next(1000);
            let mut ten = messages(0..10);
            for it in &mut ten {
                it.delivery.group = group.map(str::to_owned);
            }
            side.received(10, ten);
            side.next(1000);
            side.received(10, messages(0..0));
            assert_eq!(side.end, Some(end), "{group:?}");
        }
    }

    /// A client may name a group on a standard topic, too.
    #[test]
    fn on_a_standard_queue_a_group_means_nothing() {
        let mut letter = messages(0..1).remove(0);
        letter.delivery.group = Some("b-1".to_owned());
        assert_eq!(in_group(letter.clone(), "booking-seats-dlq").delivery.group, None);
        assert_eq!(
            in_group(letter.clone(), "booking-seats-dlq.fifo").delivery.group,
            letter.delivery.group
        );
    }

    #[test]
    fn no_more_is_asked_for_than_may_be_looked_at_and_the_bound_is_told() {
        let mut side = Side::new(DeadQueue::Dlq);
        assert_eq!(side.next(13), Some(10));
        side.received(10, messages(0..10));
        assert_eq!((side.next(13), side.next(13), side.end), (Some(3), None, None));
        side.received(3, messages(10..12));
        assert_eq!(side.next(13), Some(1), "one that was not brought may be asked for again");
        side.received(1, messages(12..13));
        assert_eq!((side.next(13), side.end), (None, Some(End::Bound)));
    }

    #[test]
    fn what_comes_back_before_the_end_ends_it_and_is_told_once() {
        let mut side = Side::new(DeadQueue::Dlq);
        for _ in 0..=SEEN_AGAIN_MAX {
            assert_eq!(side.end, None);
            while side.next(1000).is_some() {}
            side.received(10, messages(0..10));
        }
        assert_eq!((side.end, side.brought), (Some(End::Bound), 10));
        side.received(10, messages(0..0));
        assert_eq!(side.end, Some(End::Bound), "a receive that was open does not make it whole");
    }
}
