//! `booking erase`: afterwards no file of receipt has the passenger's name or address.

use std::sync::Arc;

use booking::{
    clock::Clock,
    domain::{
        RoleName,
        event::Kind,
        receipt::{Join, Receipts},
    },
    durability::Durability,
    mailer::folder::FolderMailer,
    roles::ReceiptRole,
    runtime::{Amended, Outcome, UnitOfWork, amend},
    store::sqlite::{Engine, Inline},
};

use crate::harness::{Account, Folder, LocalStack, Sketch, all_four, binary};

fn run(account: &Account, folder: &Folder, args: &[&str]) -> (Option<i32>, String) {
    let output = binary()
        .args(args)
        .args(["--prefix", &account.prefix, "--data"])
        .arg(folder.path())
        .env("BOOKING_MAILER", "folder")
        .envs(LocalStack::running().environment())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// The files of receipt that have this text anywhere in their bytes.
fn with(folder: &Folder, text: &str) -> Vec<String> {
    let mut files = Vec::new();
    for folder in [folder.path().to_owned(), folder.join("receipts")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !path.is_file() || !(name.starts_with("receipt") || name.ends_with(".eml")) {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(text.len()).any(|it| it == text.as_bytes()) {
                files.push(name);
            }
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_passenger_is_nowhere_and_nothing_is_sent_again() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let services = all_four(&account.prefix, folder.path()).await;
    for (id, seat, token, phase) in [
        ("gone", "12A", "tok_visa", "completed"),
        ("poor", "12B", "tok_declined", "payment_failed"),
    ] {
        let sketch = Sketch::new(id, &[seat], token);
        let named = sketch.cloud_event().replace("ada@", &format!("{id}@"));
        account.publish(Kind::BookingRequested, &named).await;
        let status = services.iter().find(|it| it.role == RoleName::Status).unwrap();
        assert_eq!(status.ending(id).await["phase"], phase);
        assert!(!with(&folder, &format!("{id}@")).is_empty(), "{id} is there to be erased");
    }

    // While the service is at work.
    let (code, said) = run(&account, &folder, &["erase", "gone"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with("erased name and address of booking gone: 1 request\nremoved receipt R-"),
        "{said}"
    );
    let (code, said) = run(&account, &folder, &["erase", "poor"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is open") && said.contains("--ended"), "{said}");
    let (code, said) = run(&account, &folder, &["erase", "poor", "--ended"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "erased name and address of booking poor: 1 request\n")
    );
    assert_eq!(run(&account, &folder, &["erase", "nobody"]).0, Some(1));

    let (code, said) = run(&account, &folder, &["resend", "receipt", "gone"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("was erased"), "{said}");

    // The services are still at work.
    for address in ["gone@", "poor@"] {
        assert_eq!(with(&folder, address), Vec::<String>::new(), "{address}");
    }
}

/// Erased while it waited: the payment that comes after all finds nobody to write to.
#[tokio::test]
async fn a_receipt_for_an_erased_passenger_is_set_aside_and_not_sent() {
    let folder = Folder::new();
    let engine = Engine::open(":memory:".as_ref(), RoleName::Receipt, Durability::ProcessDeath);
    let mailer = FolderMailer::open(folder.path(), Arc::default(), Durability::ProcessDeath);
    let clock = Clock::manual("2027-02-01T09:30:00Z".parse().unwrap());
    let work = UnitOfWork::new(ReceiptRole(mailer.unwrap()), Inline::new(engine.unwrap()), clock);
    let sketch = Sketch::new("b-1", &["12A"], "tok_visa");
    work.attend(&sketch.event()).await.unwrap();
    work.attend(&sketch.heard(Kind::SeatBooked)).await.unwrap();
    let erase = |join: &Join| join.erased(true);
    let erased = amend::<Receipts>(work.store(), &sketch.booking(), erase).await.unwrap();
    assert!(matches!(erased, Amended::Done(_)));
    let outcome = work.attend(&sketch.heard(Kind::PaymentOk)).await.unwrap();
    let no_addressee = "the passenger was erased, so the receipt has no addressee";
    assert_eq!(outcome, Outcome::SetAside(no_addressee.to_owned()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
