//! Clients that connect and hold on take nothing from the consumer, and no answer from anybody
//! else.

use std::{io::Write, net::TcpStream, time::Duration};

use booking::domain::{RoleName, event::Kind};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use crate::harness::{Account, Folder, Service, Sketch, eventually, skipped};

/// How many clients hold on.
const CLIENTS: usize = 1_000;
/// How many files the service may have open: far fewer.
const FILES_MAX: u64 = 160;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_that_never_finish_their_header_starve_nobody() {
    if skipped("localstack") {
        return;
    }
    // This process has the other ends.
    let own = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: own.maximum, ..own }).unwrap();
    // Other tests of this process have some open as well.
    let clients = own.maximum.map_or(CLIENTS, |it| (it as usize).saturating_sub(200).min(CLIENTS));

    let (account, folder) = (Account::make(false).await, Folder::new());
    let role = RoleName::Status;
    let service = Service::start(role, &account.prefix, folder.path(), &[]).await;
    let pid = Pid::from_raw(i32::try_from(service.pid()).unwrap());
    let few = Rlimit { current: Some(FILES_MAX), maximum: Some(FILES_MAX) };
    prlimit(pid, Resource::Nofile, few).unwrap();

    let address = service.address.parse().unwrap();
    let (mut held, mut most) = (Vec::new(), 0);
    for at in 0..clients {
        // Whoever is not let in is not what this is about.
        let Ok(mut client) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) else {
            continue;
        };
        let _ = client.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ");
        held.push(client);
        most = most.max(files_of(service.pid()));
        if at % 50 == 0 {
            healthy(&service, at).await;
        }
    }
    assert!(held.len() > FILES_MAX as usize * 2, "only {} hold on", held.len());
    // The connections, and what the consumer has.
    assert!(most < 64 + 40, "{most} files were open");
    for at in 0..20 {
        let sketch = Sketch::new(&format!("slow-{at}"), &["1A"], "tok_visa");
        account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
        healthy(&service, held.len()).await;
    }
    eventually("the consumer to take and delete them all", async || {
        (account.depth(role).await == (0, 0)).then_some(())
    })
    .await;
    let (code, view) = service.get("/bookings/slow-19").await;
    assert_eq!((code, &view["phase"]), (200, &serde_json::json!("requested")));
    let log = service.logged();
    assert!(!log.contains("could not receive") && !log.contains("could not accept"), "{log}");
}

/// Half a header over and over, and answers that nobody reads: nothing of it stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_come_and_go_leave_nothing_behind() {
    if skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let service = Service::start(RoleName::Seats, &account.prefix, folder.path(), &[]).await;
    let address = service.address.parse().unwrap();
    let large =
        format!("GET /metrics HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(64 * 1024));
    let unread = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(50);
    let (mut held, mut most) = (std::collections::VecDeque::new(), 0);
    for at in 0..1_500 {
        let Ok(mut client) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) else {
            continue;
        };
        client.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let what = ["GET /he", large.as_str(), unread.as_str()][at % 3];
        let _ = client.write_all(what.as_bytes());
        held.push_back(client);
        // Many more than are let in at once.
        if held.len() > 300 {
            held.pop_front();
        }
        most = most.max(files_of(service.pid()));
        if at % 100 == 0 {
            healthy(&service, at).await;
        }
    }
    assert!(most < 64 + 40, "{most} files were open");
    drop(held);
    eventually("its files to be what they were", async || {
        (files_of(service.pid()) < 40).then_some(())
    })
    .await;
}

/// How many files a process has open.
fn files_of(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

async fn healthy(service: &Service, beside: usize) {
    let asked = tokio::time::timeout(Duration::from_secs(30), service.get("/health")).await;
    let (code, _) = asked.unwrap_or_else(|_| panic!("no answer beside {beside} of them"));
    assert_eq!(code, 200);
}
