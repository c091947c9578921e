//! One contract for every store, and what is true of SQLite alone. What is true of DynamoDB alone
//! is in `dynamodb`.

use std::sync::Arc;

use booking::{
    domain::{RoleName, decision::Listing},
    durability::Durability,
    store::{
        Commit, Find, Store, Tally, Write,
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
    open_rows_are_counted_up_to_a_bound_the_oldest_first(&at).await;
}

pub fn write(key: &str, read_version: u64, body: &str) -> Write {
    Write { key: key.to_owned(), read_version, body: body.to_owned(), listing: None }
}

pub async fn body(store: &impl Store, key: &str) -> Option<String> {
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

/// After all other parts of the contract, whose rows count as well.
async fn open_rows_are_counted_up_to_a_bound_the_oldest_first(at: &impl Reopen) {
    let store = at.open().await;
    let before = store.tally(i64::MIN, 999).await.unwrap();
    assert_eq!(before.older, 0);
    let rows = [
        ("g/1", "paid", -30, true),
        ("g/2", "requested", -20, true),
        ("g/3", "paid", -10, true),
        ("g/4", "completed", 9_000, false),
    ];
    for (key, phase, at_ms, open) in rows {
        let listing = Some(Listing { phase: phase.to_owned(), at_ms, open });
        store.commit(vec![Write { listing, ..write(key, 0, key) }]).await.unwrap();
    }
    let newest_ms = Some(9_000);
    let tally = async |before_ms, limit| store.tally(before_ms, limit).await.unwrap();
    let open = before.open + 3;
    assert_eq!(tally(i64::MIN, 999).await, Tally { open, older: 0, newest_ms });
    assert_eq!(tally(-20, 999).await, Tally { open, older: 1, newest_ms });
    assert_eq!(tally(-9, 999).await, Tally { open, older: 3, newest_ms });
    assert_eq!(tally(i64::MAX, 999).await, Tally { open, older: open, newest_ms });
    // The oldest are counted, of whatever phase.
    assert_eq!(tally(-9, 2).await, Tally { open: 2, older: 2, newest_ms });
    assert_eq!(tally(-20, 2).await, Tally { open: 2, older: 1, newest_ms });
    assert_eq!(tally(-9, 0).await, Tally { open: 0, older: 0, newest_ms });
    // A row that is rewritten counts once, at its new time, until it has ended.
    let listing = Some(Listing { phase: "paid".to_owned(), at_ms: -5, open: true });
    store.commit(vec![Write { listing, ..write("g/1", 1, "g/1") }]).await.unwrap();
    assert_eq!(tally(-9, 999).await, Tally { open, older: 2, newest_ms });
    let listing = Some(Listing { phase: "completed".to_owned(), at_ms: -4, open: false });
    store.commit(vec![Write { listing, ..write("g/1", 2, "g/1") }]).await.unwrap();
    assert_eq!(tally(-9, 999).await, Tally { open: open - 1, older: 2, newest_ms });
}
