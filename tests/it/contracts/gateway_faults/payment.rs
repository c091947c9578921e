//! Payment without queues, and a record of what it announced. A delivery must never take another
//! path here than in the service.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use booking::{
    bus::{BusError, Outbox},
    clock::Clock,
    domain::{event::Kind, ids::BookingId},
    gateway::stripe::StripeGateway,
    metrics::Metrics,
    roles::PaymentRole,
    runtime::{Attendant, Chain, Lease, UnitOfWork, Verdict},
    store::memory::Memory,
    wire::{Incoming, Message},
};
use serde_json::Value;

use crate::harness::{Sketch, enveloped, eventually, intake};

/// The end of the error text for a booking whose idempotency key has a stored failure.
pub const KEPT: &str = "the gateway keeps answering 500 under the key of this booking";
/// After this many stored failures in a row, a booking counts as open.
pub const KEPT_MAX: u32 = 4;

/// What was announced for each booking: the kind of the event, and its reason if it has one.
#[derive(Clone, Default)]
pub struct Said(Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>);

impl Outbox for Said {
    async fn send(&self, _: &Incoming, message: &Message) -> Result<(), BusError> {
        let event: Value = serde_json::from_str(&message.body).unwrap();
        let reason = event["data"]["reason"].as_str().map(|it| format!(" {it}"));
        let word = format!("{}{}", message.kind, reason.unwrap_or_default());
        let booking = event["subject"].as_str().unwrap().to_owned();
        self.0.lock().unwrap().entry(booking).or_default().insert(word);
        Ok(())
    }
}

impl Said {
    pub fn of(&self, booking: &BookingId) -> Vec<String> {
        let all = self.0.lock().unwrap();
        all.get(booking.as_str()).into_iter().flatten().cloned().collect()
    }
}

/// The payment role and a store in memory, without queues.
pub struct Payment {
    attendant: Attendant<PaymentRole<StripeGateway>, Memory, Said>,
    pub said: Said,
}

/// How the deliveries of one message ended.
#[derive(Debug)]
pub struct Ended {
    pub deliveries: u32,
    /// `done`, or why the message was not done.
    pub how: String,
}

impl Payment {
    pub fn new(gateway: StripeGateway) -> Payment {
        let work = UnitOfWork::new(PaymentRole(gateway), Memory::default(), Clock::Machine);
        let said = Said::default();
        let attendant = Attendant::new(Arc::new(work), said.clone(), intake(), Metrics::default());
        Payment { attendant, said }
    }

    pub async fn attend(&self, message: &Incoming) -> Verdict {
        let lease = Lease::endless(self.attendant.work().clock());
        self.attendant.attend(message, &lease).await.verdict
    }

    /// Delivers a message until it is done or set aside, or until the key has answered with a
    /// stored failure [`KEPT_MAX`] times in a row.
    pub async fn deliver(&self, message: &Incoming) -> Ended {
        let (mut deliveries, mut kept) = (0, 0);
        eventually("a delivery that is done with", async || {
            deliveries += 1;
            match self.attend(message).await {
                Verdict::Done(_) => Some(Ended { deliveries, how: "done".to_owned() }),
                Verdict::Retry(_, cause) => {
                    let how = Chain(&*cause).to_string();
                    kept = if how.ends_with(KEPT) { kept + 1 } else { 0 };
                    (kept == KEPT_MAX).then_some(Ended { deliveries, how })
                }
                Verdict::Poison(poison) => {
                    Some(Ended { deliveries, how: format!("set aside: {}", poison.reason) })
                }
                Verdict::Lost => panic!("the lease is endless"),
            }
        })
        .await
    }
}

pub fn request(id: &BookingId, token: &'static str) -> Incoming {
    enveloped(Kind::BookingRequested, &sketch(id, token).cloud_event())
}

pub fn no_seat(id: &BookingId) -> Incoming {
    let event = sketch(id, "tok_visa").heard(Kind::SeatUnavailable);
    enveloped(Kind::SeatUnavailable, &booking::wire::encode(&event).unwrap().body)
}

fn sketch(id: &BookingId, token: &'static str) -> Sketch {
    Sketch::new(id.as_str(), &["12A"], token)
}
