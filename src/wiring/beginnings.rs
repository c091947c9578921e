//! Creates the stores of a deployment, and checks the stores that a service finds. A store is
//! created here and nowhere else, when an operator runs `booking init`. A service must never create
//! one: a lost store would then read as an empty one, and every seat would be sold again.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use tracing::{info, warn};
use uuid::Uuid;

use super::{
    faults::file_fault,
    places::{gateway_file, receipts_folder, store_file},
};
use crate::{
    domain::RoleName,
    durability::Durability,
    fault::Fault,
    store::{Identity, Origin, Part, StoreError, dynamodb::DynamoDb, sqlite::Engine},
};

/// The mode of folders that are created here: only their owner may use them.
const FOLDER_MODE: u32 = 0o700;

/// The file of a part of the data in a data folder.
fn file_of(data: &Path, part: Part) -> PathBuf {
    match part {
        Part::Rows(role) => store_file(data, role),
        Part::Ledger => gateway_file(data),
    }
}

/// The stores that a role has in a data folder.
fn parts(role: RoleName) -> &'static [Part] {
    match role {
        RoleName::Seats => &[Part::Rows(RoleName::Seats)],
        // The ledger is created first: if the process dies in between, there is no payments file
        // without a ledger.
        RoleName::Payment => &[Part::Ledger, Part::Rows(RoleName::Payment)],
        RoleName::Receipt => &[Part::Rows(RoleName::Receipt)],
        RoleName::Status => &[Part::Rows(RoleName::Status)],
    }
}

/// A new id for a deployment. Stores that are created together share it.
#[must_use]
pub fn new_deployment() -> Uuid {
    Uuid::now_v7()
}

/// Creates the data folder if it does not exist, with access for its owner only, whatever the umask
/// is. An existing folder keeps its mode, since it may contain other things.
///
/// # Errors
/// If the folder cannot be created.
pub fn make_folder(data: &Path) -> Result<(), Fault> {
    let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(data);
    made.map_err(|it| {
        Fault::Config(format!("cannot use the folder {} (--data): {it}", data.display()))
    })
}

/// Creates the stores of these roles in a data folder, as one deployment, and returns the files. An
/// existing store is never touched, and if there is one, nothing is created.
///
/// # Errors
/// If one of the stores or a receipt exists already, or if a file cannot be created.
pub fn begin(
    data: &Path,
    roles: &[RoleName],
    deployment: Uuid,
    durability: Durability,
) -> Result<Vec<PathBuf>, Fault> {
    let wanted: Vec<Part> = roles.iter().flat_map(|it| parts(*it)).copied().collect();
    let mut taken: Vec<PathBuf> = wanted.iter().map(|it| file_of(data, *it)).collect();
    taken.retain(|it| it.exists());
    let receipts = receipts_folder(data);
    let sends = roles.contains(&RoleName::Receipt);
    // Receipts show that this deployment has begun.
    if sends && fs::read_dir(&receipts).is_ok_and(|mut it| it.next().is_some()) {
        taken.push(receipts.clone());
    }
    if !taken.is_empty() {
        return Err(has_begun(&taken));
    }
    make_folder(data)?;
    let mut made = Vec::with_capacity(wanted.len());
    for part in wanted {
        let file = file_of(data, part);
        let identity = Identity { deployment, part, origin: Origin::Begun };
        Engine::begin(&file, part.role(), durability, &identity).map_err(|it| file_fault(&it))?;
        made.push(file);
    }
    if sends {
        make_folder(&receipts)?;
        made.push(receipts);
    }
    let kept = File::open(data).and_then(|it| durability.flush(&it));
    kept.map_err(|it| {
        Fault::Config(format!("cannot use the folder {} (--data): {it}", data.display()))
    })?;
    Ok(made)
}

fn has_begun(taken: &[PathBuf]) -> Fault {
    let names: Vec<String> = taken.iter().map(|it| it.display().to_string()).collect();
    let (names, is) = (names.join(", "), if taken.len() == 1 { "is" } else { "are" });
    Fault::No(format!(
        "{names} {is} there already: nothing was created and nothing was touched. Restore a lost \
         store from its backup instead of creating it again. For a role that never ran here, use \
         booking init ROLE"
    ))
}

/// Opens the file of a role that has begun. A file of a version without identities is taken over:
/// it gets one.
///
/// # Errors
/// If the file does not exist, or belongs to another role.
pub(super) fn open_begun(data: &Path, role: RoleName) -> Result<Engine, Fault> {
    let part = Part::Rows(role);
    let engine = open_part(data, part)?;
    let Some(identity) = engine.identity().map_err(|it| file_fault(&it))? else {
        // An earlier process may have taken over the ledger and died before it got here.
        let ledger = match role {
            RoleName::Payment if gateway_file(data).exists() => {
                let ledger = open_part(data, Part::Ledger)?;
                ledger.identity().map_err(|it| file_fault(&it))?
            }
            RoleName::Seats | RoleName::Payment | RoleName::Receipt | RoleName::Status => None,
        };
        if let Some(it) = ledger.filter(|it| it.origin == Origin::Begun) {
            return Err(strangers(&file_of(data, part), None, &gateway_file(data), Some(it)));
        }
        let deployment = ledger.map_or_else(new_deployment, |it| it.deployment);
        adopt(
            &engine,
            &file_of(data, part),
            Identity { deployment, part, origin: Origin::Adopted },
        )?;
        return Ok(engine);
    };
    is_part(&file_of(data, part), &identity, part)?;
    Ok(engine)
}

/// Checks that payment's rows and the ledger of its gateway belong to one deployment, before
/// anything else is done.
///
/// # Errors
/// If one of them does not exist, or if they belong to different deployments.
pub(crate) fn agree(data: &Path) -> Result<(), Fault> {
    open_begun(data, RoleName::Payment)?;
    open_ledger(data)?;
    Ok(())
}

/// Opens the ledger of the simulated gateway that belongs to payment's rows.
///
/// # Errors
/// If the ledger does not exist, or belongs to another deployment.
pub(super) fn open_ledger(data: &Path) -> Result<Engine, Fault> {
    let rows = open_part(data, Part::Rows(RoleName::Payment))?;
    let rows = rows.identity().map_err(|it| file_fault(&it))?;
    let engine = open_part(data, Part::Ledger)?;
    let (file, beside) = (gateway_file(data), store_file(data, RoleName::Payment));
    match (engine.identity().map_err(|it| file_fault(&it))?, rows) {
        (Some(ledger), Some(rows)) if ledger.deployment == rows.deployment => {
            is_part(&file, &ledger, Part::Ledger)?;
        }
        (None, Some(rows)) if rows.origin == Origin::Adopted => {
            adopt(&engine, &file, Identity { part: Part::Ledger, ..rows })?;
        }
        (ledger, rows) => return Err(strangers(&file, ledger, &beside, rows)),
    }
    Ok(engine)
}

fn open_part(data: &Path, part: Part) -> Result<Engine, Fault> {
    let file = file_of(data, part);
    if let Err(error) = fs::metadata(&file) {
        return Err(not_there(data, part, &error));
    }
    let opened = Engine::open_existing(&file, part.role(), Durability::PowerFailure);
    opened.map_err(|it| file_fault(&it))
}

/// The fault for a store that is missing. Only a person knows whether it is lost or was never
/// created, so the text says what to do in either case.
fn not_there(data: &Path, part: Part, error: &io::Error) -> Fault {
    let (file, role) = (file_of(data, part), part.role());
    let why = if error.kind() == io::ErrorKind::NotFound {
        "is not there".to_owned()
    } else {
        format!("cannot be used: {error}")
    };
    let beside = parts(role).iter().map(|it| file_of(data, *it)).find(|it| it.exists());
    let what_now = match beside {
        Some(beside) => format!(
            "But {} is there, so this file was lost or moved: restore both from one backup. To begin \
             anew, which forgets who was charged, move that file away too and run: {}",
            beside.display(),
            init(role, data)
        ),
        None => format!(
            "If {role} has run before, its data is elsewhere or was lost: use the right --data, or \
             restore it. If this is the beginning, run once: {}",
            init(role, data)
        ),
    };
    Fault::Config(format!("{} (--data) {why}. {what_now}", file.display()))
}

/// The command that creates the store of a role in a folder.
fn init(role: RoleName, data: &Path) -> String {
    match data.to_str() {
        Some("data") => format!("booking init {role}"),
        _ => format!("booking init {role} --data {}", data.display()),
    }
}

fn adopt(engine: &Engine, file: &Path, wanted: Identity) -> Result<(), Fault> {
    let given = engine.adopt(&wanted).map_err(|it| file_fault(&it))?;
    if given.deployment != wanted.deployment && wanted.part == Part::Ledger {
        return Err(strangers(file, Some(given), Path::new("payment's rows"), Some(wanted)));
    }
    info!(
        file = %file.display(),
        deployment = %given.deployment,
        "took over a store of a version without identities"
    );
    is_part(file, &given, wanted.part)
}

/// Refuses a file that is another part of the data. Needed beside the check of the role that SQLite
/// files have, since the ledger has the role of payment.
fn is_part(file: &Path, found: &Identity, part: Part) -> Result<(), Fault> {
    if found.part == part {
        return Ok(());
    }
    Err(Fault::config(&StoreError::Unusable {
        place: file.display().to_string(),
        problem: format!("it is the store of {}, not of {part}", found.part),
    }))
}

fn strangers(
    file: &Path,
    found: Option<Identity>,
    beside: &Path,
    other: Option<Identity>,
) -> Fault {
    let of = |it: Option<Identity>| match it {
        Some(it) => format!("of deployment {}", it.deployment),
        None => "of no known deployment".to_owned(),
    };
    Fault::Config(format!(
        "{} is {}, but {} is {}: they were not created together, so one does not know what was \
         charged in the other. Restore the file that belongs here, or use another --data",
        file.display(),
        of(found),
        beside.display(),
        of(other)
    ))
}

/// Refuses a table that was not marked by `booking init`: a table that was deleted and created
/// again is empty as well.
///
/// # Errors
/// If the table has no identity, or that of another role.
pub(super) fn has_identity(table: &DynamoDb, prefix: &str, role: RoleName) -> Result<(), Fault> {
    let part = Part::Rows(role);
    let Some(found) = table.identity() else {
        let prefix = match prefix {
            "" => String::new(),
            it => format!(" --prefix {it}"),
        };
        return Err(Fault::Config(format!(
            "the table `{}` was not begun: it has no row `identity`. If {role} has run before, the \
             table was lost and made anew: restore it. If this is the beginning, or the first start \
             after a version without identities, run once: booking init {role} --store \
             dynamodb{prefix}",
            table.table()
        )));
    };
    is_part(Path::new(table.table()), found, part)
}

/// Marks the tables of these roles as one deployment. Rows of a version without identities are
/// kept.
///
/// # Errors
/// If one of the tables is marked already, in which case nothing is written; or if one cannot be
/// written.
pub async fn begin_tables(tables: &[(RoleName, DynamoDb)], deployment: Uuid) -> Result<(), Fault> {
    let begun = tables.iter().filter(|(_, it)| it.identity().is_some());
    let begun: Vec<PathBuf> = begun.map(|(_, it)| PathBuf::from(it.table())).collect();
    if !begun.is_empty() {
        return Err(has_begun(&begun));
    }
    for (role, table) in tables {
        let identity = Identity { deployment, part: Part::Rows(*role), origin: Origin::Begun };
        table.begin(&identity).await.map_err(|it| super::table_fault(&it))?;
    }
    Ok(())
}

/// Creates the receipts folder if it does not exist. Unlike a store, it may be created at any time:
/// it stands for a mail server, nothing is decided by its contents, and a receipt that is sent
/// again has the same name.
///
/// # Errors
/// If the folder cannot be created.
pub(crate) fn receipts(data: &Path) -> Result<PathBuf, Fault> {
    let folder = receipts_folder(data);
    if !folder.exists() {
        warn!(folder = %folder.display(), "created the receipts folder: earlier receipts are not in it");
    }
    make_folder(&folder)?;
    Ok(folder)
}
