//! The contract of a payment provider, on the simulated one.

use std::time::Duration;

use booking::{
    domain::{event::NoCharge, ids::BookingId, money::Money, request::PaymentToken},
    durability::Durability,
    gateway::{Charged, Gateway, GatewayError, simulated::SimulatedGateway},
};

use crate::harness::Folder;

fn open(folder: &Folder) -> SimulatedGateway {
    SimulatedGateway::open(&folder.join("gateway.db"), Duration::ZERO, Durability::PowerFailure)
        .unwrap()
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

#[tokio::test]
async fn the_token_says_how_a_charge_ends() {
    let folder = Folder::new();
    let gateway = open(&folder);
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
    assert_eq!(gateway.ledger().unwrap().len(), 1);
}

#[tokio::test]
async fn d4_the_same_key_charges_once_and_answers_the_same_in_every_process() {
    let folder = Folder::new();
    let (one, other) = (open(&folder), open(&folder));
    let (a, visa) = (booking("a"), token("tok_visa"));
    let (first, second) =
        tokio::join!(one.charge(&a, &visa, fare()), other.charge(&a, &visa, fare()));
    assert_eq!(first.unwrap(), second.unwrap());
    drop((one, other));
    let again = open(&folder);
    assert!(matches!(again.charge(&a, &visa, fare()).await.unwrap(), Charged::Yes(_)));
    assert_eq!(again.ledger().unwrap().len(), 1);
    assert!(again.find(&a).await.unwrap().is_some());
    assert!(again.find(&booking("b")).await.unwrap().is_none());
}

#[tokio::test]
async fn d3_a_late_answer_is_none_and_asking_again_charges_nothing_more() {
    let folder = Folder::new();
    let gateway = open(&folder);
    let (a, late) = (booking("a"), token("tok_timeout_then_ok"));
    assert!(matches!(gateway.charge(&a, &late, fare()).await, Err(GatewayError::TimedOut)));
    assert_eq!(gateway.ledger().unwrap().len(), 1, "it was charged all the same");
    assert!(matches!(gateway.charge(&a, &late, fare()).await, Ok(Charged::Yes(_))));
    assert_eq!(gateway.ledger().unwrap().len(), 1);
}

#[tokio::test]
async fn d9_a_refund_is_made_once() {
    let folder = Folder::new();
    let gateway = open(&folder);
    let a = booking("a");
    let Charged::Yes(charge) = gateway.charge(&a, &token("tok_visa"), fare()).await.unwrap() else {
        panic!("tok_visa is charged");
    };
    let first = gateway.refund(&a, &charge).await.unwrap();
    assert_eq!(gateway.refund(&a, &charge).await.unwrap(), first);
    assert_eq!(gateway.ledger().unwrap().len(), 2);
}

#[tokio::test]
async fn d17_the_same_key_for_something_else_is_refused() {
    let folder = Folder::new();
    let gateway = open(&folder);
    let a = booking("a");
    gateway.charge(&a, &token("tok_visa"), fare()).await.unwrap();
    let other = Money::parse("EUR 1.00").unwrap();
    let answer = gateway.charge(&a, &token("tok_visa"), other).await;
    assert!(matches!(answer, Err(GatewayError::Refused(_))));
    assert_eq!(gateway.ledger().unwrap().len(), 1);
}
