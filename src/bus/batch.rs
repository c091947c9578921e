//! Turns concurrent calls into one request. A batch leaves when it is full, when no other delivery
//! in flight could still join it, or when it has lingered long enough: whichever comes first. A
//! publish therefore leaves at once when no other delivery could join it. A delete, for which no
//! handler waits, lingers for deliveries still to come, unless none will come any more.
//!
//! This module must never spawn a task or read a clock: the owner of the driver polls it, and
//! brings the linger.

use std::{future::Future, pin::Pin};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};

use super::joiners::Joiners;

/// The most entries of one batch request, for SNS and for SQS.
pub const ENTRIES_MAX: usize = 10;
/// The most bytes of one batch request, all entries together. SNS and SQS accept 256 KiB, including
/// the attributes.
const BYTES_MAX: usize = 255 * 1024;

/// How long a batch waits for more entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until no delivery in flight could still join, but no longer than the linger of the first
    /// entry. For calls whose answer a handler needs.
    Joiners,
    /// As long as the linger of the last entry, unless no further delivery will come. For calls
    /// whose answer no handler needs.
    Lingering,
}

/// Sends the batches of one batcher. It ends when the last clone of the batcher is dropped and all
/// requests are answered.
pub type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Batches one kind of request to one target. Clones fill the same batches.
#[derive(Debug)]
pub(super) struct Batcher<E, A> {
    entries: mpsc::UnboundedSender<Entry<E, A>>,
    joiners: Joiners,
}

impl<E, A> Clone for Batcher<E, A> {
    fn clone(&self) -> Self {
        Batcher { entries: self.entries.clone(), joiners: self.joiners.clone() }
    }
}

#[derive(Debug)]
struct Entry<E, A> {
    what: E,
    bytes: usize,
    answer: oneshot::Sender<A>,
}

impl<E: Send + 'static, A: Send + 'static> Batcher<E, A> {
    /// A batcher and its driver. `send` sends one batch and returns the answers of its entries, in
    /// order. `linger` is asked how long a batch waits that has so many entries, and `patience`
    /// says when. Nothing is sent unless the driver is polled.
    pub(super) fn new<L, S>(
        joiners: &Joiners,
        patience: Patience,
        linger: impl Fn(usize) -> L + Send + 'static,
        send: impl Fn(Vec<E>) -> S + Send + 'static,
    ) -> (Self, Driver)
    where
        L: Future<Output = ()> + Send + 'static,
        S: Future<Output = Vec<A>> + Send + 'static,
    {
        // The channel needs no bound: a delivery in flight has at most one entry in it, and a
        // delivery that is dropped leaves at most one behind.
        let (entries, joining) = mpsc::unbounded_channel();
        let driver = Box::pin(drive(joining, joiners.clone(), patience, linger, send));
        (Batcher { entries, joiners: joiners.clone() }, driver)
    }

    /// Adds an entry to the next batch, and returns the answer to this entry. If this future is
    /// dropped, the entry may be sent nevertheless.
    pub(super) async fn join(&self, what: E, bytes: usize) -> A {
        let (answer, answered) = oneshot::channel();
        // Send the entry before counting as waiting. The other way round, a batch could leave
        // without this entry because all deliveries seem to wait.
        let _ = self.entries.send(Entry { what, bytes, answer });
        let _waiting = self.joiners.wait();
        answered.await.expect("the driver answers every entry, and lives as long as a batcher does")
    }
}

async fn drive<E, A, L, S>(
    mut joining: mpsc::UnboundedReceiver<Entry<E, A>>,
    joiners: Joiners,
    patience: Patience,
    linger: impl Fn(usize) -> L,
    send: impl Fn(Vec<E>) -> S,
) where
    L: Future<Output = ()>,
    S: Future<Output = Vec<A>>,
{
    // Batches overlap, so that a slow one does not delay the next.
    let mut sending = FuturesUnordered::new();
    let mut next = None;
    loop {
        while next.is_none() {
            tokio::select! {
                // Poll the requests on their way first, here and below, since they make progress
                // only when this future polls them.
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
        let lingered = linger(batch.len());
        tokio::pin!(lingered);
        while batch.len() < ENTRIES_MAX {
            tokio::select! {
                biased;
                Some(()) = sending.next() => {}
                // Take the entries that are there before asking whether others could come.
                entry = joining.recv() => match entry {
                    Some(it) if bytes + it.bytes <= BYTES_MAX => {
                        bytes += it.bytes;
                        batch.push(it);
                        if patience == Patience::Lingering {
                            lingered.set(linger(batch.len()));
                        }
                    }
                    full_or_last => {
                        next = full_or_last;
                        break;
                    }
                },
                () = joiners.all_wait(), if patience == Patience::Joiners => break,
                () = joiners.closed(), if patience == Patience::Lingering => break,
                () = &mut lingered => break,
            }
        }
        let (entries, answers): (Vec<E>, Vec<oneshot::Sender<A>>) =
            batch.into_iter().map(|it| (it.what, it.answer)).unzip();
        let sent = send(entries);
        sending.push(async move {
            for (answer, told) in sent.await.into_iter().zip(answers) {
                // The receiver may be gone, and then needs no answer.
                let _ = told.send(answer);
            }
        });
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
