//! One contract for every store: rows here, lists and counts in the files below. Its parts run one
//! after the other in one store. What is true of one store alone is in `sqlite` and `dynamodb`.

mod lists;
mod pages;
mod tally;

use std::sync::Arc;

use booking::{
    domain::RoleName,
    durability::Durability,
    store::{
        Commit, Store, Write,
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
    lists::lists_are_by_phase_and_age(&at).await;
    lists::lists_are_by_flight_and_day(&at).await;
    pages::a_list_is_told_page_by_page_both_ways_each_row_once_also_those_of_one_time(&at).await;
    pages::a_place_that_nobody_gave_is_before_or_after_all_rows_by_its_time(&at).await;
    tally::open_rows_are_counted_up_to_a_bound_the_oldest_first(&at).await;
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
