//! Opens the store that `--store` names. Must never create one: `beginnings` does that.

use std::path::Path;

use aws_config::SdkConfig;
use tracing::warn;

use super::{
    beginnings,
    faults::{file_fault, table_fault},
    places::{existing_store_file, read_store},
};
use crate::{
    aws::Denied,
    aws::Names,
    config::{ServiceArgs, StoreName},
    domain::RoleName,
    durability::Durability,
    fault::Fault,
    mailer::folder,
    metrics::RequestCount,
    runtime::{Chain, WorkError},
    store::{
        Commit, Find, Page, Start, Store, StoreError, Tally, Versioned, Write,
        dynamodb::DynamoDb,
        memory::Memory,
        sqlite::{Engine, Inline, Sqlite, Watch},
    },
};

/// The variable that ECS sets for every task.
const ECS_TASK: &str = "ECS_CONTAINER_METADATA_URI_V4";
/// How much of a small ledger payment caches in memory, in KiB. A booking has one row there, and
/// the kernel caches the file anyway. Payment needs the most memory of the four as it is.
const LEDGER_CACHE_KIB: u32 = 256;

/// The store of a role, of any kind.
#[derive(Debug)]
pub enum AnyStore {
    /// A SQLite file with a writer thread: for services.
    File(Sqlite),
    /// A SQLite file that is used on the calling thread: for commands.
    Inline(Inline),
    /// A DynamoDB table.
    Table(DynamoDb),
    /// Memory: for benchmarks.
    Memory(Memory),
}

/// The futures of the table are boxed: a request of the SDK is large while it is in flight, and
/// without a box the future of every delivery would have room for one and be moved with it.
impl Store for AnyStore {
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Versioned>>, StoreError> {
        match self {
            AnyStore::File(it) => it.read(keys).await,
            AnyStore::Inline(it) => it.read(keys).await,
            AnyStore::Table(it) => Box::pin(it.read(keys)).await,
            AnyStore::Memory(it) => it.read(keys).await,
        }
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        match self {
            AnyStore::File(it) => it.commit(writes).await,
            AnyStore::Inline(it) => it.commit(writes).await,
            AnyStore::Table(it) => Box::pin(it.commit(writes)).await,
            AnyStore::Memory(it) => it.commit(writes).await,
        }
    }

    async fn list(&self, find: Find, start: Start, limit: usize) -> Result<Page, StoreError> {
        match self {
            AnyStore::File(it) => it.list(find, start, limit).await,
            AnyStore::Inline(it) => it.list(find, start, limit).await,
            AnyStore::Table(it) => Box::pin(it.list(find, start, limit)).await,
            AnyStore::Memory(it) => it.list(find, start, limit).await,
        }
    }

    async fn tally(&self, before_ms: i64, limit: usize) -> Result<Tally, StoreError> {
        match self {
            AnyStore::File(it) => it.tally(before_ms, limit).await,
            AnyStore::Inline(it) => it.tally(before_ms, limit).await,
            AnyStore::Table(it) => Box::pin(it.tally(before_ms, limit)).await,
            AnyStore::Memory(it) => it.tally(before_ms, limit).await,
        }
    }
}

/// Watches a store or a folder of a service, for `/health`.
#[derive(Clone, Debug)]
pub enum Eye {
    /// Looks at the file.
    File(Watch),
    /// Knows how the last request to the table ended.
    Table(DynamoDb),
    /// Looks at the folder of receipts.
    Receipts(folder::Watch),
}

impl Eye {
    /// Why the store can no longer be read or written, if that is so.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match self {
            Eye::File(it) => it.problem(),
            Eye::Table(it) => it.problem(),
            Eye::Receipts(it) => it.problem(),
        }
    }
}

impl AnyStore {
    /// Opens the store that a service works on.
    ///
    /// # Errors
    /// If the file or table does not exist, was not created by `booking init`, or cannot be used;
    /// or if it would be a file on the disk of an ECS task.
    pub async fn of_service(
        args: &ServiceArgs,
        role: RoleName,
        config: &SdkConfig,
        count: RequestCount,
    ) -> Result<AnyStore, Fault> {
        match args.store.store {
            StoreName::Sqlite => {
                if !args.sqlite_on_ecs && std::env::var_os(ECS_TASK).is_some() {
                    return Err(on_a_task());
                }
                with_thread(beginnings::open_begun(&args.data.folder, role)?)
            }
            StoreName::Dynamodb => table(config, &args.aws.prefix, role, count).await,
            StoreName::Memory if std::env::var_os(ECS_TASK).is_some() => {
                Err(Fault::Config(format!(
                    "this is an ECS task ({ECS_TASK} is set): --store memory forgets every booking \
                     with the process; use --store dynamodb"
                )))
            }
            StoreName::Memory => {
                warn!("--store memory: every booking is forgotten when this process ends");
                Ok(AnyStore::Memory(Memory::default()))
            }
        }
    }

    /// Opens the ledger of the simulated gateway: a file of its own, or the table or memory where
    /// payment has its rows.
    ///
    /// # Errors
    /// If the file does not exist, cannot be used, or belongs to another deployment than payment's
    /// rows.
    pub fn of_gateway(&self, args: &ServiceArgs) -> Result<AnyStore, Fault> {
        match self {
            AnyStore::Table(it) => return Ok(AnyStore::Table(it.clone())),
            AnyStore::Memory(it) => return Ok(AnyStore::Memory(it.clone())),
            AnyStore::File(_) | AnyStore::Inline(_) => {}
        }
        let ledger = beginnings::open_ledger(&args.data.folder)?.caching(LEDGER_CACHE_KIB);
        with_thread(ledger.map_err(|it| file_fault(&it))?)
    }

    /// Opens the existing store of a role for a command that writes.
    ///
    /// # Errors
    /// If the store does not exist or cannot be used.
    pub async fn of_command(
        store: StoreName,
        data: &Path,
        prefix: &str,
        role: RoleName,
        config: &SdkConfig,
    ) -> Result<AnyStore, Fault> {
        match store {
            StoreName::Sqlite => {
                let file = existing_store_file(data, role)?;
                let engine = Engine::open_existing(&file, role, Durability::PowerFailure);
                Ok(AnyStore::Inline(Inline::new(engine.map_err(|it| file_fault(&it))?)))
            }
            StoreName::Dynamodb => table(config, prefix, role, RequestCount::default()).await,
            StoreName::Memory => Err(out_of_reach(role)),
        }
    }

    /// Opens the store of a role for reading only. Its service may be running.
    ///
    /// # Errors
    /// If the store does not exist or cannot be read.
    pub async fn to_look_at(
        store: StoreName,
        data: &Path,
        prefix: &str,
        role: RoleName,
        config: &SdkConfig,
    ) -> Result<AnyStore, Fault> {
        match store {
            StoreName::Sqlite => Ok(AnyStore::Inline(Inline::new(read_store(data, role)?))),
            StoreName::Dynamodb => table(config, prefix, role, RequestCount::default()).await,
            StoreName::Memory => Err(out_of_reach(role)),
        }
    }

    /// Removes earlier contents of rows from the write-ahead log of a SQLite file, so that erased
    /// data is gone.
    ///
    /// # Errors
    /// If another process keeps the log in use.
    pub fn forget_what_was_written_over(&self) -> Result<(), Fault> {
        match self {
            AnyStore::Inline(it) => it.engine().empty_log().map_err(|it| Fault::unreachable(&it)),
            // A table has no log, and a service leaves its own log to SQLite.
            AnyStore::File(_) | AnyStore::Table(_) | AnyStore::Memory(_) => Ok(()),
        }
    }

    /// The eye on a service's store; `None` for memory, which cannot go away.
    #[must_use]
    pub fn eye(&self) -> Option<Eye> {
        match self {
            AnyStore::File(it) => it.watch().map(Eye::File),
            AnyStore::Table(it) => Some(Eye::Table(it.clone())),
            AnyStore::Inline(_) | AnyStore::Memory(_) => None,
        }
    }

    /// The fault of a command that could not use the store. A table may answer in a moment, unless
    /// IAM denied the call; a file that cannot be read is damaged.
    #[must_use]
    pub fn fault(&self, error: &WorkError) -> Fault {
        match (self, error) {
            (AnyStore::Table(_), WorkError::Store(_)) if Denied::is_behind(error) => {
                Fault::config(error)
            }
            (AnyStore::Table(_), WorkError::Store(StoreError::Unusable { .. })) => {
                Fault::config(error)
            }
            (AnyStore::Table(_), WorkError::Store(_)) => Fault::unreachable(error),
            _ => Fault::Internal(Chain(error).to_string()),
        }
    }
}

fn with_thread(engine: Engine) -> Result<AnyStore, Fault> {
    Sqlite::start(engine)
        .map(AnyStore::File)
        .map_err(|it| Fault::Config(format!("cannot start the thread of the store: {it}")))
}

async fn table(
    config: &SdkConfig,
    prefix: &str,
    role: RoleName,
    count: RequestCount,
) -> Result<AnyStore, Fault> {
    let table = Names::new(prefix).table(role);
    let opened = DynamoDb::open(config, &table, role, count).await;
    let opened = opened.map_err(|it| table_fault(&it))?;
    beginnings::has_identity(&opened, prefix, role)?;
    Ok(AnyStore::Table(opened))
}

fn out_of_reach(role: RoleName) -> Fault {
    Fault::Config(format!(
        "with --store memory, the rows are in the process of {role}, where no command reaches them; \
         use --store sqlite or --store dynamodb"
    ))
}

fn on_a_task() -> Fault {
    Fault::Config(format!(
        "this is an ECS task ({ECS_TASK} is set): a SQLite file is lost with the disk of the task, \
         and no other replica sees it; use --store dynamodb (or --sqlite-on-ecs, if the folder \
         outlives the task and there is never more than one)"
    ))
}
