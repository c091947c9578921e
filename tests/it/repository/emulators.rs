//! What plays AWS in the tests and after `localstack/up` is reached from this machine alone.

use crate::harness::{LocalStack, say, skipped};

/// By itself LocalStack listens on all addresses, whatever it is told.
#[cfg(target_os = "linux")]
#[test]
fn localstack_listens_on_the_loopback_address_alone() {
    if skipped("localstack") {
        return;
    }
    if std::env::var_os("AWS_ENDPOINT_URL").is_some() {
        return say("SKIPPED: where LocalStack listens, because it is the one of AWS_ENDPOINT_URL");
    }
    let endpoint = &LocalStack::running().endpoint;
    let port: u16 = endpoint.rsplit(':').next().unwrap().parse().unwrap();
    let mut listens = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = std::fs::read_to_string(table).unwrap_or_default();
        for line in table.lines().skip(1) {
            let mut columns = line.split_whitespace().skip(1);
            let (local, _, state) = (columns.next(), columns.next(), columns.next());
            let (address, at) = local.unwrap().rsplit_once(':').unwrap();
            // 0A is LISTEN.
            if state == Some("0A") && u16::from_str_radix(at, 16) == Ok(port) {
                listens.push(address.to_owned());
            }
        }
    }
    // 127.0.0.1, as the kernel writes it. Docker's own proxy listens there as well.
    assert_eq!(listens, ["0100007F"], "{endpoint}");
}
