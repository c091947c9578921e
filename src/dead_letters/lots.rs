//! Puts dead letters back on the role's queue, or deletes them, ten at a time. A message that is
//! put back must be deleted only after the role's queue has it: if the process dies in between, the
//! message is on both queues.

use super::queues::{Dead, DeadLetters, NamedQueue};
use crate::{
    aws::{Clients, DeadQueue, FIFO},
    bus::{
        BusError, ENTRIES_MAX,
        aws::{self, Returned},
    },
};

/// The most bytes of one lot, attributes included. SQS accepts more, but some emulators do not. A
/// larger message is a lot of its own.
const LOT_BYTES_MAX: usize = 256 * 1024;
/// The size of an attribute without its value, in bytes, estimated on the safe side.
const ATTRIBUTE_BYTES: usize = 64;

/// What happened to one message of a lot.
#[derive(Debug)]
pub enum Filed {
    /// It is no longer on the dead-letter queue.
    Done,
    /// It was put back, but not deleted: it is on both queues, and the next redrive finds it again.
    Twice(BusError),
    /// The operation failed, and the message is where it was.
    Left(BusError),
}

/// Gathers messages of one queue until they fill a lot. The caller gets its `T` back with each
/// message.
#[derive(Debug)]
pub struct Lot<T> {
    messages: Vec<(Dead, T)>,
    bytes: usize,
}

impl<T> Default for Lot<T> {
    fn default() -> Lot<T> {
        Lot { messages: Vec::new(), bytes: 0 }
    }
}

impl<T> Lot<T> {
    /// Adds a message. If it does not fit into the lot, returns the lot as it was, and begins the
    /// next one with the message.
    pub fn add(&mut self, dead: Dead, with: T) -> Option<Vec<(Dead, T)>> {
        let kind = dead.delivery.incoming.kind_attribute.as_ref();
        let bytes =
            dead.delivery.incoming.body.len() + kind.map_or(0, |it| it.len() + ATTRIBUTE_BYTES);
        let full = self.messages.len() >= ENTRIES_MAX || self.bytes + bytes > LOT_BYTES_MAX;
        let before = if full { self.take() } else { None };
        self.bytes += bytes;
        self.messages.push((dead, with));
        before
    }

    /// Takes the messages out. `None` if there are none.
    pub fn take(&mut self) -> Option<Vec<(Dead, T)>> {
        self.bytes = 0;
        let messages = std::mem::take(&mut self.messages);
        (!messages.is_empty()).then_some(messages)
    }
}

impl DeadLetters {
    /// Puts messages of one queue back on the role's queue: the body unchanged, without the
    /// attributes that explain the death. Then deletes those that were accepted. Returns what
    /// happened to each message, in the same order.
    pub async fn put_back(&self, from: DeadQueue, lot: &[&Dead], to: &NamedQueue) -> Vec<Filed> {
        let fifo = to.name().ends_with(FIFO);
        let messages: Vec<_> = lot
            .iter()
            .map(|it| Returned {
                incoming: &it.delivery.incoming,
                // The id is new with each death, so that SQS takes it again at once.
                ids: fifo.then(|| (it.group(), it.delivery.message_id.as_str())),
            })
            .collect();
        let sent = own(self.clients(), to).send(&messages).await;
        let there: Vec<&Dead> =
            lot.iter().zip(&sent).filter(|(_, sent)| sent.is_ok()).map(|(it, _)| *it).collect();
        let mut deleted = self.delete(from, &there).await.into_iter();
        let filed = |sent: Result<(), BusError>| match sent {
            Err(error) => Filed::Left(error),
            Ok(()) => match deleted.next() {
                Some(Filed::Left(error)) => Filed::Twice(error),
                Some(other) => other,
                None => Filed::Done,
            },
        };
        sent.into_iter().map(filed).collect()
    }

    /// Deletes messages of one queue for good. Returns what happened to each, in the same order.
    pub async fn delete(&self, from: DeadQueue, lot: &[&Dead]) -> Vec<Filed> {
        if lot.is_empty() {
            return Vec::new();
        }
        let handles = lot.iter().map(|it| it.delivery.receipt_handle.clone()).collect();
        let deleted = own(self.clients(), self.queue(from)).delete(handles).await;
        let filed = |it: Result<(), BusError>| it.map_or_else(Filed::Left, |()| Filed::Done);
        deleted.into_iter().map(filed).collect()
    }
}

fn own(clients: &Clients, queue: &NamedQueue) -> aws::SqsQueue {
    let (name, url) = (queue.name().to_owned(), queue.url().to_owned());
    let arn = clients.right_to("sqs:*", &name, Some(&url)).resource;
    aws::SqsQueue { sqs: clients.sqs.clone(), name, url, arn }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        bus::{Delivery, ReceiptHandle},
        wire::Incoming,
    };

    fn dead(bytes: usize) -> Dead {
        let delivery = Delivery {
            incoming: Incoming {
                body: "x".repeat(bytes),
                kind_attribute: None,
                sent_at: Timestamp::UNIX_EPOCH,
                attempt: 1,
                hop: None,
            },
            message_id: "m".to_owned(),
            receipt_handle: ReceiptHandle("h".to_owned()),
            group: None,
        };
        Dead { place: DeadQueue::Dlq, delivery, moved: false, attributes: Default::default() }
    }

    fn lots(sizes: &[usize]) -> Vec<usize> {
        let mut lot = Lot::default();
        let mut lots: Vec<_> = sizes.iter().filter_map(|it| lot.add(dead(*it), ())).collect();
        lots.extend(lot.take());
        lots.iter().map(Vec::len).collect()
    }

    #[test]
    fn a_lot_is_ten_messages_or_as_many_as_one_request_may_hold() {
        assert_eq!(lots(&[1; 25]), [10, 10, 5]);
        assert_eq!(lots(&[100 * 1024; 5]), [2, 2, 1]);
        assert_eq!(lots(&[1, 1024 * 1024, 1]), [1, 1, 1], "what is too large goes alone");
        assert_eq!(lots(&[128 * 1024, 128 * 1024, 1]), [2, 1]);
        assert!(lots(&[]).is_empty());
    }
}
