//! Opening a file. Only [`Engine::begin`] (and [`Engine::open`], in demo and tests) creates one. A
//! file must never be readable for other users than its owner.

use std::{
    cell::RefCell,
    fs::{self, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tracing::warn;

use super::{
    super::{Identity, StoreError},
    Engine,
    engine::failure,
    identity,
    paths::beside,
    schema,
    watch::Watch,
};
use crate::{
    domain::{RoleName, ServiceName},
    durability::Durability,
};

/// How long a commit waits for another process that writes to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of a small file a connection caches in memory, in KiB: enough for the rows of the
/// bookings in progress.
const CACHE_KIB: u64 = 1024;
/// How much of a large one, where the inner pages of the indexes need more room.
const CACHE_KIB_MAX: u64 = 4096;
/// A file in between has one part of so many in memory.
const CACHE_PART: u64 = 512;
/// How many prepared statements a connection keeps: more than there are.
const STATEMENTS_MAX: usize = 64;
/// How many pages the write-ahead log may have before it is copied into the file. A page that
/// changed several times since the last copy is copied once.
const LOG_PAGES_MAX: i64 = 4_000;

/// Only the owner may read and write a file, since rows contain names, addresses and tokens.
const FILE_MODE: u32 = 0o600;
/// The permissions of all other users.
const OTHERS: u32 = 0o077;

/// What the caller of `open_as` expects to find at the path.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// A store, or nothing yet.
    Any,
    /// A store.
    Store,
    /// Nothing: the store is created now.
    Nothing(&'a Identity),
}

impl Engine {
    /// Opens the file of `service`, and creates it, without an identity, if it does not exist. For
    /// callers that create the folder themselves, such as demo and tests.
    ///
    /// # Errors
    /// When the file cannot be opened, belongs to another service, or was written by a newer
    /// version.
    pub fn open(
        path: &Path,
        service: impl Into<ServiceName>,
        durability: Durability,
    ) -> Result<Engine, StoreError> {
        Engine::open_as(path, service.into(), durability, Wanted::Any)
    }

    /// Opens the file of `service`, which must exist and not be empty.
    ///
    /// # Errors
    /// When the file does not exist, is empty, cannot be opened, belongs to another service, or was
    /// written by a newer version.
    pub fn open_existing(
        path: &Path,
        service: impl Into<ServiceName>,
        durability: Durability,
    ) -> Result<Engine, StoreError> {
        Engine::open_as(path, service.into(), durability, Wanted::Store)
    }

    /// Creates the file of `service` with its identity, in one transaction.
    ///
    /// # Errors
    /// When the file exists already, or cannot be created.
    pub fn begin(
        path: &Path,
        service: impl Into<ServiceName>,
        durability: Durability,
        identity: &Identity,
    ) -> Result<Engine, StoreError> {
        Engine::open_as(path, service.into(), durability, Wanted::Nothing(identity))
    }

    /// The same engine, which caches about this much of a small file in memory, in KiB.
    ///
    /// # Errors
    /// When SQLite refuses it.
    pub fn caching(self, kib: u32) -> Result<Engine, StoreError> {
        let kib = cache_kib(Path::new(&self.file), kib.into());
        let set = self.connection.pragma_update(None, "cache_size", -kib);
        set.map_err(failure(&self.file, "open"))?;
        Ok(self)
    }

    fn open_as(
        path: &Path,
        service: ServiceName,
        durability: Durability,
        wanted: Wanted<'_>,
    ) -> Result<Engine, StoreError> {
        let file = path.display().to_string();
        let failed = failure(&file, "open");
        prepare(path, wanted)?;
        let mut flags = OpenFlags::default();
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, matches!(wanted, Wanted::Any));
        let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
        let set = |name: &str, value: &dyn rusqlite::ToSql| {
            connection.pragma_update(None, name, value).map_err(&failed)
        };
        connection.busy_timeout(BUSY_TIMEOUT).map_err(&failed)?;
        set("journal_mode", &"WAL")?;
        set("synchronous", &durability.synchronous())?;
        set("cache_size", &-cache_kib(path, CACHE_KIB))?;
        set("wal_autocheckpoint", &LOG_PAGES_MAX)?;
        // Sorting must not need a temporary file: there may be no writable folder for it.
        set("temp_store", &"MEMORY")?;
        // Receipt's rows have names and addresses. After `booking erase`, no byte of them may be
        // left in the file.
        set("secure_delete", &(service == ServiceName::Role(RoleName::Receipt)))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        let mut engine =
            Engine { file: file.clone(), connection, keys: RefCell::default(), watch: None };
        engine.migrate(service, wanted)?;
        engine.catch_up().map_err(&failed)?;
        if !in_memory(path) {
            engine.watch = Some(Watch::of(path)?);
        }
        Ok(engine)
    }

    /// Opens the file of `service` for reading, even while the service runs. Changes nothing.
    ///
    /// # Errors
    /// When the file cannot be opened, belongs to another service, or was written by another
    /// version.
    pub fn open_read_only(
        path: &Path,
        service: impl Into<ServiceName>,
    ) -> Result<Engine, StoreError> {
        let service = service.into();
        let file = path.display().to_string();
        let failed = failure(&file, "open");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(&failed)?;
        let applied: usize = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(&failed)?;
        if applied != schema::VERSION {
            let problem = format!(
                "its schema version is {applied}, this binary reads {}; use the binary that runs {service}",
                schema::VERSION
            );
            return Err(StoreError::Unusable { place: file, problem });
        }
        let owner = owner(&connection).map_err(&failed)?;
        owned_by(&file, &owner, service)?;
        Ok(Engine { file, connection, keys: RefCell::default(), watch: None })
    }

    fn migrate(&mut self, service: ServiceName, wanted: Wanted<'_>) -> Result<(), StoreError> {
        let failed = failure(&self.file, "migrate");
        // An immediate transaction, so that of two processes that open a new file only one creates
        // its tables.
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&failed)?;
        let applied: usize = transaction
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(&failed)?;
        if applied > schema::VERSION {
            return Err(StoreError::Unusable {
                place: self.file.clone(),
                problem: format!(
                    "its schema version is {applied}, this binary knows up to {}; run the newer binary",
                    schema::VERSION
                ),
            });
        }
        if applied == 0 && matches!(wanted, Wanted::Store) {
            return Err(holds_nothing(&self.file));
        }
        schema::bring_up(&transaction, applied, service).map_err(&failed)?;
        if let Wanted::Nothing(identity) = wanted {
            identity::write(&transaction, identity).map_err(&failed)?;
        }
        let owner = owner(&transaction).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        owned_by(&self.file, &owner, service)
    }
}

/// Creates the file before SQLite does, so that no other user can ever read it, whatever the umask.
/// SQLite gives the write-ahead log the same mode. If an earlier version created the file readable
/// for others, removes their permissions.
fn prepare(path: &Path, wanted: Wanted<'_>) -> Result<(), StoreError> {
    let unusable =
        |problem: String| Err(StoreError::Unusable { place: path.display().to_string(), problem });
    let make = || OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
    match wanted {
        _ if in_memory(path) => {}
        Wanted::Nothing(_) => {
            if let Err(error) = make() {
                return unusable(format!("it cannot be made: {error}"));
            }
        }
        // If the file cannot be opened either, SQLite reports why.
        Wanted::Any => match make() {
            Ok(_) => {}
            Err(_) => tighten(path),
        },
        Wanted::Store => match fs::metadata(path) {
            Ok(it) if it.len() == 0 => return Err(holds_nothing(&path.display().to_string())),
            Ok(_) => tighten(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return unusable("it is not there".to_owned());
            }
            Err(error) => return unusable(error.to_string()),
        },
    }
    Ok(())
}

/// Removes the permissions of all users but the owner from a file and the files that SQLite keeps
/// beside it.
fn tighten(path: &Path) {
    for it in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        let Ok(found) = fs::metadata(&it) else { continue };
        let mode = found.permissions().mode() & 0o777;
        if mode & OTHERS == 0 {
            continue;
        }
        match fs::set_permissions(&it, Permissions::from_mode(mode & !OTHERS)) {
            Ok(()) => warn!(
                file = %it.display(),
                mode = %format_args!("{mode:o}"),
                "others could read this file; now only its owner can"
            ),
            Err(error) => warn!(
                file = %it.display(),
                mode = %format_args!("{mode:o}"),
                %error,
                "others can read this file, and its permissions could not be changed"
            ),
        }
    }
}

/// How much of a file a connection caches in memory, in KiB, if it is `small` for a small one.
fn cache_kib(path: &Path, small: u64) -> i64 {
    let bytes = fs::metadata(path).map_or(0, |it| it.len());
    part_of(bytes, small)
}

fn part_of(bytes: u64, small: u64) -> i64 {
    let kib = (bytes / 1024 / CACHE_PART).max(small).min(CACHE_KIB_MAX);
    i64::try_from(kib).unwrap_or(i64::MAX)
}

fn in_memory(path: &Path) -> bool {
    path.as_os_str() == ":memory:"
}

fn holds_nothing(file: &str) -> StoreError {
    let problem = "it is empty: it was truncated, or its creation was interrupted; restore it, or \
                   if it never held anything, remove it and start again with `booking init`";
    StoreError::Unusable { place: file.to_owned(), problem: problem.to_owned() }
}

/// The service that the file belongs to.
fn owner(connection: &Connection) -> Result<String, rusqlite::Error> {
    connection.query_row("SELECT role FROM meta", [], |row| row.get(0))
}

fn owned_by(file: &str, owner: &str, service: ServiceName) -> Result<(), StoreError> {
    if owner == service.as_str() {
        return Ok(());
    }
    let problem = format!("it belongs to {owner}, not to {service}");
    Err(StoreError::Unusable { place: file.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_cached_with_more_and_none_with_much() {
        let kib = |small| [0, 1 << 20, 1 << 29, 1 << 31, u64::MAX].map(|it| part_of(it, small));
        assert_eq!(kib(1024), [1024, 1024, 1024, 4096, 4096]);
        assert_eq!(kib(256), [256, 256, 1024, 4096, 4096]);
    }
}
