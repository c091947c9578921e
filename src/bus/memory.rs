//! SNS and SQS in one process: for demo, tests and simulation. Behaves like standard queues do:
//! fan-out in an envelope, visibility timeouts, receive counts, dead-letter queues, and no promise
//! about order or single delivery. Everything it does follows from its clock and its seed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::{Bus, BusError, DeadLetter, Delivery, Message, ReceiptHandle};
use crate::{
    clock::Clock,
    domain::{RoleName, event::Kind},
    topics,
};

/// How unkind the bus is. The default is as kind as SQS at its best.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unkindness {
    /// Of a hundred messages, so many are put on a queue twice.
    pub duplicates_percent: u8,
    /// Whether a receive takes visible messages in any order.
    pub shuffle: bool,
}

/// All topics and queues of one account.
#[derive(Clone, Debug)]
pub struct Exchange {
    state: Arc<Mutex<State>>,
    arrived: Arc<Notify>,
    clock: Clock,
    prefix: String,
}

#[derive(Debug)]
struct State {
    subscribers: BTreeMap<Kind, Vec<RoleName>>,
    queues: BTreeMap<RoleName, Vec<Queued>>,
    dead: BTreeMap<RoleName, Vec<Dead>>,
    published: BTreeMap<Kind, u64>,
    duplicates: u64,
    handles: u64,
    rng: fastrand::Rng,
    unkindness: Unkindness,
    receives_max: u32,
}

#[derive(Clone, Debug)]
struct Queued {
    message_id: String,
    body: String,
    sent_at: Timestamp,
    visible_at: Timestamp,
    receives: u32,
    handle: String,
}

/// A message on a dead-letter queue.
#[derive(Clone, Debug)]
pub struct Dead {
    /// The body, untouched.
    pub body: String,
    /// Why, in message attributes; none when SQS moved it after too many receives.
    pub attributes: Vec<(&'static str, String)>,
}

impl Exchange {
    /// Topics, queues and subscriptions of `topics/`, under a prefix.
    #[must_use]
    pub fn new(clock: Clock, prefix: &str, seed: u64, unkindness: Unkindness) -> Exchange {
        let mut subscribers = BTreeMap::new();
        for topic in topics::all() {
            subscribers.insert(topic.topic, topic.subscribers.iter().map(|it| it.role).collect());
        }
        let state = State {
            subscribers,
            queues: RoleName::ALL.into_iter().map(|it| (it, Vec::new())).collect(),
            dead: RoleName::ALL.into_iter().map(|it| (it, Vec::new())).collect(),
            published: BTreeMap::new(),
            duplicates: 0,
            handles: 0,
            rng: fastrand::Rng::with_seed(seed),
            unkindness,
            receives_max: 10,
        };
        Exchange {
            state: Arc::new(Mutex::new(state)),
            arrived: Arc::new(Notify::new()),
            clock,
            prefix: prefix.to_owned(),
        }
    }

    /// The bus as one role sees it: its own queue, and every topic.
    #[must_use]
    pub fn bus(&self, role: RoleName) -> MemoryBus {
        MemoryBus { exchange: self.clone(), role }
    }

    /// Publishes any text to a topic, as `aws sns publish` does. Returns the SNS MessageId.
    pub fn publish_text(&self, kind: Kind, text: &str) -> String {
        let now = self.clock.now();
        let mut state = self.lock();
        *state.published.entry(kind).or_default() += 1;
        let id = state.uuid();
        let envelope = serde_json::json!({
            "Type": "Notification",
            "MessageId": id,
            "TopicArn": format!("arn:aws:sns:eu-central-1:000000000000:{}{kind}", self.prefix),
            "Message": text,
            "Timestamp": now.to_string(),
            "MessageAttributes": {"type": {"Type": "String", "Value": kind.topic()}},
        })
        .to_string();
        for role in state.subscribers.get(&kind).cloned().unwrap_or_default() {
            state.put(role, &envelope, now);
        }
        drop(state);
        self.arrived.notify_waiters();
        id
    }

    /// Puts a text on a role's queue as it is: a raw delivery.
    pub fn put_raw(&self, role: RoleName, body: &str) {
        let now = self.clock.now();
        self.lock().put(role, body, now);
        self.arrived.notify_waiters();
    }

    /// What lies on a role's dead-letter queue.
    #[must_use]
    pub fn dead(&self, role: RoleName) -> Vec<Dead> {
        self.lock().dead.get(&role).cloned().unwrap_or_default()
    }

    /// How many messages are on the role's queue, hidden ones included.
    #[must_use]
    pub fn depth(&self, role: RoleName) -> usize {
        self.lock().queues.get(&role).map_or(0, Vec::len)
    }

    /// When the next message can be received, over all queues; none when all are empty.
    #[must_use]
    pub fn next_visible(&self) -> Option<Timestamp> {
        self.lock().queues.values().flatten().map(|it| it.visible_at).min()
    }

    /// How many events of a type were published, repetitions included.
    #[must_use]
    pub fn published(&self, kind: Kind) -> u64 {
        self.lock().published.get(&kind).copied().unwrap_or(0)
    }

    /// How many messages were put on a queue twice.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.lock().duplicates
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn put(&mut self, role: RoleName, body: &str, now: Timestamp) {
        let twice = self.rng.u8(0..100) < self.unkindness.duplicates_percent;
        self.duplicates += u64::from(twice);
        for _ in 0..=u8::from(twice) {
            let queued = Queued {
                message_id: self.uuid(),
                body: body.to_owned(),
                sent_at: now,
                visible_at: now,
                receives: 0,
                handle: String::new(),
            };
            self.queues.entry(role).or_default().push(queued);
        }
    }

    fn take(
        &mut self,
        role: RoleName,
        max: usize,
        now: Timestamp,
        hidden: SignedDuration,
    ) -> Vec<Delivery> {
        let limit = self.receives_max;
        let queue = self.queues.entry(role).or_default();
        let exhausted = |it: &mut Queued| it.visible_at <= now && it.receives >= limit;
        let exhausted: Vec<Queued> = queue.extract_if(.., exhausted).collect();
        let dead = self.dead.entry(role).or_default();
        dead.extend(exhausted.into_iter().map(|it| Dead { body: it.body, attributes: Vec::new() }));

        let mut visible: Vec<usize> =
            (0..queue.len()).filter(|it| queue[*it].visible_at <= now).collect();
        if self.unkindness.shuffle {
            self.rng.shuffle(&mut visible);
        }
        let mut deliveries = Vec::new();
        for at in visible.into_iter().take(max) {
            self.handles += 1;
            let it = &mut queue[at];
            it.receives += 1;
            it.visible_at = now + hidden;
            it.handle = format!("{}#{}", it.message_id, self.handles);
            deliveries.push(Delivery {
                body: it.body.clone(),
                message_id: it.message_id.clone(),
                attempt: it.receives,
                sent_at: it.sent_at,
                kind_attribute: None,
                receipt_handle: ReceiptHandle(it.handle.clone()),
            });
        }
        deliveries
    }
}

/// The bus of one role in one process.
#[derive(Clone, Debug)]
pub struct MemoryBus {
    exchange: Exchange,
    role: RoleName,
}

impl Bus for MemoryBus {
    async fn publish(&self, message: &Message) -> Result<(), BusError> {
        self.exchange.publish_text(message.kind, &message.body);
        Ok(())
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        let hidden = SignedDuration::try_from(visibility).unwrap_or(SignedDuration::MAX);
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            // Asked for before looking, so that what arrives in between is not missed.
            let arrived = self.exchange.arrived.notified();
            let now = self.exchange.clock.now();
            let deliveries = self.exchange.lock().take(self.role, max, now, hidden);
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            if !deliveries.is_empty() || left.is_zero() {
                return Ok(deliveries);
            }
            let next = self.exchange.lock().queues.get(&self.role).and_then(|it| {
                let wait = it.iter().map(|it| it.visible_at).min()?.duration_since(now);
                Duration::try_from(wait).ok()
            });
            let pause = left.min(next.unwrap_or(left).max(Duration::from_millis(1)));
            let _ = tokio::time::timeout(pause, arrived).await;
        }
    }

    async fn delete(&self, handle: &ReceiptHandle) -> Result<(), BusError> {
        let mut state = self.exchange.lock();
        if let Some(queue) = state.queues.get_mut(&self.role) {
            queue.retain(|it| it.handle != handle.0);
        }
        Ok(())
    }

    async fn give_back(&self, handle: &ReceiptHandle, after: Duration) -> Result<(), BusError> {
        let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
        let visible_at = self.exchange.clock.now() + after;
        let mut state = self.exchange.lock();
        let queue = state.queues.get_mut(&self.role);
        if let Some(it) = queue.and_then(|it| it.iter_mut().find(|it| it.handle == handle.0)) {
            it.visible_at = visible_at;
        }
        drop(state);
        self.exchange.arrived.notify_waiters();
        Ok(())
    }

    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<bool>, BusError> {
        let visibility = SignedDuration::try_from(visibility).unwrap_or(SignedDuration::MAX);
        let now = self.exchange.clock.now();
        let mut state = self.exchange.lock();
        let queue = state.queues.entry(self.role).or_default();
        let extend = |handle: &ReceiptHandle| {
            let hidden = |it: &&mut Queued| it.handle == handle.0 && it.visible_at > now;
            let found = queue.iter_mut().find(hidden);
            found.map(|it| it.visible_at = now + visibility).is_some()
        };
        Ok(handles.iter().map(extend).collect())
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Result<(), BusError> {
        let dead = Dead { body: delivery.body.clone(), attributes: why.attributes.clone() };
        self.exchange.lock().dead.entry(self.role).or_default().push(dead);
        Ok(())
    }
}
