//! SNS and SQS in one process, for the demo, the tests and the simulation. It behaves as standard
//! queues do: fan-out in an envelope, visibility timeouts, receive counts, dead-letter queues, and
//! no promise about order or single delivery. It must never depend on anything but its clock and
//! its seed, so that every run can be repeated.

mod envelope;
mod queue;
mod requests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use self::{
    envelope::{Attribute, Attributes, Envelope},
    queue::{Messages, Queued},
};
use super::{BusError, DeadLetter, Delivery, Extension, Outbox, ReceiptHandle};
use crate::{
    clock::Clock,
    domain::{RoleName, ServiceName, event::Kind},
    topics,
    wire::{Incoming, Intake, Message, TraceContext},
};

/// The beginning of the ARNs of the topics, before the prefix.
const HOME: &str = "arn:aws:sns:eu-central-1:000000000000:";

/// How badly the bus behaves, within the promises of standard queues. By default it behaves as well
/// as SQS at its best.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unkindness {
    /// How many of a hundred messages are put on a queue twice.
    pub duplicates_percent: u8,
    /// Whether a receive takes visible messages in random order.
    pub shuffle: bool,
}

/// After this many receives, a message moves to the dead-letter queue.
const RECEIVES_MAX: u32 = 10;

/// All topics and queues of one account.
#[derive(Clone, Debug)]
pub struct Exchange {
    state: Arc<Mutex<State>>,
    /// Wakes the receives that wait for a message, by queue.
    arrived: Arc<BTreeMap<ServiceName, Notify>>,
    subscribers: Arc<BTreeMap<Kind, Vec<ServiceName>>>,
    clock: Clock,
    prefix: String,
}

#[derive(Debug)]
struct State {
    queues: BTreeMap<ServiceName, Messages>,
    /// Those that receive nothing.
    still: BTreeSet<ServiceName>,
    dead: BTreeMap<ServiceName, Vec<Dead>>,
    published: BTreeMap<Kind, u64>,
    duplicates: u64,
    rng: fastrand::Rng,
    unkindness: Unkindness,
    receives_max: u32,
}

/// A message on a dead-letter queue.
#[derive(Clone, Debug)]
pub struct Dead {
    /// The body, unchanged.
    pub body: String,
    /// The message attributes, which say why. Empty if the queue moved the message after too many
    /// receives.
    pub attributes: Vec<(&'static str, String)>,
}

/// The four, which have queues in every exchange.
fn services() -> impl Iterator<Item = ServiceName> {
    RoleName::ALL.into_iter().map(ServiceName::from)
}

impl Exchange {
    /// The topics, queues and subscriptions of `topics/`. Their names begin with `prefix`.
    #[must_use]
    pub fn new(clock: Clock, prefix: &str, seed: u64, unkindness: Unkindness) -> Exchange {
        let mut subscribers = BTreeMap::new();
        for topic in topics::all() {
            let roles = topic.subscribers.iter().map(|it| ServiceName::from(it.role));
            subscribers.insert(topic.topic, roles.collect());
        }
        let state = State {
            queues: services().map(|it| (it, Messages::default())).collect(),
            still: BTreeSet::new(),
            dead: BTreeMap::new(),
            published: BTreeMap::new(),
            duplicates: 0,
            rng: fastrand::Rng::with_seed(seed),
            unkindness,
            receives_max: RECEIVES_MAX,
        };
        let arrived = services().map(|it| (it, Notify::new())).collect();
        Exchange {
            state: Arc::new(Mutex::new(state)),
            arrived: Arc::new(arrived),
            subscribers: Arc::new(subscribers),
            clock,
            prefix: prefix.to_owned(),
        }
    }

    /// The same exchange with one more queue, of a guest that hears `kinds`. Call it before any bus
    /// of the exchange is at work: a receive that waits already would not be woken any more.
    #[must_use]
    pub fn with_guest(mut self, guest: ServiceName, kinds: &[Kind]) -> Exchange {
        let mut subscribers = (*self.subscribers).clone();
        for kind in kinds {
            subscribers.entry(*kind).or_default().push(guest);
        }
        let services = self.arrived.keys().copied().chain([guest]);
        self.arrived = Arc::new(services.map(|it| (it, Notify::new())).collect());
        self.subscribers = Arc::new(subscribers);
        self.lock().queue(guest);
        self
    }

    /// Accepts messages in an envelope from the topics of this exchange.
    #[must_use]
    pub fn intake(&self) -> Intake {
        Intake::enveloped(format!("{HOME}{}", self.prefix))
    }

    /// The bus of one service: its own queue, and all topics.
    #[must_use]
    pub fn bus(&self, service: impl Into<ServiceName>) -> MemoryBus {
        MemoryBus { exchange: self.clone(), service: service.into() }
    }

    /// Publishes any text to a topic, as `aws sns publish` does. Returns the SNS MessageId.
    pub fn publish_text(&self, kind: Kind, text: &str) -> String {
        self.fan_out(kind, text, None)
    }

    /// Publishes a message, with the context of its trace beside it. Returns the SNS MessageId.
    pub fn publish(&self, message: &Message) -> String {
        self.fan_out(message.kind, &message.body, message.trace.as_ref())
    }

    fn fan_out(&self, kind: Kind, text: &str, trace: Option<&TraceContext>) -> String {
        let now = self.clock.now();
        let message_id = self.lock().uuid();
        let envelope = Envelope {
            r#type: "Notification",
            message_id: &message_id,
            topic_arn: format!("{HOME}{}{kind}", self.prefix),
            message: text,
            timestamp: now.to_string(),
            message_attributes: Attributes {
                r#type: Attribute::of(kind.topic()),
                traceparent: trace.map(|it| Attribute::of(it.parent())),
                tracestate: trace.and_then(|it| it.state.as_deref()).map(Attribute::of),
            },
        };
        let envelope = serde_json::to_string(&envelope).expect("text is always JSON");
        // All queues share one copy.
        let envelope: Arc<str> = envelope.into();
        let subscribers = self.subscribers.get(&kind).map_or(&[][..], Vec::as_slice);
        {
            let mut state = self.lock();
            *state.published.entry(kind).or_default() += 1;
            for service in subscribers {
                state.put(*service, &envelope, now);
            }
        }
        subscribers.iter().for_each(|it| self.arrived[it].notify_one());
        message_id
    }

    /// Puts a text on a service's queue without an envelope, as raw message delivery does.
    pub fn put_raw(&self, service: impl Into<ServiceName>, body: &str) {
        let (service, now) = (service.into(), self.clock.now());
        self.lock().put(service, &body.into(), now);
        self.arrived[&service].notify_one();
    }

    /// Lets a service stand still, as happens to every service: it receives nothing until it goes
    /// on. What it has received already goes on meanwhile.
    pub fn stand_still(&self, role: RoleName, is_still: bool) {
        let service = role.into();
        let mut state = self.lock();
        let _ = if is_still { state.still.insert(service) } else { state.still.remove(&service) };
        drop(state);
        self.arrived[&service].notify_one();
    }

    /// The messages on a service's dead-letter queue.
    #[must_use]
    pub fn dead(&self, service: impl Into<ServiceName>) -> Vec<Dead> {
        self.lock().dead.get(&service.into()).cloned().unwrap_or_default()
    }

    /// How many messages are on the service's queue, hidden ones included.
    #[must_use]
    pub fn depth(&self, service: impl Into<ServiceName>) -> usize {
        self.lock().queues[&service.into()].len()
    }

    /// How many messages of the role's queue can be received now.
    #[must_use]
    pub fn waiting(&self, role: RoleName) -> usize {
        let now = self.clock.now();
        self.lock().queues[&role.into()].receivable(now).count()
    }

    /// When the next message of any queue can be received. `None` when all queues are empty.
    #[must_use]
    pub fn next_visible(&self) -> Option<Timestamp> {
        self.lock().queues.values().filter_map(Messages::next_visible).min()
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
        // No code that could panic runs while the state is half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn queue(&mut self, service: ServiceName) -> &mut Messages {
        self.queues.entry(service).or_default()
    }

    /// When the service can receive its next message, if nothing else happens.
    fn next_visible(&mut self, service: ServiceName) -> Option<Timestamp> {
        let stands_still = self.still.contains(&service);
        self.queue(service).next_visible().filter(|_| !stands_still)
    }

    fn put(&mut self, service: ServiceName, body: &Arc<str>, now: Timestamp) {
        let twice = self.rng.u8(0..100) < self.unkindness.duplicates_percent;
        self.duplicates += u64::from(twice);
        for _ in 0..=u8::from(twice) {
            let message_id = self.uuid();
            self.queue(service).put(message_id, Arc::clone(body), now);
        }
    }

    fn take(
        &mut self,
        service: ServiceName,
        max: usize,
        now: Timestamp,
        hidden: SignedDuration,
    ) -> Vec<Delivery> {
        if self.still.contains(&service) {
            return Vec::new();
        }
        let queue = self.queues.entry(service).or_default();
        let (mut dead, mut alive) = (Vec::new(), Vec::with_capacity(max));
        let mut sort = |places: &mut dyn Iterator<Item = u64>| {
            while alive.len() < max
                && let Some(place) = places.next()
            {
                if queue.exhausted(place, self.receives_max) { &mut dead } else { &mut alive }
                    .push(place);
            }
        };
        if self.unkindness.shuffle {
            let mut places: Vec<u64> = queue.receivable(now).collect();
            places.sort_unstable();
            self.rng.shuffle(&mut places);
            sort(&mut places.into_iter());
        } else {
            sort(&mut queue.receivable(now));
        }
        let dead = dead.into_iter().filter_map(|it| queue.remove(it));
        let dead = dead.map(|Queued { body, .. }| Dead {
            body: body.as_ref().to_owned(),
            attributes: Vec::new(),
        });
        self.dead.entry(service).or_default().extend(dead);
        alive.into_iter().filter_map(|it| queue.hand_out(it, now + hidden)).collect()
    }
}

/// The bus of one service.
#[derive(Clone, Debug)]
pub struct MemoryBus {
    exchange: Exchange,
    service: ServiceName,
}

impl Outbox for MemoryBus {
    async fn send(&self, _: &Incoming, message: &Message) -> Result<(), BusError> {
        self.exchange.publish(message);
        Ok(())
    }
}

impl super::Queue for MemoryBus {
    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        let hidden = SignedDuration::try_from(visibility).unwrap_or(SignedDuration::MAX);
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let now = self.exchange.clock.now();
            let deliveries = self.exchange.lock().take(self.service, max, now, hidden);
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            if !deliveries.is_empty() || left.is_zero() {
                return Ok(deliveries);
            }
            let next = self.exchange.lock().next_visible(self.service);
            let next = next.and_then(|it| Duration::try_from(it.duration_since(now)).ok());
            let pause = left.min(next.unwrap_or(left).max(Duration::from_millis(1)));
            // A message that arrived since the check above has left a permit, so this returns at
            // once.
            let arrived = self.exchange.arrived[&self.service].notified();
            let _ = tokio::time::timeout(pause, arrived).await;
        }
    }

    async fn delete(&self, handle: &ReceiptHandle) -> Result<(), BusError> {
        self.exchange.lock().queue(self.service).delete(handle);
        Ok(())
    }

    async fn give_back(&self, handle: &ReceiptHandle, after: Duration) -> Result<(), BusError> {
        let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
        let visible_at = self.exchange.clock.now() + after;
        self.exchange.lock().queue(self.service).show_at(handle, visible_at);
        self.exchange.arrived[&self.service].notify_one();
        Ok(())
    }

    async fn extend(
        &self,
        handles: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<Extension>, BusError> {
        let visibility = SignedDuration::try_from(visibility).unwrap_or(SignedDuration::MAX);
        let now = self.exchange.clock.now();
        let mut state = self.exchange.lock();
        let queue = state.queue(self.service);
        let extend = |it| match queue.extend(it, now, visibility) {
            true => Extension::Done,
            false => Extension::Stale,
        };
        Ok(handles.iter().map(extend).collect())
    }

    async fn set_aside(&self, delivery: &Delivery, why: &DeadLetter) -> Result<(), BusError> {
        let dead =
            Dead { body: delivery.incoming.body.clone(), attributes: why.attributes.clone() };
        self.exchange.lock().dead.entry(self.service).or_default().push(dead);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
