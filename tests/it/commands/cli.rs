//! What an engineer types, sees, and is told when it makes no sense.

use std::process::Output;

use crate::harness::{Folder, binary};

pub fn run(args: &[&str]) -> Output {
    run_in(&Folder::new(), args)
}

pub fn run_in(folder: &Folder, args: &[&str]) -> Output {
    binary()
        .args(args)
        .current_dir(folder.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", folder.path())
        .output()
        .unwrap()
}

#[track_caller]
pub fn fails(args: &[&str], code: i32, says: &str) {
    check(args, &run(args), code, says);
}

/// The same where the role has begun.
#[track_caller]
pub fn fails_begun(args: &[&str], code: i32, says: &str) {
    let folder = Folder::new();
    assert_eq!(run_in(&folder, &["init"]).status.code(), Some(0));
    check(args, &run_in(&folder, args), code, says);
}

#[track_caller]
pub fn check(args: &[&str], output: &Output, code: i32, says: &str) {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    assert!(text.contains(says), "{args:?} says {text:?}, not {says:?}");
    if code != 2 {
        let told = text.lines().filter(|it| it.starts_with("booking: ")).count();
        assert_eq!(told, 1, "one clear line: {text}");
    }
}

pub const REQUEST: [&str; 15] = [
    "request",
    "--flight",
    "WA117",
    "--date",
    "2027-03-01",
    "--seat",
    "12A",
    "--name",
    "Ada",
    "--email",
    "ada@example.com",
    "--token",
    "tok_visa",
    "--amount",
    "EUR 129.00",
];

/// The same with other values.
pub fn request_with(others: &[(&str, &'static str)]) -> Vec<&'static str> {
    let mut args = REQUEST.to_vec();
    for (flag, value) in others {
        let at = args.iter().position(|it| it == flag).unwrap();
        args[at + 1] = value;
    }
    args
}

#[test]
fn help_reads_like_a_manual_page() {
    for command in [
        "",
        "seats",
        "payment",
        "receipt",
        "status",
        "demo",
        "request",
        "show",
        "list",
        "topics",
        "resend",
        "healthcheck",
        "dlq",
        "dlq ls",
        "dlq show",
        "dlq redrive",
        "dlq drop",
        "check",
    ] {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = run(&args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("Usage: booking"), "{command}: {text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_what_was_expected() {
    fails(&["fly"], 2, "unrecognized subcommand");
    fails(&["seats", "--nonsense"], 2, "unexpected argument");
    fails(&["seats"], 2, "--flights <FILE|sample>");
    fails(&["payment"], 2, "--gateway <simulated|stripe>");
    fails(&["payment", "--gateway", "barter"], 2, "possible values: simulated, stripe");
    fails(&["receipt"], 2, "--mailer");
    fails(&["receipt", "--mailer", "folder", "--mail-from", "nobody"], 2, "expected a sender");
    fails(
        &["status", "--visibility", "soon"],
        2,
        "expected a length of time such as 500ms, 20s or 15m",
    );
    fails(&["status", "--long-poll", "21s"], 2, "SQS waits at most 20s");
    fails(
        &["status", "--prefix", "Not_A_Prefix"],
        2,
        "expected at most 32 characters of a-z, 0-9 and -",
    );
    fails(&["show", "4111111111111111"], 2, "card number");
    fails(&["list", "--phase", "done"], 2, "expected one of requested, seat_booked");
    fails(&["list", "--limit", "0"], 2, "1..=500");
    fails(&["status", "--long-poll", "0s"], 2, "polls without a pause");
    fails(&["status", "--visibility", "13h"], 2, "1s to 12h");
    fails(&["status", "--effect-timeout", "0s"], 2, "more than 0s");
    fails(&["resend", "receipt", "b-1", "--effect-timeout", "0s"], 2, "more than 0s");
    fails(&["check", "--account", "12"], 2, "expected the 12 digits of an AWS account");
    fails(&["check", "--timeout", "5s"], 2, "--canary");
    fails(&["check", "--canary", "--timeout", "soon"], 2, "expected a length of time");
    fails(&["dlq", "ls", "pilots"], 2, "expected seats, payment, receipt or status");
    fails(&["dlq", "ls", "seats", "--limit", "0"], 2, "1..=1000");
    fails(&["dlq", "show", "seats", "--message", "x"], 2, "at least its first 4 letters");
    fails(&request_with(&[("--flight", "wa117")]), 2, "expected a flight such as WA117");
    fails(&request_with(&[("--date", "1.3.2027")]), 2, "expected a day as YYYY-MM-DD");
    fails(&request_with(&[("--seat", "12Z")]), 2, "expected a seat such as 12A");
    fails(&request_with(&[("--amount", "129")]), 2, "expected an amount such as 'EUR 129.00'");
    fails(&request_with(&[("--token", "4111111111111111")]), 2, "expected a payment token");
    fails(&request_with(&[("--email", "ada")]), 2, "expected an e-mail address");
}

#[test]
fn what_is_personal_is_never_repeated() {
    for args in [
        vec!["show", "4111111111111111"],
        vec!["resend", "seats", "4111111111111111"],
        request_with(&[("--token", "4111 1111 1111 1111")]),
        request_with(&[("--name", "4111 1111 1111 1111")]),
        request_with(&[("--email", "4111")]),
        [request_with(&[("--seat", "1A")]), vec!["--id", "4111111111111111"]].concat(),
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(text.starts_with("booking: ") && !text.contains("4111"), "{text}");
    }
}

#[test]
fn who_would_watch_publishes_nothing_when_nobody_can_be_asked() {
    let args = [&REQUEST[..], &["--watch", "--status-url", "http://127.0.0.1:9"]].concat();
    fails(&args, 75, "cannot ask the status service at");
}

#[test]
fn settings_that_contradict_each_other_name_both_numbers() {
    fails(&["status", "--visibility", "5s"], 78, "--visibility is 5s, --effect-timeout is 10s");
    fails(&["status", "--drain", "10s"], 78, "--drain is 10s, --long-poll is 20s");
}

#[test]
fn what_has_to_be_mended_first_is_said_with_exit_code_78() {
    fails(&REQUEST, 78, "set AWS_REGION");
    fails_begun(&["status", "--http", "127.0.0.1:0"], 78, "set AWS_REGION");
    fails_begun(&["status", "--http", "nowhere"], 78, "cannot listen on nowhere (--http)");
    fails(
        &["seats", "--flights", "no-such-file.json"],
        78,
        "cannot read the schedule no-such-file.json",
    );
    fails(&["status", "--data", "/proc/none"], 78, "(--data)");
    fails(&["payment", "--gateway", "stripe"], 78, "name its file (--stripe-key-file) or set");
    fails(
        &["show", "b-1", "--status-url", "nonsense"],
        78,
        "(--status-url) is no address of a status service",
    );
    fails(&["dlq", "ls", "seats"], 78, "set AWS_REGION");
    fails(&["check"], 78, "set AWS_REGION");
    fails(
        &["check", "--canary", "--status-url", "nonsense"],
        78,
        "(--status-url) is no address of a status service",
    );
    fails(&["dlq", "redrive", "seats", "--dry-run"], 78, "has with --flights");
    fails(&["dlq", "redrive", "payment", "--dry-run"], 78, "run this where the data of payment is");
    fails(&["resend", "seats", "b-1"], 78, "run this where the data of seats is");
}

/// What an environment file leaves empty is not set.
#[test]
fn an_empty_variable_is_no_value() {
    let folder = Folder::new();
    let run = |more: &[(&str, &str)]| {
        let output = binary()
            .args(["list", "--status-url", "http://127.0.0.1:9"])
            .envs(more.iter().copied())
            .current_dir(folder.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let usual = run(&[]);
    assert_eq!(usual.0, Some(75), "{usual:?}");
    assert_eq!(run(&[("BOOKING_LOG_FORMAT", ""), ("BOOKING_STATUS_URL", " ")]), usual);

    let empty = [
        ("AWS_ENDPOINT_URL", ""),
        ("AWS_ENDPOINT_URL_SQS", ""),
        ("AWS_PROFILE", ""),
        ("BOOKING_PREFIX", ""),
        ("BOOKING_HTTP", ""),
        ("BOOKING_LONG_POLL", ""),
        ("BOOKING_CANARY_KEY_FILE", ""),
    ];
    let output = binary()
        .args(["check"])
        .envs(empty)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("no AWS region is set"), "and not the empty endpoint: {text}");
    assert_eq!(output.status.code(), Some(78), "{text}");
}

#[test]
fn a_setting_that_is_yes_or_no_takes_all_the_usual_words() {
    let folder = Folder::new();
    assert_eq!(run_in(&folder, &["init", "seats"]).status.code(), Some(0));
    for (word, fits) in [
        ("1", true),
        ("yes", true),
        ("true", true),
        ("0", true),
        ("no", true),
        ("false", true),
        ("", true),
        ("perhaps", false),
    ] {
        let output = binary()
            .args(["seats", "--flights", "sample", "--http", "127.0.0.1:0"])
            .env("BOOKING_RAW_DELIVERY", word)
            .env("BOOKING_SQLITE_ON_ECS", word)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        // As far as AWS, for which no region is set.
        assert_eq!(output.status.code(), Some(if fits { 78 } else { 2 }), "{word}: {text}");
    }
}

#[test]
fn the_version_says_which_commit_was_built_when_or_that_it_is_a_development_build() {
    let said = String::from_utf8(run(&["--version"]).stdout).unwrap();
    let begins = concat!("booking ", env!("CARGO_PKG_VERSION"), " (");
    let origin = said.trim().strip_prefix(begins).and_then(|it| it.strip_suffix(')'));
    let origin = origin.unwrap_or_else(|| panic!("{said}"));
    let built = origin.rsplit_once(", built ").is_some_and(|(commit, day)| {
        !commit.is_empty() && day.parse::<jiff::civil::Date>().is_ok()
    });
    assert!(built || origin == "development build", "{said}");
}
