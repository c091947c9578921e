//! SIGTERM: receiving ends, work in hand is finished, nothing stays hidden.

use std::time::{Duration, Instant};

use booking::{
    domain::{RoleName, event::Kind},
    durability::Durability,
    wiring::{begin, new_deployment},
};

use crate::{
    harness::{Account, Folder, LocalStack, Service, Sketch, eventually, skipped},
    processes::container::inside,
};

/// BOOKING_DRAIN of the harness.
const DRAIN: Duration = Duration::from_secs(10);

/// Every role, with a backlog of requests on its queue, told to stop in the middle of it.
/// Failure matrix: A27, A28.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_sigterm_under_load_nothing_is_hidden_and_the_exit_code_is_0() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    for (round, role) in RoleName::ALL.into_iter().enumerate() {
        let service = Service::start(role, &account.prefix, folder.path(), &[]).await;
        for at in 0..40 {
            let sketch = Sketch::new(&format!("stop-{round}-{at}"), &["1A"], "tok_visa");
            account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
            if at == 15 {
                service.signal("TERM");
            }
        }
        let told = Instant::now();
        assert_eq!(service.ended().await, Some(0), "{role}");
        assert!(told.elapsed() < DRAIN, "{role} took longer than its drain limit");
        // What is left is visible at once: it was never received, or given back with visibility 0.
        let (_, hidden) = account.depth(role).await;
        assert_eq!(hidden, 0, "{role}");
        // And the next one takes over where it stood.
        let _next = Service::start(role, &account.prefix, folder.path(), &[]).await;
        eventually(&format!("{role} to deal with the rest"), async || {
            (account.depth(role).await == (0, 0)).then_some(())
        })
        .await;
    }
}

/// It is told to stop while it asks AWS for its queue, which does not answer: it ends well, and by
/// itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_during_the_start_is_not_lost() {
    // Takes connections, and says nothing.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    for name in ["TERM", "INT", "HUP", "QUIT"] {
        let folder = Folder::new();
        let environment = LocalStack::environment_of(&endpoint);
        let role = RoleName::Seats;
        let service = Service::spawn_at(environment, role, "", folder.path(), |_| {});
        // A connection of it has come: it asks.
        let asking = nobody.accept().unwrap();
        service.signal(name);
        assert_eq!(service.ended().await, Some(0), "{name}");
        drop(asking);
    }
}

/// What PID 1 of a container does not listen to does not even end it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_during_the_start_of_pid_1_is_not_lost() {
    if skipped("pid1") {
        return;
    }
    let apart = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let tried = std::process::Command::new("unshare").args(apart).arg("true").output();
    assert!(
        tried.as_ref().is_ok_and(|it| it.status.success()),
        "a PID namespace is needed (Linux, util-linux, kernel.unprivileged_userns_clone=1): {tried:?}; \
         BOOKING_TEST_SKIP=pid1 leaves this out"
    );
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    for name in ["TERM", "INT", "HUP", "QUIT"] {
        let (folder, role) = (Folder::new(), RoleName::Seats);
        let data = folder.path();
        begin(data, &[role], new_deployment(), Durability::ProcessDeath).unwrap();
        let environment = LocalStack::environment_of(&endpoint);
        let service = Service::spawn_at(environment, role, "", data, |it| {
            let mut outer = std::process::Command::new("unshare");
            outer.args(apart).arg(it.get_program()).args(it.get_args());
            outer.envs(it.get_envs().filter_map(|(name, value)| Some((name, value?))));
            *it = outer;
        });
        let asking = nobody.accept().unwrap();
        let pid = inside(&service);
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let pids = status.lines().find(|it| it.starts_with("NSpid:")).unwrap();
        assert_eq!(pids.split_whitespace().last(), Some("1"), "{status}");
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-s", name, &pid.to_string()]).status().unwrap().success());
        let log = service.log.clone();
        assert_eq!(service.ended().await, Some(0), "{name}");
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.contains("told to stop before it was ready"), "{name}: {log}");
        drop(asking);
    }
}

/// `nohup` lets a service outlive its terminal.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_that_it_was_begun_to_ignore_is_ignored() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    let folder = Folder::new();
    let data = folder.path();
    begin(data, &[RoleName::Seats], new_deployment(), Durability::ProcessDeath).unwrap();
    let mut service = std::process::Command::new("nohup");
    service.arg(crate::harness::binary().get_program());
    service.args(["seats", "--flights", "sample", "--http", "127.0.0.1:0", "--data"]).arg(data);
    let null = std::process::Stdio::null;
    service.stdin(null()).stdout(null()).stderr(null());
    let mut service = service.envs(LocalStack::environment_of(&endpoint)).spawn().unwrap();
    // It asks AWS, and listens to signals since before that.
    let asking = nobody.accept().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.id())).unwrap();
    let mask = |name| {
        let line = status.lines().find_map(|it| it.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    // Bit 0 is SIGHUP, bit 14 SIGTERM.
    let (heard, ignored) = (mask("SigCgt:"), mask("SigIgn:"));
    assert_eq!((heard & 1, ignored & 1, heard >> 14 & 1), (0, 1, 1), "{status}");
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-s", "TERM", &service.id().to_string()]).status().unwrap().success());
    let ended = eventually("it to end", async || service.try_wait().unwrap()).await;
    assert_eq!(ended.code(), Some(0));
    drop(asking);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let more = ["--long-poll", "20s", "--drain", "25s"];
    let service = Service::start(RoleName::Status, &account.prefix, folder.path(), &more).await;
    service.signal("TERM");
    eventually("the first signal to be heard", async || {
        service.logged().contains("stopping").then_some(())
    })
    .await;
    service.signal("TERM");
    assert_eq!(service.ended().await, Some(130));
}

/// Failure matrix: A31.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_not_there_is_named_and_ends_the_process() {
    let account = Account::existing("nothing-here-").await;
    let folder = Folder::new();
    begin(folder.path(), &[RoleName::Seats], new_deployment(), Durability::ProcessDeath).unwrap();
    let output = crate::harness::binary()
        .args([
            "seats",
            "--flights",
            "sample",
            "--prefix",
            &account.prefix,
            "--http",
            "127.0.0.1:0",
        ])
        .arg("--data")
        .arg(folder.path())
        .envs(crate::harness::LocalStack::running().environment())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(
        text.contains("cannot use the queue `nothing-here-booking-seats` in eu-central-1"),
        "{text}"
    );
}
