//! A bus whose calls leave together: what is published to one topic, deleted or given back at the
//! same time is one request.

use std::{collections::BTreeMap, future::Future, time::Duration};

use super::{
    BusError, DeadLetter, Delivery, Hands, InHand, Outbox, Queue, ReceiptHandle,
    batch::{Batcher, Driver, Patience},
};
use crate::{
    domain::event::Kind,
    wire::{Incoming, Message},
};

/// What is counted with an entry's own bytes: attributes, ids.
const ENTRY_BYTES: usize = 256;
/// The longest an entry waits for others. Longer than handlers of one receive drift apart, shorter
/// than anybody notices.
pub(super) const LINGER_MAX: Duration = Duration::from_millis(20);

/// What an entry is answered.
pub type Answer = Result<(), BusError>;

/// The verbs of SNS and SQS as they are sent: of those for many entries, each is answered for
/// itself, in order. At most ten are asked for at once. See [`Queue`] and [`Outbox`] for what a verb promises.
pub trait Requests: Clone + Send + Sync + 'static {
    /// Publishes all of these to one topic.
    fn publish(&self, kind: Kind, bodies: Vec<String>) -> impl Future<Output = Vec<Answer>> + Send;

    /// Deletes all of these.
    fn delete(&self, handles: Vec<ReceiptHandle>) -> impl Future<Output = Vec<Answer>> + Send;

    /// Makes all of these visible again, each after its own time.
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
    ) -> impl Future<Output = Result<Vec<bool>, BusError>> + Send;

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

    /// Returns when a delete has waited long enough for others: the work is done and hidden, and
    /// nobody waits for it.
    fn linger_to_delete(&self) -> impl Future<Output = ()> + Send {
        self.linger()
    }
}

/// The bus over such requests. Copies fill the same batches.
#[derive(Clone, Debug)]
pub struct Batched<T> {
    requests: T,
    hands: Hands,
    publishes: BTreeMap<Kind, Batcher<String, Answer>>,
    deletes: Batcher<ReceiptHandle, Answer>,
    give_backs: Batcher<(ReceiptHandle, Duration), Answer>,
}

impl<T: Requests> Batched<T> {
    /// The bus, and what sends for it: nothing leaves unless somebody polls the drivers.
    pub fn new(requests: T) -> (Batched<T>, Vec<Driver>) {
        let (hands, mut drivers) = (Hands::default(), Vec::new());
        let linger = |it: T| async move { it.linger().await };
        let publisher = |kind| {
            let publish = move |it: T, bodies| async move { it.publish(kind, bodies).await };
            let batcher = batcher(&requests, &hands, Patience::InHand, linger, publish);
            (kind, kept(batcher, &mut drivers))
        };
        let publishes = Kind::ALL.into_iter().map(publisher).collect();
        let give_back = |it: T, handles| async move { it.give_back(handles).await };
        let give_backs = batcher(&requests, &hands, Patience::InHand, linger, give_back);
        let linger = |it: T| async move { it.linger_to_delete().await };
        let delete = |it: T, handles| async move { it.delete(handles).await };
        let deletes = batcher(&requests, &hands, Patience::Lingering, linger, delete);
        let bus = Batched {
            publishes,
            deletes: kept(deletes, &mut drivers),
            give_backs: kept(give_backs, &mut drivers),
            hands,
            requests,
        };
        (bus, drivers)
    }

    /// Publishes to the topic of the message's kind.
    ///
    /// # Errors
    /// When SNS refused the message or could not be reached.
    pub async fn publish(&self, message: &Message) -> Result<(), BusError> {
        let bytes = message.body.len() + ENTRY_BYTES;
        self.publishes[&message.kind].join(message.body.clone(), bytes).await
    }
}

fn kept<B>((batcher, driver): (B, Driver), drivers: &mut Vec<Driver>) -> B {
    drivers.push(driver);
    batcher
}

/// A batcher whose entries linger and are sent by these requests.
fn batcher<T: Requests, E: Send + 'static, L, S>(
    requests: &T,
    hands: &Hands,
    patience: Patience,
    linger: impl Fn(T) -> L + Send + 'static,
    send: impl Fn(T, Vec<E>) -> S + Send + 'static,
) -> (Batcher<E, Answer>, Driver)
where
    L: Future<Output = ()> + Send + 'static,
    S: Future<Output = Vec<Answer>> + Send + 'static,
{
    let (lingers, sends) = (requests.clone(), requests.clone());
    let linger = move || linger(lingers.clone());
    let send = move |entries| send(sends.clone(), entries);
    Batcher::new(hands, patience, linger, send)
}

impl<T: Requests> Outbox for Batched<T> {
    async fn send(&self, _: &Incoming, message: &Message) -> Result<(), BusError> {
        self.publish(message).await
    }
}

impl<T: Requests> Queue for Batched<T> {
    fn in_hand(&self) -> InHand {
        self.hands.take()
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
    ) -> Result<Vec<bool>, BusError> {
        self.requests.extend(handles, visibility).await
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Result<(), BusError> {
        // Rare and large: boxed, so that not every delivery has room for it.
        Box::pin(self.requests.set_aside(delivery, why)).await
    }
}
