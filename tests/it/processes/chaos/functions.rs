//! The four roles as functions of an emulated Lambda, whose processes are killed again and again.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use booking::{
    demo::{Wish, wishes},
    domain::{RoleName, ids::BookingId},
    wire,
};
use serde_json::json;

use super::{ALONE, Evidently, HOLD_LIMIT, PUBLISH_EVERY, evidence::*, requested, set, wanted};
use crate::harness::{Account, DynamoDbLocal, Folder, MiniStack, PATIENCE, Tables, say, skipped};

/// How many bookings CI asks for.
const BOOKINGS: usize = 100;
/// How often each role is killed.
const KILLS: usize = 10;
/// A batch whose function was killed comes again after so many seconds.
const HIDDEN_S: u32 = 6;
/// One process of some role dies every so often.
const KILL_EVERY: Duration = Duration::from_millis(250);

/// Failure matrix: M5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_booking_is_lost_or_doubled_by_functions_that_are_killed() {
    if skipped("chaos") || skipped("dynamodb") || !wanted("lambda") {
        return;
    }
    let _alone = ALONE.lock().await;
    let (bookings, seed) = (set("BOOKINGS", BOOKINGS), set("SEED", fastrand::u64(..1_000_000)));
    say(&format!("chaos on Lambda: {bookings} bookings, BOOKING_CHAOS_SEED={seed}"));
    let (folder, dynamodb) = (Folder::new(), DynamoDbLocal::start());
    let _evidently = Evidently(&folder);
    let ministack = MiniStack::start(folder.path());
    let account = Account::make_at(&ministack.config().await, false).await;
    let tables = Tables::make_in(&dynamodb, &account.prefix).await;
    let mut settings = vec![("BOOKING_HOLD_LIMIT", HOLD_LIMIT.to_owned())];
    settings.extend(dynamodb.environment());
    ministack.deploy(&account, HIDDEN_S, |_| settings.clone()).await;

    let began = Instant::now();
    let asked = wishes(bookings, seed);
    let (again, kills) = tokio::join!(publish(&account, &asked), kill(&ministack, seed));
    drain(&ministack, &account).await;
    for role in RoleName::ALL {
        let dead = account.depth_of(&account.names.dead_letter_queue(role)).await;
        assert_eq!(dead, (0, 0), "dead letters of {role}");
    }
    let ids: Vec<BookingId> = asked.iter().map(|(id, _)| id.clone()).collect();
    let evidence = tables.evidence(&ids, folder.path()).await;
    let (letters, scraps) = letters(folder.path());
    let held = check(&evidence, &letters, &asked);
    let logs = Logs::read(folder.path());
    assert!(logs.attempts_max > 1, "no process was killed in the middle of a batch");
    say(&format!(
        "chaos on Lambda: {bookings} bookings in {} s: {kills:?} SIGKILLs of seats, payment, receipt \
         and status; {again} requests said again, {} deliveries, at most {} of one message, {} decisions recalled; {held}, \
         {scraps} half-written; 0 lost, 0 doubled, 0 dead letters",
        began.elapsed().as_secs(),
        logs.deliveries,
        logs.attempts_max,
        logs.recalled,
    ));
}

/// Publishes at a steady rate; returns how many requests had to be said again.
async fn publish(account: &Account, asked: &[(BookingId, Wish)]) -> usize {
    let (mut beat, mut again) = (tokio::time::interval(PUBLISH_EVERY), 0);
    for (id, wish) in asked {
        beat.tick().await;
        let text = wire::encode(&requested(id, wish)).unwrap().body;
        while account.try_publish(&text).await.is_err() {
            again += 1;
            assert!(again < 1000, "nothing is taken");
        }
    }
    again
}

/// Kills processes of all roles until each role has lost enough of them.
async fn kill(ministack: &MiniStack, seed: u64) -> [usize; 4] {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut kills, mut beat) = ([0; 4], tokio::time::interval(KILL_EVERY));
    let patience = Instant::now() + 2 * PATIENCE;
    while kills.iter().any(|it| *it < KILLS) {
        beat.tick().await;
        assert!(Instant::now() < patience, "too few processes to kill: {kills:?}");
        // Those first that have lost the fewest: an idle role has no process.
        let mut roles: Vec<usize> = (0..4).collect();
        rng.shuffle(&mut roles);
        roles.sort_by_key(|it| kills[*it]);
        for role in roles {
            let processes = ministack.processes(RoleName::ALL[role]);
            let Some(pid) = rng.choice(processes) else { continue };
            let mut killing = Command::new("kill");
            // It may have ended by itself just now.
            if killing.args(["-KILL", &pid.to_string()]).status().unwrap().success() {
                kills[role] += 1;
                break;
            }
        }
    }
    kills
}

/// Waits until no queue has anything, visible or in flight, and status has no open booking. Fails
/// when nothing moves for longer than the tests' patience.
async fn drain(ministack: &MiniStack, account: &Account) {
    let (mut before, mut moved, mut quiet) = (Vec::new(), Instant::now(), 0);
    while quiet < 2 {
        assert!(moved.elapsed() < PATIENCE, "nothing moves; (visible, in flight): {before:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut now = Vec::new();
        for role in RoleName::ALL {
            now.push(account.depth(role).await);
        }
        let idle = now.iter().all(|it| *it == (0, 0)) && nobody_waits(ministack, account).await;
        quiet = if idle { quiet + 1 } else { 0 };
        if now != before {
            (before, moved) = (now, Instant::now());
        }
    }
}

/// Whether status answers, and has no open booking.
async fn nobody_waits(ministack: &MiniStack, account: &Account) -> bool {
    let open = ministack.status(account, "/bookings", "order=stalest").await;
    open["bookings"] == json!([])
}
