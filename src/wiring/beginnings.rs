//! How stores begin, and how they are told from ones that are lost. A store is made here and
//! nowhere else, by one act that somebody asked for; a service that finds none of its own does not
//! start.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use tracing::{info, warn};
use uuid::Uuid;

use super::{gateway_file, receipts_folder, store_file, stores::file_fault};
use crate::{
    domain::RoleName,
    durability::Durability,
    fault::Fault,
    store::{Identity, Origin, Part, StoreError, dynamodb::DynamoDb, sqlite::Engine},
};

/// Who may look into a folder that is made here: its owner.
const FOLDER_MODE: u32 = 0o700;

/// The file of a part in a data folder.
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
        // The ledger first: dying in between leaves no payments without it.
        RoleName::Payment => &[Part::Ledger, Part::Rows(RoleName::Payment)],
        RoleName::Receipt => &[Part::Rows(RoleName::Receipt)],
        RoleName::Status => &[Part::Rows(RoleName::Status)],
    }
}

/// A deployment's id: new at each beginning.
#[must_use]
pub fn new_deployment() -> Uuid {
    Uuid::now_v7()
}

/// Makes the data folder if it is not there, for its owner alone, whatever the umask. One that is
/// there keeps the mode that its owner gave it: it may have other things in it.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(data: &Path) -> Result<(), Fault> {
    let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(data);
    made.map_err(|it| {
        Fault::Config(format!("cannot use the folder {} (--data): {it}", data.display()))
    })
}

/// Makes the stores of these roles in a data folder, as one deployment: the explicit act. Returns
/// the files. Nothing that is there is touched, and when anything is there nothing is made.
///
/// # Errors
/// When one of the stores, or a receipt, is there already; or when one cannot be made.
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
    // Receipts that were sent are of a business that has begun.
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
        "{names} {is} there already: nothing was begun and nothing was touched. What is lost is \
         restored from its backup, not begun again; a role that never ran here begins alone: booking \
         init ROLE"
    ))
}

/// Opens the file of a role that has begun. One of a version that knew no identities is taken over.
///
/// # Errors
/// When it is not there, or is not this role's.
pub(super) fn open_begun(data: &Path, role: RoleName) -> Result<Engine, Fault> {
    let part = Part::Rows(role);
    let engine = open_part(data, part)?;
    let Some(identity) = engine.identity().map_err(|it| file_fault(&it))? else {
        // The ledger may have been taken over before the process died.
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

/// Finds out that payment's rows and the ledger of its gateway began together, before anything is
/// asked of anybody.
///
/// # Errors
/// When one of them is not there, or they did not.
pub(super) fn agree(data: &Path) -> Result<(), Fault> {
    open_begun(data, RoleName::Payment)?;
    open_ledger(data)?;
    Ok(())
}

/// Opens the ledger of the simulated gateway that began together with payment's rows.
///
/// # Errors
/// When it is not there, or began with other rows.
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

/// What to do about a store that is not where it should be: whether it is lost or has not begun,
/// nobody but a person knows.
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
            "{} is, so it was lost or moved: restore both from one backup. To begin anew, which \
             forgets who was charged, move that one away too and then say: {}",
            beside.display(),
            init(role, data)
        ),
        None => format!(
            "If {role} has run before, this is not where its data is, or it was lost: give the right \
             --data, or restore it. If this is the beginning, say so once: {}",
            init(role, data)
        ),
    };
    Fault::Config(format!("{} (--data) {why}. {what_now}", file.display()))
}

/// The command that begins a role in a folder.
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
        "took over a store of a version that knew no identities"
    );
    is_part(file, &given, wanted.part)
}

/// A file of another role is refused by its role; the ledger's is payment's.
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
        "{} is {}, but {} is {}: they did not begin together, so who was charged in one is not known \
         in the other. Put back the one that belongs here, or give another --data",
        file.display(),
        of(found),
        beside.display(),
        of(other)
    ))
}

/// Refuses a table that nobody has begun: one that was deleted and made anew is empty, too.
///
/// # Errors
/// When it has no identity, or another role's.
pub(super) fn has_identity(table: &DynamoDb, prefix: &str, role: RoleName) -> Result<(), Fault> {
    let part = Part::Rows(role);
    let Some(found) = table.identity() else {
        let prefix = match prefix {
            "" => String::new(),
            it => format!(" --prefix {it}"),
        };
        return Err(Fault::Config(format!(
            "nobody has begun the table `{}`: it has no row `identity`. If {role} has run before, the \
             table was lost and made anew: restore it. If this is the beginning, or the first start \
             since a version that knew no identities, say so once: booking init {role} --store \
             dynamodb{prefix}",
            table.table()
        )));
    };
    is_part(Path::new(table.table()), found, part)
}

/// Says that these roles' tables begin, as one deployment. Rows of a version that knew no
/// identities are kept.
///
/// # Errors
/// When one has begun already, before anything is written; or when one cannot be written.
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

/// Makes the receipts folder if it is not there. It is an outside, as a mail server would be:
/// nothing is decided by what lies in it, and a receipt that is sent again has the same name.
///
/// # Errors
/// When it cannot be made.
pub(super) fn receipts(data: &Path) -> Result<PathBuf, Fault> {
    let folder = receipts_folder(data);
    if !folder.exists() {
        warn!(folder = %folder.display(), "made the receipts folder: what was sent before is not in it");
    }
    make_folder(&folder)?;
    Ok(folder)
}
