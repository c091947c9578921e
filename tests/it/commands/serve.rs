//! `booking demo --serve`, as somebody uses it who has no AWS account.

use std::{collections::BTreeSet, path::Path};

use booking::domain::RoleName;
use serde_json::Value;

use crate::harness::{Demo, Folder, binary, eventually};

/// The bookings of a list.
async fn listed(demo: &Demo, query: &str) -> Vec<Value> {
    let (code, list) = demo.get(&format!("/bookings?{query}")).await;
    assert_eq!(code, 200, "{list}");
    list["bookings"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bookings_come_in_and_end_in_every_way_and_ctrl_c_leaves_nothing_behind() {
    let demo = Demo::start(&["--rate", "20/s", "--pause", "0s"]);
    assert!(demo.said().contains("See them at http://127.0.0.1:"), "{}", demo.said());
    let wanted = ["completed", "payment_failed", "refunded"];
    eventually("an ending of every kind", async || {
        let ended = listed(&demo, "limit=500").await;
        let phases: BTreeSet<_> = ended.iter().filter_map(|it| it["phase"].as_str()).collect();
        wanted.iter().all(|it| phases.contains(it)).then_some(())
    })
    .await;
    for role in RoleName::ALL {
        let below = if role == RoleName::Status { String::new() } else { format!("/{role}") };
        let (code, health) = demo.get(&format!("{below}/health")).await;
        assert_eq!((code, &health["role"]), (200, &Value::from(role.as_str())));
        let metrics = reqwest::get(format!("http://{}{below}/metrics", demo.address())).await;
        assert!(metrics.unwrap().text().await.unwrap().contains("booking_deliveries_total"));
    }
    assert_eq!(demo.folder.path().read_dir().unwrap().count(), 1, "its stores");
    demo.signal("INT");
    let (code, folder) = demo.ended();
    assert_eq!(code, Some(0));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "a temporary folder is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_service_stands_still_bookings_get_stuck_and_then_they_end() {
    let demo = Demo::start(&["--rate", "10/s", "--pause", "20s"]);
    // A machine that has much to do may be late with a payment before that, too.
    demo.says("payment stands still for 20s, on purpose");
    let stuck = eventually("a booking that waits for payment for too long", async || {
        let open = listed(&demo, "order=stalest").await;
        open.into_iter().find(|it| {
            it["stuck"] == true && it["waiting_for"][0]["from"].as_str() == Some("payment")
        })
    })
    .await;
    let path = format!("/bookings/{}", stuck["booking_id"].as_str().unwrap());
    eventually("it to end", async || (demo.get(&path).await.1["final"] == true).then_some(()))
        .await;
    eventually("it to say so", async || demo.said().contains("payment goes on").then_some(()))
        .await;
    // The request that nobody can read is set aside by those who would have to act on it, and the
    // demo goes on.
    let before = listed(&demo, "limit=1").await;
    eventually("the next booking", async || {
        (listed(&demo, "limit=1").await[0]["booking_id"] != before[0]["booking_id"]).then_some(())
    })
    .await;
}

/// How many stores there are below a folder.
fn stores(folder: &Path) -> usize {
    let inside = folder.read_dir().into_iter().flatten().map(|it| it.unwrap().path());
    inside.map(|it| if it.ends_with("status.db") { 1 } else { stores(&it) }).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_so_many_bookings_it_starts_over_and_keeps_nothing_of_before() {
    let demo = Demo::start(&["--rate", "100/s", "--pause", "0s", "--keep", "100"]);
    eventually("two new beginnings", async || {
        assert!(stores(demo.folder.path()) <= 1, "stores of an earlier round are left");
        (demo.said().matches("starting over with empty stores").count() >= 2).then_some(())
    })
    .await;
    eventually("bookings of a later round, and none of the first", async || {
        let ids = listed(&demo, "limit=500").await;
        let ids: Vec<&str> = ids.iter().filter_map(|it| it["booking_id"].as_str()).collect();
        assert!(ids.len() <= 100, "{} bookings are kept", ids.len());
        (!ids.is_empty() && !ids.contains(&"demo-1-0001")).then_some(())
    })
    .await;
}

#[test]
fn the_page_of_a_demo_is_for_this_machine_unless_the_settings_say_otherwise() {
    let folder = Folder::new();
    let refused = |more: &[&str]| {
        let mut command = binary();
        command.args(["demo", "--serve"]).args(more).env("TMPDIR", folder.path());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = refused(&["--http", "0.0.0.0:0"]);
    assert!(code == Some(78) && said.contains("--http-open"), "{said}");
    for [first, second] in [["--bookings", "3"], ["--data", "x"], ["--rate", "1001/s"]] {
        let (code, said) = refused(&[first, second]);
        assert!(code == Some(2) && said.contains(first), "{said}");
    }
}
