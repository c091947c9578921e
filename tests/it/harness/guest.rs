//! The fifth service of `docs/ADD-A-SERVICE.md` as a process, in both of its forms.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use booking::{
    domain::{ServiceName, event::Kind},
    runtime::StoredRow,
    store::sqlite::Engine,
};

use super::{Folder, LocalStack, emulator::signal, peer, root};

/// What it is called.
pub const LOYALTY: ServiceName = ServiceName::guest("loyalty");
/// What it hears.
pub const HEARD: [Kind; 2] = [Kind::PaymentRefunded, Kind::ReceiptSent];

/// The two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Python,
    Rust,
}

impl Form {
    fn command(self) -> Command {
        match self {
            // The path is absolute, so it is not looked for among the peers.
            Form::Python => peer(&root().join("examples/loyalty.py").display().to_string()),
            Form::Rust => Command::new(example()),
        }
    }
}

/// `examples/loyalty`, built if `cargo test` has not built it.
fn example() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let beside = Path::new(env!("CARGO_BIN_EXE_booking")).parent().unwrap();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--locked", "--example", "loyalty"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        build.current_dir(root()).env("CARGO_TARGET_DIR", beside.parent().unwrap());
        assert!(build.status().unwrap().success(), "cargo says above why");
        beside.join("examples/loyalty")
    })
}

/// A loyalty service that runs, or that was killed and can run again on its rows.
pub struct Guest {
    form: Form,
    prefix: String,
    folder: Folder,
    child: Child,
}

impl Guest {
    /// Starts it. It hears what its queue brings as soon as it is there.
    pub fn start(form: Form, prefix: &str) -> Guest {
        let folder = Folder::new();
        let child = run(form, prefix, &folder);
        Guest { form, prefix: prefix.to_owned(), folder, child }
    }

    /// SIGKILL, and a new process on the same rows.
    pub fn kill_and_start_again(&mut self) {
        self.end();
        self.child = run(self.form, &self.prefix, &self.folder);
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Its exit code, once it has ended.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|it| it.code().expect("it was not killed"))
    }

    /// What `points` prints: how many there are.
    pub fn points(&self) -> usize {
        let output =
            set_up(self.form.command(), &self.prefix, &self.folder).arg("points").output().unwrap();
        let (text, said) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        text.trim().parse().unwrap_or_else(|_| panic!("{:?} says {text}{said}", self.form))
    }

    /// The bookings that have a point, as the rows say; none before there is a file.
    pub fn bookings(&self) -> BTreeSet<String> {
        let file = self.folder.join("loyalty.db");
        match self.form {
            Form::Python => by_facts(&file).unwrap_or_default(),
            Form::Rust => by_rows(&file).unwrap_or_default(),
        }
    }

    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.folder.join("loyalty.log")).unwrap_or_default()
    }

    fn end(&mut self) {
        // Both fail harmlessly when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.end();
    }
}

fn by_facts(file: &Path) -> Option<BTreeSet<String>> {
    let rows = rusqlite::Connection::open_with_flags(
        file,
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .ok()?;
    let mut facts = rows.prepare("SELECT booking, fact FROM facts ORDER BY fact DESC").ok()?;
    let facts = facts.query_map([], |it| Ok((it.get::<_, String>(0)?, it.get::<_, String>(1)?)));
    let mut bookings = BTreeSet::new();
    // Receipts come first.
    for fact in facts.ok()? {
        let (booking, fact) = fact.ok()?;
        if fact == "receipt-sent" {
            bookings.insert(booking)
        } else {
            bookings.remove(&booking)
        };
    }
    Some(bookings)
}

fn by_rows(file: &Path) -> Option<BTreeSet<String>> {
    let rows = Engine::open_read_only(file, LOYALTY).ok()?.all().ok()?;
    let pointed = rows.iter().filter(|(_, body)| {
        let row: StoredRow<serde_json::Value> = serde_json::from_str(body).unwrap();
        row.row["completed"] == true && row.row["refunded"] == false
    });
    Some(pointed.map(|(key, _)| key.trim_start_matches("booking/").to_owned()).collect())
}

fn run(form: Form, prefix: &str, folder: &Folder) -> Child {
    let log = folder.join("loyalty.log");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    let mut command = set_up(form.command(), prefix, folder);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

fn set_up(mut command: Command, prefix: &str, folder: &Folder) -> Command {
    for (name, _) in std::env::vars().filter(|it| it.0.starts_with("AWS_")) {
        command.env_remove(name);
    }
    let environment = LocalStack::running().environment();
    let region = environment.iter().find(|it| it.0 == "AWS_REGION").unwrap().1.clone();
    command.envs(environment).env("AWS_DEFAULT_REGION", region);
    command.env("BOOKING_PREFIX", prefix).env("LOYALTY_DB", folder.join("loyalty.db"));
    command.env("LOYALTY_VISIBILITY_S", "4");
    command
}
