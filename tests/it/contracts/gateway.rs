//! The contract of a payment provider. It runs against the simulated gateway over a file and over a
//! table, and against Stripe: localstripe behind a front that adds what localstripe lacks (see
//! tests/it/peers/stripe.py). No test here may depend on which provider it runs against.

use std::time::Duration;

use booking::{
    domain::{
        RoleName,
        event::{Charge, NoCharge, Refund},
        ids::BookingId,
        money::Money,
        request::PaymentToken,
    },
    durability::Durability,
    gateway::{Charged, Gateway, GatewayError, simulated::SimulatedGateway, stripe::StripeGateway},
    store::sqlite::{Engine, Sqlite},
    wiring::{AnyStore, gateway_file},
};
use futures_util::future::join_all;

use crate::harness::{Folder, Stripe, Tables, eventually, skipped, unique};

/// How many tasks make the same request at once.
const ASKERS: usize = 100;

/// Where a provider keeps its charges.
enum Place {
    File(Folder),
    Table(Box<Tables>),
    Stripe(&'static Stripe),
}

/// A provider as one process opens it.
enum Provider {
    Simulated(SimulatedGateway<AnyStore>),
    Stripe(StripeGateway),
}

impl Place {
    /// A new place of each kind.
    async fn all() -> Vec<Place> {
        let mut places = vec![Place::File(Folder::new())];
        if !skipped("dynamodb") {
            places.push(Place::Table(Box::new(Tables::make().await)));
        }
        if !skipped("stripe") {
            places.push(Place::Stripe(Stripe::running()));
        }
        places
    }

    /// Opens the provider as another process or a restart would.
    async fn open(&self) -> Provider {
        let rows = match self {
            Place::File(folder) => {
                let file = gateway_file(folder.path());
                let engine = Engine::open(&file, RoleName::Payment, Durability::PowerFailure);
                AnyStore::File(Sqlite::start(engine.unwrap()).unwrap())
            }
            Place::Table(tables) => AnyStore::Table(tables.open(RoleName::Payment).await),
            Place::Stripe(stripe) => return Provider::Stripe(stripe.gateway()),
        };
        Provider::Simulated(SimulatedGateway::new(rows, Duration::ZERO))
    }

    /// How often money moved for a booking, counted in the provider's own records.
    async fn moved(&self, booking: &BookingId) -> usize {
        match self.open().await {
            Provider::Simulated(it) => it.ledger_of(booking).await.unwrap().len(),
            Provider::Stripe(_) => {
                let moved = Stripe::running().moved_of(booking).await;
                moved.charges.len() + moved.refunds.len()
            }
        }
    }
}

impl Gateway for Provider {
    async fn find(&self, booking: &BookingId) -> Result<Option<Charged>, GatewayError> {
        match self {
            Provider::Simulated(it) => it.find(booking).await,
            Provider::Stripe(it) => it.find(booking).await,
        }
    }

    async fn charge(
        &self,
        booking: &BookingId,
        token: &PaymentToken,
        amount: Money,
    ) -> Result<Charged, GatewayError> {
        match self {
            Provider::Simulated(it) => it.charge(booking, token, amount).await,
            Provider::Stripe(it) => it.charge(booking, token, amount).await,
        }
    }

    async fn refund(&self, booking: &BookingId, charge: &Charge) -> Result<Refund, GatewayError> {
        match self {
            Provider::Simulated(it) => it.refund(booking, charge).await,
            Provider::Stripe(it) => it.refund(booking, charge).await,
        }
    }

    async fn undo(&self, booking: &BookingId, charge: &str) -> Result<(), GatewayError> {
        match self {
            Provider::Simulated(it) => it.undo(booking, charge).await,
            Provider::Stripe(it) => it.undo(booking, charge).await,
        }
    }
}

/// A booking id that no other test uses, because all tests share one Stripe account.
pub fn booking(name: &str) -> BookingId {
    BookingId::parse(&format!("{}{name}", unique("g"))).unwrap()
}

pub fn token(text: &str) -> PaymentToken {
    PaymentToken::parse(text).unwrap()
}

pub fn fare() -> Money {
    Money::parse("EUR 129.00").unwrap()
}

/// Repeats a request until there is an answer, as the redeliveries of a queue do.
async fn answered<T>(mut ask: impl AsyncFnMut() -> Result<T, GatewayError>) -> T {
    eventually("an answer of the provider", async || match ask().await {
        Ok(it) => Some(it),
        Err(
            GatewayError::NotNow { .. }
            | GatewayError::Undecided { .. }
            | GatewayError::TimedOut
            | GatewayError::Unreachable(_),
        ) => None,
        Err(other) => panic!("{other}"),
    })
    .await
}

async fn charged(gateway: &impl Gateway, booking: &BookingId) -> Charge {
    let token = token("tok_visa");
    match answered(async || gateway.charge(booking, &token, fare()).await).await {
        Charged::Yes(charge) => charge,
        other => panic!("tok_visa is charged, and not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_says_how_a_charge_ends() {
    for place in Place::all().await {
        let gateway = place.open().await;
        for (text, reason) in [
            ("tok_declined", NoCharge::Declined),
            ("tok_insufficient_funds", NoCharge::InsufficientFunds),
            ("tok_nobody_knows", NoCharge::Declined),
        ] {
            let id = booking(text);
            let answer = gateway.charge(&id, &token(text), fare()).await.unwrap();
            assert_eq!(answer, Charged::No(reason), "{text}");
            assert_eq!(place.moved(&id).await, 0);
        }
        let id = booking("a");
        let answer = gateway.charge(&id, &token("tok_visa"), fare()).await.unwrap();
        assert!(matches!(answer, Charged::Yes(charge) if charge.amount == fare()));
        assert_eq!(place.moved(&id).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_amount_comes_back_as_it_was_asked_for_in_every_way_of_counting() {
    for place in Place::all().await {
        let gateway = place.open().await;
        for text in ["JPY 12900", "KWD 12.340", "ISK 500", "HUF 100.50", "USD 0.50"] {
            let amount = Money::parse(text).unwrap();
            let answer = gateway.charge(&booking("a"), &token("tok_visa"), amount).await.unwrap();
            assert!(matches!(answer, Charged::Yes(charge) if charge.amount == amount), "{text}");
        }
    }
}

/// Failure matrix: D4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_charges_once_and_answers_the_same_in_every_process() {
    for place in Place::all().await {
        let (one, other) = (place.open().await, place.open().await);
        let a = booking("a");
        let (first, second) = tokio::join!(charged(&one, &a), charged(&other, &a));
        assert_eq!(first, second);
        drop((one, other));
        let again = place.open().await;
        assert_eq!(charged(&again, &a).await, first);
        assert_eq!(place.moved(&a).await, 1);
        assert_eq!(again.find(&a).await.unwrap(), Some(Charged::Yes(first)));
        assert!(again.find(&booking("b")).await.unwrap().is_none());
    }
}

/// Failure matrix: D3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_is_none_and_asking_again_charges_nothing_more() {
    for place in Place::all().await {
        let gateway = place.open().await;
        let (a, late) = (booking("a"), token("tok_timeout_then_ok"));
        assert!(matches!(gateway.charge(&a, &late, fare()).await, Err(GatewayError::TimedOut)));
        assert_eq!(place.moved(&a).await, 1, "it was charged all the same");
        let found = gateway.find(&a).await.unwrap();
        let amount = |it: &Charged| matches!(it, Charged::Yes(it) if it.amount == fare());
        assert!(found.as_ref().is_some_and(amount), "and can be looked up");
        let again = gateway.charge(&a, &late, fare()).await.unwrap();
        assert_eq!(Some(again), found);
        assert_eq!(place.moved(&a).await, 1);
    }
}

/// Failure matrix: D20.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decline_is_kept_and_the_look_up_finds_it() {
    for place in Place::all().await {
        let (a, poor) = (booking("a"), token("tok_insufficient_funds"));
        for _ in 0..3 {
            let gateway = place.open().await;
            let answer = gateway.charge(&a, &poor, fare()).await.unwrap();
            assert_eq!(answer, Charged::No(NoCharge::InsufficientFunds));
            assert_eq!(gateway.find(&a).await.unwrap(), Some(answer), "the look-up knows it");
        }
        assert_eq!(place.moved(&a).await, 0);
        assert_eq!(place.open().await.find(&booking("b")).await.unwrap(), None);
    }
}

/// Failure matrix: D9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_is_made_once() {
    for place in Place::all().await {
        let gateway = place.open().await;
        let a = booking("a");
        let charge = charged(&gateway, &a).await;
        let first = gateway.refund(&a, &charge).await.unwrap();
        assert_eq!((&first.charge, first.amount), (&charge.charge, charge.amount));
        assert_eq!(gateway.refund(&a, &charge).await.unwrap(), first);
        assert_eq!(place.open().await.refund(&a, &charge).await.unwrap(), first);
        assert_eq!(place.moved(&a).await, 2);
    }
}

/// Failure matrix: D18.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_undone_twice_is_given_back_once() {
    for place in Place::all().await {
        let gateway = place.open().await;
        let a = booking("a");
        let charge = charged(&gateway, &a).await;
        gateway.undo(&a, &charge.charge).await.unwrap();
        gateway.undo(&a, &charge.charge).await.unwrap();
        place.open().await.undo(&a, &charge.charge).await.unwrap();
        assert_eq!(place.moved(&a).await, 2);
    }
}

/// Failure matrix: D17.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_for_something_else_is_refused() {
    for place in Place::all().await {
        let gateway = place.open().await;
        let a = booking("a");
        charged(&gateway, &a).await;
        let other = Money::parse("EUR 1.00").unwrap();
        let answer = gateway.charge(&a, &token("tok_visa"), other).await;
        assert!(matches!(answer, Err(GatewayError::Refused(_))));
        assert_eq!(place.moved(&a).await, 1);
    }
}

/// Failure matrix: D5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_who_ask_at_once_charge_once_and_refund_once() {
    for place in Place::all().await {
        let gateway = place.open().await;
        let a = booking("a");
        let charges = join_all((0..ASKERS).map(|_| charged(&gateway, &a))).await;
        assert!(charges.iter().all(|it| *it == charges[0]));
        let refund = || answered(async || gateway.refund(&a, &charges[0]).await);
        let refunds = join_all((0..ASKERS).map(|_| refund())).await;
        assert!(refunds.iter().all(|it| *it == refunds[0]));
        assert_eq!(place.moved(&a).await, 2);
    }
}
