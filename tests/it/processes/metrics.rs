//! What a running service tells a monitoring system, in both formats.

use booking::domain::RoleName;

use crate::harness::{Account, Folder, Service, skipped};

/// Reads stdin as its argument says, with the official parser of that format, and prints a type a
/// line.
const PARSER: &str = r#"
import sys
if sys.argv[1] == "openmetrics":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
else:
    from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    print(family.name, family.type, *sorted({it.name for it in family.samples}))
"#;

/// Both formats of `/metrics`, each read by the parser that Prometheus's own library has for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_typed_alike_in_both_formats() {
    if skipped("localstack") {
        return;
    }
    let python = python();
    let (account, folder) = (Account::make(false).await, Folder::new());
    let service = Service::start(RoleName::Status, &account.prefix, folder.path(), &[]).await;
    let mut told = Vec::new();
    for (accept, kind, format) in [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", "classic"),
        (
            "application/openmetrics-text; version=1.0.0",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "openmetrics",
        ),
    ] {
        let asked = reqwest::Client::new().get(format!("http://{}/metrics", service.address));
        let answer = asked.header("accept", accept).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], kind);
        let text = answer.text().await.unwrap();
        let mut child = std::process::Command::new(&python)
            .args(["-c", PARSER, format])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{format}: {text}");
        told.push(String::from_utf8(output.stdout).unwrap());
    }
    assert_eq!(told[0], told[1]);
    for line in [
        "booking_aws_requests counter booking_aws_requests_total",
        "booking_receives_failed counter booking_receives_failed_total",
        "booking_in_hand gauge booking_in_hand",
        "booking_open_bookings gauge booking_open_bookings",
        "booking_time_to_ending_seconds histogram booking_time_to_ending_seconds_bucket \
         booking_time_to_ending_seconds_count booking_time_to_ending_seconds_sum",
    ] {
        assert!(told[0].lines().any(|it| it == line), "{line}: {}", told[0]);
    }
}

/// The Python that has the parsers, installed when needed: LocalStack may be somebody else's.
fn python() -> std::path::PathBuf {
    const INSTALL: &str = r#"
import pathlib, sys, install
print(install.environment(pathlib.Path(sys.argv[1]), lambda *_, **__: False))
"#;
    let folder = Folder::new();
    let output = std::process::Command::new("python3")
        .args(["-c", INSTALL])
        .arg(folder.join("install.log"))
        .current_dir(crate::harness::root().join("localstack"))
        .output()
        .expect("python3 must be installed: https://www.python.org/downloads/");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().into()
}
