//! A receipt as its passenger sees it: the words of all its forms, and the PDF as it is printed.

use std::{path::PathBuf, sync::Arc};

use booking::{
    domain::{
        money::Money,
        receipt::{Receipt, Voided},
        schedule::Schedule,
        seat::FlightNo,
    },
    durability::Durability,
    mailer::{Letterhead, Mailer, folder::FolderMailer, fonts::Fonts},
};
use serde_json::Value;

use super::mailer::{read, receipt};
use crate::harness::{Folder, peer, root};

/// Fonts with a few Chinese letters, and with the Arabic ones.
fn fonts() -> Fonts {
    Fonts::and_of(&root().join("tests/it/fixtures/fonts")).unwrap()
}

fn head() -> Letterhead {
    Letterhead::default()
        .with_schedule(Schedule::sample())
        .with_contact("help@booking.example")
        .unwrap()
}

async fn send(folder: &Folder, head: Letterhead, receipt: &Receipt) -> PathBuf {
    let mailer = FolderMailer::open(folder.path(), Arc::new(head), Durability::ProcessDeath);
    mailer.unwrap().send(receipt).await.unwrap();
    folder.join(&format!("{}.eml", receipt.number))
}

/// What is read in the PDF of a letter.
fn pdf(letter: &std::path::Path) -> Value {
    let picture = letter.with_extension("png");
    let read = peer("pdf.py").arg(letter).arg(&picture).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    // To be looked at.
    if let Ok(folder) = std::env::var("BOOKING_TEST_PICTURES") {
        let name = letter.with_extension("png").file_name().unwrap().to_owned();
        std::fs::copy(&picture, std::path::Path::new(&folder).join(name)).unwrap();
    }
    serde_json::from_slice(&read.stdout).unwrap()
}

/// Names as they are written, in the scripts of the built-in font and of the folder's.
const NAMES: [&str; 7] = [
    "Zażółć Gęślą-Jaźń Łukasz",
    "Ελένη Παπαδοπούλου",
    "Юлия Щербакова",
    "Nguyễn Thị Ánh",
    "陳大文",
    "محمد علي",
    "Zoë <Łukasz> & O'Brien",
];

#[tokio::test]
async fn a_name_in_any_script_and_an_amount_in_any_currency_is_right_in_all_three_forms() {
    let folder = Folder::new();
    let amounts = ["EUR 129.00", "JPY 12900", "KWD 12.900"];
    let head = head().with_pdf(fonts());
    for (at, name) in NAMES.iter().enumerate() {
        let amount = amounts[at % amounts.len()];
        let number = format!("R-0000-0000-000{at}");
        let receipt = Receipt { number, amount: Money::parse(amount).unwrap(), ..receipt(name) };
        let file = send(&folder, head.clone(), &receipt).await;
        let (letter, pdf) = (read(&file), pdf(&file));
        assert_eq!(
            (letter["type"].as_str(), &letter["defects"]),
            (Some("multipart/mixed"), &0.into())
        );
        assert_eq!(pdf["name"], format!("{}.pdf", receipt.number));
        assert_eq!((&pdf["pages"], &pdf["size"]), (&1.into(), &serde_json::json!([595.0, 842.0])));
        let html = html_escape(name);
        let forms = [("plain", &letter["plain"], *name), ("html", &letter["html"], &*html)];
        for (form, text, name) in forms.into_iter().chain([("pdf", &pdf["text"], *name)]) {
            let text = text.as_str().unwrap();
            for wanted in [
                name,
                &receipt.number,
                amount,
                "WA117",
                "LIS",
                "FRA",
                "2027-03-01 07:25",
                "12A, 12B",
                "b-1",
                "ch_5f2c",
                "2027-02-01",
                "help@booking.example",
            ] {
                assert!(text.contains(wanted), "{wanted} is not in the {form} of {name}:\n{text}");
            }
        }
        assert!(!pdf["text"].as_str().unwrap().contains("A box stands"), "{name}");
    }
}

fn html_escape(text: &str) -> String {
    text.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('\'', "&#39;")
}

/// Failure matrix: E9.
#[tokio::test]
async fn a_receipt_with_a_pdf_is_the_same_bytes_each_time() {
    let (one, other) = (Folder::new(), Folder::new());
    let receipt = receipt("محمد Łukasz 陳");
    let first = send(&one, head().with_pdf(fonts()), &receipt).await;
    let second = send(&other, head().with_pdf(fonts()), &receipt).await;
    let bytes = std::fs::read(&first).unwrap();
    assert_eq!(std::fs::read(second).unwrap(), bytes);
    assert!(bytes.len() < 64 * 1024, "{} bytes: only used letters are embedded", bytes.len());
    let pdf = pdf(&first);
    assert_eq!(pdf["metadata"]["CreationDate"], "D:20270201093002Z", "that of the receipt");
}

#[tokio::test]
async fn a_letter_that_no_font_has_is_a_box_in_the_pdf_and_right_in_the_e_mail() {
    let (scripts, missing) = Fonts::built_in().scripts();
    assert_eq!(scripts, ["Latin", "Greek", "Cyrillic"]);
    assert!(missing.contains(&"Arabic") && missing.contains(&"Chinese"), "{missing:?}");
    assert!(fonts().scripts().0.contains(&"Arabic"));

    let folder = Folder::new();
    let file = send(&folder, head().with_pdf(Fonts::built_in()), &receipt("Ada 陳大文")).await;
    let (letter, pdf) = (read(&file), pdf(&file));
    for form in ["plain", "html"] {
        assert!(letter[form].as_str().unwrap().contains("Ada 陳大文"), "{form}");
    }
    let text = pdf["text"].as_str().unwrap();
    assert!(text.contains("Ada") && text.contains("A box stands for a letter"), "{text}");
}

#[tokio::test]
async fn the_longest_name_takes_several_lines_and_one_page() {
    let folder = Folder::new();
    let name = format!("{} {}", "W".repeat(120), "Wolfeschlegelstein".repeat(4));
    let file = send(&folder, head().with_pdf(fonts()), &receipt(&name)).await;
    let pdf = pdf(&file);
    assert_eq!(pdf["pages"], 1);
    let text = pdf["text"].as_str().unwrap();
    let joined: String = text.split_whitespace().collect();
    assert!(joined.contains(&name.replace(' ', "")), "{text}");
    assert!(text.contains("Total paid"), "{text}");
}

#[tokio::test]
async fn a_flight_that_the_schedule_does_not_have_is_told_by_number_and_date() {
    let folder = Folder::new();
    let mut receipt = receipt("Ada Lovelace");
    receipt.seating.flight = FlightNo::parse("ZZ404").unwrap();
    let letter = read(&send(&folder, head(), &receipt).await);
    let text = letter["plain"].as_str().unwrap();
    assert!(text.contains("ZZ404") && text.contains("Date"), "{text}");
    assert!(!text.contains("From") && !text.contains("Departure"), "{text}");
    assert_eq!(letter["type"], "multipart/alternative", "without fonts there is no PDF");
}

/// Failure matrix: E15.
#[tokio::test]
async fn a_mail_that_a_receipt_is_void_is_short_and_has_a_number_of_its_own() {
    let folder = Folder::new();
    let valid = receipt("محمد علي");
    let lost_at = Some("2027-02-01T09:31:00Z".parse().unwrap());
    let voids = Some(Voided { number: valid.number.clone(), lost_at });
    let void = Receipt { number: "V-1111-1111-1111".to_owned(), voids, ..valid };
    let letter = read(&send(&folder, head().with_pdf(fonts()), &void).await);
    assert_eq!(letter["type"], "multipart/alternative", "it is nothing to keep");
    assert_eq!(letter["id"], "<V-1111-1111-1111@booking.example>");
    assert_eq!(letter["date"], "Mon, 01 Feb 2027 09:31:00 +0000");
    assert_eq!(letter["subject"], "Your receipt R-4F7K-9QXM-2DTA for flight WA117 is void");
    for form in ["plain", "html"] {
        let text = letter[form].as_str().unwrap();
        for wanted in ["V-1111-1111-1111", "R-4F7K-9QXM-2DTA is void", "محمد علي", "EUR 129.00"]
        {
            assert!(text.contains(wanted), "{wanted} is not in the {form} part:\n{text}");
        }
        assert!(!text.contains("Thank you") && !text.contains("confirmed"), "{text}");
    }
}
