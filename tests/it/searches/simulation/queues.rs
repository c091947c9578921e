//! SNS and SQS as standard queues are at their worst: twice, late, in any order, and again after
//! they were deleted. Every message is remembered, so that in the end none is missing.

use std::{collections::BTreeMap, sync::OnceLock};

use booking::{
    bus::{Delivery, ReceiptHandle},
    domain::{
        RoleName,
        event::Kind,
        ids::{BookingId, Cause, Digest},
    },
    topics,
    wire::Incoming,
};

use super::{faults::Fault, world::World};

/// So many receives, and SQS moves the message away.
const RECEIVES_MAX: u32 = 10;
const HOUR_MS: i64 = 3_600_000;

/// What is on a queue, whoever reads it and however often.
#[derive(Clone, Debug)]
pub struct Letter {
    pub body: String,
    /// The type, as a message attribute, when there is no envelope.
    pub attribute: Option<Kind>,
    pub about: Option<About>,
    /// What is wrong with it, when it is no event.
    pub junk: Option<Fault>,
}

/// What a letter that is an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub kind: Kind,
    pub booking: BookingId,
    /// Its id, and the digest of the request that it is or answers.
    pub cause: Option<(Cause, Digest)>,
}

#[derive(Clone, Debug)]
pub struct Queued {
    id: u64,
    pub letter: Letter,
    sent_ms: i64,
    pub visible_ms: i64,
    receives: u32,
    handle: String,
    /// Whether a copy is on the dead-letter queue.
    pub copied: bool,
}

impl Queued {
    /// Somebody else received it: this handle is no longer good, and it is about to come again.
    pub fn rot(&mut self) {
        self.handle.push('~');
        self.receives += 1;
        self.visible_ms += 5_000;
    }
}

/// A letter on a dead-letter queue, and why; none when SQS put it there.
#[derive(Clone, Debug)]
pub struct Dead {
    pub letter: Letter,
    pub why: Option<(String, String)>,
}

#[derive(Default)]
pub struct Queues {
    pub live: BTreeMap<RoleName, Vec<Queued>>,
    pub dead: BTreeMap<RoleName, Vec<Dead>>,
    /// Requests that never reached a queue, and when somebody says them again.
    pub lost: Vec<(i64, RoleName, Letter)>,
    /// Whom the next request will not reach.
    pub lose_at: Option<RoleName>,
    /// Every letter that was ever on its way to a queue, once.
    pub ever: BTreeMap<RoleName, BTreeMap<String, Letter>>,
    /// Bookings whose payment-ok is slow on its way to seats.
    pub slow: BTreeMap<BookingId, i64>,
    made: u64,
}

impl Queues {
    pub fn is_empty(&self) -> bool {
        self.live.values().all(Vec::is_empty)
    }

    pub fn backlog(&self, role: RoleName, now_ms: i64) -> bool {
        self.live.get(&role).is_some_and(|it| it.iter().any(|it| it.visible_ms <= now_ms))
    }

    pub fn find(&mut self, role: RoleName, handle: &ReceiptHandle) -> Option<&mut Queued> {
        self.live.get_mut(&role)?.iter_mut().find(|it| it.handle == handle.0)
    }

    pub fn remove(&mut self, role: RoleName, handle: &ReceiptHandle) -> Option<Queued> {
        let queue = self.live.get_mut(&role)?;
        let at = queue.iter().position(|it| it.handle == handle.0)?;
        Some(queue.swap_remove(at))
    }
}

fn subscribers(kind: Kind) -> &'static [RoleName] {
    static BY_KIND: OnceLock<BTreeMap<Kind, Vec<RoleName>>> = OnceLock::new();
    let by_kind = BY_KIND.get_or_init(|| {
        let roles = |it: topics::Topic| it.subscribers.iter().map(|it| it.role).collect();
        topics::all().into_iter().map(|it| (it.topic, roles(it))).collect()
    });
    &by_kind[&kind]
}

/// The SNS envelope.
fn envelope(kind: Kind, text: &str, id: &str, time: &str) -> String {
    let text = serde_json::Value::from(text);
    format!(
        r#"{{"Type":"Notification","MessageId":"{id}","TopicArn":"arn:aws:sns:eu-central-1:000000000000:{kind}","Message":{text},"Timestamp":"{time}"}}"#
    )
}

impl World {
    pub fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// Puts a text on every queue that listens to its topic. `id` is the SNS MessageId.
    pub fn publish(
        &mut self,
        kind: Kind,
        text: &str,
        id: &str,
        about: Option<About>,
        junk: Option<Fault>,
    ) {
        let body = envelope(kind, text, id, &self.now().to_string());
        // Some subscriptions have raw delivery; who goes by the MessageId has not.
        let raw = about.as_ref().is_some_and(|it| it.cause.is_some()) && self.rng.u8(0..20) == 0;
        for role in subscribers(kind) {
            let letter = Letter {
                body: if raw { text.to_owned() } else { body.clone() },
                attribute: raw.then_some(kind),
                about: about.clone(),
                junk,
            };
            let ever = self.queues.ever.entry(*role).or_default();
            ever.entry(letter_key(&letter)).or_insert_with(|| letter.clone());
            let request = kind == Kind::BookingRequested && junk.is_none();
            if request && self.queues.lose_at == Some(*role) {
                self.queues.lose_at = None;
                self.count(Fault::RequestLost, *role);
                self.lose(*role, letter);
            } else if request && self.strikes(Fault::RequestLost, *role, 8) {
                self.lose(*role, letter);
            } else {
                self.put(*role, letter);
            }
        }
    }

    fn lose(&mut self, role: RoleName, letter: Letter) {
        let again_ms = self.now_ms + self.rng.i64(HOUR_MS / 2..3 * HOUR_MS);
        self.queues.lost.push((again_ms, role, letter));
    }

    pub fn put(&mut self, role: RoleName, letter: Letter) {
        let twice = self.strikes(Fault::Duplicate, role, 10);
        for _ in 0..=u8::from(twice) {
            let mut visible_ms = self.now_ms + self.rng.i64(0..200);
            if self.strikes(Fault::DelayHours, role, 6) {
                visible_ms += self.rng.i64(HOUR_MS..6 * HOUR_MS);
            }
            if let Some(about) = &letter.about
                && about.kind == Kind::PaymentOk
                && role == RoleName::Seats
                && let Some(delay_ms) = self.queues.slow.get(&about.booking)
            {
                visible_ms += delay_ms;
            }
            self.queues.made += 1;
            let id = self.queues.made;
            if let Some(About { kind, booking, .. }) = &letter.about {
                self.note(format_args!("{role} #{id} is {kind} of {booking}"));
            }
            let queued = Queued {
                id,
                letter: letter.clone(),
                sent_ms: self.now_ms,
                visible_ms,
                receives: 0,
                handle: String::new(),
                copied: false,
            };
            self.queues.live.entry(role).or_default().push(queued);
        }
    }

    /// Hands out up to `max` visible messages, any of them.
    pub fn take(&mut self, role: RoleName, max: usize, hidden_ms: i64) -> Vec<Delivery> {
        let now_ms = self.now_ms;
        let mut queue = self.queues.live.remove(&role).unwrap_or_default();
        let exhausted = |it: &mut Queued| it.visible_ms <= now_ms && it.receives >= RECEIVES_MAX;
        for it in queue.extract_if(.., exhausted) {
            self.note(format_args!("{role} #{} was received too often", it.id));
            self.tally.count(Fault::Exhausted, role);
            let dead = Dead { letter: it.letter, why: None };
            self.queues.dead.entry(role).or_default().push(dead);
        }
        let mut visible: Vec<usize> =
            (0..queue.len()).filter(|it| queue[*it].visible_ms <= now_ms).collect();
        let oldest = visible.iter().map(|it| queue[*it].sent_ms).min();
        self.rng.shuffle(&mut visible);
        visible.truncate(max);
        if let Some(first) = visible.first()
            && oldest < Some(queue[*first].sent_ms)
            && self.unkind
        {
            self.tally.count(Fault::Reorder, role);
        }
        let mut deliveries = Vec::with_capacity(visible.len());
        for at in visible {
            let twice = self.strikes(Fault::Duplicate, role, 10);
            self.queues.made += 1;
            self.deliveries += 1;
            let it = &mut queue[at];
            let handle = format!("{}#{}", it.id, self.queues.made);
            it.receives += 1;
            // SQS may hand one message to two at once.
            it.visible_ms = if twice { now_ms } else { now_ms + hidden_ms };
            it.handle.clone_from(&handle);
            let delivery = Delivery {
                incoming: Incoming {
                    body: it.letter.body.clone(),
                    kind_attribute: it.letter.attribute.map(|it| it.topic().to_owned()),
                    sent_at: jiff::Timestamp::from_millisecond(it.sent_ms).expect("a day of 2027"),
                    attempt: it.receives,
                    hop: None,
                },
                message_id: it.id.to_string(),
                receipt_handle: ReceiptHandle(handle),
                group: None,
            };
            deliveries.push(delivery);
        }
        self.queues.live.insert(role, queue);
        deliveries
    }

    /// A message that was deleted, and comes again all the same.
    pub fn haunt(&mut self, role: RoleName, mut queued: Queued) {
        queued.visible_ms = self.now_ms + self.rng.i64(0..1_800_000);
        queued.copied = false;
        self.queues.live.entry(role).or_default().push(queued);
    }
}

/// What makes two letters the same, whatever the envelope says about time and id.
fn letter_key(letter: &Letter) -> String {
    match &letter.about {
        Some(About { kind, booking, cause: Some((cause, _)) })
            if *kind != Kind::BookingRequested =>
        {
            format!("{booking} {} {}", cause.source, cause.id)
        }
        _ => letter.body.clone(),
    }
}
