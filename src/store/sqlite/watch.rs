//! Checks that the files that were opened are still the ones in the folder. SQLite continues with
//! its open files even when they are removed or replaced, and commits to a removed file are lost
//! when the process ends.
//!
//! A watch only asks for metadata. It must never open one of these files, since closing it again
//! would release the locks that SQLite holds on it.

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

use super::{super::StoreError, paths::beside};

/// The size of a page of the write-ahead log with its header, and of the header of the log, in
/// bytes.
const LOG_PAGE: u64 = 24 + 4096;
const LOG_HEADER: u64 = 32;

/// Watches the files of one store. Copies watch the same files. One check costs three `stat` calls.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Files>);

#[derive(Debug)]
struct Files {
    store: Seen,
    /// The write-ahead log and its index.
    beside: [Seen; 2],
    /// Why the store cannot be used until the process is restarted: data is missing, or the writer
    /// thread has died.
    ruined: OnceLock<String>,
    /// Whether the current problem has been logged.
    said: AtomicBool,
}

/// The identity of a file when it was opened.
#[derive(Debug)]
struct Seen {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// The largest size that was seen, in bytes.
    size: AtomicU64,
}

/// The write-ahead log, compared with its largest known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// At least as large as before.
    Whole,
    /// Smaller than before, which is right if another process has copied it into the file.
    Shrunk,
}

impl Watch {
    /// Starts to watch the files of the store at `path`, which must be open.
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

    /// What is wrong with the files, as a text for `/health`; `None` while they are the ones that
    /// were opened. The problem is over when the same files are back.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.look().err().map(|it| it.to_string())
    }

    /// Checks the files, and logs a problem when it begins and when it ends.
    ///
    /// # Errors
    /// When one of the files was removed, replaced or truncated.
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

    /// Remembers the current size of the write-ahead log, if it has grown.
    pub(super) fn note_log(&self) {
        let log = &self.0.beside[0];
        if let Ok(found) = fs::metadata(&log.path) {
            log.size.fetch_max(found.len(), Ordering::Relaxed);
        }
    }

    /// Whether a log that shrank is large enough for the `pages` that, according to SQLite, are
    /// only in the log. If so, its present size is remembered as its size.
    pub(super) fn log_holds(&self, pages: u64) -> bool {
        let log = &self.0.beside[0];
        let size = fs::metadata(&log.path).map_or(0, |it| it.len());
        let whole = pages == 0 || size >= LOG_HEADER + pages * LOG_PAGE;
        if whole {
            log.size.store(size, Ordering::Relaxed);
        }
        whole
    }

    /// Records that the write-ahead log has lost committed pages.
    pub(super) fn ruin(&self) {
        let log = self.0.beside[0].path.display();
        let problem =
            format!("its write-ahead log {log} was truncated while it was open; {WHAT_NOW}");
        let _ = self.0.ruined.set(problem);
    }

    /// Records that the writer thread has died.
    pub(super) fn abandon(&self) {
        let problem = "the thread that reads and writes it died of a bug (see the log above); \
                       restart the service";
        let _ = self.0.ruined.set(problem.to_owned());
    }
}

/// What an operator can do.
const WHAT_NOW: &str = "nothing is committed any more; docs/OPERATIONS.md, \"A store that is lost\", \
                        says how to get it back";

impl Files {
    fn found(&self) -> Result<Log, String> {
        // Loads the known size before the file is checked. In the other order this would be racy:
        // another thread may see the file grow in between and remember a larger size than the one
        // found here.
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
    /// The present size in bytes, if the path still leads to this file. `who` names it in the
    /// error.
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

    /// How often the file grows while other threads check it. The bug showed after far fewer.
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
