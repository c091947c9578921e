//! SIGTERM: receiving ends, work in hand is finished, nothing stays hidden.

use booking::domain::{RoleName, event::Kind};

use crate::harness::{Account, Folder, Service, Sketch, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a27_a28_after_sigterm_a_service_leaves_nothing_hidden_and_exits_with_0() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let service = Service::start(RoleName::Seats, &account.prefix, folder.path(), &[]).await;
    for at in 0..30 {
        let sketch = Sketch::new(&format!("stop-{at}"), &["1A"], "tok_visa");
        account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
        if at == 10 {
            service.signal("TERM");
        }
    }
    assert_eq!(service.ended().await, Some(0));
    // What is left is visible at once: it was never received, or given back with visibility 0.
    let (_, hidden) = account.depth(RoleName::Seats).await;
    assert_eq!(hidden, 0);
    // And the next one takes over where it stood.
    let _next = Service::start(RoleName::Seats, &account.prefix, folder.path(), &[]).await;
    eventually("the rest to be dealt with", async || {
        (account.depth(RoleName::Seats).await == (0, 0)).then_some(())
    })
    .await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a31_a_queue_that_is_not_there_is_named_and_ends_the_process() {
    let account = Account::existing("nothing-here-").await;
    let folder = Folder::new();
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
