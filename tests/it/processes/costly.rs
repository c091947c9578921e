//! What a client's message may cost others: nothing that they notice. Real processes, beside
//! requests with a note that was once searched for card numbers in a time that grew with its
//! square.

use std::time::{Duration, Instant};

use booking::domain::event::Kind;
use serde_json::json;
use tokio::sync::watch;

use crate::harness::{Account, Folder, Service, all_four, bare, say};

/// How large the notes are. SNS takes 256 KiB.
const NOTES_BYTES: [usize; 2] = [60 * 1024, 240 * 1024];
/// How long `/health` may take to answer on a machine that does other things as well. A note of 60
/// KB kept each of the four for half a minute, one of 240 KB for eight.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Honest bookings in a row.
const HONEST: usize = 8;
/// How often the two are compared; the best counts, since others use the machine as well.
const ROUNDS: usize = 4;
/// How much longer the slowest honest booking may take beside costly ones.
const TIMES_MAX: f64 = 2.0;

/// Publishes honest bookings one after the other, and says how long the slowest took to its end: of
/// so few that is the 99th percentile.
async fn slowest(account: &Account, status: &Service, round: usize, costly: bool) -> Duration {
    let mut slowest = Duration::ZERO;
    for at in 0..HONEST {
        if costly {
            // Beside each: two at a time, until there were a few of each size.
            let note = "1 ".repeat(NOTES_BYTES[at % NOTES_BYTES.len()] / 2);
            let mut request = bare(&["20A"], "tok_visa");
            request["note"] = note.trim_end().into();
            request["booking_id"] = json!(format!("costly-{round}-{at}"));
            account.publish(Kind::BookingRequested, &request.to_string()).await;
        }
        let id = format!("honest-{round}-{costly}-{at}");
        let mut request = bare(&["12A"], "tok_visa");
        request["date"] =
            json!(format!("2027-{:02}-{:02}", 3 + round, 1 + 2 * at + usize::from(costly)));
        request["booking_id"] = json!(&id);
        let begun = Instant::now();
        account.publish(Kind::BookingRequested, &request.to_string()).await;
        assert_eq!(status.ending(&id).await["phase"], "completed", "{id}");
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}

/// Asks all four how they are until told to stop; every one of them answers each time. Says how
/// often.
async fn health(services: &[Service], mut stop: watch::Receiver<bool>) -> usize {
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWERS_WITHIN).build().unwrap();
    let mut asked = 0;
    while !*stop.borrow_and_update() {
        for it in services {
            let answer = client.get(format!("http://{}/health", it.address)).send().await;
            let answer = answer.unwrap_or_else(|error| panic!("{} is silent: {error}", it.role));
            assert_eq!(answer.status(), 200, "{}", it.role);
        }
        asked += 1;
    }
    asked
}

/// Failure matrix: I6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_full_of_digits_keeps_no_health_check_waiting_and_no_honest_booking() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let services = all_four(&account.prefix, folder.path()).await;
    let status = &services[3];
    let (stop, stopped) = watch::channel(false);
    let play = async {
        let mut best = f64::INFINITY;
        for round in 0..ROUNDS {
            let alone = slowest(&account, status, round, false).await;
            let beside = slowest(&account, status, round, true).await;
            let times = beside.as_secs_f64() / alone.as_secs_f64();
            say(&format!(
                "costly: the slowest of {HONEST} took {alone:?} alone, {beside:?} beside"
            ));
            best = best.min(times);
            if best <= TIMES_MAX {
                break;
            }
        }
        // Valid requests: they come to an end as well, each with its own.
        for at in 0..NOTES_BYTES.len() {
            status.ending(&format!("costly-0-{at}")).await;
        }
        stop.send(true).unwrap();
        best
    };
    let (best, asked) = tokio::join!(play, health(&services, stopped));
    assert!(best <= TIMES_MAX, "honest bookings took {best:.1} times as long beside costly ones");
    say(&format!("costly: all four answered /health each of {asked} times"));
}
