//! What is true of the DynamoDB store alone: its limits, its lists, what it says when a table is
//! not there, and what it makes of answers that are incomplete, refused or lost on their way.

use axum::http::StatusCode;
use booking::{
    clock::Clock,
    domain::{RoleName, decision::Listing, event::Kind, schedule::Schedule, seats::Seats},
    durability::Durability,
    metrics::{Metrics, RequestCount},
    roles::SeatsRole,
    runtime::{Chain, Outcome, UnitOfWork},
    store::{Commit, Find, Start, Store, StoreError, Write, dynamodb::DynamoDb},
    wiring::{begin, new_deployment},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{
    Account, DynamoDbLocal, Fate, Folder, LocalStack, Sketch, Tables, Way, binary,
    emulator::config, skipped,
};

fn write(key: String, listing: Option<Listing>) -> Write {
    Write { body: format!("the row {key}"), key, read_version: 0, listing }
}

fn listed(key: String, phase: &str, at_ms: i64, open: bool) -> Write {
    write(key, Some(Listing { phase: phase.to_owned(), at_ms, open, departure: None }))
}

/// How often an operation was sent.
fn sent(count: &RequestCount, operation: &str) -> u64 {
    let text = Metrics::new(count.clone()).render();
    let label =
        format!("booking_aws_requests_total{{service=\"dynamodb\",operation=\"{operation}\"}} ");
    text.lines().find_map(|it| it.strip_prefix(&label)).map_or(0, |it| it.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_rows_are_one_transaction_and_more_are_refused_before_anything_is_sent() {
    if skipped("dynamodb") {
        return;
    }
    let (tables, count) = (Tables::make().await, RequestCount::default());
    let store = tables.open_counted(RoleName::Seats, count.clone()).await;
    let rows = |letter: char, of| (0..of).map(|it| write(format!("{letter}/{it}"), None)).collect();
    assert_eq!(store.commit(rows('a', 100)).await.unwrap(), Commit::Done);
    assert_eq!(sent(&count, "TransactWriteItems"), 1);
    let refused = store.commit(rows('b', 101)).await.unwrap_err();
    let said = Chain(&refused).to_string();
    let table = tables.names.table(RoleName::Seats);
    assert!(said.contains("101 rows are more than the 100") && said.contains(&table), "{said}");
    assert_eq!(sent(&count, "TransactWriteItems"), 1, "nothing was sent");
    assert_eq!(store.commit(Vec::new()).await.unwrap(), Commit::Done);

    // More keys than one request takes, some twice, some that are not there: in their order.
    let keys: Vec<String> = (0..250).map(|it| format!("a/{}", it % 120)).collect();
    let found = store.read(keys.clone()).await.unwrap();
    for (key, row) in keys.iter().zip(found) {
        let there = key[2..].parse::<u32>().unwrap() < 100;
        assert_eq!(row.map(|it| it.body), there.then(|| format!("the row {key}")), "{key}");
    }
    assert_eq!(sent(&count, "BatchGetItem"), 2);
    assert_eq!(store.read(Vec::new()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_go_over_pages_and_phases_in_order_and_never_scan() {
    if skipped("dynamodb") {
        return;
    }
    let (tables, count) = (Tables::make().await, RequestCount::default());
    let store = tables.open_counted(RoleName::Status, count.clone()).await;
    // 600 keys of 2,000 bytes are more than the megabyte of one page.
    let long = |at: i64| format!("booking/{at:0>1992}");
    for lot in (0..600).collect::<Vec<i64>>().chunks(100) {
        let rows = lot.iter().map(|at| listed(long(*at), "completed", *at, false)).collect();
        assert_eq!(store.commit(rows).await.unwrap(), Commit::Done);
    }
    let (queries, newest) = (sent(&count, "Query"), |phase: Option<&str>| Find::Newest {
        phase: phase.map(str::to_owned),
    });
    let found = store.list(newest(Some("completed")), Start::First, 600).await.unwrap().rows;
    let wanted: Vec<String> = (0..600).rev().map(long).collect();
    assert!(found.iter().map(|it| &it.0).eq(&wanted), "newest first, none left out");
    assert_eq!(found[0].1, format!("the row {}", long(599)));
    assert!(sent(&count, "Query") - queries >= 2, "more than one page");

    // Other phases in between; the limit counts over all of them.
    for (at, phase) in [(595, "paid"), (605, "requested"), (600, "refund_pending")] {
        let row = listed(format!("booking/open-{at}"), phase, at, true);
        assert_eq!(store.commit(vec![row]).await.unwrap(), Commit::Done);
    }
    let keys = async |find, limit| -> Vec<String> {
        let found = store.list(find, Start::First, limit).await.unwrap().rows;
        found.into_iter().map(|it| it.0.trim_start_matches("booking/").to_owned()).collect()
    };
    let first = keys(newest(None), 4).await;
    assert_eq!(first[..2], ["open-605", "open-600"]);
    assert_eq!(first.len(), 4);
    assert_eq!(keys(Find::Stalest, 2).await, ["open-595", "open-600"]);
    assert_eq!(keys(Find::Stalest, 9).await, ["open-595", "open-600", "open-605"]);
    assert!(keys(Find::Stalest, 0).await.is_empty());
    assert_eq!(sent(&count, "Scan"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_or_an_index_that_is_not_there_is_refused_by_name() {
    if skipped("dynamodb") {
        return;
    }
    let tables = Tables::make().await;
    let open = async |table: &str, role| {
        let opened = DynamoDb::open(&tables.config, table, role, RequestCount::default()).await;
        opened.unwrap_err()
    };
    let missing = open("staging-booking-seats", RoleName::Seats).await;
    let said = missing.to_string();
    for part in ["staging-booking-seats", "eu-central-1", "ResourceNotFoundException", "terraform"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    // A table without the indexes that status lists by.
    let plain = tables.names.table(RoleName::Seats);
    let said = open(&plain, RoleName::Status).await.to_string();
    assert!(said.contains(&plain) && said.contains("newest"), "{said}");

    // The same on the command line, for everything that opens a store.
    let folder = Folder::new();
    let run = |args: &[&str], settings: &[(&str, &str)]| {
        let output = binary()
            .args(args)
            .envs(LocalStack::environment_of("http://127.0.0.1:9"))
            .envs(DynamoDbLocal::running().environment())
            .envs([
                ("BOOKING_DATA", folder.path().to_str().unwrap()),
                ("BOOKING_FLIGHTS", "sample"),
            ])
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for args in [
        &["seats", "--http", "127.0.0.1:0"][..],
        &["resend", "seats", "b-1"],
        &["dlq", "redrive", "seats", "--dry-run"],
    ] {
        let (code, said) = run(args, &[("BOOKING_PREFIX", "nowhere-")]);
        assert_eq!(code, Some(78), "{args:?}: {said}");
        assert!(said.contains("nowhere-booking-seats"), "{args:?}: {said}");
    }
    let (code, said) = run(
        &["seats", "--http", "127.0.0.1:0"],
        &[("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")],
    );
    assert_eq!(code, Some(75), "a DynamoDB that does not answer may answer later: {said}");
    // Nothing was made on disk.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let task = ("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x");
    let (code, said) = run(&["seats", "--http", "127.0.0.1:0", "--store", "sqlite"], &[task]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("--store dynamodb") && said.contains("--sqlite-on-ecs"), "{said}");
    let (code, said) = run(&["seats", "--http", "127.0.0.1:0", "--store", "memory"], &[task]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("--store memory forgets"), "{said}");
    let (code, said) = run(&["resend", "seats", "b-1", "--store", "memory"], &[]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("in the process of seats"), "{said}");
    begin(folder.path(), &[RoleName::Seats], new_deployment(), Durability::ProcessDeath).unwrap();
    let forced = ["seats", "--http", "127.0.0.1:0", "--store", "sqlite", "--sqlite-on-ecs"];
    let (code, said) = run(&forced, &[task]);
    assert_eq!(code, Some(75), "it got as far as the queues: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_find_the_rows_of_a_service_in_its_table() {
    if skipped("dynamodb") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let tables = Tables::make_in(DynamoDbLocal::running(), &account.prefix).await;
    // Seats decided, its message died, and a copy lies on the dead-letter queue.
    let sketch = Sketch::new("b-1", &["12A"], "tok_visa");
    let rows = tables.open(RoleName::Seats).await;
    let decided =
        UnitOfWork::new(seats(), rows, Clock::Machine).attend(&sketch.event()).await.unwrap();
    assert!(matches!(decided, Outcome::Announce { messages, .. } if messages.len() == 1));
    account.put(&account.names.dead_letter_queue(RoleName::Seats), &sketch.cloud_event()).await;

    let booking = |args: &[&str]| {
        let output = binary()
            .args(args)
            .args(["--prefix", &account.prefix, "--store", "dynamodb"])
            .arg("--data")
            .arg(folder.join("nothing"))
            .envs(LocalStack::running().environment())
            .env("AWS_ENDPOINT_URL_DYNAMODB", &DynamoDbLocal::running().endpoint)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, said) = booking(&["resend", "seats", "b-1"]);
    assert_eq!((code, said.as_str()), (Some(0), "seats  b-1  announced again: seat-booked\n"));
    assert_eq!(booking(&["resend", "seats", "nobody"]).0, Some(1));
    let dry = ["dlq", "redrive", "seats", "--dry-run", "--flights", "sample"];
    let (code, said) = booking(&dry);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("b-1") && said.contains("seat-booked"), "{said}");
    assert!(!folder.join("nothing").exists(), "no folder is made for what is in a table");
}

fn seats() -> SeatsRole {
    let hold_limit = SignedDuration::from_mins(15);
    SeatsRole(Seats { schedule: Schedule::sample(), hold_limit })
}

/// A way to the real DynamoDB Local on which things happen.
async fn way(
    decide: impl Fn(&str, usize, &Value) -> Fate + Send + Sync + 'static,
) -> aws_config::SdkConfig {
    config(&Way::to(&DynamoDbLocal::running().endpoint, decide).await.endpoint).await
}

fn error(kind: &str) -> Fate {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
    Fate::Say(StatusCode::BAD_REQUEST, json!({"__type": kind, "message": "not now"}))
}

async fn store_over(way: &aws_config::SdkConfig, tables: &Tables) -> DynamoDb {
    let table = tables.names.table(RoleName::Seats);
    DynamoDb::open(way, &table, RoleName::Seats, RequestCount::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_dynamodb_leaves_out_are_asked_for_again_so_many_times() {
    if skipped("dynamodb") {
        return;
    }
    let tables = Tables::make().await;
    let rows = (0..5).map(|it| write(format!("a/{it}"), None)).collect();
    tables.open(RoleName::Seats).await.commit(rows).await.unwrap();
    let keys: Vec<String> = (0..5).map(|it| format!("a/{it}")).collect();
    let nothing = |asked: &Value| {
        let answer = json!({"Responses": {}, "UnprocessedKeys": asked["RequestItems"]});
        Fate::Say(StatusCode::OK, answer)
    };
    let twice = way(move |operation, nth, asked| match (operation, nth) {
        ("BatchGetItem", 0 | 1) => nothing(asked),
        _ => Fate::Pass,
    });
    let found = store_over(&twice.await, &tables).await.read(keys.clone()).await.unwrap();
    assert_eq!(found.iter().flatten().count(), 5);

    let never = way(move |operation, _, asked| match operation {
        "BatchGetItem" => nothing(asked),
        _ => Fate::Pass,
    });
    let left = store_over(&never.await, &tables).await.read(keys).await.unwrap_err();
    assert!(Chain(&left).to_string().contains("5 keys were still unprocessed"), "{}", Chain(&left));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_turned_away_has_failed_and_who_met_another_has_a_conflict() {
    if skipped("dynamodb") {
        return;
    }
    let tables = Tables::make().await;
    let one = || vec![write("a".to_owned(), None)];
    let two = || vec![write("a".to_owned(), None), write("b".to_owned(), None)];
    let table = tables.names.table(RoleName::Seats);
    for kind in ["ProvisionedThroughputExceededException", "ThrottlingException"] {
        let busy = way(move |operation, _, _| match operation {
            "PutItem" | "TransactWriteItems" => error(kind),
            _ => Fate::Pass,
        });
        let store = store_over(&busy.await, &tables).await;
        for lot in [one(), two()] {
            let failed = store.commit(lot).await.unwrap_err();
            let said = Chain(&failed).to_string();
            assert!(matches!(failed, StoreError::Failed { .. }), "{said}");
            assert!(said.contains(&table) && said.contains(kind), "{said}");
        }
    }
    let crowded = way(|operation, _, _| match operation {
        "PutItem" => error("TransactionConflictException"),
        "TransactWriteItems" => {
            let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
            let reasons = json!([{"Code": "None"}, {"Code": "TransactionConflict"}]);
            let answer = json!({"__type": kind, "Message": "", "CancellationReasons": reasons});
            Fate::Say(StatusCode::BAD_REQUEST, answer)
        }
        _ => Fate::Pass,
    });
    let store = store_over(&crowded.await, &tables).await;
    assert_eq!(store.commit(one()).await.unwrap(), Commit::Conflict);
    assert_eq!(store.commit(two()).await.unwrap(), Commit::Conflict);
    // A short while is no failure: the SDK sends it again.
    let moment = way(|operation, nth, _| match (operation, nth) {
        ("PutItem", 0) => error("ProvisionedThroughputExceededException"),
        _ => Fate::Pass,
    });
    let store = store_over(&moment.await, &tables).await;
    assert_eq!(store.commit(one()).await.unwrap(), Commit::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_was_lost_is_found_again_by_its_memo() {
    if skipped("dynamodb") {
        return;
    }
    let tables = Tables::make().await;
    // A refusal is one row, a hold is two: PutItem has no token, TransactWriteItems has.
    for (operation, sketch) in [
        ("TransactWriteItems", Sketch::new("held", &["12A"], "tok_visa")),
        ("PutItem", Sketch::new("refused", &["99K"], "tok_visa")),
    ] {
        let lossy = way(move |sent, nth, _| match sent == operation && nth == 0 {
            true => Fate::Lose,
            false => Fate::Pass,
        });
        let store = store_over(&lossy.await, &tables).await;
        let work = UnitOfWork::new(seats(), store, Clock::Machine);
        let outcome = work.attend(&sketch.event()).await.unwrap();
        let Outcome::Announce { messages, recalled, conflicts, .. } = outcome else { panic!() };
        let wanted = if operation == "PutItem" { Kind::SeatUnavailable } else { Kind::SeatBooked };
        assert_eq!(messages.iter().map(|it| it.kind).collect::<Vec<_>>(), [wanted]);
        assert_eq!((recalled, conflicts), (operation == "PutItem", u32::from(recalled)));
    }
}

/// An index lags behind its table: what it still has under the phase it left is not listed there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_has_moved_on_is_left_out_of_the_list_it_has_left() {
    if skipped("dynamodb") {
        return;
    }
    let tables = Tables::make().await;
    let row = listed("a".to_owned(), "completed", 7, false);
    tables.open(RoleName::Seats).await.commit(vec![row]).await.unwrap();
    let lagging = way(|operation, _, asked| {
        let phase = &asked["ExpressionAttributeValues"][":hash"]["S"];
        if operation != "Query" || !["requested", "completed"].map(Into::into).contains(phase) {
            return Fate::Pass;
        }
        let entry = json!({"key": {"S": "a"}, "at_ms": {"N": "5"}});
        Fate::Say(StatusCode::OK, json!({"Items": [entry], "Count": 1}))
    });
    let store = store_over(&lagging.await, &tables).await;
    let list = async |find| {
        let rows = store.list(find, Start::First, 9).await.unwrap().rows;
        rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    let newest = |phase: &str| Find::Newest { phase: Some(phase.to_owned()) };
    assert_eq!(list(newest("completed")).await, ["a"]);
    assert!(list(newest("requested")).await.is_empty());
}
