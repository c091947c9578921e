//! A bus that batches its calls: messages that are published to one topic, deleted or given back at
//! the same time share one request. A call must never fail because another entry of its batch
//! failed.

use std::{collections::BTreeMap, future::Future, time::Duration};

use super::{
    BusError, DeadLetter, Delivery, Extension, Joiner, Joiners, Outbox, Queue, ReceiptHandle,
    batch::{Batcher, Driver, Patience},
};
use crate::{
    domain::event::Kind,
    wire::{Incoming, Message, TraceContext},
};

/// The size of an entry's ids and of its attribute `type`, estimated on the safe side.
const ENTRY_BYTES: usize = 256;
/// The longest time that an entry waits for others: longer than the handlers of one receive drift
/// apart, and too short for a client to notice.
pub(super) const LINGER_MAX: Duration = Duration::from_millis(20);

/// The answer to one entry of a batch.
pub type Answer = Result<(), BusError>;

/// The requests that a [`Batched`] bus sends. A batch has at most [`ENTRIES_MAX`] entries, and each
/// entry gets its own answer, in the same order. [`Queue`] and [`Outbox`] say what each operation
/// promises.
///
/// [`ENTRIES_MAX`]: super::ENTRIES_MAX
pub trait Requests: Clone + Send + Sync + 'static {
    /// Publishes these messages to the topic of their kind.
    fn publish(
        &self,
        kind: Kind,
        messages: Vec<Message>,
    ) -> impl Future<Output = Vec<Answer>> + Send;

    /// Deletes these messages.
    fn delete(&self, handles: Vec<ReceiptHandle>) -> impl Future<Output = Vec<Answer>> + Send;

    /// Makes these messages visible again, each after its own time.
    fn give_back(
        &self,
        handles: Vec<(ReceiptHandle, Duration)>,
    ) -> impl Future<Output = Vec<Answer>> + Send;

    /// As [`Queue::receive`].
    fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<Delivery>, BusError>> + Send;

    /// As [`Queue::extend`].
    fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<Extension>, BusError>> + Send;

    /// As [`Queue::set_aside`].
    fn set_aside(
        &self,
        delivery: &Delivery,
        why: &DeadLetter,
    ) -> impl Future<Output = Answer> + Send;

    /// Returns when an entry has waited long enough for others.
    fn linger(&self) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(LINGER_MAX)
    }

    /// How long a batch of deletes waits for a further one from now on, with so many `entries`. Is
    /// asked at each entry, in their order. It may be longer than [`Requests::linger`], since the
    /// messages are finished and hidden.
    fn deletes_wait(&self, entries: usize) -> Duration {
        let _ = entries;
        LINGER_MAX
    }

    /// Returns when `wait` is over, which [`Requests::deletes_wait`] has answered.
    fn linger_to_delete(&self, wait: Duration) -> impl Future<Output = ()> + Send {
        let _ = wait;
        self.linger()
    }
}

/// A bus that sends its calls in batches. Clones fill the same batches.
#[derive(Clone, Debug)]
pub struct Batched<T> {
    requests: T,
    joiners: Joiners,
    publishes: BTreeMap<Kind, Batcher<Message, Answer>>,
    deletes: Batcher<ReceiptHandle, Answer>,
    give_backs: Batcher<(ReceiptHandle, Duration), Answer>,
}

impl<T: Requests> Batched<T> {
    /// A bus and its drivers. Nothing is sent unless the drivers are polled.
    pub fn new(requests: T) -> (Batched<T>, Vec<Driver>) {
        let (joiners, mut drivers) = (Joiners::default(), Vec::new());
        let linger = |it: T, _| async move { it.linger().await };
        let publisher = |kind| {
            let publish = move |it: T, messages| async move { it.publish(kind, messages).await };
            let batcher = batcher(&requests, &joiners, Patience::Joiners, linger, publish);
            (kind, with_driver(batcher, &mut drivers))
        };
        let publishes = Kind::ALL.into_iter().map(publisher).collect();
        let give_back = |it: T, handles| async move { it.give_back(handles).await };
        let give_backs = batcher(&requests, &joiners, Patience::Joiners, linger, give_back);
        // Asked now, and not when the batch is first polled: further entries may be there by then.
        let linger = |it: T, entries| {
            let wait = it.deletes_wait(entries);
            async move { it.linger_to_delete(wait).await }
        };
        let delete = |it: T, handles| async move { it.delete(handles).await };
        let deletes = batcher(&requests, &joiners, Patience::Lingering, linger, delete);
        let bus = Batched {
            publishes,
            deletes: with_driver(deletes, &mut drivers),
            give_backs: with_driver(give_backs, &mut drivers),
            joiners,
            requests,
        };
        (bus, drivers)
    }

    /// What sends its requests.
    #[must_use]
    pub fn requests(&self) -> &T {
        &self.requests
    }

    /// Publishes a message to the topic of its kind.
    ///
    /// # Errors
    /// When SNS refused the message or could not be reached.
    pub async fn publish(&self, message: &Message) -> Result<(), BusError> {
        let trace = message.trace.as_ref().map_or(0, TraceContext::attribute_bytes);
        let bytes = message.body.len() + trace + ENTRY_BYTES;
        self.publishes[&message.kind].join(message.clone(), bytes).await
    }
}

fn with_driver<B>((batcher, driver): (B, Driver), drivers: &mut Vec<Driver>) -> B {
    drivers.push(driver);
    batcher
}

/// A batcher whose batches linger and are sent by means of `requests`.
fn batcher<T: Requests, E: Send + 'static, L, S>(
    requests: &T,
    joiners: &Joiners,
    patience: Patience,
    linger: impl Fn(T, usize) -> L + Send + 'static,
    send: impl Fn(T, Vec<E>) -> S + Send + 'static,
) -> (Batcher<E, Answer>, Driver)
where
    L: Future<Output = ()> + Send + 'static,
    S: Future<Output = Vec<Answer>> + Send + 'static,
{
    let (lingers, sends) = (requests.clone(), requests.clone());
    let linger = move |entries| linger(lingers.clone(), entries);
    let send = move |entries| send(sends.clone(), entries);
    Batcher::new(joiners, patience, linger, send)
}

impl<T: Requests> Outbox for Batched<T> {
    async fn send(&self, _: &Incoming, message: &Message) -> Result<(), BusError> {
        self.publish(message).await
    }
}

impl<T: Requests> Queue for Batched<T> {
    fn joiner(&self) -> Joiner {
        self.joiners.take()
    }

    fn no_more(&self) {
        self.joiners.close();
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        self.requests.receive(max, wait, visibility).await
    }

    async fn delete(&self, handle: &ReceiptHandle) -> Result<(), BusError> {
        self.deletes.join(handle.clone(), handle.0.len() + ENTRY_BYTES).await
    }

    async fn give_back(&self, handle: &ReceiptHandle, after: Duration) -> Result<(), BusError> {
        self.give_backs.join((handle.clone(), after), handle.0.len() + ENTRY_BYTES).await
    }

    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<Extension>, BusError> {
        self.requests.extend(handles, visibility).await
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Result<(), BusError> {
        // This future is large and rare. Boxed, it takes no room in the future of every delivery.
        Box::pin(self.requests.set_aside(delivery, why)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Notes with how many entries it is asked how long to wait, and which batches it sends.
    #[derive(Clone, Default)]
    struct Noting {
        asked: Arc<Mutex<Vec<usize>>>,
        deleted: Arc<Mutex<Vec<usize>>>,
    }

    impl Requests for Noting {
        async fn publish(&self, _: Kind, messages: Vec<Message>) -> Vec<Answer> {
            messages.iter().map(|_| Ok(())).collect()
        }
        async fn delete(&self, handles: Vec<ReceiptHandle>) -> Vec<Answer> {
            self.deleted.lock().unwrap().push(handles.len());
            handles.iter().map(|_| Ok(())).collect()
        }
        async fn give_back(&self, handles: Vec<(ReceiptHandle, Duration)>) -> Vec<Answer> {
            handles.iter().map(|_| Ok(())).collect()
        }
        async fn receive(
            &self,
            _: usize,
            _: Duration,
            _: Duration,
        ) -> Result<Vec<Delivery>, BusError> {
            Ok(Vec::new())
        }
        async fn extend(
            &self,
            _: &[ReceiptHandle],
            _: Duration,
        ) -> Result<Vec<Extension>, BusError> {
            Ok(Vec::new())
        }
        async fn set_aside(&self, _: &Delivery, _: &DeadLetter) -> Answer {
            Ok(())
        }
        fn deletes_wait(&self, entries: usize) -> Duration {
            self.asked.lock().unwrap().push(entries);
            Duration::from_secs(1)
        }
        async fn linger_to_delete(&self, wait: Duration) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Several commits are answered together, so their deletes are, too.
    #[tokio::test(start_paused = true)]
    async fn each_of_several_deletes_that_come_at_once_is_asked_how_long_to_wait() {
        let noting = Noting::default();
        let (bus, drivers) = Batched::new(noting.clone());
        for driver in drivers {
            tokio::spawn(driver);
        }
        let joiners: Vec<Joiner> = (0..3).map(|_| bus.joiner()).collect();
        let delete = |number: usize| {
            let bus = bus.clone();
            async move { bus.delete(&ReceiptHandle(number.to_string())).await.unwrap() }
        };
        tokio::join!(delete(1), delete(2), delete(3));
        drop(joiners);
        assert_eq!(*noting.asked.lock().unwrap(), [1, 2, 3]);
        assert_eq!(*noting.deleted.lock().unwrap(), [3]);
    }
}
