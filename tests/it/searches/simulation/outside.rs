//! The payment provider and the post office: keyed by the booking as promised, and no better.

use std::collections::{BTreeMap, BTreeSet};

use booking::{
    domain::{
        RoleName,
        event::{Charge, NoCharge, Refund},
        ids::BookingId,
        money::Money,
        receipt::Receipt,
        request::PaymentToken,
    },
    gateway::{self, Charged, GatewayError, simulated::Movement},
    mailer::{MailError, Mailer},
};

use super::{
    faults::Fault,
    guards::Guard,
    world::{Op, Outage, Sim, World},
};

/// The gateway remembers keys for two hours: longer than any process sleeps between its claim and
/// its question, shorter than messages can be late. Stripe remembers them for a day.
const KEYS_KEPT_MS: i64 = 2 * 3_600_000;
/// For how long a look-up may miss an answer: far shorter than keys are remembered.
const LAG_MS_MAX: i64 = 600_000;
/// The failure that the gateway keeps under a key and repeats.
const FAILURE: u16 = 500;
const ROLE: RoleName = RoleName::Payment;

/// What the provider knows, and its own ledger.
#[derive(Default)]
pub struct Gateway {
    answers: BTreeMap<BookingId, (i64, Charged)>,
    refunds: BTreeMap<String, Refund>,
    /// Since when it repeats a failure, by idempotency key.
    failures: BTreeMap<String, i64>,
    pub ledger: Vec<Movement>,
    made: u64,
}

impl Gateway {
    fn moved(&self, movement: &str, booking: &BookingId) -> usize {
        let same = |it: &&Movement| it.movement == movement && it.booking == *booking;
        self.ledger.iter().filter(same).count()
    }

    /// Whether it repeats a failure under this key.
    fn repeats_failure(&self, key: &str, now_ms: i64) -> bool {
        self.failures.get(key).is_some_and(|since_ms| now_ms - since_ms <= KEYS_KEPT_MS)
    }

    /// Keeps a failure under this key, and fails.
    fn fail<T>(&mut self, key: &str, now_ms: i64) -> Result<T, GatewayError> {
        self.failures.insert(key.to_owned(), now_ms);
        Err(GatewayError::Failed { status: FAILURE, after: None })
    }

    fn reference(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}_{}", self.made)
    }
}

impl World {
    fn moves(&mut self, movement: &str, booking: &BookingId, reference: &str, amount: Money) {
        let line = Movement {
            movement: movement.to_owned(),
            booking: booking.clone(),
            reference: reference.to_owned(),
            amount,
        };
        self.note(format_args!("the gateway: {movement} of {amount} for {booking}"));
        self.gateway.ledger.push(line);
        let charges = self.gateway.moved("charge", booking);
        let refunds = self.gateway.moved("refund", booking);
        if charges > 1 || refunds > charges {
            let found = format!("{booking} was charged {charges} and refunded {refunds} times");
            self.watch.violates("H2 one net charge", found);
        }
    }
}

/// The gateway as payment sees it.
#[derive(Clone)]
pub struct SimGateway(pub Sim);

fn unreachable(world: &mut World) -> Result<(), GatewayError> {
    if world.down(Outage::Gateway, Fault::GatewayDown, ROLE, 4) {
        return Err(GatewayError::Unreachable("no route to the gateway".into()));
    }
    Ok(())
}

impl gateway::Gateway for SimGateway {
    async fn find(&self, booking: &BookingId) -> Result<Option<Charged>, GatewayError> {
        self.0.turn(Op::Effect).await;
        let world = &mut *self.0.lock();
        unreachable(world)?;
        if matches!(world.without, Some(Guard::ChargeKey | Guard::LookUp)) {
            return Ok(None);
        }
        let now_ms = world.now_ms;
        let Some((at_ms, answer)) = world.gateway.answers.get(booking).cloned() else {
            return Ok(None);
        };
        if now_ms - at_ms <= LAG_MS_MAX && world.strikes(Fault::LookUpLags, ROLE, 250) {
            return Ok(None);
        }
        if now_ms - at_ms > KEYS_KEPT_MS && world.unkind {
            world.count(Fault::ForgottenKey, ROLE);
        }
        Ok(Some(answer))
    }

    async fn charge(
        &self,
        booking: &BookingId,
        token: &PaymentToken,
        amount: Money,
    ) -> Result<Charged, GatewayError> {
        self.0.turn(Op::Effect).await;
        let world = &mut *self.0.lock();
        unreachable(world)?;
        if world.strikes(Fault::GatewayNever, ROLE, 10) {
            return Err(GatewayError::TimedOut);
        }
        let (key, now_ms) = (booking.as_str(), world.now_ms);
        if world.gateway.repeats_failure(key, now_ms) {
            return Err(GatewayError::FailedAsBefore { status: FAILURE });
        }
        let known = world.gateway.answers.get(booking);
        let known = known.filter(|(at_ms, _)| now_ms - at_ms <= KEYS_KEPT_MS);
        if let Some((_, answer)) = known
            && world.without != Some(Guard::ChargeKey)
        {
            return Ok(answer.clone());
        }
        if world.strikes(Fault::FailureKept, ROLE, 10) {
            return world.gateway.fail(key, now_ms);
        }
        let late = token.reveal() == "tok_timeout_then_ok";
        let answer = match token.reveal() {
            "tok_insufficient_funds" => Charged::No(NoCharge::InsufficientFunds),
            "tok_declined" => Charged::No(NoCharge::Declined),
            other => {
                let charge = world.gateway.reference("ch");
                let mut amount = amount;
                if ["tok_other_amount", "tok_other_money"].contains(&other) {
                    world.count(Fault::OtherAmount, ROLE);
                    amount = Money::new(amount.minor() + 1, amount.currency()).expect("small");
                }
                world.moves("charge", booking, &charge, amount);
                match other {
                    "tok_other_money" => Charged::Other { charge },
                    _ => Charged::Yes(Charge { charge, amount }),
                }
            }
        };
        world.gateway.answers.insert(booking.clone(), (now_ms, answer.clone()));
        if matches!(answer, Charged::No(_)) {
            world.count(Fault::Decline, ROLE);
        } else if world.strikes(Fault::GatewayAfter, ROLE, 15) {
            return Err(GatewayError::TimedOut);
        } else if world.strikes(Fault::FailureKeptAfter, ROLE, 10) {
            return world.gateway.fail(key, now_ms);
        } else if late {
            world.count(Fault::GatewayAfter, ROLE);
            return Err(GatewayError::TimedOut);
        }
        Ok(answer)
    }

    async fn refund(&self, booking: &BookingId, charge: &Charge) -> Result<Refund, GatewayError> {
        self.0.turn(Op::Effect).await;
        let world = &mut *self.0.lock();
        unreachable(world)?;
        // A charge can be given back once, however long ago that was and under whatever key.
        if let Some(refund) = world.gateway.refunds.get(&charge.charge) {
            return Ok(refund.clone());
        }
        let (key, now_ms) = (format!("{booking}:refund"), world.now_ms);
        if world.gateway.repeats_failure(&key, now_ms) {
            return Err(GatewayError::FailedAsBefore { status: FAILURE });
        }
        let fails = world.strikes(Fault::RefundFailureKept, ROLE, 40);
        if fails && world.rng.bool() {
            return world.gateway.fail(&key, now_ms);
        }
        let refund = Refund {
            refund: world.gateway.reference("re"),
            charge: charge.charge.clone(),
            amount: charge.amount,
        };
        world.moves("refund", booking, &refund.refund, charge.amount);
        world.gateway.refunds.insert(charge.charge.clone(), refund.clone());
        if fails {
            return world.gateway.fail(&key, now_ms);
        }
        if world.strikes(Fault::RefundAfter, ROLE, 40) {
            return Err(GatewayError::TimedOut);
        }
        Ok(refund)
    }

    async fn undo(&self, booking: &BookingId, charge: &str) -> Result<(), GatewayError> {
        let amount = {
            let world = self.0.lock();
            let mut ledger = world.gateway.ledger.iter();
            let line = ledger.find(|it| it.reference == charge);
            line.expect("only what was charged is given back").amount
        };
        self.refund(booking, &Charge { charge: charge.to_owned(), amount }).await.map(drop)
    }
}

/// Every receipt that went out, and every mail that says that one is void, by number: the same
/// number is the same mail.
#[derive(Default)]
pub struct Mailbox {
    pub sent: BTreeMap<String, Receipt>,
    /// Of which bookings, and whether it says that a receipt is void.
    bookings: BTreeSet<(BookingId, bool)>,
    pub times: u64,
}

/// The post office.
#[derive(Clone)]
pub struct SimMailer(pub Sim);

impl Mailer for SimMailer {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        self.0.turn(Op::Effect).await;
        let world = &mut *self.0.lock();
        let failed =
            |why: &str| MailError::Failed { number: receipt.number.clone(), source: why.into() };
        if world.strikes(Fault::MailRefused, RoleName::Receipt, 20) {
            return Err(failed("421 try again later"));
        }
        let voids = receipt.voids.is_some();
        if voids && world.without == Some(Guard::VoidMail) {
            return Ok(());
        }
        world.note(format_args!("the mailer sends {} for {}", receipt.number, receipt.booking));
        world.mailbox.times += 1;
        let before = world.mailbox.sent.insert(receipt.number.clone(), receipt.clone());
        let first = world.mailbox.bookings.insert((receipt.booking.clone(), voids));
        if before.as_ref().is_some_and(|it| it != receipt) || (before.is_none() && !first) {
            let found = format!("{} got a second, different receipt", receipt.booking);
            world.watch.violates("H4 one receipt", found);
        }
        let voided = receipt.voids.as_ref().map(|it| &it.number);
        if voided.is_some_and(|it| !world.mailbox.sent.contains_key(it)) {
            let found = format!("{} has no receipt that could be void", receipt.booking);
            world.watch.violates("H4 one receipt", found);
        }
        if world.strikes(Fault::MailUnsure, RoleName::Receipt, 20) {
            return Err(failed("the connection was lost after DATA"));
        }
        Ok(())
    }
}
