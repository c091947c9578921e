//! `booking resend`: a decision that was committed and whose message then died is said again.

use booking::{
    audit::Evidence,
    clock::Clock,
    domain::{
        RoleName,
        event::{Event, Kind},
        schedule::Schedule,
        seats::Seats,
    },
    durability::Durability,
    http::view::BookingView,
    roles::{SeatsRole, StatusRole},
    runtime::{UnitOfWork, look_up},
    store::sqlite::{Engine, Inline},
    wiring::store_file,
};
use jiff::SignedDuration;

use crate::harness::{Account, Folder, LocalStack, Sketch, all_four, binary};

fn resend(account: &Account, folder: &Folder, role: &str, id: &str) -> (Option<i32>, String) {
    let output = binary()
        .args(["resend", role, id, "--prefix", &account.prefix, "--data"])
        .arg(folder.path())
        .env("BOOKING_MAILER", "folder")
        .env("BOOKING_MAIL_FROM", "Shop <shop@example.com>")
        .envs(LocalStack::running().environment())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Failure matrix: A26, E13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_decision_is_announced_again_and_a_receipt_is_sent_again() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let sketch = Sketch::new("b-1", &["12A"], "tok_visa");
    // Seats decided, and its message died before anything was published.
    let engine = Engine::open(
        &store_file(folder.path(), RoleName::Seats),
        RoleName::Seats,
        Durability::PowerFailure,
    );
    let role = Seats { schedule: Schedule::sample(), hold_limit: SignedDuration::from_mins(15) };
    let work = UnitOfWork::new(SeatsRole(role), Inline::new(engine.unwrap()), Clock::Machine);
    work.attend(&sketch.event()).await.unwrap();
    drop(work);

    let services = all_four(&account.prefix, folder.path()).await;
    for role in [RoleName::Payment, RoleName::Receipt, RoleName::Status] {
        let url = account.url(&account.names.queue(role)).await;
        let send = account.sqs.send_message().queue_url(url).message_body(sketch.cloud_event());
        send.send().await.unwrap();
    }
    let (code, said) = resend(&account, &folder, "seats", "b-1");
    assert_eq!((code, said.as_str()), (Some(0), "seats  b-1  announced again: seat-booked\n"));
    assert_eq!(services[3].ending("b-1").await["phase"], "completed");

    let receipts = folder.join("receipts");
    let letter = || std::fs::read_dir(&receipts).unwrap().next().map(|it| it.unwrap().path());
    let file = letter().unwrap();
    std::fs::remove_file(&file).unwrap();
    let (code, said) = resend(&account, &folder, "receipt", "b-1");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("sent again: receipt R-") && said.contains("receipt-sent"), "{said}");
    assert_eq!(letter(), Some(file));
    let text = std::fs::read_to_string(letter().unwrap()).unwrap();
    assert!(text.contains("shop@example.com"), "{text}");

    assert_eq!(resend(&account, &folder, "payment", "nobody").0, Some(1));
    assert_eq!(resend(&account, &folder, "status", "b-1").0, Some(78));
    drop(services);
    assert_eq!(Evidence::read(folder.path()).unwrap().violations(), []);
}

/// Failure matrix: F10, F13, F14.
#[tokio::test]
async fn an_open_booking_says_what_it_waits_for_since_when_and_that_it_is_stuck() {
    let folder = Folder::new();
    let file = folder.join("status.db");
    let engine = Engine::open(&file, RoleName::Status, Durability::PowerFailure).unwrap();
    let heard: jiff::Timestamp = "2027-02-01T09:30:00Z".parse().unwrap();
    let store = Inline::new(engine);
    let work = UnitOfWork::new(booking::roles::StatusRole, store, Clock::manual(heard));
    // A client may say what time it likes: what counts is when it was heard.
    let time = "9999-01-01T00:00:00Z".parse().unwrap();
    let request = Event { time, ..Sketch::new("b-1", &["12A"], "tok_visa").event() };
    work.attend(&request).await.unwrap();
    // From the store alone: no queue is asked.
    let kept = look_up(work.store(), &request.booking).await.unwrap().unwrap();
    let view = |minutes| {
        let now = heard + SignedDuration::from_mins(minutes);
        BookingView::of(&request.booking, &kept.row, now, SignedDuration::from_mins(2))
    };
    assert!(!view(1).stuck && view(3).stuck);
    assert_eq!(view(3).as_of, Some(heard), "how old the newest fact is");
    let waits: Vec<(String, String)> =
        view(3).waiting_for.into_iter().map(|it| (it.event, it.from)).collect();
    let wanted = [(Kind::SeatBooked, "seats"), (Kind::PaymentOk, "payment")];
    assert_eq!(waits, wanted.map(|(kind, from)| (kind.to_string(), from.to_owned())));
    assert!(view(3).waiting_for.iter().all(|it| it.since == heard));
}

#[tokio::test]
async fn a_booking_that_has_ended_is_never_stuck_and_without_seats_its_receipt_is_void() {
    let heard: jiff::Timestamp = "2027-02-01T09:30:00Z".parse().unwrap();
    let engine = Engine::open(":memory:".as_ref(), RoleName::Status, Durability::ProcessDeath);
    let store = Inline::new(engine.unwrap());
    let work = UnitOfWork::new(StatusRole, store, Clock::manual(heard));
    let sketch = Sketch::new("b-1", &["12A"], "tok_visa");
    work.attend(&sketch.event()).await.unwrap();
    let booking = sketch.event().booking;
    let view = async || {
        let stored = look_up(work.store(), &booking).await.unwrap().unwrap();
        let year_later = heard + SignedDuration::from_hours(24 * 365);
        BookingView::of(&booking, &stored.row, year_later, SignedDuration::from_mins(2))
    };
    assert!(view().await.stuck);
    for kind in [Kind::SeatBooked, Kind::PaymentOk, Kind::ReceiptSent] {
        work.attend(&sketch.heard(kind)).await.unwrap();
    }
    let ended = view().await;
    assert!(ended.is_final && !ended.stuck);
    assert!(ended.receipt.is_some_and(|it| it.valid));
    work.attend(&sketch.heard(Kind::SeatUnavailable)).await.unwrap();
    assert!(view().await.receipt.is_some_and(|it| !it.valid));
}
