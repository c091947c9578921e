//! A payment provider in a file. The token says how a charge ends:
//!
//! | token | ending |
//! |---|---|
//! | `tok_visa` | charged |
//! | `tok_declined` | declined |
//! | `tok_insufficient_funds` | declined for want of funds |
//! | `tok_timeout_then_ok` | charged, but the first answer comes too late |
//! | any other | declined |
//!
//! Idempotency keys and the ledger are in `gateway.db`, shared by all processes that open it, and
//! survive the death of any of them. The ledger has one line for each movement of money: a charge
//! made twice would stand there twice.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::{Charged, Gateway, GatewayError};
use crate::{
    domain::{
        event::{Charge, NoCharge, Refund},
        ids::BookingId,
        money::{Currency, Money},
        request::PaymentToken,
    },
    durability::Durability,
};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS answers (
        key    TEXT PRIMARY KEY,
        asked  TEXT NOT NULL,
        answer TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS ledger (
        line      INTEGER PRIMARY KEY,
        movement  TEXT NOT NULL CHECK (movement IN ('charge', 'refund')),
        booking   TEXT NOT NULL,
        reference TEXT NOT NULL,
        minor     INTEGER NOT NULL,
        currency  TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS ledger_by_booking ON ledger (booking, movement);";

/// How long to wait for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A movement of money, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// `charge` or `refund`.
    pub movement: String,
    /// The booking it was made for.
    pub booking: BookingId,
    /// The provider's reference.
    pub reference: String,
    /// How much.
    pub amount: Money,
}

/// The provider in a file. Copies share it.
#[derive(Clone, Debug)]
pub struct SimulatedGateway {
    file: Arc<Mutex<Connection>>,
    /// How long the late answer of `tok_timeout_then_ok` keeps its caller waiting.
    patience: Duration,
}

impl SimulatedGateway {
    /// Opens the file, and makes it if it is not there. `patience`: how long a caller waits before
    /// a late answer counts as none.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(
        path: &Path,
        patience: Duration,
        durability: Durability,
    ) -> Result<SimulatedGateway, GatewayError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", durability.synchronous())?;
        connection.execute_batch(SCHEMA)?;
        Ok(SimulatedGateway { file: Arc::new(Mutex::new(connection)), patience })
    }

    /// Every movement of money, in order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn ledger(&self) -> Result<Vec<Movement>, GatewayError> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut select = file.prepare(
            "SELECT movement, booking, reference, minor, currency FROM ledger ORDER BY line",
        )?;
        let lines = select.query_map([], |row| {
            let line: (String, String, String, u64, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(line)
        })?;
        lines
            .map(|line| {
                let (movement, booking, reference, minor, currency) = line?;
                let booking = BookingId::parse(&booking);
                let amount = Currency::parse(&currency).and_then(|it| Money::new(minor, it));
                match (booking, amount) {
                    (Ok(booking), Ok(amount)) => {
                        Ok(Movement { movement, booking, reference, amount })
                    }
                    _ => Err(GatewayError::Refused("the ledger has a line that no charge wrote")),
                }
            })
            .collect()
    }

    /// Does `work` in one transaction, away from the threads that poll.
    async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, GatewayError> + Send + 'static,
    ) -> Result<T, GatewayError> {
        let file = Arc::clone(&self.file);
        let done = tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let answer = work(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        });
        done.await.map_err(|it| GatewayError::Unreachable(Box::new(it)))?
    }
}

impl Gateway for SimulatedGateway {
    async fn find(&self, booking: &BookingId) -> Result<Option<Charge>, GatewayError> {
        let booking = booking.clone();
        self.transact(move |file| {
            let line = file
                .query_row(
                    "SELECT reference, minor, currency FROM ledger
                     WHERE booking = ?1 AND movement = 'charge'",
                    [booking.as_str()],
                    |row| {
                        Ok((
                            row.get::<_, String>(0)?,
                            row.get::<_, u64>(1)?,
                            row.get::<_, String>(2)?,
                        ))
                    },
                )
                .optional()?;
            let Some((charge, minor, currency)) = line else { return Ok(None) };
            let amount = Currency::parse(&currency).and_then(|it| Money::new(minor, it));
            let amount =
                amount.map_err(|_| GatewayError::Refused("an amount that no charge wrote"))?;
            Ok(Some(Charge { charge, amount }))
        })
        .await
    }

    async fn charge(
        &self,
        booking: &BookingId,
        token: &PaymentToken,
        amount: Money,
    ) -> Result<Charged, GatewayError> {
        let (booking, token) = (booking.clone(), token.reveal().to_owned());
        let late = token == "tok_timeout_then_ok";
        let (answer, first) = self
            .transact(move |file| {
                let key = booking.as_str();
                let asked = format!("charge {amount} {token}");
                if let Some(answer) = known(file, key, &asked)? {
                    return Ok((answer, false));
                }
                let charge = match token.as_str() {
                    "tok_visa" | "tok_timeout_then_ok" => Ok(reference("ch", key)),
                    "tok_insufficient_funds" => Err(NoCharge::InsufficientFunds),
                    _ => Err(NoCharge::Declined),
                };
                if let Ok(reference) = &charge {
                    write(file, "charge", &booking, reference, amount)?;
                }
                let answer = match charge {
                    Ok(charge) => format!("ok {charge}"),
                    Err(reason) => format!("no {reason}"),
                };
                keep(file, key, &asked, &answer)?;
                Ok((answer, true))
            })
            .await?;
        if first && late {
            tokio::time::sleep(self.patience).await;
            return Err(GatewayError::TimedOut);
        }
        match answer.split_once(' ') {
            Some(("ok", charge)) => Ok(Charged::Yes(Charge { charge: charge.to_owned(), amount })),
            Some(("no", reason)) => {
                Ok(Charged::No(NoCharge::parse(reason).unwrap_or(NoCharge::Declined)))
            }
            _ => Err(GatewayError::Refused("an answer that no charge wrote")),
        }
    }

    async fn refund(&self, booking: &BookingId, charge: &Charge) -> Result<Refund, GatewayError> {
        let (booking, charge) = (booking.clone(), charge.clone());
        self.transact(move |file| {
            let key = format!("{booking}:refund");
            let asked = format!("refund {} {}", charge.amount, charge.charge);
            let refund = match known(file, &key, &asked)? {
                Some(refund) => refund,
                None => {
                    let refund = reference("re", &key);
                    write(file, "refund", &booking, &refund, charge.amount)?;
                    keep(file, &key, &asked, &refund)?;
                    refund
                }
            };
            Ok(Refund { refund, charge: charge.charge, amount: charge.amount })
        })
        .await
    }
}

/// The answer that was given under this key; the same key with another question is refused.
fn known(file: &Transaction<'_>, key: &str, asked: &str) -> Result<Option<String>, GatewayError> {
    let kept = file
        .query_row("SELECT asked, answer FROM answers WHERE key = ?1", [key], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    match kept {
        Some((before, answer)) if before == asked => Ok(Some(answer)),
        Some(_) => Err(GatewayError::Refused("the idempotency key was used for something else")),
        None => Ok(None),
    }
}

fn keep(file: &Transaction<'_>, key: &str, asked: &str, answer: &str) -> Result<(), GatewayError> {
    file.execute("INSERT INTO answers VALUES (?1, ?2, ?3)", [key, asked, answer])?;
    Ok(())
}

fn write(
    file: &Transaction<'_>,
    movement: &str,
    booking: &BookingId,
    reference: &str,
    amount: Money,
) -> Result<(), GatewayError> {
    file.execute(
        "INSERT INTO ledger (movement, booking, reference, minor, currency) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![movement, booking.as_str(), reference, amount.minor(), amount.currency().code()],
    )?;
    Ok(())
}

/// A reference that follows from the key, so that a run with a seed can be repeated.
fn reference(kind: &str, key: &str) -> String {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()).simple().to_string();
    format!("{kind}_{}", &id[..24])
}

impl From<rusqlite::Error> for GatewayError {
    fn from(error: rusqlite::Error) -> Self {
        GatewayError::Unreachable(Box::new(error))
    }
}
