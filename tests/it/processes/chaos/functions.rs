//! The four roles as functions of an emulated Lambda, whose processes are killed while they work.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use booking::{
    demo::{Wish, wishes},
    domain::{RoleName, ids::BookingId},
    wire,
};
use serde_json::json;

use super::{ALONE, Evidently, HOLD_LIMIT, evidence::*, set, wanted};
use crate::harness::{
    Account, DynamoDbLocal, Folder, MiniStack, PATIENCE, Tables, drained, requested, say, skipped,
};

/// How many bookings CI asks for.
const BOOKINGS: usize = 100;
/// How often each role is killed in the middle of an invocation.
const KILLS: usize = 10;
/// A batch whose function was killed comes again after so many seconds.
const HIDDEN_S: u32 = 6;
/// One booking every so often, so that there is work to be killed in for half a minute.
const PUBLISH_EVERY: Duration = Duration::from_millis(300);
/// How often it is looked who is at work.
const LOOK_EVERY: Duration = Duration::from_millis(30);

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
    let account = Arc::new(Account::make_at(&ministack.config().await, false).await);
    let tables = Tables::make_in(&dynamodb, &account.prefix).await;
    // It says when an invocation begins, and when it is over.
    let says = "info,booking::services::function=debug".to_owned();
    let mut settings = vec![("BOOKING_HOLD_LIMIT", HOLD_LIMIT.to_owned()), ("RUST_LOG", says)];
    settings.extend(dynamodb.environment());
    ministack.deploy(&account, HIDDEN_S, |_| settings.clone()).await;

    let began = Instant::now();
    // More than are published unless the machine is slow.
    let mut asked = wishes(bookings * 5, seed);
    let struck = Arc::new(AtomicBool::new(false));
    let publishing = publish(Arc::clone(&account), asked.clone(), bookings, Arc::clone(&struck));
    // Of its own: to look who is at work keeps a thread.
    let publishing = tokio::spawn(publishing);
    let kills = kill(&ministack, folder.path(), seed).await;
    struck.store(true, Ordering::Relaxed);
    let (published, again) = publishing.await.unwrap();
    asked.truncate(published);
    drained(&account, &account.names, async || {
        let open = ministack.status(&account, "/bookings", "order=stalest").await;
        open["bookings"] == json!([])
    })
    .await;
    for role in RoleName::ALL {
        let dead = account.depth_of(&account.names.dead_letter_queue(role)).await;
        assert_eq!(dead, (0, 0), "dead letters of {role}");
    }
    let ids: Vec<BookingId> = asked.iter().map(|(id, _)| id.clone()).collect();
    let evidence = tables.evidence(&ids, folder.path()).await;
    let (letters, scraps) = letters(folder.path());
    let held = check(&evidence, &letters, &asked);
    let logs = Logs::read(folder.path());
    say(&format!(
        "chaos on Lambda: {published} bookings in {} s: {kills:?} SIGKILLs in the middle of an invocation of seats, payment, receipt \
         and status; {again} requests said again, {} lines of what went well, at most {} deliveries of one message, {} decisions recalled; {held}, \
         {scraps} half-written; 0 lost, 0 doubled, 0 dead letters",
        began.elapsed().as_secs(),
        logs.settled,
        logs.attempts_max,
        logs.recalled,
    ));
}

/// Publishes at a steady rate, and more than `bookings` for as long as not every role is struck:
/// who is idle cannot be killed at work. Returns how many it published, and how many requests had
/// to be said again.
async fn publish(
    account: Arc<Account>,
    asked: Vec<(BookingId, Wish)>,
    bookings: usize,
    struck: Arc<AtomicBool>,
) -> (usize, usize) {
    let (mut beat, mut published, mut again) = (tokio::time::interval(PUBLISH_EVERY), 0, 0);
    for (id, wish) in &asked {
        if published >= bookings && struck.load(Ordering::Relaxed) {
            break;
        }
        beat.tick().await;
        let text = wire::encode(&requested(id, wish.request())).unwrap().body;
        while account.try_publish(&text).await.is_err() {
            again += 1;
            assert!(again < 1000, "nothing is taken");
        }
        published += 1;
    }
    (published, again)
}

/// Kills processes in the middle of an invocation until each role has lost enough of them.
async fn kill(ministack: &MiniStack, data: &Path, seed: u64) -> [usize; 4] {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut kills, mut beat) = ([0; 4], tokio::time::interval(LOOK_EVERY));
    let patience = Instant::now() + 2 * PATIENCE;
    while kills.iter().any(|it| *it < KILLS) {
        beat.tick().await;
        assert!(Instant::now() < patience, "too few processes at work: {kills:?}");
        // Those first that have lost the fewest: an idle role has nothing to lose.
        let mut roles: Vec<usize> = (0..4).collect();
        rng.shuffle(&mut roles);
        roles.sort_by_key(|it| kills[*it]);
        for role in roles {
            let name = RoleName::ALL[role];
            let at_work = |pid: &u32| is_at_work(data, name, *pid);
            let Some(pid) = ministack.processes(name).into_iter().find(at_work) else { continue };
            let mut killing = Command::new("kill");
            let killed = killing.args(["-KILL", &pid.to_string()]).status().unwrap().success();
            // It may have answered just before.
            if killed && is_at_work(data, name, pid) {
                kills[role] += 1;
                break;
            }
        }
    }
    kills
}

/// Whether the last that a process has said of its invocations is that one begins.
fn is_at_work(data: &Path, role: RoleName, pid: u32) -> bool {
    let log = std::fs::read_to_string(data.join(format!("{role}.log"))).unwrap_or_default();
    let of_it = |line: &&str| {
        let said = line.split_once("\"pid\":").map(|it| it.1.trim_end_matches('}'));
        said.and_then(|it| it.split(',').next()) == Some(pid.to_string().as_str())
    };
    let last = log.lines().rev().find(of_it);
    last.is_some_and(|it| it.contains("invocation begun"))
}
