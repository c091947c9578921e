//! Concurrent calls become one request. An entry leaves when its batch is full, when nobody in hand
//! could still join, or when it has lingered long enough: whichever comes first. Alone in hand, it
//! leaves at once.

use std::{future::Future, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::super::hands::Hands;

/// The most entries of one batch request: SNS and SQS agree on it.
pub(super) const ENTRIES_MAX: usize = 10;
/// The most bytes of one batch request, all entries together. SNS and SQS take 256 KiB and count the
/// attributes with it.
const BYTES_MAX: usize = 255 * 1024;
/// The longest an entry waits for others. Longer than handlers of one receive drift apart, shorter
/// than anybody notices.
const LINGER_MAX: Duration = Duration::from_millis(20);

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
    /// Sends batches by `send`, which answers each entry, in order. Ends with its last copy, when
    /// what was on its way is answered.
    pub(super) fn new<F, S>(hands: &Hands, send: S) -> Self
    where
        S: Fn(Vec<E>) -> F + Send + 'static,
        F: Future<Output = Vec<A>> + Send + 'static,
    {
        // Not bounded here: whoever joins waits, and there are no more of them than deliveries.
        let (entries, joining) = mpsc::unbounded_channel();
        tokio::spawn(drive(joining, hands.clone(), send));
        Batcher { entries, hands: hands.clone() }
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

async fn drive<E, A, F, S>(mut joining: mpsc::UnboundedReceiver<Entry<E, A>>, hands: Hands, send: S)
where
    E: Send + 'static,
    A: Send + 'static,
    S: Fn(Vec<E>) -> F,
    F: Future<Output = Vec<A>> + Send + 'static,
{
    // Batches overlap: one that is slow holds up nobody else.
    let mut sending = JoinSet::new();
    let mut next = joining.recv().await;
    while let Some(first) = next.take() {
        let mut bytes = first.bytes;
        let mut batch = vec![first];
        let due = Instant::now() + LINGER_MAX;
        while batch.len() < ENTRIES_MAX {
            tokio::select! {
                // Who is there already joins before it is asked whether anybody else could.
                biased;
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
                () = hands.all_wait() => break,
                () = sleep_until(due) => break,
            }
        }
        let (entries, answers): (Vec<E>, Vec<oneshot::Sender<A>>) =
            batch.into_iter().map(|it| (it.what, it.answer)).unzip();
        let sent = send(entries);
        sending.spawn(async move {
            for (answer, told) in sent.await.into_iter().zip(answers) {
                // Who went away needs no answer.
                let _ = told.send(answer);
            }
        });
        while sending.try_join_next().is_some() {}
        if next.is_none() {
            next = joining.recv().await;
        }
    }
    while sending.join_next().await.is_some() {}
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
