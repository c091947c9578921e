//! Concurrent calls become one request. An entry leaves when its batch is full, when nobody in hand
//! could still join, or when it has lingered long enough: whichever comes first. Alone in hand, it
//! leaves at once; but what nobody waits for lingers for those who are not in hand yet.
//!
//! Whoever owns the driver polls it: nothing here spawns, and nothing here asks a clock.

use std::{future::Future, pin::Pin};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};

use super::hands::Hands;

/// The most entries of one batch request: SNS and SQS agree on it.
pub const ENTRIES_MAX: usize = 10;
/// The most bytes of one batch request, all entries together. SNS and SQS take 256 KiB and count
/// the attributes with it.
const BYTES_MAX: usize = 255 * 1024;

/// Until when an entry waits for others to leave with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until nobody in hand could still join: somebody waits for what it says.
    InHand,
    /// As long as it may linger: nobody waits for it.
    Lingering,
}

/// Sends what has gathered; ends when the last copy of its batcher is gone and what was on its way
/// is answered.
pub type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One kind of request to one target. Copies fill the same batches.
#[derive(Debug)]
pub(super) struct Batcher<E, A> {
    entries: mpsc::UnboundedSender<Entry<E, A>>,
    hands: Hands,
}

impl<E, A> Clone for Batcher<E, A> {
    fn clone(&self) -> Self {
        Batcher { entries: self.entries.clone(), hands: self.hands.clone() }
    }
}

#[derive(Debug)]
struct Entry<E, A> {
    what: E,
    bytes: usize,
    answer: oneshot::Sender<A>,
}

impl<E: Send + 'static, A: Send + 'static> Batcher<E, A> {
    /// Sends batches by `send`, which answers each entry, in order. No entry waits for others
    /// longer than `linger` takes. Nothing leaves unless somebody polls the driver.
    pub(super) fn new<L, S>(
        hands: &Hands,
        patience: Patience,
        linger: impl Fn() -> L + Send + 'static,
        send: impl Fn(Vec<E>) -> S + Send + 'static,
    ) -> (Self, Driver)
    where
        L: Future<Output = ()> + Send + 'static,
        S: Future<Output = Vec<A>> + Send + 'static,
    {
        // Not bounded here: whoever joins waits, and there are no more of them than deliveries.
        let (entries, joining) = mpsc::unbounded_channel();
        let driver = Box::pin(drive(joining, hands.clone(), patience, linger, send));
        (Batcher { entries, hands: hands.clone() }, driver)
    }

    /// Leaves with others, and returns this entry's own answer. Who goes away before that takes
    /// nothing back: the entry may be sent.
    pub(super) async fn join(&self, what: E, bytes: usize) -> A {
        let (answer, answered) = oneshot::channel();
        // First there, then waiting: a batch never leaves without one who is counted on.
        let _ = self.entries.send(Entry { what, bytes, answer });
        let _waiting = self.hands.wait();
        answered.await.expect("the driver answers every entry, and lives as long as a batcher does")
    }
}

async fn drive<E, A, L, S>(
    mut joining: mpsc::UnboundedReceiver<Entry<E, A>>,
    hands: Hands,
    patience: Patience,
    linger: impl Fn() -> L,
    send: impl Fn(Vec<E>) -> S,
) where
    L: Future<Output = ()>,
    S: Future<Output = Vec<A>>,
{
    // Batches overlap: one that is slow holds up nobody else.
    let mut sending = FuturesUnordered::new();
    let mut next = None;
    loop {
        while next.is_none() {
            tokio::select! {
                // What is on its way first, here and below: nobody else lets it begin and end.
                biased;
                Some(()) = sending.next() => {}
                entry = joining.recv() => match entry {
                    Some(first) => next = Some(first),
                    None => {
                        while sending.next().await.is_some() {}
                        return;
                    }
                },
            }
        }
        let Some(first) = next.take() else { continue };
        let mut bytes = first.bytes;
        let mut batch = vec![first];
        let lingered = linger();
        tokio::pin!(lingered);
        while batch.len() < ENTRIES_MAX {
            tokio::select! {
                biased;
                Some(()) = sending.next() => {}
                // Who is there already joins before it is asked whether anybody else could.
                entry = joining.recv() => match entry {
                    Some(it) if bytes + it.bytes <= BYTES_MAX => {
                        bytes += it.bytes;
                        batch.push(it);
                    }
                    full_or_last => {
                        next = full_or_last;
                        break;
                    }
                },
                () = hands.all_wait(), if patience == Patience::InHand => break,
                () = &mut lingered => break,
            }
        }
        let (entries, answers): (Vec<E>, Vec<oneshot::Sender<A>>) =
            batch.into_iter().map(|it| (it.what, it.answer)).unzip();
        let sent = send(entries);
        sending.push(async move {
            for (answer, told) in sent.await.into_iter().zip(answers) {
                // Who went away needs no answer.
                let _ = told.send(answer);
            }
        });
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
