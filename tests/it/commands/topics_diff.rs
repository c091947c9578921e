//! `booking topics diff`: from a file, a folder and a revision, and from strangers.

use std::{fs, path::Path, process::Command};

use booking::topics;
use serde_json::{Value, json};

use crate::{
    commands::cli::{check, run_in},
    harness::{Folder, binary, root},
};

/// Our topics, as `booking topics --format json` prints them.
fn all() -> Vec<Value> {
    serde_json::from_str(&topics::json()).unwrap()
}

/// The topics without the amount of a payment.
fn without_amount() -> Vec<Value> {
    let mut all = all();
    let paid = all.iter_mut().find(|it| it["topic"] == "payment-ok").unwrap();
    paid["data"]["required"] = json!(["charge"]);
    paid["data"]["properties"].as_object_mut().unwrap().remove("amount");
    paid["example"]["data"].as_object_mut().unwrap().remove("amount");
    all
}

/// What is said of that.
const BROKEN: &str = "\
payment-ok data.amount: removed
  breaks seats, receipt, status
    sets the event aside: data.amount: is missing
    booked and paid: seats: sold → held
    booked and paid: receipt: sent → not sent
    booked and paid: status: completed → seat_booked, waits for payment-ok
";

fn write(folder: &Path, topics: &[Value]) {
    fs::create_dir_all(folder).unwrap();
    for it in topics {
        let file = folder.join(format!("{}.json", it["topic"].as_str().unwrap()));
        fs::write(file, it.to_string()).unwrap();
    }
}

/// Prints what is different, and ends with this code.
#[track_caller]
fn diff(folder: &Folder, other: &str, code: i32) -> String {
    let output = run_in(folder, &["topics", "diff", other]);
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), words.as_str()), (Some(code), ""), "{other}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_file_or_a_folder_is_compared() {
    let folder = Folder::new();
    fs::write(folder.join("same.json"), json!(all()).to_string()).unwrap();
    fs::write(folder.join("other.json"), json!(without_amount()).to_string()).unwrap();
    assert_eq!(diff(&folder, "same.json", 0), "no difference\n");
    let said = diff(&folder, "other.json", 1);
    assert!(said.starts_with(BROKEN), "{said}");
    assert!(said.ends_with("\ndifferences: 1; they break something: 1; not tried: 0\n"), "{said}");
    write(&folder.join("topics"), &without_amount());
    assert_eq!(diff(&folder, "topics", 1), said);
    let ours = root().join("topics");
    assert_eq!(diff(&folder, ours.to_str().unwrap(), 0), "no difference\n");
}

/// Runs git in a folder, with nothing of this user's settings.
fn git(folder: &Folder, args: &[&str]) {
    let output = Command::new("git")
        .current_dir(folder.path())
        .args(["-c", "user.name=x", "-c", "user.email=x@example.com"])
        .args(args)
        .env("HOME", folder.path())
        .output()
        .expect("git must be installed: https://git-scm.com/downloads");
    assert!(output.status.success(), "{args:?}: {output:?}");
}

#[test]
fn a_revision_is_compared_and_is_never_an_option_of_git() {
    let folder = Folder::new();
    git(&folder, &["init", "--quiet"]);
    write(&folder.join("topics"), &all());
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "--quiet", "-m", "as they are"]);
    git(&folder, &["tag", "before"]);
    write(&folder.join("topics"), &without_amount());
    git(&folder, &["commit", "--quiet", "-a", "-m", "without the amount"]);
    assert_eq!(diff(&folder, "before", 0), "no difference\n");
    assert!(diff(&folder, "HEAD", 1).starts_with(BROKEN));
    fs::create_dir(folder.join("below")).unwrap();
    let below = binary()
        .args(["topics", "diff", "HEAD"])
        .current_dir(folder.join("below"))
        .output()
        .unwrap();
    assert!(String::from_utf8(below.stdout).unwrap().starts_with(BROKEN));

    let unknown = run_in(&folder, &["topics", "diff", "nobody"]);
    check(&["diff"], &unknown, 78, "there is no such file or folder, and fatal: ");
    for option in ["--output=stolen", "-pnobody", ""] {
        let args = ["topics", "diff", "--", option];
        check(&args, &run_in(&folder, &args), 78, "expected a file, a folder or a revision");
    }
    assert!(!folder.join("stolen").exists());
    // A file of one name is no topic file.
    let elsewhere = Folder::new();
    let outside = run_in(&elsewhere, &["topics", "diff", "HEAD"]);
    check(&["diff"], &outside, 78, "not a git repository");
    let without = binary()
        .args(["topics", "diff", "HEAD"])
        .current_dir(folder.path())
        .env("PATH", elsewhere.path())
        .output()
        .unwrap();
    check(&["diff"], &without, 78, "is git installed?");
}

#[test]
fn what_cannot_be_read_is_said_and_nothing_a_stranger_wrote_is_obeyed() {
    let folder = Folder::new();
    let fails = |text: &str, says: &str| {
        fs::write(folder.join("other.json"), text).unwrap();
        let args = ["topics", "diff", "other.json"];
        let output = run_in(&folder, &args);
        assert!(output.stdout.is_empty());
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(!words.contains('\u{1b}') && words.chars().count() < 1_000, "{words}");
        check(&args, &output, 78, says);
    };
    fails("", "expected what `booking topics --format json` prints");
    fails("[", "line 1 column 1");
    fails("{}", "missing field `topic`");
    fails("[]", "other.json has no topics");
    fails(&"[".repeat(5_000), "recursion limit");
    fails(&" ".repeat(1024 * 1024 + 1), "more than 1048576 bytes");
    fails(&json!({"topic": "\u{1b}[2J".repeat(1_000)}).to_string(), "missing field `publisher`");
    let topic = all().remove(0);
    fails(&json!([topic, topic]).to_string(), "the topic `booking-requested` is there twice");
    fails(&json!(vec![topic; 65]).to_string(), "more than 64 topics");
    fs::write(folder.join("other.json"), b"\xff").unwrap();
    let args = ["topics", "diff", "other.json"];
    check(&args, &run_in(&folder, &args), 78, "expected JSON in UTF-8");
    fs::create_dir(folder.join("empty")).unwrap();
    let args = ["topics", "diff", "empty"];
    check(
        &args,
        &run_in(&folder, &args),
        78,
        "empty has no topics: expected a folder of topic files",
    );

    // What can be read is printed so that no terminal obeys it, and not without end.
    let mut other = all();
    let evil = "\u{1b}]0;x\u{7}\r\n\u{202e}".repeat(500);
    other[1]["topic"] = evil.as_str().into();
    other[2]["data"]["properties"][&evil] = json!({"type": "string", "const": evil});
    other[3]["example"][&evil] = evil.as_str().into();
    other[4]["publisher"] = evil.as_str().into();
    other[5]["subscribers"] = json!([{"role": evil}]);
    fs::write(folder.join("other.json"), json!(other).to_string()).unwrap();
    let said = diff(&folder, "other.json", 1);
    assert!(!said.chars().any(|it| it.is_control() && it != '\n'), "{said}");
    assert!(!said.contains('\u{202e}') && said.contains("\\u{1b}]0;x"), "{said}");
    assert!(said.lines().all(|it| it.chars().count() < 1_500), "{said}");
}
