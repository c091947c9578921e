//! A file that is removed, replaced or truncated under a running service: nothing is committed or
//! read any more, and `/health` says so, also while there is nothing to do.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};

use booking::{
    domain::{RoleName, event::Kind},
    durability::Durability,
    store::{
        Commit, Store, StoreError, Write,
        sqlite::{Engine, Sqlite},
    },
    wiring::store_file,
};
use serde_json::Value;

use crate::harness::{
    Account, DynamoDbLocal, Folder, LocalStack, Service, Sketch, Tables, eventually, skipped,
};

/// A store of a service, with rows, its writer thread and a look at its files.
struct Live {
    folder: Folder,
    store: Sqlite,
}

impl Live {
    async fn begin() -> Live {
        let folder = Folder::new();
        let store = Sqlite::start(open(folder.path())).unwrap();
        let live = Live { folder, store };
        for it in ["a", "b"] {
            assert_eq!(live.commit(it).await.unwrap(), Commit::Done);
        }
        assert_eq!(live.problem(), None);
        live
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.folder.join(&format!("seats.db{suffix}"))
    }

    async fn commit(&self, key: &str) -> Result<Commit, StoreError> {
        let (key, body) = (key.to_owned(), "x".repeat(9_000));
        self.store.commit(vec![Write { key, read_version: 0, body, listing: None }]).await
    }

    fn problem(&self) -> Option<String> {
        self.store.watch().unwrap().problem()
    }

    /// Nothing is read, written or listed, and health has the words, before anything is asked.
    async fn refuses(&self, words: &str) {
        let problem = self.problem().expect(words);
        assert!(problem.contains(words), "{problem}");
        self.refuses_what_it_is_asked(words).await;
    }

    async fn refuses_what_it_is_asked(&self, words: &str) {
        let asked = [
            self.commit("c").await.map(|_| ()),
            self.store.read(vec!["a".to_owned()]).await.map(|_| ()),
        ];
        for it in asked {
            let error = it.unwrap_err();
            let said = error.to_string();
            assert!(matches!(error, StoreError::Unusable { .. }), "{said}");
            assert!(said.contains(words) && said.contains("seats.db"), "{said}");
        }
        assert!(self.problem().is_some_and(|it| it.contains(words)));
    }

    async fn works(&self, key: &str) {
        assert_eq!(self.problem(), None);
        assert_eq!(self.commit(key).await.unwrap(), Commit::Done);
        let row = self.store.read(vec!["a".to_owned()]).await.unwrap();
        assert!(row[0].is_some());
    }
}

fn open(folder: &Path) -> Engine {
    let file = store_file(folder, RoleName::Seats);
    Engine::open(&file, RoleName::Seats, Durability::PowerFailure).unwrap()
}

fn truncate(file: &Path, size: u64) {
    OpenOptions::new().write(true).open(file).unwrap().set_len(size).unwrap();
}

#[tokio::test]
async fn a_store_that_was_removed_or_moved_away_is_not_used_until_it_is_back() {
    for suffix in ["", "-wal", "-shm"] {
        let live = Live::begin().await;
        fs::rename(live.file(suffix), live.file("-elsewhere")).unwrap();
        live.refuses("was removed or moved away while it was open").await;
        fs::rename(live.file("-elsewhere"), live.file(suffix)).unwrap();
        live.works("d").await;
    }
}

#[tokio::test]
async fn a_store_that_was_replaced_is_not_used() {
    for suffix in ["", "-wal"] {
        let live = Live::begin().await;
        fs::copy(live.file(suffix), live.file("-copy")).unwrap();
        fs::rename(live.file("-copy"), live.file(suffix)).unwrap();
        live.refuses("was replaced by another file while it was open").await;
    }
}

#[tokio::test]
async fn a_store_that_was_truncated_is_not_used_any_more_whatever_becomes_of_it() {
    let live = Live::begin().await;
    open(live.folder.path()).empty_log().unwrap();
    live.works("d").await;
    let size = fs::metadata(live.file("")).unwrap().len();
    for size in [size - 4_096, 0] {
        truncate(&live.file(""), size);
        live.refuses("it was truncated from").await;
    }
    truncate(&live.file(""), size);
    live.refuses("it was truncated from").await;
}

/// What was committed is only there.
#[tokio::test]
async fn a_write_ahead_log_that_was_truncated_is_found_out_before_the_next_commit() {
    for part in [0, 4] {
        let live = Live::begin().await;
        let size = fs::metadata(live.file("-wal")).unwrap().len();
        truncate(&live.file("-wal"), size / 8 * part);
        live.refuses_what_it_is_asked("was truncated while it was open").await;
    }
}

#[tokio::test]
async fn a_write_ahead_log_that_a_command_emptied_into_the_store_is_well() {
    let live = Live::begin().await;
    for key in ["c", "d", "e"] {
        open(live.folder.path()).empty_log().unwrap();
        assert_eq!(fs::metadata(live.file("-wal")).unwrap().len(), 0);
        live.works(key).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_whose_store_goes_away_is_not_healthy_and_says_nothing_until_it_is_back() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let mut services = Vec::new();
    for role in [RoleName::Payment, RoleName::Status] {
        services.push(Service::start(role, &account.prefix, folder.path(), &[]).await);
    }
    let status = services.remove(1);
    let payment = services.remove(0);
    let healthy = async |it: &Service, wanted: bool| -> Value {
        let (code, answer) = it.get("/health").await;
        assert_eq!(
            (code, &answer["health"]["healthy"]),
            (if wanted { 200 } else { 503 }, &wanted.into()),
            "{answer}"
        );
        answer["health"]["store"].clone()
    };
    // While nothing is to be done, for the role's own rows and for the ledger of its gateway.
    for (service, name) in
        [(&payment, "gateway.db"), (&payment, "payment.db"), (&status, "status.db")]
    {
        healthy(service, true).await;
        fs::rename(folder.join(name), folder.join("elsewhere")).unwrap();
        let problem = healthy(service, false).await;
        let problem = problem.as_str().unwrap();
        assert!(problem.contains(name) && problem.contains("moved away"), "{problem}");
        fs::rename(folder.join("elsewhere"), folder.join(name)).unwrap();
        assert_eq!(healthy(service, true).await, Value::Null);
    }

    fs::rename(folder.join("payment.db"), folder.join("elsewhere")).unwrap();
    let sketch = Sketch::new("b-1", &["12A"], "tok_visa");
    account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    eventually("payment to give the request back", async || {
        payment.logged().contains("given back").then_some(())
    })
    .await;
    assert!(payment.logged().contains("the store is not what was opened"), "said once, loudly");
    let (_, view) = status.get("/bookings/b-1").await;
    assert!(!is_paid(&view), "{view}");
    fs::rename(folder.join("elsewhere"), folder.join("payment.db")).unwrap();
    eventually("the booking to be paid", async || {
        let (_, view) = status.get("/bookings/b-1").await;
        is_paid(&view).then_some(())
    })
    .await;
}

/// Whether status heard `payment-ok`.
fn is_paid(view: &Value) -> bool {
    let timeline = view["timeline"].as_array();
    timeline.into_iter().flatten().any(|it| it["type"] == "payment-ok")
}

/// The same of a table: `/health` says it, also once there is an empty one of the same name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_whose_table_is_deleted_is_not_healthy_until_it_is_started_anew() {
    if skipped("dynamodb") || skipped("localstack") {
        return;
    }
    let (account, folder) = (Account::make(false).await, Folder::new());
    let dynamodb = DynamoDbLocal::running();
    let tables = Tables::make_in(dynamodb, &account.prefix).await;
    let (localstack, role) = (LocalStack::running(), RoleName::Status);
    let mut service = Service::spawn(localstack, role, &account.prefix, folder.path(), |it| {
        it.envs(dynamodb.environment());
    });
    service.polls().await;
    assert_eq!(service.get("/health").await.0, 200);
    let client = aws_sdk_dynamodb::Client::new(&tables.config);
    for role in RoleName::ALL {
        client.delete_table().table_name(tables.names.table(role)).send().await.unwrap();
    }
    // Whoever asks finds out, and health has it from then on.
    assert_eq!(service.get("/bookings/nobody").await.0, 503);
    let _empty = Tables::bare_in(dynamodb, &account.prefix).await;
    assert_eq!(service.get("/bookings/nobody").await.0, 503, "and not: unknown");
    let (code, said) = service.get("/health").await;
    assert_eq!(code, 503, "{said}");
    let problem = said["health"]["store"].as_str().unwrap();
    assert!(problem.contains("deleted while it was open"), "{problem}");
}
