//! A receipt as a mail program sees it: Python's `email` reads it.

use std::{process::Command, sync::Arc};

use booking::{
    domain::receipt::{Addressee, Receipt},
    durability::Durability,
    mailer::{Mailer, folder::FolderMailer},
};
use serde_json::Value;

use crate::harness::{Folder, Sketch};

const READER: &str = r#"
import email, email.policy, json, sys
letter = email.message_from_bytes(open(sys.argv[1], "rb").read(), policy=email.policy.default)
part = lambda kind: letter.get_body(preferencelist=(kind,)).get_content()
print(json.dumps({
    "to": letter["To"], "from": letter["From"], "subject": letter["Subject"], "date": letter["Date"],
    "id": letter["Message-ID"], "type": letter.get_content_type(), "defects": len(letter.defects),
    "plain": part("plain"), "html": part("html"),
}))
"#;

/// What Python's `email` module reads in a file.
pub fn read(file: &std::path::Path) -> Value {
    let read = Command::new("python3")
        .args(["-c", READER])
        .arg(file)
        .output()
        .expect("python3 is installed");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    serde_json::from_slice(&read.stdout).unwrap()
}

/// A receipt for this passenger.
pub fn receipt(name: &str) -> Receipt {
    let sketch = Sketch::new("b-1", &["12A", "12B"], "tok_visa");
    let request = sketch.request();
    let mut passenger = request.passenger;
    passenger.name = name.to_owned();
    Receipt {
        number: "R-4F7K-9QXM-2DTA".to_owned(),
        booking: sketch.booking(),
        seating: request.seating,
        to: Addressee::Known(passenger),
        amount: request.payment.amount,
        paid_at: "2027-02-01T09:30:02Z".parse().unwrap(),
        charge: Some("ch_5f2c".to_owned()),
        voids: None,
    }
}

async fn send(folder: &Folder, receipt: &Receipt) -> std::path::PathBuf {
    let mailer =
        FolderMailer::open(folder.path(), Arc::default(), Durability::PowerFailure).unwrap();
    mailer.send(receipt).await.unwrap();
    folder.join("R-4F7K-9QXM-2DTA.eml")
}

#[tokio::test]
async fn a_receipt_is_an_e_mail_that_a_person_would_keep() {
    let folder = Folder::new();
    let letter = read(&send(&folder, &receipt("Zoë <Łukasz> & O'Brien")).await);
    assert_eq!(letter["type"], "multipart/alternative");
    assert_eq!(letter["defects"], 0);
    assert!(letter["to"].as_str().unwrap().contains("ada@example.com"));
    assert_eq!(letter["id"], "<R-4F7K-9QXM-2DTA@booking.example>");
    assert_eq!(letter["date"], "Mon, 01 Feb 2027 09:30:02 +0000");
    for part in ["plain", "html"] {
        let text = letter[part].as_str().unwrap();
        for wanted in ["R-4F7K-9QXM-2DTA", "WA117", "2027-03-01", "12A, 12B", "EUR 129.00", "b-1"] {
            assert!(text.contains(wanted), "{wanted} is not in the {part} part:\n{text}");
        }
    }
    assert!(letter["plain"].as_str().unwrap().contains("Zoë <Łukasz> & O'Brien"));
    let html = letter["html"].as_str().unwrap();
    assert!(!html.contains("<Łukasz>"), "a name is text, never markup:\n{html}");
}

#[tokio::test]
async fn a_domain_in_another_script_goes_out_as_every_mail_server_knows_it() {
    let folder = Folder::new();
    let mut receipt = receipt("Ada Lovelace");
    let Addressee::Known(passenger) = &mut receipt.to else { unreachable!() };
    passenger.email = "ada@bücher.example".to_owned();
    let file = send(&folder, &receipt).await;
    let text = String::from_utf8(std::fs::read(&file).unwrap()).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("ada@xn--bcher-kva.example"), "{head}");
    assert!(head.is_ascii(), "{head}");
    assert_eq!(read(&file)["defects"], 0);
}

/// Failure matrix: E9.
#[tokio::test]
async fn a_receipt_sent_again_is_the_same_file() {
    let folder = Folder::new();
    let file = send(&folder, &receipt("Ada Lovelace")).await;
    let first = std::fs::read(&file).unwrap();
    send(&folder, &receipt("Ada Lovelace")).await;
    assert_eq!(std::fs::read(&file).unwrap(), first);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing half-written is left"
    );
}

#[tokio::test]
async fn of_letters_that_are_written_together_one_that_fails_does_so_alone() {
    let folder = Folder::new();
    let mailer =
        FolderMailer::open(folder.path(), Arc::default(), Durability::PowerFailure).unwrap();
    let [first, mut second, mut third] = [(); 3].map(|()| receipt("Ada Lovelace"));
    second.number = "R-2222-2222-2222".to_owned();
    third.number = "R-3333-3333-3333".to_owned();
    // No file can take the place of a folder.
    std::fs::create_dir(folder.join("R-2222-2222-2222.eml")).unwrap();
    let (first, second, third) =
        tokio::join!(mailer.send(&first), mailer.send(&second), mailer.send(&third));
    assert!(first.is_ok() && third.is_ok());
    assert!(second.unwrap_err().to_string().contains("R-2222-2222-2222"));
    let drafts = std::fs::read_dir(folder.path()).unwrap().flatten();
    let drafts = drafts.filter(|it| it.file_name().to_string_lossy().starts_with(".tmp"));
    assert_eq!(drafts.count(), 0, "what could not be placed is removed");
}
