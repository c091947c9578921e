//! What a client may not choose: the price of a flight with fares, and a day that is not on sale.

use std::{collections::BTreeSet, fs};

use booking::{
    audit::Evidence,
    bus::memory::Unkindness,
    demo::Stage,
    domain::{
        RoleName,
        event::Kind,
        schedule::Schedule,
        status::{Phase, Record},
    },
};
use serde_json::{Value, json};

use crate::{
    harness::{Account, Folder, Service, bare, binary},
    repository::documents::document,
};

/// How a booking ended: its phase, why it has no seat, and how often money moved.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    phase: Phase,
    no_seat: Option<String>,
    charges: usize,
    refunds: usize,
}

/// A request as a client writes it. `minor` is in the flight's minor units.
fn request(id: &str, flight: &str, date: &str, seats: &[&str], money: (u64, &str)) -> Value {
    let mut request = bare(seats, "tok_visa");
    request["booking_id"] = id.into();
    request["flight"] = flight.into();
    request["date"] = date.into();
    request["payment"]["amount"] = json!({"minor": money.0, "currency": money.1});
    request
}

/// Plays the requests, each to its end, on an unkind bus whose clock begins at 09:30 on 1 February
/// 2027. Says how each ended; nothing may be violated.
async fn endings(schedule: &Schedule, seed: u64, requests: &[Value]) -> Vec<Ending> {
    let folder = Folder::new();
    let unkindness = Unkindness { duplicates_percent: 30, shuffle: true };
    let mut stage = Stage::selling(schedule.clone(), folder.path(), seed, unkindness).unwrap();
    for it in requests {
        stage.exchange().publish_text(Kind::BookingRequested, &it.to_string());
        while stage.step().await.unwrap() {}
    }
    let evidence = Evidence::read(folder.path()).unwrap();
    assert_eq!(evidence.violations(), [], "seed {seed}");
    let id = |it: &Value| it["booking_id"].as_str().unwrap().to_owned();
    requests.iter().map(|it| ending(&evidence, &id(it))).collect()
}

fn ending(evidence: &Evidence, id: &str) -> Ending {
    let (booking, record) = evidence.records().find(|(it, _)| it.as_str() == id).unwrap();
    let moved = |what| evidence.movements(booking).filter(|it| it.movement == what).count();
    let standing = record.standing();
    assert!(standing.is_final, "{id}: {standing:?}");
    let (charges, refunds) = (moved("charge"), moved("refund"));
    Ending { phase: standing.phase, no_seat: no_seat(record), charges, refunds }
}

fn no_seat(record: &Record) -> Option<String> {
    let refusal = record.timeline().into_iter().find(|it| it.kind == Kind::SeatUnavailable)?;
    refusal.reason.clone()
}

/// Without a seat, for this reason, and without a cent of the client's.
#[track_caller]
fn refused(ending: &Ending, reason: &str) {
    assert_eq!(ending.no_seat.as_deref(), Some(reason), "{ending:?}");
    assert_eq!(ending.charges, ending.refunds, "{ending:?}");
    assert!(matches!(ending.phase, Phase::SeatUnavailable | Phase::Refunded), "{ending:?}");
}

#[track_caller]
fn completed(ending: &Ending) {
    let Ending { phase, no_seat, charges, refunds } = ending;
    let is = (*phase, no_seat.as_deref(), *charges, *refunds);
    assert_eq!(is, (Phase::Completed, None, 1, 0));
}

/// Failure matrix: I8.
#[tokio::test]
async fn a_request_for_one_cent_ends_without_a_seat_and_without_money_and_holds_nothing() {
    let mut phases = BTreeSet::new();
    for seed in 0..20 {
        let day = "2027-03-01";
        let requests = [
            request("cheap", "WA241", day, &["12A"], (1, "EUR")),
            request("pair", "WA241", day, &["12A", "12B"], (52_900, "EUR")),
            request("dollars", "WA241", day, &["12A"], (52_900, "USD")),
            request("fair", "WA241", day, &["12A", "12B"], (105_800, "EUR")),
        ];
        let ended = endings(&Schedule::sample(), seed, &requests).await;
        for wrong in &ended[..3] {
            refused(wrong, "fare");
            phases.insert(wrong.phase);
        }
        completed(&ended[3]);
    }
    // Both ways round were played: the seats said no before the charge, and after it.
    assert_eq!(phases, BTreeSet::from([Phase::SeatUnavailable, Phase::Refunded]));
}

/// Failure matrix: I8.
#[tokio::test]
async fn where_the_schedule_has_no_fares_the_publisher_names_the_price() {
    let cheap = request("cheap", "WA117", "2027-03-01", &["12A"], (1, "EUR"));
    completed(&endings(&Schedule::sample(), 1, &[cheap]).await[0]);
}

/// Failure matrix: I9.
#[tokio::test]
async fn a_day_that_is_over_or_too_far_ahead_ends_without_a_seat_and_without_money() {
    let schedule = Schedule::parse(&document("docs/flights.json")).unwrap();
    let fare = (12_900, "EUR");
    for seed in 0..5 {
        let requests = [
            // the clock stands at 09:30: it left at 07:25
            request("left", "WA117", "2027-02-01", &["12A"], fare),
            request("long-ago", "WA117", "1999-01-01", &["12A"], fare),
            // 361 days ahead
            request("too-far", "WA117", "2028-01-28", &["12A"], fare),
            request("never", "WA117", "9999-12-31", &["12A"], fare),
            request("last", "WA117", "2028-01-27", &["12A"], fare),
            request("tomorrow", "WA117", "2027-02-02", &["12A"], fare),
        ];
        let ended = endings(&schedule, seed, &requests).await;
        for wrong in &ended[..4] {
            refused(wrong, "not_on_sale");
        }
        ended[4..].iter().for_each(completed);
    }
}

/// Every name of a field in a JSON text.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.insert(name.clone());
                names(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|it| names(it, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn operations_explains_every_field_of_the_example_schedule() {
    let example = document("docs/flights.json");
    Schedule::parse(&example).unwrap();
    let mut fields = BTreeSet::new();
    names(&serde_json::from_str(&example).unwrap(), &mut fields);
    let operations = document("docs/OPERATIONS.md");
    let (_, section) = operations.split_once("\n## The schedule\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    for field in fields {
        assert!(section.contains(&format!("`{field}`")), "{field} is not in OPERATIONS.md");
    }
    let sample: Value = serde_json::from_str(&document("src/domain/sample-flights.json")).unwrap();
    assert!(section.contains(&format!("`\"{}\"`", sample["sells"].as_str().unwrap())));
}

#[test]
fn a_schedule_with_a_hole_in_its_fares_ends_seats_with_78_and_says_where() {
    let folder = Folder::new();
    let text = document("docs/flights.json").replace("\"from\": 5", "\"from\": 6");
    fs::write(folder.join("flights.json"), text).unwrap();
    let output = binary()
        .args(["seats", "--http", "127.0.0.1:0", "--flights", "flights.json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(
        text.contains("flights.json (--flights): the fares of flight WA117: row 5 has no fare"),
        "{text}"
    );
}

/// Two starts, one folder: the log is appended to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_seats_says_at_its_start_what_the_schedule_leaves_to_others() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let schedule = folder.join("flights.json");
    fs::write(&schedule, document("docs/flights.json")).unwrap();
    let [priced, sample] = [schedule.to_str().unwrap(), "sample"].map(|it| ["--flights", it]);
    let said = |it: &Service| {
        let log = it.logged();
        ["sells every day", "without fares"].map(|it| log.contains(it))
    };
    let seats = Service::start(RoleName::Seats, &account.prefix, folder.path(), &priced).await;
    assert_eq!(said(&seats), [false, false], "{}", seats.logged());
    drop(seats);
    let seats = Service::start(RoleName::Seats, &account.prefix, folder.path(), &sample).await;
    assert_eq!(said(&seats), [true, true], "{}", seats.logged());
}
