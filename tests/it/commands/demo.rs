//! `booking demo`: what a newcomer sees first.

use serde_json::Value;

use crate::harness::{Folder, binary};

fn demo(args: &[&str]) -> (Option<i32>, String) {
    let folder = Folder::new();
    let output = binary().arg("demo").args(args).env("TMPDIR", folder.path()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn json(args: &[&str]) -> Value {
    let (code, text) = demo(&[args, &["--json"]].concat());
    assert_eq!(code, Some(0), "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn it_ends_well_on_one_screen() {
    let (code, text) = demo(&[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.lines().count() <= 40, "{} lines:\n{text}", text.lines().count());
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    for word in [
        "completed",
        "payment_failed",
        "refunded",
        "0 violations",
        "receipt-sent",
        "payment-refunded",
    ] {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }
}

#[test]
fn every_ending_comes_out_and_nothing_is_open_or_violated() {
    let report = json(&["--bookings", "400", "--seed", "7"]);
    assert_eq!(report["open"], 0);
    assert_eq!(report["violations"], serde_json::json!([]));
    let endings = report["endings"].as_object().unwrap();
    for ending in ["completed", "payment_failed", "seat_unavailable", "refunded"] {
        assert!(endings[ending].as_u64().unwrap() > 0, "{ending} is not in {endings:?}");
    }
    let sum: u64 = endings.values().filter_map(Value::as_u64).sum();
    assert_eq!(sum, 400);
}

#[test]
fn the_same_seed_gives_the_same_endings_and_another_does_not() {
    let run = |seed: &str| {
        let mut report = json(&["--bookings", "100", "--seed", seed]);
        report["seconds"] = Value::Null;
        report["data"] = Value::Null;
        report
    };
    assert_eq!(run("11"), run("11"));
    assert_ne!(run("11")["endings"], run("12")["endings"]);
}

#[test]
fn it_never_works_on_somebodys_data() {
    let folder = Folder::new();
    let run = || {
        let output =
            binary().args(["demo", "--bookings", "3", "--data"]).arg(folder.path()).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run().0, Some(0));
    let (code, says) = run();
    assert_eq!(code, Some(78));
    assert!(says.contains("give the demo an empty --data"), "{says}");
}
