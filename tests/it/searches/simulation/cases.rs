//! What a seed once found, each as the shortest story that shows it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use booking::{
    clock::Clock,
    domain::{
        RoleName,
        event::{Event, Kind},
        receipt::Receipt,
        status::Record,
    },
    durability::Durability,
    mailer::{MailError, Mailer},
    roles::{ReceiptRole, StatusRole},
    runtime::{Outcome, UnitOfWork, look_up},
    store::sqlite::{Engine, Inline},
    wire::Message,
};
use jiff::SignedDuration;

use super::verdict::judge;
use crate::harness::Sketch;

/// Seeds that failed once, and what it was.
const FAILED_ONCE: [(u64, &str); 4] = [
    (841, "a receipt that was sent and never said"),
    (
        16,
        "the watch took two requests under one event id for one, while a delete waited for its batch",
    ),
    (8138, "the watch blamed a late duplicate for what the event that claimed still owed"),
    (40, "status heard a fact again, and said that it had been heard at another time"),
];

#[test]
fn seeds_that_failed_once_hold() {
    for (seed, what) in FAILED_ONCE {
        let verdict = judge(seed, super::BOOKINGS, None, false);
        assert_eq!(verdict.violations, Vec::<String>::new(), "seed {seed}: {what}");
    }
}

#[derive(Clone, Default)]
struct Moody(Arc<AtomicBool>);

impl Mailer for Moody {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        if self.0.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(MailError::Failed { number: receipt.number.clone(), source: "421".into() })
    }
}

/// The request is delivered twice at once. The first delivery is dealt with and the message
/// deleted; the second sleeps, wakes while another event's receipt waits for the mailer, and dies
/// between its commit and its publish. Its message is gone, so nobody says what it kept: the event
/// that asked for the receipt must have been the one to settle it.
#[tokio::test]
async fn seed_841_a_delivery_whose_message_is_gone_has_not_the_last_word_on_a_receipt() {
    let engine = Engine::open(":memory:".as_ref(), RoleName::Receipt, Durability::ProcessDeath);
    let mailer = Moody::default();
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    let work = UnitOfWork::new(ReceiptRole(mailer.clone()), Inline::new(engine.unwrap()), clock);
    let sketch = Sketch::new("b-1", &["12A"], "tok_visa");
    let request = sketch.event();
    let (booked, paid) = (sketch.heard(Kind::SeatBooked), sketch.heard(Kind::PaymentOk));

    work.attend(&request).await.unwrap();
    work.attend(&paid).await.unwrap();
    work.attend(&booked).await.unwrap_err();
    mailer.0.store(true, Ordering::SeqCst);
    // The second delivery of the request: whatever it commits, it publishes nothing.
    work.attend(&request).await.unwrap();

    let Outcome::Announce { messages, .. } = work.attend(&booked).await.unwrap() else {
        panic!("it was set aside")
    };
    let said: Vec<Kind> = messages.iter().map(|it: &Message| it.kind).collect();
    assert_eq!(said, [Kind::ReceiptSent]);
}

/// As above, and what sleeps is another request under the very same event id (B3): who claimed is
/// told apart by its request as well.
#[tokio::test]
async fn a_delivery_of_another_request_under_one_event_id_has_not_the_last_word_either() {
    let engine = Engine::open(":memory:".as_ref(), RoleName::Receipt, Durability::ProcessDeath);
    let mailer = Moody::default();
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    let work = UnitOfWork::new(ReceiptRole(mailer.clone()), Inline::new(engine.unwrap()), clock);
    let sketch = Sketch::new("b-1", &["12A"], "tok_visa");
    let request = sketch.event();
    let other = Sketch::new("b-1", &["12B"], "tok_visa").event();
    let other = Event { cause: request.cause.clone(), ..other };

    for it in [&other, &sketch.heard(Kind::SeatBooked), &sketch.heard(Kind::PaymentOk)] {
        work.attend(it).await.unwrap();
    }
    work.attend(&request).await.unwrap_err();
    mailer.0.store(true, Ordering::SeqCst);
    work.attend(&other).await.unwrap();

    let Outcome::Announce { messages, .. } = work.attend(&request).await.unwrap() else {
        panic!("it was set aside")
    };
    let said: Vec<Kind> = messages.iter().map(|it: &Message| it.kind).collect();
    assert_eq!(said, [Kind::ReceiptSent]);
}

/// Status hears a fact while its clock is a year ahead, and again when that is right: the row said
/// that it had been heard earlier, and nothing had happened (A25).
#[tokio::test]
async fn seed_40_what_is_heard_again_under_another_clock_was_heard_when_it_was_heard_first() {
    let engine = Engine::open(":memory:".as_ref(), RoleName::Status, Durability::ProcessDeath);
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    let work = UnitOfWork::new(StatusRole, Inline::new(engine.unwrap()), clock.clone());
    let request = Sketch::new("b-1", &["12A"], "tok_visa").event();
    let record = async || {
        let kept = look_up::<Record>(work.store(), &request.booking).await;
        kept.unwrap().unwrap().row
    };

    let year = SignedDuration::from_hours(24 * 365);
    clock.step(year);
    work.attend(&request).await.unwrap();
    let before = record().await;
    clock.step(-year);
    work.attend(&request).await.unwrap();
    assert_eq!(record().await, before);
}
