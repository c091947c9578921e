//! Where a role's rows are, as `--store` says it.

use std::path::Path;

use aws_config::SdkConfig;
use tracing::warn;

use super::{beginnings, existing_store_file, read_store};
use crate::{
    aws::Denied,
    bus::aws::Names,
    config::{PaymentArgs, ServiceArgs, StoreName},
    domain::RoleName,
    durability::Durability,
    fault::Fault,
    mailer::folder,
    metrics::RequestCount,
    runtime::{WorkError, Chain},
    store::{
        Commit, Find, Page, Place, Store, StoreError, Versioned, Write,
        dynamodb::DynamoDb,
        memory::Memory,
        sqlite::{Engine, Inline, Sqlite, Watch},
    },
};

/// What ECS tells every task in its environment.
const ECS_TASK: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// A role's rows, wherever they are.
#[derive(Debug)]
pub enum AnyStore {
    /// In a file, with a writer thread: for services.
    File(Sqlite),
    /// In a file, called in place: for commands.
    Inline(Inline),
    /// In a table.
    Table(DynamoDb),
    /// In memory: for benchmarks.
    Memory(Memory),
}

/// A request of the SDK is large while it is on its way: boxed, so that not every delivery has room
/// for one, and is moved with it.
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

    async fn list(
        &self,
        find: Find,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        match self {
            AnyStore::File(it) => it.list(find, after, limit).await,
            AnyStore::Inline(it) => it.list(find, after, limit).await,
            AnyStore::Table(it) => Box::pin(it.list(find, after, limit)).await,
            AnyStore::Memory(it) => it.list(find, after, limit).await,
        }
    }
}

/// Keeps an eye on what a service keeps, or writes.
#[derive(Clone, Debug)]
pub enum Eye {
    /// On a file, by looking at it.
    File(Watch),
    /// On a table, by what was last asked of it.
    Table(DynamoDb),
    /// On the folder of receipts.
    Receipts(folder::Watch),
}

impl Eye {
    /// Why nothing is read or committed any more, if that is so.
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
    /// When file or table is not there, has not begun, or cannot be used; or when it is a file on
    /// the disk of an ECS task.
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
                with_thread(beginnings::open_begun(&args.data, role)?)
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

    /// Opens the store of a role's simulated gateway: a file of its own, or where the role has its
    /// rows.
    ///
    /// # Errors
    /// When the file is not there, cannot be used, or did not begin together with payment's.
    pub fn of_gateway(&self, args: &PaymentArgs) -> Result<AnyStore, Fault> {
        match self {
            AnyStore::Table(it) => return Ok(AnyStore::Table(it.clone())),
            AnyStore::Memory(it) => return Ok(AnyStore::Memory(it.clone())),
            AnyStore::File(_) | AnyStore::Inline(_) => {}
        }
        with_thread(beginnings::open_ledger(&args.service.data)?)
    }

    /// Opens a role's rows, which must be there, for a command.
    ///
    /// # Errors
    /// When they are not there or cannot be used.
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

    /// Opens a role's rows to look at them, also while its service is at work.
    ///
    /// # Errors
    /// When they are not there or cannot be read.
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

    /// Lets go of what rows were before, where that is kept beside them: a file's write-ahead log.
    ///
    /// # Errors
    /// When others keep it in use.
    pub fn forget_what_was_written_over(&self) -> Result<(), Fault> {
        match self {
            AnyStore::Inline(it) => it.engine().empty_log().map_err(|it| Fault::unreachable(&it)),
            // A table keeps rows only. A service's own file is not a command's to empty.
            AnyStore::File(_) | AnyStore::Table(_) | AnyStore::Memory(_) => Ok(()),
        }
    }

    /// What keeps an eye on a service's store; none for rows in memory, which cannot go away.
    #[must_use]
    pub fn eye(&self) -> Option<Eye> {
        match self {
            AnyStore::File(it) => it.watch().map(Eye::File),
            AnyStore::Table(it) => Some(Eye::Table(it.clone())),
            AnyStore::Inline(_) | AnyStore::Memory(_) => None,
        }
    }

    /// Whose turn it is when a command could not use the rows: a table may answer in a moment
    /// unless IAM does not allow it, a file that cannot be read is damaged.
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
    Sqlite::start(engine).map(AnyStore::File).map_err(|it| Fault::Config(it.to_string()))
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

/// Whose turn it is when a table cannot be used.
#[must_use]
pub fn table_fault(error: &StoreError) -> Fault {
    match error {
        StoreError::Unusable { .. } => Fault::config(error),
        StoreError::Failed { .. } if Denied::is_behind(error) => Fault::config(error),
        StoreError::Failed { .. } | StoreError::Damaged { .. } | StoreError::Closed => {
            Fault::unreachable(error)
        }
    }
}

/// Whose turn it is when a file cannot be opened.
pub(super) fn file_fault(error: &StoreError) -> Fault {
    match error {
        StoreError::Damaged { .. } => Fault::Internal(Chain(error).to_string()),
        StoreError::Unusable { .. } | StoreError::Failed { .. } | StoreError::Closed => {
            Fault::config(error)
        }
    }
}

fn out_of_reach(role: RoleName) -> Fault {
    Fault::Config(format!(
        "rows of --store memory are in the process of {role}, out of this command's reach; name the \
         store that has them: --store sqlite or --store dynamodb"
    ))
}

fn on_a_task() -> Fault {
    Fault::Config(format!(
        "this is an ECS task ({ECS_TASK} is set): a SQLite file dies with its disk, and no other \
         replica sees it; use --store dynamodb (if the folder outlives the task and there is never \
         more than one: --sqlite-on-ecs)"
    ))
}
