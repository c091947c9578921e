//! What a worker talks to, one operation at a time: a store that keeps the contract of
//! `booking::store`, a gateway, a mailer, and a bus of one message.

use booking::{
    bus::{
        Answered, BusError, DeadLetter, Delivery, Desk, Extension, Outbox, Queue, ReceiptHandle,
    },
    domain::{
        event::{Charge, NoCharge, Refund},
        ids::BookingId,
        money::Money,
        receipt::Receipt,
        request::PaymentToken,
    },
    gateway::{Charged, Gateway, GatewayError},
    mailer::{MailError, Mailer},
    store::{Commit, Find, Page, Start, Store, StoreError, Tally, Versioned, Write},
    wire::{Incoming, Message, TaskAnswer, TaskToken},
};
use futures_util::future::BoxFuture;

use super::hand::{Asked, Hand, Movement, Operation, Reply, State};

/// Asks the gateway for a charge.
pub const CHARGE: &str = "the charge";
/// Asks the gateway for a refund.
pub const REFUND: &str = "the refund";
/// The failure that the gateway repeats.
const FAILURE: u16 = 500;

impl Store for Hand {
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Versioned>>, StoreError> {
        let look = |state: &mut State| {
            let row = |it: &String| state.cell.rows.get(it).cloned();
            let versioned = |(version, body): (u64, String)| {
                let body = if state.remembers { body } else { without_memos(&body) };
                let body = match &state.event {
                    Some(event) => state.hostile.seen_by(event, body),
                    None => body,
                };
                Versioned { version, body }
            };
            Reply::Rows(keys.iter().map(|it| row(it).map(versioned)).collect())
        };
        match self.operate(Operation::Read, look).await {
            Reply::Rows(rows) => Ok(rows),
            _ => Err(StoreError::Closed),
        }
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        let write = |state: &mut State| {
            let rows = &mut state.cell.rows;
            let version = |it: &Write| rows.get(&it.key).map_or(0, |(version, _)| *version);
            if writes.iter().any(|it| version(it) != it.read_version) {
                return Reply::Committed(Commit::Conflict);
            }
            for it in writes {
                rows.insert(it.key, (it.read_version + 1, state.hostile.stored(it.body)));
            }
            Reply::Committed(Commit::Done)
        };
        match self.operate(Operation::Commit, write).await {
            Reply::Committed(commit) => Ok(commit),
            _ => Err(StoreError::Closed),
        }
    }

    async fn list(&self, _: Find, _: Start, _: usize) -> Result<Page, StoreError> {
        unreachable!("a worker lists nothing")
    }

    async fn tally(&self, _: i64, _: usize) -> Result<Tally, StoreError> {
        unreachable!("a worker counts nothing")
    }
}

/// The tokens are those of the simulated gateway. It forgets keys (see `Cell::keys`), but it knows
/// its ledger: nothing is refunded twice, whatever is asked.
impl Gateway for Hand {
    async fn find(&self, booking: &BookingId) -> Result<Option<Charged>, GatewayError> {
        let find = |state: &mut State| {
            if state.cell.unseen || state.provider.is_not_looked_up {
                return Reply::Found(None);
            }
            let line =
                state.cell.ledger.iter().find(|line| !line.refund && line.booking == *booking);
            Reply::Found(line.map(|line| charge_of(booking, line.amount)))
        };
        match self.operate(Operation::Effect("the look-up"), find).await {
            Reply::Found(charge) => Ok(charge.map(Charged::Yes)),
            _ => Err(GatewayError::TimedOut),
        }
    }

    async fn charge(
        &self,
        booking: &BookingId,
        token: &PaymentToken,
        amount: Money,
    ) -> Result<Charged, GatewayError> {
        let token = token.reveal();
        let charge = |state: &mut State| {
            let (key, question) = (booking.as_str(), format!("{amount} {token}"));
            let known = match state.cell.keys.get(key) {
                Some(it) if it.question != question => return Reply::KeyMisused,
                Some(it) if it.failed => return Reply::FailedAsBefore,
                known => known.is_some(),
            };
            let is_charged = matches!(token, "tok_visa" | "tok_timeout_then_ok");
            if !known {
                state.keep(key, question);
                if is_charged && state.keeps != Some(false) {
                    let booking = booking.clone();
                    state.cell.ledger.push(Movement { refund: false, booking, amount });
                    state.cell.unseen = state.provider.lags;
                    if token == "tok_timeout_then_ok" {
                        return Reply::TimedOut;
                    }
                }
            }
            Reply::Charged(match is_charged {
                true => Charged::Yes(charge_of(booking, amount)),
                false => Charged::No(NoCharge::Declined),
            })
        };
        match self.operate(Operation::Effect(CHARGE), charge).await {
            Reply::Charged(charged) => Ok(charged),
            Reply::KeyMisused => Err(GatewayError::Refused("the key was used for something else")),
            Reply::FailedAsBefore => Err(GatewayError::FailedAsBefore { status: FAILURE }),
            _ => Err(GatewayError::TimedOut),
        }
    }

    async fn refund(&self, booking: &BookingId, charge: &Charge) -> Result<Refund, GatewayError> {
        let amount = charge.amount;
        let refund = |state: &mut State| {
            let known = state.cell.ledger.iter().any(|it| it.refund && it.booking == *booking);
            if !known {
                let key = format!("{booking}:refund");
                if state.cell.keys.get(&key).is_some_and(|it| it.failed) {
                    return Reply::FailedAsBefore;
                }
                if state.keeps.is_some() {
                    state.keep(&key, amount.to_string());
                }
                if state.keeps != Some(false) {
                    let booking = booking.clone();
                    state.cell.ledger.push(Movement { refund: true, booking, amount });
                }
            }
            let refund = format!("re_{booking}");
            Reply::Refunded(Refund { refund, charge: charge.charge.clone(), amount })
        };
        match self.operate(Operation::Effect(REFUND), refund).await {
            Reply::Refunded(refund) => Ok(refund),
            Reply::FailedAsBefore => Err(GatewayError::FailedAsBefore { status: FAILURE }),
            _ => Err(GatewayError::TimedOut),
        }
    }

    /// This gateway takes what it is asked for.
    async fn undo(&self, _: &BookingId, _: &str) -> Result<(), GatewayError> {
        Err(GatewayError::Refused("it has no such charge"))
    }
}

impl State {
    /// Keeps a question under an idempotency key, and whether the answer to it was a failure.
    fn keep(&mut self, key: &str, question: String) {
        let asked = Asked { question, failed: self.keeps.is_some() };
        self.cell.keys.insert(key.to_owned(), asked);
    }
}

fn charge_of(booking: &BookingId, amount: Money) -> Charge {
    Charge { charge: format!("ch_{booking}"), amount }
}

impl Mailer for Hand {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        let send = |state: &mut State| {
            let mails = match receipt.voids {
                None => &mut state.cell.mails,
                Some(_) => &mut state.cell.voids,
            };
            mails.insert(format!("{receipt:?}"));
            Reply::Done
        };
        let name = if receipt.voids.is_none() { "the mail" } else { "the void mail" };
        match self.operate(Operation::Effect(name), send).await {
            Reply::Done => Ok(()),
            _ => {
                Err(MailError::Failed { number: receipt.number.clone(), source: "no reply".into() })
            }
        }
    }
}

/// A row as a role sees it that does not remember what it has announced.
fn without_memos(body: &str) -> String {
    let mut row: serde_json::Value = serde_json::from_str(body).expect("a row is JSON");
    row.as_object_mut().expect("a row is an object").remove("memos");
    row.to_string()
}

impl Desk for Hand {
    fn answer<'a>(
        &'a self,
        token: &'a TaskToken,
        answer: &'a TaskAnswer,
    ) -> BoxFuture<'a, Result<Answered, BusError>> {
        let answered = (token.reveal().to_owned(), answer.clone());
        Box::pin(async move {
            let note = |state: &mut State| {
                if !state.awaited {
                    return Reply::NobodyWaits;
                }
                state.answered.push(answered);
                Reply::Done
            };
            match self.operate(Operation::Answer, note).await {
                Reply::NobodyWaits => Ok(Answered::NobodyWaits),
                reply => done(&reply, "answer").map(|()| Answered::Heard),
            }
        })
    }

    fn beat<'a>(&'a self, _: &'a TaskToken) -> BoxFuture<'a, Result<(), BusError>> {
        unreachable!("who has no heartbeat keeps no task")
    }
}

fn done(reply: &Reply, operation: &'static str) -> Result<(), BusError> {
    match reply {
        Reply::Done => Ok(()),
        _ => Err(BusError::Failed { operation, name: "it".to_owned(), source: "no reply".into() }),
    }
}

impl Outbox for Hand {
    async fn send(&self, _: &Incoming, message: &Message) -> Result<(), BusError> {
        let publish = |state: &mut State| {
            state.published.push(message.clone());
            Reply::Done
        };
        done(&self.operate(Operation::Publish, publish).await, "publish")
    }
}

impl Queue for Hand {
    async fn delete(&self, _: &ReceiptHandle) -> Result<(), BusError> {
        let delete = |state: &mut State| {
            state.deleted = true;
            Reply::Done
        };
        done(&self.operate(Operation::Delete, delete).await, "delete")
    }

    async fn set_aside(&self, _: &Delivery, why: &DeadLetter) -> Result<(), BusError> {
        let set_aside = |state: &mut State| {
            let reason = why.attributes.iter().find(|(name, _)| *name == "reason");
            state.set_aside = Some(reason.map(|(_, it)| it.clone()).unwrap_or_default());
            Reply::Done
        };
        done(&self.operate(Operation::SetAside, set_aside).await, "set aside")
    }

    /// Given back is what a message is that was not deleted: nothing to do.
    async fn give_back(&self, _: &ReceiptHandle, _: std::time::Duration) -> Result<(), BusError> {
        Ok(())
    }

    /// A lease is not seen here: a worker that has lost it does not commit, which is one that died.
    async fn extend(
        &self,
        _: &[ReceiptHandle],
        _: std::time::Duration,
    ) -> Result<Vec<Extension>, BusError> {
        unreachable!("who has no heartbeat extends nothing")
    }

    async fn receive(
        &self,
        _: usize,
        _: std::time::Duration,
        _: std::time::Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        unreachable!("deliveries are handed to the worker")
    }
}
