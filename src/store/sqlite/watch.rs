//! Whether the files that were opened are still the ones in the folder. SQLite goes on with what it
//! has open, whatever happens to the names: what is committed to a file that nobody can open any
//! more is lost with the process.
//!
//! Only names are looked at. Opening one of these files and closing it again would take away the
//! locks that SQLite has on it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tracing::{error, info};

use super::{super::StoreError, open::beside};

/// A page of the write-ahead log, with its header; and the header of the log. In bytes.
const LOG_PAGE: u64 = 24 + 4096;
const LOG_HEADER: u64 = 32;

/// Keeps an eye on one store's files. Copies look at the same ones. A look costs three `stat`
/// calls.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Files>);

#[derive(Debug)]
struct Files {
    store: Seen,
    /// The write-ahead log and its index.
    beside: [Seen; 2],
    /// It holds less than it must, or its thread has died: that cannot mend itself.
    ruined: OnceLock<String>,
    /// Whether the log says so already.
    said: AtomicBool,
}

/// A file as it was opened.
#[derive(Debug)]
struct Seen {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// How large it was at most, in bytes.
    size: AtomicU64,
}

/// The write-ahead log since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// As large as it was, or larger.
    Whole,
    /// Smaller, which is right when another process has emptied it into the store.
    Shrunk,
}

impl Watch {
    /// Remembers the files of the store at `path`, which is open.
    pub(super) fn of(path: &Path) -> Result<Watch, StoreError> {
        let seen = |path: PathBuf| {
            let unusable = |it: io::Error| StoreError::Unusable {
                place: path.display().to_string(),
                problem: format!("it went away while it was opened: {it}"),
            };
            let found = fs::metadata(&path).map_err(unusable)?;
            let (device, inode) = (found.dev(), found.ino());
            Ok(Seen { device, inode, size: AtomicU64::new(found.len()), path })
        };
        Ok(Watch(Arc::new(Files {
            store: seen(path.to_owned())?,
            beside: [seen(beside(path, "-wal"))?, seen(beside(path, "-shm"))?],
            ruined: OnceLock::new(),
            said: AtomicBool::new(false),
        })))
    }

    /// What is wrong with the files, in words for `/health`; none when they are the ones that were
    /// opened. Right again when they are back.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.look().err().map(|it| it.to_string())
    }

    /// # Errors
    /// When one of the files is gone, is another one, or holds less than it did.
    pub(super) fn look(&self) -> Result<Log, StoreError> {
        let files = &*self.0;
        let found = match files.ruined.get() {
            Some(problem) => Err(problem.clone()),
            None => files.found(),
        };
        if found.is_err() != files.said.swap(found.is_err(), Ordering::Relaxed) {
            let file = files.store.path.display();
            match &found {
                Ok(_) => info!(%file, "the store is back"),
                Err(problem) => error!(%file, problem, "the store is not what was opened"),
            }
        }
        found.map_err(|problem| StoreError::Unusable {
            place: files.store.path.display().to_string(),
            problem,
        })
    }

    /// Remembers how far the log has grown.
    pub(super) fn note_log(&self) {
        let log = &self.0.beside[0];
        if let Ok(found) = fs::metadata(&log.path) {
            log.size.fetch_max(found.len(), Ordering::Relaxed);
        }
    }

    /// Whether a log that shrank can hold what SQLite says is only there: `pages` of it. Then it is
    /// small from now on, else it is ruined for good.
    pub(super) fn log_holds(&self, pages: u64) -> bool {
        let log = &self.0.beside[0];
        let size = fs::metadata(&log.path).map_or(0, |it| it.len());
        let whole = pages == 0 || size >= LOG_HEADER + pages * LOG_PAGE;
        if whole {
            log.size.store(size, Ordering::Relaxed);
        }
        whole
    }

    /// The log lacks what was committed.
    pub(super) fn ruin(&self) {
        let log = self.0.beside[0].path.display();
        let problem =
            format!("its write-ahead log {log} was truncated while it was open; {WHAT_NOW}");
        let _ = self.0.ruined.set(problem);
    }

    /// Nobody reads or writes it any more.
    pub(super) fn abandon(&self) {
        let problem = "the thread that reads and writes it died of a bug, which the log tells \
                       above; the service has to be started again";
        let _ = self.0.ruined.set(problem.to_owned());
    }
}

/// What an operator does.
const WHAT_NOW: &str = "nothing is committed any more; docs/OPERATIONS.md, \"A store that is lost\", \
                        says how to get it back";

impl Files {
    fn found(&self) -> Result<Log, String> {
        // Before the file is looked at: another thread may see it grow meanwhile, and what it
        // remembers then is more than what is found here.
        let most = self.store.size.load(Ordering::Relaxed);
        let size = self.store.same("it")?;
        if size < most {
            let problem = format!(
                "it was truncated from {most} to {size} bytes while it was open; {WHAT_NOW}"
            );
            return Err(self.ruined.get_or_init(|| problem).clone());
        }
        self.store.size.fetch_max(size, Ordering::Relaxed);
        let [log, index] = &self.beside;
        index.same("its index")?;
        let size = log.same("its write-ahead log")?;
        let most = log.size.load(Ordering::Relaxed);
        Ok(if size < most { Log::Shrunk } else { Log::Whole })
    }
}

impl Seen {
    /// How large it is, if it is still this file.
    fn same(&self, who: &str) -> Result<u64, String> {
        let path = self.path.display();
        match fs::metadata(&self.path) {
            Ok(it) if (it.dev(), it.ino()) == (self.device, self.inode) => Ok(it.len()),
            Ok(_) => Err(format!(
                "{who} ({path}) was replaced by another file while it was open; {WHAT_NOW}"
            )),
            Err(it) if it.kind() == io::ErrorKind::NotFound => Err(format!(
                "{who} ({path}) was removed or moved away while it was open; {WHAT_NOW}"
            )),
            Err(it) => Err(format!("{who} ({path}) cannot be looked at: {it}; {WHAT_NOW}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write, thread};

    use super::*;

    /// How often the file grows while others look: far more often than the mistake needs to show.
    const GROWS: usize = 20_000;

    #[test]
    fn a_file_that_grows_while_others_look_at_it_was_not_truncated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seats.db");
        for it in [path.clone(), beside(&path, "-wal"), beside(&path, "-shm")] {
            fs::write(it, "x").unwrap();
        }
        let watch = Watch::of(&path).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        thread::scope(|scope| {
            let looking: Vec<_> =
                (0..2).map(|_| scope.spawn(|| (0..GROWS).find_map(|_| watch.problem()))).collect();
            for _ in 0..GROWS {
                file.write_all(b"x").unwrap();
                assert_eq!(watch.problem(), None);
            }
            for it in looking {
                assert_eq!(it.join().unwrap(), None);
            }
        });
    }
}
