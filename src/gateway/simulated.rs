//! A simulated payment provider, which keeps its rows in a store. It must never be used for real
//! money. The token decides how a charge ends:
//!
//! | token | ending |
//! |---|---|
//! | `tok_visa` | charged |
//! | `tok_declined` | declined |
//! | `tok_insufficient_funds` | declined, because the card has not enough money |
//! | `tok_timeout_then_ok` | charged, but the first answer comes too late |
//! | any other | declined |
//!
//! What it knows about a booking is one row, `gateway/<booking>`. The row has the answers by
//! idempotency key, and a ledger with one line for each movement of money, so that a second charge
//! would show. Writes are conditional, so all processes that use the same store see the same
//! provider, and it survives the death of any of them. With `--store dynamodb` its rows are in the
//! table of payment, where a real provider would have none.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Charged, Gateway, GatewayError};
use crate::{
    domain::{
        event::{Charge, NoCharge, Refund},
        ids::BookingId,
        money::Money,
        request::PaymentToken,
    },
    store::{Commit, Store, StoreError, Write},
};

/// The prefix of the keys of its rows.
const ROW: &str = "gateway/";
/// How often a row is read again after a conflict.
const CONFLICTS_MAX: u32 = 16;

/// A movement of money in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// `charge` or `refund`.
    pub movement: String,
    pub booking: BookingId,
    /// The provider's id of the charge or refund.
    pub reference: String,
    pub amount: Money,
}

/// The simulated provider, with its rows in a store.
#[derive(Clone, Debug)]
pub struct SimulatedGateway<S> {
    rows: S,
    /// How long `tok_timeout_then_ok` makes its caller wait before the time-out.
    patience: Duration,
}

/// What the provider knows about one booking.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Account {
    /// By idempotency key.
    answers: BTreeMap<String, Answered>,
    ledger: Vec<Line>,
}

/// A question and its answer, which never changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answered {
    asked: String,
    answer: Answer,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Charged(Charge),
    Declined(NoCharge),
    Refunded(Refund),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    movement: String,
    reference: String,
    amount: Money,
}

impl<S: Store> SimulatedGateway<S> {
    /// The provider whose rows are in `rows`. `patience` is how long a caller has to wait before a
    /// late answer becomes a time-out.
    pub fn new(rows: S, patience: Duration) -> SimulatedGateway<S> {
        SimulatedGateway { rows, patience }
    }

    /// Every movement of money of one booking, in order.
    ///
    /// # Errors
    /// When the booking's row cannot be read.
    pub async fn ledger_of(&self, booking: &BookingId) -> Result<Vec<Movement>, GatewayError> {
        Ok(self.account(booking).await?.1.movements(booking))
    }

    /// The version and the contents of the booking's row.
    async fn account(&self, booking: &BookingId) -> Result<(u64, Account), GatewayError> {
        let key = key(booking);
        let Some(row) = self.rows.read(vec![key.clone()]).await?.pop().flatten() else {
            return Ok((0, Account::default()));
        };
        Ok((row.version, parse(&key, &row.body)?))
    }

    /// The answer under the idempotency key `key`, and whether it is new. If there is no answer
    /// yet, `decide` gives one. The same key with another question is refused.
    async fn answer(
        &self,
        booking: &BookingId,
        key: &str,
        asked: &str,
        decide: impl Fn(&mut Account) -> Answer + Send,
    ) -> Result<(Answer, bool), GatewayError> {
        for _ in 0..=CONFLICTS_MAX {
            let (read_version, mut account) = self.account(booking).await?;
            match account.answers.get(key) {
                Some(it) if it.asked == asked => return Ok((it.answer.clone(), false)),
                Some(_) => {
                    return Err(GatewayError::Refused(
                        "the idempotency key was used for something else",
                    ));
                }
                None => {}
            }
            let answer = decide(&mut account);
            let answered = Answered { asked: asked.to_owned(), answer: answer.clone() };
            account.answers.insert(key.to_owned(), answered);
            let body = serde_json::to_string(&account)
                .map_err(|it| GatewayError::Unreachable(Box::new(it)))?;
            let write = Write { key: self::key(booking), read_version, body, listing: None };
            // On a conflict, another process may have answered the same question: reads it again.
            if self.rows.commit(vec![write]).await? == Commit::Done {
                return Ok((answer, true));
            }
        }
        Err(GatewayError::Unreachable("other processes kept changing the row".into()))
    }
}

impl<S: Store> Gateway for SimulatedGateway<S> {
    async fn find(&self, booking: &BookingId) -> Result<Option<Charged>, GatewayError> {
        let (_, mut account) = self.account(booking).await?;
        account.answers.remove(booking.as_str()).map(|it| it.answer.charged()).transpose()
    }

    async fn charge(
        &self,
        booking: &BookingId,
        token: &PaymentToken,
        amount: Money,
    ) -> Result<Charged, GatewayError> {
        let (key, token) = (booking.as_str(), token.reveal());
        let asked = format!("charge {amount} {token}");
        let decide = |account: &mut Account| match token {
            "tok_visa" | "tok_timeout_then_ok" => {
                let charge = Charge { charge: reference("ch", key), amount };
                account.move_money("charge", &charge.charge, amount);
                Answer::Charged(charge)
            }
            "tok_insufficient_funds" => Answer::Declined(NoCharge::InsufficientFunds),
            _ => Answer::Declined(NoCharge::Declined),
        };
        let (answer, first) = self.answer(booking, key, &asked, decide).await?;
        if first && token == "tok_timeout_then_ok" {
            tokio::time::sleep(self.patience).await;
            return Err(GatewayError::TimedOut);
        }
        answer.charged()
    }

    async fn refund(&self, booking: &BookingId, charge: &Charge) -> Result<Refund, GatewayError> {
        let key = format!("{booking}:refund");
        let asked = format!("refund {} {}", charge.amount, charge.charge);
        let decide = |account: &mut Account| {
            let refund = reference("re", &key);
            account.move_money("refund", &refund, charge.amount);
            Answer::Refunded(Refund {
                refund,
                charge: charge.charge.clone(),
                amount: charge.amount,
            })
        };
        match self.answer(booking, &key, &asked, decide).await?.0 {
            Answer::Refunded(refund) => Ok(refund),
            Answer::Charged(_) | Answer::Declined(_) => {
                Err(GatewayError::Refused("not an answer to a refund"))
            }
        }
    }

    async fn undo(&self, booking: &BookingId, charge: &str) -> Result<(), GatewayError> {
        match self.find(booking).await? {
            Some(Charged::Yes(it)) if it.charge == charge => {
                self.refund(booking, &it).await.map(drop)
            }
            _ => Err(GatewayError::Refused("it has no such charge")),
        }
    }
}

impl Answer {
    /// The same answer, if it is one to a request to charge.
    fn charged(self) -> Result<Charged, GatewayError> {
        match self {
            Answer::Charged(charge) => Ok(Charged::Yes(charge)),
            Answer::Declined(reason) => Ok(Charged::No(reason)),
            Answer::Refunded(_) => Err(GatewayError::Refused("not an answer to a charge")),
        }
    }
}

impl Account {
    fn move_money(&mut self, movement: &str, reference: &str, amount: Money) {
        let (movement, reference) = (movement.to_owned(), reference.to_owned());
        self.ledger.push(Line { movement, reference, amount });
    }

    fn movements(self, booking: &BookingId) -> Vec<Movement> {
        let movement = |it: Line| Movement {
            movement: it.movement,
            booking: booking.clone(),
            reference: it.reference,
            amount: it.amount,
        };
        self.ledger.into_iter().map(movement).collect()
    }
}

/// The movements of money in these rows (keys and bodies), for audits.
///
/// # Errors
/// When a row was not written by this provider.
pub fn movements(rows: Vec<(String, String)>) -> Result<Vec<Movement>, GatewayError> {
    let mut found = Vec::new();
    for (key, body) in rows {
        let booking = key.strip_prefix(ROW).and_then(|it| BookingId::parse(it).ok());
        let booking = booking.ok_or(GatewayError::Refused("a row belongs to no booking"))?;
        found.extend(parse(&key, &body)?.movements(&booking));
    }
    Ok(found)
}

/// The key of a booking's row.
#[must_use]
pub fn key(booking: &BookingId) -> String {
    format!("{ROW}{booking}")
}

fn parse(key: &str, body: &str) -> Result<Account, GatewayError> {
    let unreadable = |it| format!("the row `{key}` cannot be read: {it}").into();
    serde_json::from_str(body).map_err(|it: serde_json::Error| {
        // Says where the error is, and not what serde says about it, since that could quote the
        // row.
        GatewayError::Unreachable(unreadable(format!("line {} column {}", it.line(), it.column())))
    })
}

/// A reference that is derived from the key, so that a run with the same seed gives the same one.
fn reference(kind: &str, key: &str) -> String {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()).simple().to_string();
    format!("{kind}_{}", &id[..24])
}

impl From<StoreError> for GatewayError {
    fn from(error: StoreError) -> Self {
        GatewayError::Unreachable(Box::new(error))
    }
}
