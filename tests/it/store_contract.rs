//! One contract for every store, and what is true of SQLite alone. What is true of DynamoDB alone
//! is in `dynamodb`.

use std::sync::Arc;

use booking::{
    domain::{RoleName, decision::Listing},
    durability::Durability,
    store::{
        Commit, Find, Store, StoreError, Write,
        dynamodb::DynamoDb,
        memory::Memory,
        sqlite::{Engine, Inline, Sqlite},
    },
};

use tokio::sync::Semaphore;

use crate::harness::{Folder, Tables, skipped};

/// Opens the same store again, as another process or a restart would.
trait Reopen {
    type Store: Store;
    async fn open(&self) -> Self::Store;
}

struct InlineFile(Folder);
struct WriterFile(Folder);

pub fn engine(folder: &Folder) -> Engine {
    Engine::open(&folder.join("seats.db"), RoleName::Seats, Durability::PowerFailure).unwrap()
}

impl Reopen for InlineFile {
    type Store = Inline;
    async fn open(&self) -> Inline {
        Inline::new(engine(&self.0))
    }
}

impl Reopen for WriterFile {
    type Store = Sqlite;
    async fn open(&self) -> Sqlite {
        Sqlite::start(engine(&self.0)).unwrap()
    }
}

impl Reopen for Memory {
    type Store = Memory;
    async fn open(&self) -> Memory {
        self.clone()
    }
}

impl Reopen for Tables {
    type Store = DynamoDb;
    async fn open(&self) -> DynamoDb {
        // The one that has indexes.
        Tables::open(self, RoleName::Status).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamodb_keeps_the_contract() {
    if !skipped("dynamodb") {
        the_contract(Tables::make().await).await;
    }
}

#[tokio::test]
async fn the_engine_inline_keeps_the_contract() {
    the_contract(InlineFile(Folder::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_writer_thread_keeps_the_contract() {
    the_contract(WriterFile(Folder::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_contract() {
    the_contract(Memory::default()).await;
}

async fn the_contract(at: impl Reopen) {
    a_row_is_read_as_it_was_written(&at).await;
    a_row_that_changed_meanwhile_is_not_overwritten(&at).await;
    a_commit_is_whole_or_not_at_all(&at).await;
    one_of_many_at_once_wins(&at).await;
    two_openers_see_each_others_commits(&at).await;
    lists_are_by_phase_and_age(&at).await;
    a_list_is_told_page_by_page_each_row_once_also_those_of_one_time(&at).await;
}

pub fn write(key: &str, read_version: u64, body: &str) -> Write {
    Write { key: key.to_owned(), read_version, body: body.to_owned(), listing: None }
}

async fn body(store: &impl Store, key: &str) -> Option<String> {
    store.read(vec![key.to_owned()]).await.unwrap().pop().unwrap().map(|it| it.body)
}

async fn a_row_is_read_as_it_was_written(at: &impl Reopen) {
    let store = at.open().await;
    assert_eq!(
        store.commit(vec![write("a/1", 0, "one"), write("a/2", 0, "two")]).await.unwrap(),
        Commit::Done
    );
    let rows = store.read(vec!["a/2".into(), "a/3".into(), "a/1".into()]).await.unwrap();
    let rows: Vec<_> = rows.into_iter().map(|it| it.map(|it| (it.version, it.body))).collect();
    assert_eq!(rows, [Some((1, "two".into())), None, Some((1, "one".into()))]);
}

async fn a_row_that_changed_meanwhile_is_not_overwritten(at: &impl Reopen) {
    let store = at.open().await;
    store.commit(vec![write("b", 0, "first")]).await.unwrap();
    assert_eq!(store.commit(vec![write("b", 0, "late")]).await.unwrap(), Commit::Conflict);
    assert_eq!(store.commit(vec![write("b", 1, "second")]).await.unwrap(), Commit::Done);
    assert_eq!(store.commit(vec![write("b", 1, "late")]).await.unwrap(), Commit::Conflict);
    assert_eq!(body(&store, "b").await.as_deref(), Some("second"));
}

async fn a_commit_is_whole_or_not_at_all(at: &impl Reopen) {
    let store = at.open().await;
    store.commit(vec![write("c/1", 0, "old")]).await.unwrap();
    let lot = vec![write("c/2", 0, "new"), write("c/1", 7, "new"), write("c/3", 0, "new")];
    assert_eq!(store.commit(lot).await.unwrap(), Commit::Conflict);
    assert_eq!(body(&store, "c/1").await.as_deref(), Some("old"));
    assert_eq!(body(&store, "c/2").await, None);
    assert_eq!(body(&store, "c/3").await, None);
}

async fn one_of_many_at_once_wins(at: &impl Reopen) {
    let store = Arc::new(at.open().await);
    let mut tasks = tokio::task::JoinSet::new();
    // As many as one service has in hand: an emulator on a busy machine answers no more in time.
    let in_hand = Arc::new(Semaphore::new(64));
    for at in 0..200 {
        let (store, in_hand) = (Arc::clone(&store), Arc::clone(&in_hand));
        // Each also writes a row of its own, so that the losers must leave nothing behind.
        let lot = vec![write("d/seat", 0, &at.to_string()), write(&format!("d/{at}"), 0, "mine")];
        tasks.spawn(async move {
            let _turn = in_hand.acquire().await.unwrap();
            store.commit(lot).await.unwrap()
        });
    }
    let ends = tasks.join_all().await;
    assert_eq!(ends.iter().filter(|it| **it == Commit::Done).count(), 1);
    let winner = body(&*store, "d/seat").await.unwrap();
    for at in 0..200 {
        let row = body(&*store, &format!("d/{at}")).await;
        assert_eq!(row.is_some(), at.to_string() == winner, "row {at}, winner {winner}");
    }
}

async fn two_openers_see_each_others_commits(at: &impl Reopen) {
    let (one, other) = (at.open().await, at.open().await);
    one.commit(vec![write("e", 0, "by one")]).await.unwrap();
    assert_eq!(body(&other, "e").await.as_deref(), Some("by one"));
    assert_eq!(other.commit(vec![write("e", 0, "too late")]).await.unwrap(), Commit::Conflict);
    assert_eq!(other.commit(vec![write("e", 1, "by the other")]).await.unwrap(), Commit::Done);
    assert_eq!(body(&one, "e").await.as_deref(), Some("by the other"));
    drop((one, other));
    assert_eq!(body(&at.open().await, "e").await.as_deref(), Some("by the other"));
}

async fn lists_are_by_phase_and_age(at: &impl Reopen) {
    let store = at.open().await;
    let rows =
        [("f/1", "paid", 30, true), ("f/2", "completed", 10, false), ("f/3", "paid", 20, true)];
    for (key, phase, at_ms, open) in rows {
        let listing = Some(Listing { phase: phase.to_owned(), at_ms, open });
        let lot = vec![Write { listing, ..write(key, 0, key) }];
        store.commit(lot).await.unwrap();
    }
    let keys = async |find, limit| -> Vec<String> {
        let page = store.list(find, None, limit).await.unwrap();
        page.rows.into_iter().map(|(key, _)| key).collect()
    };
    let phase = |it: &str| Find::Newest { phase: Some(it.to_owned()) };
    assert_eq!(keys(Find::Newest { phase: None }, 9).await, ["f/1", "f/3", "f/2"]);
    assert_eq!(keys(phase("paid"), 9).await, ["f/1", "f/3"]);
    assert_eq!(keys(phase("paid"), 1).await, ["f/1"]);
    assert_eq!(keys(Find::Stalest, 9).await, ["f/3", "f/1"]);
    // A row that is rewritten moves.
    let listing = Some(Listing { phase: "completed".to_owned(), at_ms: 40, open: false });
    store.commit(vec![Write { listing, ..write("f/3", 1, "f/3") }]).await.unwrap();
    assert_eq!(keys(Find::Stalest, 9).await, ["f/1"]);
    assert_eq!(keys(phase("completed"), 9).await, ["f/3", "f/2"]);
}

/// Rows that came meanwhile are on no later page of the newest, and rows that stayed are on one
/// each.
async fn a_list_is_told_page_by_page_each_row_once_also_those_of_one_time(at: &impl Reopen) {
    let store = at.open().await;
    let put = async |key: String, phase: &str, at_ms, version| {
        let listing = Some(Listing { phase: phase.to_owned(), at_ms, open: phase != "completed" });
        let lot = vec![Write { listing, ..write(&key, version, &key) }];
        assert_eq!(store.commit(lot).await.unwrap(), Commit::Done);
    };
    // Later than all that other parts of the contract wrote. Seven of one time, of three phases.
    for at in 0..7 {
        let phase = ["paid", "completed", "requested"][at % 3];
        put(format!("booking/same-{at}"), phase, 1_000, 0).await;
    }
    for (at, phase) in ["paid", "completed", "paid", "requested"].into_iter().enumerate() {
        let at_ms = [998, 999, 1_001, 1_002][at];
        put(format!("booking/own-{at}"), phase, at_ms, 0).await;
    }
    let ours = |it: &String| it.starts_with("booking/");
    let whole = async |find: Find| -> Vec<String> {
        let page = store.list(find, None, 99).await.unwrap();
        assert_eq!(page.next, None);
        page.rows.into_iter().map(|it| it.0).filter(ours).collect()
    };
    let finds = || {
        let phase = |it: &str| Find::Newest { phase: Some(it.to_owned()) };
        [Find::Newest { phase: None }, phase("paid"), phase("completed"), Find::Stalest]
    };
    for (find, count) in finds().into_iter().zip([11, 5, 3, 8]) {
        let mut wanted = whole(find.clone()).await;
        assert_eq!(wanted.len(), count, "{find:?}");
        wanted.sort();
        for limit in 1..=12 {
            let (mut told, mut after) = (Vec::new(), None);
            loop {
                let page = store.list(find.clone(), after, limit).await.unwrap();
                assert!(page.rows.len() <= limit);
                told.extend(page.rows.into_iter().map(|it| it.0).filter(ours));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            told.sort();
            assert_eq!(told, wanted, "{find:?} by {limit}");
        }
    }
    // In the order of time, whatever the pages are.
    let newest = whole(Find::Newest { phase: None }).await;
    assert_eq!((newest[0].as_str(), newest[1].as_str()), ("booking/own-3", "booking/own-2"));
    assert_eq!((newest[9].as_str(), newest[10].as_str()), ("booking/own-1", "booking/own-0"));
    // Where the list goes on does not move: neither with new rows, nor with that of the place
    // itself.
    let first = store.list(Find::Newest { phase: None }, None, 4).await.unwrap();
    let next = first.next.clone().unwrap();
    assert_eq!(next.key, first.rows[3].0);
    for at in 0..3 {
        put(format!("booking/late-{at}"), "paid", 1_000 + 2 * at, 0).await;
    }
    put(next.key.clone(), "completed", 2_000, 1).await;
    let rest = store.list(Find::Newest { phase: None }, Some(next), 99).await.unwrap();
    let rest: Vec<String> = rest.rows.into_iter().map(|it| it.0).filter(ours).collect();
    let old = |it: &&String| !it.contains("late-0");
    let mut all: Vec<&String> =
        first.rows.iter().map(|it| &it.0).chain(rest.iter().filter(old)).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 11, "{all:?}");
    assert_eq!(rest.iter().filter(old).count(), 7, "none of them twice: {rest:?}");
    assert!(store.list(Find::Stalest, None, 0).await.unwrap().next.is_none());
}

#[test]
fn the_file_of_another_role_is_refused() {
    let folder = Folder::new();
    drop(engine(&folder));
    let wrong = Engine::open(&folder.join("seats.db"), RoleName::Payment, Durability::PowerFailure);
    let error = wrong.unwrap_err().to_string();
    assert!(error.contains("belongs to seats, not to payment"), "{error}");
}

#[tokio::test]
async fn a_file_can_be_read_without_being_touched_also_while_its_service_is_at_work() {
    let folder = Folder::new();
    let file = folder.join("seats.db");
    assert!(Engine::open_read_only(&file, RoleName::Seats).is_err(), "it is not there");
    assert!(!file.exists(), "and was not made");

    let writer = Inline::new(engine(&folder));
    writer.commit(vec![write("a", 0, "one")]).await.unwrap();
    let reader = Inline::new(Engine::open_read_only(&file, RoleName::Seats).unwrap());
    assert_eq!(body(&reader, "a").await.as_deref(), Some("one"));
    writer.commit(vec![write("a", 1, "two")]).await.unwrap();
    assert_eq!(body(&reader, "a").await.as_deref(), Some("two"));
    assert!(reader.commit(vec![write("a", 2, "three")]).await.is_err());

    // And when nobody has it open.
    drop((reader, writer));
    let reader = Inline::new(Engine::open_read_only(&file, RoleName::Seats).unwrap());
    assert_eq!(body(&reader, "a").await.as_deref(), Some("two"));
    let other = Engine::open_read_only(&file, RoleName::Payment).unwrap_err().to_string();
    assert!(other.contains("it belongs to seats, not to payment"), "{other}");
}

#[test]
fn a32_the_file_of_a_newer_binary_is_refused() {
    let folder = Folder::new();
    drop(engine(&folder));
    let file = rusqlite::Connection::open(folder.join("seats.db")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let newer = Engine::open(&folder.join("seats.db"), RoleName::Seats, Durability::PowerFailure);
    assert!(matches!(newer, Err(StoreError::Unusable { .. })));
}

#[tokio::test]
async fn concurrent_settles_share_transactions() {
    let folder = Folder::new();
    let store = Arc::new(Sqlite::start(engine(&folder)).unwrap());
    let before = frames(&folder);
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..500 {
        let store = Arc::clone(&store);
        tasks.spawn(
            async move { store.commit(vec![write(&format!("g/{at}"), 0, "x")]).await.unwrap() },
        );
    }
    assert!(tasks.join_all().await.iter().all(|it| *it == Commit::Done));
    // One transaction writes each page it touches once. One each would be at least 500 frames.
    let written = frames(&folder) - before;
    assert!(written < 250, "500 settles wrote {written} pages to the log");
}

/// Pages in the write-ahead log.
fn frames(folder: &Folder) -> u64 {
    std::fs::metadata(folder.join("seats.db-wal")).unwrap().len() / 4096
}

/// Receipt's rows have names: what was written over is nowhere, also while the service has the
/// file.
#[test]
fn what_receipt_wrote_over_is_gone_from_its_files() {
    let folder = Folder::new();
    let open = || {
        let file = folder.join("receipt.db");
        Engine::open(&file, RoleName::Receipt, Durability::ProcessDeath).unwrap()
    };
    let (mut service, command) = (open(), open());
    // Longer than a page, so that it has pages of its own, which then are free.
    let named = "Ada Lovelace ".repeat(1000);
    let mut put = |version, body: &str| {
        let writes = [write("booking/b-1", version, body)];
        assert_eq!(service.commit_all(&[&writes]).unwrap(), [Commit::Done]);
    };
    put(0, &named);
    command.empty_log().unwrap();
    assert!(with_ada(&folder), "it is there to be written over");
    put(1, "erased");
    command.empty_log().unwrap();
    assert!(!with_ada(&folder));
}

/// Whether any file of the folder has the name in it.
fn with_ada(folder: &Folder) -> bool {
    let files = std::fs::read_dir(folder.path()).unwrap();
    let mut files = files.map(|it| std::fs::read(it.unwrap().path()).unwrap());
    files.any(|it| it.windows(8).any(|it| it == b"Lovelace"))
}

/// A file as an earlier build wrote it is taken over with all its rows, versions and lists.
#[test]
fn a_file_of_an_earlier_schema_is_taken_over() {
    taken_over(
        1,
        "CREATE TABLE rows (key TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL,
             phase TEXT, at_ms INTEGER, open INTEGER) STRICT, WITHOUT ROWID;",
    );
    taken_over(
        2,
        "CREATE TABLE rows (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,
             version INTEGER NOT NULL, body TEXT NOT NULL,
             phase TEXT, at_ms INTEGER, open INTEGER) STRICT;",
    );
}

fn taken_over(version: usize, rows: &str) {
    let folder = Folder::new();
    let path = folder.join("status.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(&format!(
        "CREATE TABLE meta (role TEXT NOT NULL) STRICT;
         {rows}
         CREATE INDEX newest ON rows (at_ms DESC) WHERE phase IS NOT NULL;
         CREATE INDEX newest_of_phase ON rows (phase, at_ms DESC) WHERE phase IS NOT NULL;
         CREATE INDEX stalest ON rows (at_ms) WHERE open = 1;
         INSERT INTO meta VALUES ('status');
         INSERT INTO rows (key, version, body, phase, at_ms, open) VALUES
             ('booking/b', 3, 'two', 'paid', 20, 1),
             ('booking/a', 7, 'one', 'completed', 10, 0),
             ('canary/1', 1, 'three', NULL, NULL, NULL);
         PRAGMA user_version = {version};",
    ))
    .unwrap();
    drop(old);
    let open = || Engine::open(&path, RoleName::Status, Durability::PowerFailure).unwrap();
    // Twice: it is taken over once.
    drop(open());
    let mut engine = open();
    let rows = engine.read(&["booking/a".into(), "booking/b".into(), "canary/1".into()]).unwrap();
    let rows: Vec<_> = rows.into_iter().flatten().map(|it| (it.version, it.body)).collect();
    assert_eq!(rows, [(7, "one".into()), (3, "two".into()), (1, "three".into())]);
    let newest = engine.list(&Find::Newest { phase: None }, None, 9).unwrap().rows;
    assert_eq!(newest.iter().map(|it| it.1.as_str()).collect::<Vec<_>>(), ["two", "one"]);
    assert_eq!(engine.list(&Find::Stalest, None, 9).unwrap().rows.len(), 1);
    let written = [write("booking/a", 7, "on")];
    assert_eq!(engine.commit_all(&[&written]).unwrap(), [Commit::Done]);
    assert_eq!(engine.commit_all(&[&written]).unwrap(), [Commit::Conflict]);
    let again = [write("canary/1", 0, "new")];
    assert_eq!(engine.commit_all(&[&again]).unwrap(), [Commit::Conflict], "there is one already");
}

/// Who only looks needs no transaction: he is answered also while another process keeps the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_are_answered_while_another_process_is_writing() {
    let folder = Folder::new();
    let store = Sqlite::start(engine(&folder)).unwrap();
    store.commit(vec![write("a", 0, "one")]).await.unwrap();
    let other = rusqlite::Connection::open(folder.join("seats.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (late, row) = tokio::join!(store.commit(vec![write("a", 1, "two")]), body(&store, "a"));
    assert_eq!(row.as_deref(), Some("one"));
    assert!(matches!(late, Err(StoreError::Failed { .. })), "{late:?}");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.commit(vec![write("a", 1, "two")]).await.unwrap(), Commit::Done);
}
