//! What a command says when whoever should answer does not, or is somebody else.

use crate::harness::{Folder, binary};

use super::cli::{REQUEST, fails, request_with};

#[test]
fn a_service_that_cannot_be_reached_is_said_with_exit_code_75() {
    fails(
        &["show", "b-1", "--status-url", "http://127.0.0.1:9"],
        75,
        "cannot ask the status service at",
    );
    let says = "does it run, and is this its address (--status-url)?";
    fails(&["list", "--status-url", "http://127.0.0.1:9"], 75, says);
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
