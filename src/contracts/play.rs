//! Plays a few bookings through all four roles: their real decoder and their real rules, with rows
//! in memory, a card that is charged or declined by its token, and mail that always arrives. Every
//! event of the choreography is said in one of these bookings.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::alter::Alteration;
use crate::{
    domain::{
        RoleName,
        decision::{Key, Rules},
        event::{Charge, Event, Kind, NoCharge, Refund},
        payment::{self, Payment, Payments},
        receipt::{Issued, Join, Receipts, Sent},
        rehearsal::ends,
        request::Rejection,
        schedule::Schedule,
        seats::{Hold, Row, Seats},
        status::{Record, Statuses},
    },
    topics::{self, Topic},
    wire::{self, Incoming, Intake, Why},
};

/// The beginning of the ARNs of the topics.
const HOME: &str = "arn:aws:sns:eu-central-1:000000000000:";
/// When all of it happens.
const NOW: &str = "2027-02-01T09:30:00Z";
/// How long an unpaid hold is protected: longer than a story lasts.
const HOLD_LIMIT: SignedDuration = SignedDuration::from_mins(15);
/// More messages than this are an endless story.
const MESSAGES_MAX: usize = 200;

/// One booking: the example of `booking-requested`, with another token or flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Story {
    /// What happens in it.
    pub name: &'static str,
    /// The payment token.
    pub token: &'static str,
    /// The flight, which the sample schedule has or has not.
    pub flight: &'static str,
    /// A role that works after all others, and then on the newest message first.
    pub late: Option<RoleName>,
}

/// The bookings.
pub const STORIES: [Story; 4] = [
    Story { name: "booked and paid", token: "tok_visa", flight: "WA117", late: None },
    Story { name: "declined", token: "tok_declined", flight: "WA117", late: None },
    Story { name: "paid, but no seat", token: "tok_visa", flight: "ZZ404", late: None },
    Story {
        name: "no seat before the charge",
        token: "tok_visa",
        flight: "ZZ404",
        late: Some(RoleName::Payment),
    },
];

impl Story {
    /// The request of the booking, as a whole CloudEvent.
    ///
    /// # Panics
    /// Never: the example is compiled in and tested.
    #[must_use]
    pub fn request(&self) -> Value {
        let mut topics = topics::all().into_iter();
        let requested = topics.find(|it| it.topic == Kind::BookingRequested);
        let mut event = requested.expect("every kind has a topic").example;
        event["data"]["flight"] = self.flight.into();
        event["data"]["payment"]["token"] = self.token.into();
        event
    }
}

/// How a booking ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// What each role has in the end, in the order of [`RoleName::ALL`]: whether the seats are
    /// sold, the money taken, the receipt sent, and what status says.
    pub ends: [String; 4],
    /// Which role set events of which type aside, and why.
    pub set_aside: BTreeMap<(RoleName, Kind), String>,
    /// Which events were said.
    pub said: Vec<Kind>,
}

/// Plays a story. `change` is what becomes of the events of one topic on their way.
#[must_use]
pub fn played(story: &Story, change: Option<(Kind, &Alteration)>) -> Played {
    let now = NOW.parse().expect("an instant");
    let seats = Seats { schedule: Schedule::sample(), hold_limit: HOLD_LIMIT };
    let mut cast = Cast {
        now,
        topics: topics::all(),
        change,
        queue: Vec::new(),
        seats: Desk::new(seats),
        payment: Desk::new(Payments),
        receipt: Desk::new(Receipts),
        status: Desk::new(Statuses),
        set_aside: BTreeMap::new(),
        said: Vec::new(),
    };
    cast.publish(Kind::BookingRequested, story.request());
    for _ in 0..MESSAGES_MAX {
        if cast.queue.is_empty() {
            break;
        }
        let first = cast.queue.iter().position(|it| Some(it.0) != story.late);
        let next = first.unwrap_or(cast.queue.len() - 1);
        let (role, kind, message) = cast.queue.remove(next);
        cast.attend(role, kind, &message);
    }
    Played { ends: cast.ends(), set_aside: cast.set_aside, said: cast.said }
}

/// Why each role would set aside an event of a topic that none of them knows.
#[must_use]
pub(super) fn stranger(topic: &str, example: &Value) -> Option<String> {
    let incoming = enveloped(topic, example, NOW.parse().expect("an instant"));
    wire::decode(&incoming, &Intake::enveloped(HOME)).err().map(|it| because(&it))
}

/// Who is there: the four roles, and the queues between them.
struct Cast<'a> {
    now: Timestamp,
    topics: Vec<Topic>,
    change: Option<(Kind, &'a Alteration)>,
    queue: Vec<(RoleName, Kind, Incoming)>,
    seats: Desk<Seats>,
    payment: Desk<Payments>,
    receipt: Desk<Receipts>,
    status: Desk<Statuses>,
    set_aside: BTreeMap<(RoleName, Kind), String>,
    said: Vec<Kind>,
}

impl Cast<'_> {
    fn publish(&mut self, kind: Kind, mut event: Value) {
        self.said.push(kind);
        let topic = self.topics.iter().find(|it| it.topic == kind);
        let subscribers = topic.map(|it| it.subscribers.as_slice()).unwrap_or_default();
        let mut hears: Vec<RoleName> = subscribers.iter().map(|it| it.role).collect();
        if let Some((_, alteration)) = self.change.filter(|it| it.0 == kind) {
            alteration.apply(&mut event);
            hears = alteration.heard_by(&hears);
        }
        let message = enveloped(kind.topic(), &event, self.now);
        self.queue.extend(hears.into_iter().map(|it| (it, kind, message.clone())));
    }

    fn attend(&mut self, role: RoleName, kind: Kind, message: &Incoming) {
        let event = match wire::decode(message, &Intake::enveloped(HOME)) {
            Ok(event) => event,
            Err(refusal) => {
                if let Some(booking) = refusal.requested().filter(|_| role == RoleName::Status) {
                    let reason = refusal.flaw.to_string();
                    let key = Key::Booking(booking.clone());
                    let before = self.status.rows.get(&key);
                    let rejection = Rejection { time: refusal.sent_at, reason };
                    if let Some(record) = Statuses::rejected(before, rejection) {
                        self.status.rows.insert(key, record);
                    }
                }
                self.set_aside.insert((role, kind), because(&refusal));
                return;
            }
        };
        let now = self.now;
        let announced = match role {
            RoleName::Seats => self.seats.decide(&event, now, |it| match *it {}),
            RoleName::Payment => self.payment.decide(&event, now, provider),
            RoleName::Receipt => self.receipt.decide(&event, now, |_| Sent),
            RoleName::Status => self.status.decide(&event, now, |it| match *it {}),
        };
        match announced {
            Ok(events) => {
                for it in events {
                    let message = wire::encode(&it).expect("what an example causes is small");
                    let event = serde_json::from_str(&message.body).expect("an event is JSON");
                    self.publish(message.kind, event);
                }
            }
            Err(reason) => {
                self.set_aside.insert((role, kind), reason);
            }
        }
    }

    fn ends(&self) -> [String; 4] {
        RoleName::ALL.map(|role| match role {
            RoleName::Seats => seats_end(self.seats.own()).to_owned(),
            RoleName::Payment => payment_end(self.payment.own()).to_owned(),
            RoleName::Receipt => receipt_end(self.receipt.own()).to_owned(),
            RoleName::Status => status_end(self.status.own()),
        })
    }
}

/// One role: its rules, and its rows.
struct Desk<R: Rules> {
    rules: R,
    rows: BTreeMap<Key, R::State>,
}

impl<R: Rules> Desk<R> {
    fn new(rules: R) -> Desk<R> {
        Desk { rules, rows: BTreeMap::new() }
    }

    /// Decides an event: what is announced, or why it is set aside.
    fn decide(
        &mut self,
        event: &Event,
        now: Timestamp,
        outside: impl Fn(&R::Effect) -> R::Answer,
    ) -> Result<Vec<Event>, String> {
        let mut ends = ends(&self.rules, &self.rows, event, now, &|it| vec![outside(it)]);
        let end = ends.pop().expect("one answer to each effect leads to one end");
        self.rows = end.rows;
        end.said
    }

    /// The row of the only booking.
    fn own(&self) -> Option<&R::State> {
        self.rows.iter().find(|it| matches!(it.0, Key::Booking(_))).map(|it| it.1)
    }
}

/// A payment provider that charges `tok_visa` and declines all others.
fn provider(effect: &payment::Effect) -> payment::Answer {
    match effect {
        payment::Effect::Charge { token, amount, .. } => match token.reveal() {
            "tok_visa" => {
                payment::Answer::Charged(Charge { charge: "ch_1".to_owned(), amount: *amount })
            }
            _ => payment::Answer::Declined(NoCharge::Declined),
        },
        payment::Effect::Refund { charge, .. } => payment::Answer::Refunded(Refund {
            refund: "re_1".to_owned(),
            charge: charge.charge.clone(),
            amount: charge.amount,
        }),
        payment::Effect::Undo { .. } => payment::Answer::Undone,
    }
}

/// The event as SNS delivers it from this topic.
fn enveloped(topic: &str, event: &Value, now: Timestamp) -> Incoming {
    let envelope = json!({
        "Type": "Notification",
        "MessageId": "00000000-0000-4000-8000-000000000000",
        "TopicArn": format!("{HOME}{topic}"),
        "Message": event.to_string(),
        "Timestamp": now.to_string(),
    });
    Incoming {
        body: envelope.to_string(),
        kind_attribute: None,
        sent_at: now,
        attempt: 1,
        hop: None,
    }
}

/// Why an event is refused, without the position, which is not that of the example.
fn because(refusal: &wire::Refusal) -> String {
    let flaw = format!("{}: {}", refusal.flaw.path, refusal.flaw.problem);
    match refusal.why {
        Why::Malformed => flaw,
        Why::UnknownType | Why::UnsupportedVersion | Why::CardNumber | Why::Untrusted => {
            format!("{} ({flaw})", refusal.why.as_str())
        }
    }
}

fn seats_end(row: Option<&Row>) -> &'static str {
    match row {
        Some(Row::Booking(hold)) => match hold {
            Hold::Paid { .. } => "paid for",
            Hold::Held(_) => "held",
            Hold::Confirmed { .. } => "sold",
            Hold::Refused { .. } => "refused",
            Hold::Released { .. } => "freed",
        },
        Some(Row::Seat { .. }) | None => "not asked for",
    }
}

fn payment_end(row: Option<&Payment>) -> &'static str {
    match row {
        None => "not asked for",
        Some(Payment::Claimed { .. }) => "perhaps charged",
        Some(Payment::Ok { .. }) => "charged",
        Some(Payment::Failed { .. } | Payment::Never { .. }) => "not charged",
        Some(Payment::Refunded { .. }) => "refunded",
    }
}

fn receipt_end(row: Option<&Join>) -> &'static str {
    match row.map(|it| (it.issued, it.void_sent)) {
        Some((Issued::Yes { .. }, true)) => "sent and void",
        Some((Issued::Yes { .. }, false)) => "sent",
        Some((Issued::No | Issued::Issuing { .. }, _)) | None => "not sent",
    }
}

fn status_end(record: Option<&Record>) -> String {
    let Some(record) = record else { return "unknown".to_owned() };
    let standing = record.standing();
    let awaited: Vec<&str> = standing.waiting_for.iter().map(|it| it.event.as_str()).collect();
    match awaited.as_slice() {
        [] => standing.phase.to_string(),
        _ => format!("{}, waits for {}", standing.phase, awaited.join(" and ")),
    }
}
