//! What every mailer does, and a receipt as a mail program sees it: Python's `email` reads it. What
//! a mail server can answer is in `smtp.rs`.

use std::{process::Command, sync::Arc, time::Duration};

use booking::{
    domain::receipt::{Addressee, Receipt},
    durability::Durability,
    mailer::{
        Letterhead, MailError, Mailer,
        folder::FolderMailer,
        ses::SesMailer,
        smtp::{Encryption, SmtpMailer},
    },
    metrics::RequestCount,
    runtime::Chain,
    wiring::AnyMailer,
};
use futures_util::future::join_all;
use serde_json::Value;

use crate::harness::{Folder, MailServer, Ses, Sketch, emulator, unique};

const READER: &str = r#"
import email, email.policy, json, sys
letter = email.message_from_bytes(open(sys.argv[1], "rb").read(), policy=email.policy.default)
part = lambda kind: letter.get_body(preferencelist=(kind,)).get_content()
print(json.dumps({
    "to": letter["To"], "addressees": [it.addr_spec for it in letter["To"].addresses], "from": letter["From"], "subject": letter["Subject"], "date": letter["Date"],
    "id": letter["Message-ID"], "number": letter["X-Receipt-Number"], "names": sorted(letter.keys()), "type": letter.get_content_type(), "defects": len(letter.defects),
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
    assert_eq!(letter["number"], "R-4F7K-9QXM-2DTA");
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
    let drafts = drafts.filter(|it| it.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(drafts.count(), 0, "what could not be placed is removed");
}

/// How long a mailer of these tests waits.
const LIMIT: Duration = Duration::from_secs(10);

/// A receipt to this address.
pub fn receipt_to(address: &str) -> Receipt {
    let mut receipt = receipt("Ada Lovelace");
    let Addressee::Known(passenger) = &mut receipt.to else { unreachable!() };
    passenger.email = address.to_owned();
    receipt
}

/// A mailer, and where its receipts arrive.
struct Post {
    name: &'static str,
    mailer: AnyMailer,
    place: Place,
}

enum Place {
    Folder(Folder),
    Server(MailServer),
    Ses(&'static Ses),
}

/// What arrived at one address: addressees, subject, and for all but SES the whole mail.
#[derive(Debug)]
struct Arrived {
    to: Vec<String>,
    subject: String,
    text: Option<String>,
}

/// All mailers, and SMTP with every encryption.
async fn every_post() -> Vec<Post> {
    let folder = Folder::new();
    let mailer =
        FolderMailer::open(folder.path(), Arc::default(), Durability::ProcessDeath).unwrap();
    let mut all = vec![Post {
        name: "folder",
        mailer: AnyMailer::Folder(mailer),
        place: Place::Folder(folder),
    }];
    for (name, encryption) in [
        ("smtp with STARTTLS", Encryption::StartTls),
        ("smtp with implicit TLS", Encryption::Implicit),
        ("smtp in clear text", Encryption::Off),
    ] {
        let server = MailServer::start();
        let known = server.as_known(encryption);
        let mailer = SmtpMailer::new(known, Arc::default(), LIMIT);
        let mailer = AnyMailer::Smtp(Box::new(mailer));
        all.push(Post { name, mailer, place: Place::Server(server) });
    }
    let ses = Ses::running();
    let config = emulator::config(&ses.endpoint).await;
    ses.verifies("booking.example").await;
    let mailer = SesMailer::new(&config, RequestCount::default(), Arc::default(), LIMIT).unwrap();
    let mailer = AnyMailer::Ses(Box::new(mailer));
    all.push(Post { name: "ses", mailer, place: Place::Ses(ses) });
    all
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

impl Post {
    /// What arrived at an address.
    async fn at(&self, address: &str) -> Vec<Arrived> {
        match &self.place {
            Place::Folder(folder) => {
                let files = std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().path());
                let mails = files.filter_map(|it| {
                    let text = std::fs::read_to_string(&it).unwrap();
                    let mail = text.contains(address).then(|| read(&it))?;
                    let to = strings(&mail["addressees"]);
                    let subject = mail["subject"].as_str().unwrap().to_owned();
                    Some(Arrived { to, subject, text: Some(text) })
                });
                mails.filter(|it| it.to.iter().any(|it| it == address)).collect()
            }
            Place::Server(server) => {
                let mails = server.mails_to(address).into_iter().map(|it| {
                    let subject = it.header("Subject").unwrap().to_owned();
                    Arrived { to: it.to, subject, text: Some(it.text) }
                });
                mails.collect()
            }
            Place::Ses(ses) => {
                let mails = ses.mails_to(address).await.into_iter().map(|it| {
                    let to = [strings(&it["To"]), strings(&it["CC"]), strings(&it["BCC"])].concat();
                    let subject = it["Subject"].as_str().unwrap().to_owned();
                    Arrived { to, subject, text: None }
                });
                mails.collect()
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_arrives_once_and_sent_again_it_is_the_same_mail_by_every_mailer() {
    for post in every_post().await {
        let address = format!("{}@example.com", unique("kept"));
        let receipt = receipt_to(&address);
        post.mailer.send(&receipt).await.unwrap();
        let first = post.at(&address).await;
        assert_eq!(first.len(), 1, "{}: {first:?}", post.name);
        assert_eq!(first[0].to, [address.as_str()], "{}", post.name);
        assert!(first[0].subject.contains(&receipt.number), "{}: {first:?}", post.name);

        post.mailer.send(&receipt).await.unwrap();
        let all = post.at(&address).await;
        for mail in &all {
            assert_eq!((&mail.subject, &mail.text), (&first[0].subject, &first[0].text));
        }
        let id = "Message-ID: <R-4F7K-9QXM-2DTA@booking.example>";
        assert!(all.iter().all(|it| it.text.as_ref().is_none_or(|it| it.contains(id))), "{all:?}");
        // A file is replaced, and a mail that is out stays out.
        let wanted = if matches!(post.place, Place::Folder(_)) { 1 } else { 2 };
        assert_eq!(all.len(), wanted, "{}", post.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_receipts_at_once_arrive_each_once_by_every_mailer() {
    for post in every_post().await {
        let name = unique("many");
        let sent = (0..30).map(|at| {
            let mut receipt = receipt_to(&format!("{name}{at}@example.com"));
            receipt.number = format!("R-{at}");
            receipt
        });
        let sent: Vec<Receipt> = sent.collect();
        for answer in join_all(sent.iter().map(|it| post.mailer.send(it))).await {
            answer.unwrap_or_else(|it| panic!("{}: {it:?}", post.name));
        }
        for (at, receipt) in sent.iter().enumerate() {
            let mails = post.at(&format!("{name}{at}@example.com")).await;
            assert_eq!(mails.len(), 1, "{}: {}", post.name, receipt.number);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_adds_a_header_or_an_addressee_by_any_mailer() {
    let long = "Ada ".repeat(100);
    let names = [
        "Ada <eve@example.com>, Bob",
        "Ada\" <eve@example.com>, \"Bob",
        "=?utf-8?q?Ada=0D=0ABcc:_eve@example.com?=",
        "Ada\u{2028}Bcc: eve@example.com",
        "陳大文 <eve@example.com>",
        long.as_str(),
    ];
    for post in every_post().await {
        for name in names {
            let address = format!("{}@example.com", unique("named"));
            let mut receipt = receipt_to(&address);
            receipt.number = unique("R-");
            let Addressee::Known(passenger) = &mut receipt.to else { unreachable!() };
            passenger.name = name.to_owned();
            post.mailer.send(&receipt).await.unwrap();
            let mails = post.at(&address).await;
            assert_eq!(mails.len(), 1, "{}: {name:?}", post.name);
            assert_eq!(mails[0].to, [address.as_str()], "{}: {name:?}", post.name);
            let Some(text) = &mails[0].text else { continue };
            let folder = Folder::new();
            std::fs::write(folder.join("mail"), text).unwrap();
            let mail = read(&folder.join("mail"));
            let wanted = [
                "Content-Type",
                "Date",
                "From",
                "MIME-Version",
                "Message-ID",
                "Subject",
                "To",
                "X-Receipt-Number",
            ];
            assert_eq!(mail["names"], serde_json::json!(wanted), "{}: {name:?}", post.name);
            assert_eq!(mail["addressees"], serde_json::json!([address]), "{name:?}: {text}");
            assert_eq!(mail["number"], receipt.number.as_str());
        }
        for name in ["Ada\r\nBcc: eve@example.com", "Ada\nTo: eve@example.com\n\nText", "Ada\0"] {
            let mut receipt = receipt("Ada");
            let Addressee::Known(passenger) = &mut receipt.to else { unreachable!() };
            passenger.name = name.to_owned();
            let error = post.mailer.send(&receipt).await.unwrap_err();
            assert!(matches!(error, MailError::Unwritable { .. }), "{name:?}: {error:?}");
        }
        assert_eq!(post.at("eve@example.com").await.len(), 0, "{}", post.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_passenger_gets_no_mail_from_any_mailer() {
    for post in every_post().await {
        let mut receipt = receipt("Ada");
        receipt.to = Addressee::Erased;
        let error = post.mailer.send(&receipt).await.unwrap_err();
        assert!(matches!(error, MailError::Unwritable { .. }), "{}: {error:?}", post.name);
    }
}

/// Failure matrix: E20.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_ses_has_not_verified_is_our_fault_and_no_address_is_told() {
    let config = emulator::config(&Ses::running().endpoint).await;
    let from = Arc::new(Letterhead::new("Stranger <stranger@unverified.example>").unwrap());
    let mailer = SesMailer::new(&config, RequestCount::default(), from, LIMIT).unwrap();
    let error = mailer.send(&receipt_to("ada@example.com")).await.unwrap_err();
    assert!(matches!(error, MailError::WeAreRefused { .. }), "{error:?}");
    let told = format!("{} {error:?}", Chain(&error));
    assert!(told.contains("MessageRejected") && !told.contains(".example"), "{told}");
    assert!(!told.contains("example.com"), "{told}");
}
