//! What is true of the SQLite store alone: whose file it opens, what it leaves in it, and old
//! schemas.

use std::sync::Arc;

use booking::{
    domain::RoleName,
    durability::Durability,
    store::{
        Commit, Find, Start, Store, StoreError,
        sqlite::{Engine, Inline, Sqlite},
    },
};

use crate::harness::Folder;

use super::store::{body, engine, write};

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

/// Failure matrix: A32.
#[test]
fn the_file_of_a_newer_binary_is_refused() {
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
    let newest = engine.list(&Find::Newest { phase: None }, &Start::First, 9).unwrap().rows;
    assert_eq!(newest.iter().map(|it| it.1.as_str()).collect::<Vec<_>>(), ["two", "one"]);
    assert_eq!(engine.list(&Find::Stalest, &Start::First, 9).unwrap().rows.len(), 1);
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
