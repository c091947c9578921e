//! The contract of a payment provider, on the simulated one: over a file, and over a table.

use std::time::Duration;

use booking::{
    domain::{RoleName, event::NoCharge, ids::BookingId, money::Money, request::PaymentToken},
    durability::Durability,
    gateway::{Charged, Gateway, GatewayError, simulated::SimulatedGateway},
    store::sqlite::{Engine, Sqlite},
    wiring::{AnyStore, gateway_file},
};

use crate::harness::{Folder, Tables, skipped};

/// Where a provider's rows can be.
enum Place {
    File(Folder),
    Table(Box<Tables>),
}

impl Place {
    /// A new one of each.
    async fn all() -> Vec<Place> {
        let mut places = vec![Place::File(Folder::new())];
        if !skipped("dynamodb") {
            places.push(Place::Table(Box::new(Tables::make().await)));
        }
        places
    }

    /// Opens the provider, as another process or a restart would.
    async fn open(&self) -> SimulatedGateway<AnyStore> {
        let rows = match self {
            Place::File(folder) => {
                let file = gateway_file(folder.path());
                let engine = Engine::open(&file, RoleName::Payment, Durability::PowerFailure);
                AnyStore::File(Sqlite::start(engine.unwrap()).unwrap())
            }
            Place::Table(tables) => AnyStore::Table(tables.open(RoleName::Payment).await),
        };
        SimulatedGateway::new(rows, Duration::ZERO)
    }
}

async fn moved(gateway: &SimulatedGateway<AnyStore>, booking: &BookingId) -> usize {
    gateway.ledger_of(booking).await.unwrap().len()
}

fn booking(id: &str) -> BookingId {
    BookingId::parse(id).unwrap()
}

fn token(text: &str) -> PaymentToken {
    PaymentToken::parse(text).unwrap()
}

fn fare() -> Money {
    Money::parse("EUR 129.00").unwrap()
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
            let answer = gateway.charge(&booking(text), &token(text), fare()).await.unwrap();
            assert_eq!(answer, Charged::No(reason), "{text}");
        }
        let answer = gateway.charge(&booking("a"), &token("tok_visa"), fare()).await.unwrap();
        assert!(matches!(answer, Charged::Yes(charge) if charge.amount == fare()));
        assert_eq!(moved(&gateway, &booking("a")).await, 1);
        assert_eq!(moved(&gateway, &booking("tok_declined")).await, 0);
    }
}

/// Failure matrix: D4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_charges_once_and_answers_the_same_in_every_process() {
    for place in Place::all().await {
        let (one, other) = (place.open().await, place.open().await);
        let (a, visa) = (booking("a"), token("tok_visa"));
        let (first, second) =
            tokio::join!(one.charge(&a, &visa, fare()), other.charge(&a, &visa, fare()));
        assert_eq!(first.unwrap(), second.unwrap());
        drop((one, other));
        let again = place.open().await;
        assert!(matches!(again.charge(&a, &visa, fare()).await.unwrap(), Charged::Yes(_)));
        assert_eq!(moved(&again, &a).await, 1);
        assert!(again.find(&a).await.unwrap().is_some());
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
        assert_eq!(moved(&gateway, &a).await, 1, "it was charged all the same");
        assert!(matches!(gateway.charge(&a, &late, fare()).await, Ok(Charged::Yes(_))));
        assert_eq!(moved(&gateway, &a).await, 1);
    }
}

/// Failure matrix: D9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_is_made_once() {
    for place in Place::all().await {
        let gateway = place.open().await;
        let a = booking("a");
        let Charged::Yes(charge) = gateway.charge(&a, &token("tok_visa"), fare()).await.unwrap()
        else {
            panic!("tok_visa is charged");
        };
        let first = gateway.refund(&a, &charge).await.unwrap();
        assert_eq!(gateway.refund(&a, &charge).await.unwrap(), first);
        assert_eq!(moved(&gateway, &a).await, 2);
    }
}

/// Failure matrix: D17.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_for_something_else_is_refused() {
    for place in Place::all().await {
        let gateway = place.open().await;
        let a = booking("a");
        gateway.charge(&a, &token("tok_visa"), fare()).await.unwrap();
        let other = Money::parse("EUR 1.00").unwrap();
        let answer = gateway.charge(&a, &token("tok_visa"), other).await;
        assert!(matches!(answer, Err(GatewayError::Refused(_))));
        assert_eq!(moved(&gateway, &a).await, 1);
    }
}
