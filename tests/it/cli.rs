//! What an engineer types, sees, and is told when it makes no sense.

use std::process::Output;

use crate::harness::{Folder, binary};

fn run(args: &[&str]) -> Output {
    run_in(&Folder::new(), args)
}

fn run_in(folder: &Folder, args: &[&str]) -> Output {
    binary()
        .args(args)
        .current_dir(folder.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", folder.path())
        .output()
        .unwrap()
}

#[track_caller]
fn fails(args: &[&str], code: i32, says: &str) {
    check(args, &run(args), code, says);
}

/// The same where the role has begun.
#[track_caller]
fn fails_begun(args: &[&str], code: i32, says: &str) {
    let folder = Folder::new();
    assert_eq!(run_in(&folder, &["init"]).status.code(), Some(0));
    check(args, &run_in(&folder, args), code, says);
}

#[track_caller]
fn check(args: &[&str], output: &Output, code: i32, says: &str) {
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
    fails(&["seats"], 2, "--flights");
    fails(&["payment"], 2, "--gateway");
    fails(&["payment", "--gateway", "stripe"], 2, "possible values: simulated");
    fails(&["receipt"], 2, "--mailer");
    fails(&["receipt", "--mailer", "folder", "--mail-from", "nobody"], 2, "expected a sender");
    fails(
        &["status", "--visibility", "soon"],
        2,
        "expected a length of time such as 500ms, 20s or 15m",
    );
    fails(&["status", "--long-poll", "21s"], 2, "SQS waits at most 20s");
    fails(&["status", "--prefix", "Not_A_Prefix"], 2, "expected at most 32 of a-z, 0-9 and -");
    fails(&["show", "4111111111111111"], 2, "card number");
    fails(&["list", "--phase", "done"], 2, "expected one of requested, seat_booked");
    fails(&["list", "--limit", "0"], 2, "1..=500");
    fails(&["status", "--long-poll", "0s"], 2, "asks all the time");
    fails(&["status", "--visibility", "13h"], 2, "1s to 12h");
    fails(&["status", "--effect-timeout", "0s"], 2, "more than no time");
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

#[test]
fn a_service_that_cannot_be_reached_is_said_with_exit_code_75() {
    fails(
        &["show", "b-1", "--status-url", "http://127.0.0.1:9"],
        75,
        "cannot ask the status service at",
    );
    fails(&["list", "--status-url", "http://127.0.0.1:9"], 75, "cannot ask the status service at");
    let request = [&REQUEST[..], &["--account", "000000000000"]].concat();
    for (args, says) in [
        (request, "could not publish to `booking-requested`"),
        (vec!["check", "--account", "000000000000"], "could not "),
        (vec!["check"], "cannot reach AWS to learn the account"),
    ] {
        let output = binary()
            .args(&args)
            .envs([
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
            ])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(75), "{text}");
        assert!(output.stdout.is_empty() && text.contains(says), "{args:?}: {text}");
    }
}

#[test]
fn a_probe_says_no_when_nobody_answers() {
    fails(&["healthcheck", "--http", "127.0.0.1:9"], 1, "127.0.0.1:9 is not healthy");
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

/// Answers every request on a port of this machine with these bytes.
pub fn answering(bytes: &'static str) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(bytes.as_bytes());
        }
    });
    format!("http://{address}")
}

/// Anybody answers with 404: a proxy, another service. Only status says that a booking is unknown.
#[test]
fn a_404_of_somebody_else_does_not_say_that_a_booking_is_unknown() {
    for (answer, code, says) in [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            75,
            "is it a status service",
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 18\r\nconnection: close\r\n\r\n<html>nope</html>\n",
            75,
            "is it a status service",
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 14\r\nconnection: close\r\n\r\n{\"error\":\"no\"}",
            75,
            "is it a status service",
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 38\r\nconnection: close\r\n\r\n{\"booking_id\":\"b-2\",\"phase\":\"unknown\"}",
            75,
            "is it a status service",
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 38\r\nconnection: close\r\n\r\n{\"booking_id\":\"b-1\",\"phase\":\"unknown\"}",
            1,
            "has not been seen yet",
        ),
    ] {
        let url = answering(answer);
        fails(&["show", "b-1", "--status-url", &url], code, says);
    }
}

#[test]
fn the_address_of_status_is_written_with_its_scheme() {
    for wrong in ["localhost:8080", "127.0.0.1:8080", "ftp://localhost", "http://", "status"] {
        let says = "write it like http://127.0.0.1:8080";
        fails(&["show", "b-1", "--status-url", wrong], 78, says);
    }
}

/// What an engineer meets at the start, by whose turn it is: 78 where something has to be mended
/// first, 75 where AWS may answer in a moment. No error tells anything of a request.
#[test]
fn what_goes_wrong_before_aws_answers_is_told_without_the_request() {
    let folder = Folder::new();
    let told = |args: &[&str], more: &[(&str, &str)]| {
        let output = binary()
            .args(args)
            .current_dir(folder.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("HOME", folder.path())
            .envs(more.iter().copied())
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text)
    };
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let with = |more: &[(&'static str, &'static str)]| [&keys, more].concat();
    let html = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 22\r\nconnection: close\r\n\r\n<html>log in</html>   ";
    let busy = "HTTP/1.1 503 Slow Down\r\ncontent-type: text/html\r\ncontent-length: 5\r\nconnection: close\r\n\r\n<p/> ";
    let throttled = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 75\r\nconnection: close\r\n\r\n{\"__type\":\"com.amazonaws.sqs#RequestThrottled\",\"message\":\"Rate exceeded.\"}  ";
    let [html, busy, throttled] =
        [html, busy, throttled].map(|it| -> &'static str { answering(it).leak() });
    let mut request = request_with(&[("--name", "Ada Lovelace")]);
    request.extend(["--account", "123456789012"]);
    let seats = ["seats", "--flights", "sample", "--http", "127.0.0.1:0"];
    assert_eq!(told(&["init", "seats"], &[]).0, Some(0));
    let no_scheme = "is not the address of an endpoint";
    let profile = |name: &str, text: &str| -> &'static str {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string().leak()
    };
    let global = profile("global", "[default]\nendpoint_url = localhost:4566\n");
    let one = "[default]\nservices = ours\n[services ours]\nsns =\n  endpoint_url = localhost\n";
    let one = profile("one", one);
    let empty = profile("empty", "[default]\nendpoint_url =\n");
    let empty_one = "[default]\nservices = ours\n[services ours]\nsns =\n  endpoint_url =\n";
    let empty_one = profile("empty_one", empty_one);
    for (args, settings, code, says) in [
        (&request[..], with(&[("AWS_ENDPOINT_URL", "localhost:4566")]), 78, no_scheme),
        (
            &request[..],
            with(&[("AWS_ENDPOINT_URL_SNS", "127.0.0.1:1")]),
            78,
            "AWS_ENDPOINT_URL_SNS",
        ),
        (&seats[..], with(&[("AWS_ENDPOINT_URL_SQS", "localhost")]), 78, "AWS_ENDPOINT_URL_SQS"),
        (&request[..], with(&[("AWS_CONFIG_FILE", global)]), 78, no_scheme),
        (&request[..], with(&[("AWS_CONFIG_FILE", one)]), 78, "AWS_ENDPOINT_URL_SNS"),
        (&request[..], with(&[("AWS_CONFIG_FILE", empty)]), 78, "in the AWS profile"),
        (&request[..], with(&[("AWS_CONFIG_FILE", empty_one)]), 78, "AWS_ENDPOINT_URL_SNS"),
        (&request[..], Vec::new(), 78, "there are no AWS credentials"),
        (&seats[..], Vec::new(), 78, "there are no AWS credentials"),
        (&seats[..], vec![("AWS_PROFILE", "nobody")], 78, "there are no AWS credentials"),
        (&["check"], vec![("AWS_PROFILE", "nobody")], 78, "there are no AWS credentials"),
        (&request[..], with(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:9")]), 75, "connection"),
        (&request[..], with(&[("AWS_ENDPOINT_URL", html)]), 75, "HTTP status 200"),
        (&seats[..], with(&[("AWS_ENDPOINT_URL", html)]), 75, "HTTP status 200"),
        (&request[..], with(&[("AWS_ENDPOINT_URL", busy)]), 75, "HTTP status 503"),
        (&seats[..], with(&[("AWS_ENDPOINT_URL", busy)]), 75, "HTTP status 503"),
        (
            &seats[..],
            with(&[("AWS_ENDPOINT_URL", throttled)]),
            75,
            "RequestThrottled: Rate exceeded.",
        ),
    ] {
        let (ended, text) = told(args, &settings);
        assert_eq!(ended, Some(code), "{args:?} {settings:?}: {text}");
        assert!(text.contains(says), "{args:?} {settings:?} says {text:?}, not {says:?}");
        for secret in ["Lovelace", "ada@example.com", "tok_visa"] {
            assert!(!text.contains(secret), "{settings:?}: {text}");
        }
    }
}
