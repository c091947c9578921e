//! What the thread that writes letters does, and what is left when it is killed.

use super::*;
use crate::domain::{
    ids::BookingId,
    money::Money,
    receipt::Addressee,
    request::Passenger,
    seat::{FlightNo, SeatId, Seating},
};

fn receipt(number: &str) -> Receipt {
    Receipt {
        number: number.to_owned(),
        booking: BookingId::parse("b-1").unwrap(),
        seating: Seating {
            flight: FlightNo::parse("WA117").unwrap(),
            date: "2027-03-01".parse().unwrap(),
            seats: vec![SeatId::parse("12A").unwrap()],
        },
        to: Addressee::Known(Passenger {
            name: "Ada".to_owned(),
            email: "ada@example.com".to_owned(),
        }),
        amount: Money::parse("EUR 129.00").unwrap(),
        paid_at: "2027-02-01T09:30:00Z".parse().unwrap(),
        charge: None,
        voids: None,
    }
}

#[test]
fn a_mailer_whose_thread_died_says_so_to_health() {
    let (receipts, waiting) = mpsc::unbounded_channel();
    let mailer = FolderMailer { receipts };
    let watch = mailer.watch();
    assert_eq!(watch.problem(), None);
    // A thread that panics drops its receiver.
    drop(waiting);
    assert!(watch.problem().unwrap().contains("died of a bug"));
    drop(mailer);
    assert_eq!(watch.problem(), None, "a service that ends has no problem");
}

#[test]
fn what_a_killed_writer_left_of_a_receipt_is_removed_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let drafts = ["R-1.eml", "R-1.eml", "R-2.eml"]
        .map(|it| draft(folder.path(), it, b"Ada").unwrap().keep().unwrap().1);
    assert!(remove(folder.path(), "R-1").unwrap());
    assert_eq!(drafts.map(|it| it.exists()), [false, false, true]);
    assert!(!remove(folder.path(), "R-1").unwrap());
    assert!(!remove(&folder.path().join("nowhere"), "R-1").unwrap());
}

#[test]
fn a_letter_that_nobody_waits_for_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let (receipts, waiting) = mpsc::unbounded_channel();
    let mut answers = ["R-1", "R-2"].map(|number| {
        let (written, answer) = oneshot::channel();
        receipts.send(Job { receipt: receipt(number), written }).unwrap();
        answer
    });
    answers[1].close();
    drop(receipts);
    let head = Letterhead::new(super::super::DEFAULT_SENDER).unwrap();
    work(folder.path(), &head, waiting, Durability::ProcessDeath);
    assert!(answers[0].try_recv().unwrap().is_ok());
    let written = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name());
    assert_eq!(written.collect::<Vec<_>>(), ["R-1.eml"]);
}

#[test]
fn a_letter_that_cannot_be_composed_is_refused_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (receipts, waiting) = mpsc::unbounded_channel();
    let erased = Receipt { to: Addressee::Erased, ..receipt("R-1") };
    let mut answers = [erased, receipt("R-2")].map(|receipt| {
        let (written, answer) = oneshot::channel();
        receipts.send(Job { receipt, written }).unwrap();
        answer
    });
    drop(receipts);
    let head = Letterhead::new(super::super::DEFAULT_SENDER).unwrap();
    work(folder.path(), &head, waiting, Durability::ProcessDeath);
    let refused = answers[0].try_recv().unwrap();
    assert!(matches!(refused, Err(MailError::Unwritable { number, .. }) if number == "R-1"));
    assert!(answers[1].try_recv().unwrap().is_ok());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
